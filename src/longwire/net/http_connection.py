# cython: annotation_typing=False, auto_pickle=False
"""One HTTP connection on a link: the engine hosted, its streams handed to exchanges."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from longwire.base.headers import Headers
from longwire.http.engine import HttpEngine
from longwire.http.events import (
    BodyConsumed,
    ConnectionEnded,
    HttpCommand,
    HttpEvent,
    Informational,
    LimitReached,
    RequestReceived,
    RequestRefused,
    Reset,
    Response,
    StreamClosed,
    Upgraded,
)
from longwire.http.h1 import Http1Engine
from longwire.http.h1_known_heads import HEAD_BYTES_MAX
from longwire.net.direct_link import link_held_bytes, link_now
from longwire.net.http_exchange import NO_TRAILERS, HttpExchange
from longwire.net.http_output import HttpOutput
from longwire.net.http_streams import HttpStreams
from longwire.net.http_version import VersionReader
from longwire.net.lingering_close import LingeringClose
from longwire.net.link import Link
from longwire.net.reactor_link import ReactorLink
from longwire.net.standing import GiveAgain
from longwire.net.stream_link import StreamLink

if TYPE_CHECKING:
    from longwire.net.http_server import HttpServer

__all__ = ["HttpConnection"]

UNREAD_BODY_BYTES_MAX = 64 * 1024
"""Bytes of request bodies that no handler has read yet, past which reading pauses."""


class HttpConnection:
    """Handler of a link that speaks HTTP."""

    __slots__ = (
        "_drain_mark",
        "_engine",
        "_events",
        "_is_done",
        "_is_handling",
        "_is_paused",
        "_lingering",
        "_output",
        "_standing",
        "_streams",
        "_version",
        "_whole",
        "has_eof",
        "is_shutting_down",
        "link",
        "server",
    )

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self.link: Link
        self.is_shutting_down = False
        self.has_eof = False
        """Whether the client has ended its direction."""
        self._standing = server.standing
        self._engine: HttpEngine
        self._output: HttpOutput
        self._drain_mark = 0
        self._streams = HttpStreams()
        self._events: deque[HttpEvent] = deque()
        # While it is not known which version is spoken. Meanwhile the time of the HTTP/1.1 engine
        # runs, which a client that stops within its first bytes outlasts.
        self._version: VersionReader | None = None
        self._whole: bytes | None = None  # the request that is being served, if it is plain
        self._is_handling = False
        self._is_done = False
        self._is_paused = False
        self._lingering: LingeringClose | None = None

    def held_bytes(self, exchange: HttpExchange) -> int:
        """Bytes written to an exchange that the client has not taken."""
        return self._output.held_bytes(exchange)

    def is_held_up(self, exchange: HttpExchange) -> bool:
        """Whether the client has to take something before more is sent on an exchange."""
        return self._output.is_held_up(exchange)

    @property
    def is_opening(self) -> bool:
        """Whether the first request has not come whole (see ``gate``)."""
        return not self._engine.has_begun

    # -- LinkHandler ------------------------------------------------------------------------

    def link_made(self, link: Link) -> None:
        self.link = link
        server = self.server
        high = self._drain_mark = server.write_buffer_bytes_max
        link.set_write_limits(high, high // 4)
        self._engine = server.make_engine(link)
        self._output = HttpOutput(link, self._engine, high, server.write_stall_timeout_s)
        if link.tls is None and server.takes_prior_knowledge:
            self._version = VersionReader()
        self._after_engine()

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        if self._lingering is not None:
            return
        if self._version is not None:
            begun = self._version.receive(data)
            if begun is None:
                return
            if self._version.is_http2:
                self._engine = self._output.engine = self.server.make_http2_engine(self.link)
            self._version = None
            data = begun
        now = link_now(self.link)
        engine = self._engine
        if isinstance(engine, Http1Engine):
            h1 = engine  # typed for the compiler
            if self._give_again(h1, data, now):
                return
            request = h1.receive_whole(data, now)
            if request is not None:
                self._serve_whole(request, bytes(data))
                self._after_engine()
                return
        self._handle(engine.receive(data, now))
        self._after_engine()
        if self._engine.is_multiplexed:
            self._streams.look_at_windows()

    def eof_received(self) -> None:
        if self._lingering is not None:
            self._lingering.eof_received()
            return
        self.has_eof = True
        now = self.link.now()
        self._handle(self._engine.receive_eof(now))
        # A client may end its direction and wait for the answer (RFC 9112 section 9.6), but nobody
        # does that with a stream that has no end: there it means the client is gone.
        for exchange in self._streams.open_ended():
            if not exchange.closed:
                self.send(Reset(exchange.request.stream, "the client closed the connection"))
        self._after_engine()

    def link_lost(self, error: OSError | None) -> None:
        self._is_done = True
        self._output.sharing = None
        self._streams.end_all(error)

    def link_drained(self) -> None:
        self._streams.drained()
        self._steer_reading()

    def deadline_reached(self, now: float) -> None:
        if self._lingering is not None:
            self._lingering.deadline_reached(now)
            return
        if self._output.has_stalled(now):
            self.link.abort()
            return
        self._handle(self._engine.handle_deadline(now))
        self._after_engine()

    def shutdown(self) -> None:
        self.is_shutting_down = True
        self._engine.shutdown(self.link.now())
        self._streams.shutdown()
        self._handle(self._engine.take_events())
        self._after_engine()

    # -- called by exchanges ----------------------------------------------------------------

    def send(self, *commands: HttpCommand) -> None:
        """Tell the engine, and let happen what follows from it."""
        self._output.sharing = None
        try:
            self._engine.send(*commands, now=self.link.now())
        finally:
            self._handle(self._engine.take_events())
            self._after_engine()

    def respond(
        self,
        exchange: HttpExchange,
        status: int,
        headers: Headers,
        body: bytes,
        again: GiveAgain | None,
    ) -> None:
        """Tell the engine a complete response; let it stand for as long as ``again`` agrees."""
        self._output.sharing = None
        stream, is_over, engine = exchange.request.stream, False, self._engine
        try:
            if isinstance(engine, Http1Engine):
                h1 = engine  # typed for the compiler
                is_over = h1.respond(stream, status, headers, body, link_now(self.link))
            else:
                engine.respond(stream, status, headers, body, link_now(self.link))
        finally:
            if is_over and not self._events:
                self._streams.end(stream, None)
                if again is not None and self._whole is not None:
                    self._let_stand(self._whole, again)
            else:
                events = self._engine.take_events()
                self._handle([*events, StreamClosed(stream, None)] if is_over else events)
            self._after_engine()

    def write(self, exchange: HttpExchange, data: bytes) -> None:
        """Tell the engine a piece of a response's body, often one of many in a row."""
        is_in_order = False
        try:
            self._engine.write(exchange.request.stream, data, self.link.now())
            # Over HTTP/1.x nothing follows from it while the client is watched already.
            is_in_order = (
                self._output.is_watched()
                and not self._engine.is_multiplexed
                and not self._output.is_full()
            )
        finally:
            if is_in_order:
                self._output.write()
            else:
                self._handle(self._engine.take_events())
                self._after_engine()

    def write_shared(self, exchange: HttpExchange, data: bytes) -> int:
        """As ``write``, for a piece that many exchanges get: where it can it goes out at once, past
        the cork. Returns what is held, bytes; 0 when the exchange is over."""
        held = self._output.write_shared(exchange, data)
        if held < 0:
            if exchange.closed:
                return 0
            exchange.write(data)
            return self.held_bytes(exchange)
        if held:
            self.left_behind()
        return held

    def lend_link(self, exchange: HttpExchange, framed: bytes) -> ReactorLink | None:
        """Return the link for a ``shared_chunk`` that the caller writes on it alone, at once, with
        those of others; ``None``: ``write_shared`` is the way."""
        return self._output.lend_link(exchange, framed)

    def left_behind(self) -> None:
        """The client has not taken all of what was written past the engine."""
        if not self._output.is_watched() or self._output.is_full():
            self._after_engine()

    def body_consumed(self, exchange: HttpExchange, size_bytes: int) -> None:
        """A handler took a piece of a body: the client may send more."""
        if self._streams.has(exchange) and not exchange.closed:
            self.send(BodyConsumed(exchange.request.stream, size_bytes))

    def socket_link(self, exchange: HttpExchange) -> Link:
        """Return the link that a WebSocket on this exchange would have."""
        return StreamLink(self, exchange) if self._engine.is_multiplexed else self.link

    def tell_drained_from(self, size_bytes: int) -> None:
        """Hear of the link, for a stream, also when it held no more than this and lets go of it.

        What the client's window lets go is in the link at once, and leaves it unseen as a rule.
        """
        if size_bytes < self._drain_mark:
            self._drain_mark = size_bytes
            self.link.set_write_limits(size_bytes, size_bytes // 4)

    def has_ended(self, exchange: HttpExchange) -> bool:
        """Whether the client sends no more on what would be a WebSocket's link."""
        return exchange.is_body_complete if self._engine.is_multiplexed else self.has_eof

    def hand_over(self, exchange: HttpExchange, headers: Headers) -> bytes:
        """Answer 101 and let go of the link; return what came behind the request."""
        stream = exchange.request.stream
        self._engine.send(Informational(stream, 101, headers), now=self.link.now())
        # An engine that was upgraded has no further event, and the link gets another handler.
        (upgraded,) = (each for each in self._engine.take_events() if isinstance(each, Upgraded))
        self._streams.turn_into_socket(exchange, 101)
        self._events.clear()
        self._output.write()
        self._is_done = True
        return upgraded.rest

    def open_tunnel(self, exchange: HttpExchange, link: StreamLink, headers: Headers) -> bytes:
        """Answer 200 and give the stream to ``link``; return what came behind the request."""
        stream = exchange.request.stream
        self.send(Response(stream, 200, headers))
        self._streams.turn_into_socket(exchange, 200)
        self._streams.add_tunnel(stream, link)
        rest = exchange.take_unread()
        link.consumed(len(rest))
        return rest

    # -- inside -----------------------------------------------------------------------------

    def _handle(self, events: Sequence[HttpEvent]) -> None:
        """Act on events in order, also when acting on one brings others.

        A handler, which may run at once, starts when all that came is known: one read can bring a
        request and the end of its stream or of the connection, and then nobody wants an answer.
        """
        self._output.sharing = None
        self._events += events
        if self._is_handling:
            return
        self._is_handling = True
        fresh: deque[HttpExchange] = deque()
        try:
            while self._events or fresh:
                if self._events:
                    self._handle_one(self._events.popleft(), fresh)
                elif not (exchange := fresh.popleft()).closed:
                    self.server.start_handler(exchange)
        finally:
            self._is_handling = False

    def _give_again(
        self, h1: Http1Engine, data: bytes | bytearray | memoryview, now: float
    ) -> bool:
        """Answer a request whose answer stands, past everything else; tell whether that was so."""
        if len(data) > HEAD_BYTES_MAX or not h1.is_idle() or link_held_bytes(self.link):
            return False
        output = self._standing.give(bytes(data), h1.scheme, self.link)
        if output is None:
            return False
        h1.note_answered(now)
        self._output.write_buffers([output])
        self._after_engine()
        return True

    def _let_stand(self, data: bytes, again: GiveAgain) -> None:
        """Write the response to ``data``, and keep it for who sends the same."""
        assert isinstance(self._engine, Http1Engine)
        output = self._engine.take_output()
        if len(output) == 1:
            self._standing.keep(data, self._engine.scheme, output[0], again)
        self._output.write_buffers(output)

    def _serve_whole(self, request: RequestReceived, data: bytes) -> None:
        """Serve a request of which nothing more comes, and behind which nothing came."""
        exchange = HttpExchange(self, request)
        exchange.body_ended(NO_TRAILERS)
        self._streams.add(request.stream, exchange)
        self._is_handling = True
        self._whole = data
        try:
            self.server.start_handler(exchange)
        finally:
            self._whole = None
            self._is_handling = False
        if self._events:
            self._handle(())

    def _handle_one(self, event: HttpEvent, fresh: deque[HttpExchange]) -> None:
        if isinstance(event, RequestReceived):
            exchange = HttpExchange(self, event)
            self._streams.add(event.stream, exchange)
            fresh.append(exchange)
        elif isinstance(event, RequestRefused):
            if self.server.on_refused is not None:
                self.server.on_refused(event.status, event.error)
        elif isinstance(event, LimitReached):
            self.server.on_limit(event.limit)
        elif isinstance(event, ConnectionEnded):
            if event.status is not None and self.server.on_refused is not None:
                self.server.on_refused(event.status, event.error or "")
        else:
            self._streams.receive(event)

    def _after_engine(self) -> None:
        """Write, and obey the engine about reading, closing and time."""
        if self._is_done:
            return
        self._output.write()
        if self._is_handling:
            return  # the rest when all events have been acted on
        if self._engine.wants_close:
            self._close()
            return
        self._steer_reading()
        self._output.set_deadline()

    def _steer_reading(self) -> None:
        """Read when the engine wants to, answers get away and handlers take their bodies."""
        if self._is_done or self._lingering is not None:
            return
        is_own_pause = self._output.is_full()
        if not is_own_pause and self._streams.unread_bytes() > UNREAD_BODY_BYTES_MAX:
            # HTTP/2 has a window for each stream, and does not hold up the others.
            is_own_pause = not self._engine.is_multiplexed
        if is_own_pause != self._is_paused:
            self._is_paused = is_own_pause
            self._engine.set_reading_paused(is_own_pause, self.link.now())
        if not self._engine.wants_read or is_own_pause:
            self.link.pause_reading()
        elif self.link.is_reading_paused:
            self.link.resume_reading()

    def _close(self) -> None:
        if self._lingering is None and not self.link.is_closing:
            self._lingering = LingeringClose(self.link, self.server.write_stall_timeout_s)
            self._lingering.begin(reads_on=self._engine.wants_linger)
