# cython: annotation_typing=False, auto_pickle=False
"""One HTTP connection on a link: the engine hosted, its streams handed to exchanges."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from longwire.base.headers import Headers, HeadersLike
from longwire.http.engine import HttpEngine
from longwire.http.events import (
    BodyConsumed,
    BodyReceived,
    ConnectionEnded,
    HttpCommand,
    HttpEvent,
    Informational,
    LimitReached,
    RequestEnded,
    RequestReceived,
    RequestRefused,
    Reset,
    Response,
    StreamClosed,
    Upgraded,
)
from longwire.http.h1 import Http1Engine
from longwire.http.h1_known_heads import HEAD_BYTES_MAX
from longwire.http.h1_writer import shared_chunk
from longwire.http.h2_frames import PREFACE
from longwire.net.callbacks import Callbacks
from longwire.net.endpoint import Endpoint
from longwire.net.http_exchange import NO_TRAILERS, HttpExchange
from longwire.net.in_flight import InFlight
from longwire.net.link import Link
from longwire.net.open_endpoint import open_endpoint
from longwire.net.opening import Opening
from longwire.net.reactor_link import ReactorLink
from longwire.net.settings import WebSocketSettings
from longwire.net.standing import GiveAgain
from longwire.net.stream_link import StreamLink
from longwire.websocket.connection import Role
from longwire.websocket.handshake import RequestHead, accept_extended_connect, accept_request

if TYPE_CHECKING:
    from longwire.net.http_server import HttpServer

__all__ = ["HttpConnection"]

LINGER_S = 2.0
"""How long we read on and drop after our last response, when the peer may still be sending."""

UNREAD_BODY_BYTES_MAX = 64 * 1024
"""Bytes of request bodies that no handler has read yet, past which reading pauses."""


class HttpConnection:
    """Handler of a link that speaks HTTP."""

    __slots__ = (
        "_beginning",
        "_engine",
        "_events",
        "_exchanges",
        "_is_done",
        "_is_handling",
        "_is_lingering",
        "_is_paused",
        "_server",
        "_sharing",
        "_stall_check_s",
        "_stall_progress",
        "_standing",
        "_tunnels",
        "_whole",
        "_write_buffer_bytes_max",
        "_written_bytes",
        "is_shutting_down",
        "link",
    )

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._standing = server.standing
        self._sharing: HttpExchange | None = None  # whose pieces need no engine, as it was seen
        self._whole: bytes | None = None  # the request that is being served, if it is plain
        self._write_buffer_bytes_max = server.write_buffer_bytes_max
        self.link: Link
        self.is_shutting_down = False
        self._engine: HttpEngine
        self._exchanges: dict[int, HttpExchange] = {}
        self._tunnels: dict[int, StreamLink] = {}
        self._events: deque[HttpEvent] = deque()
        self._beginning: bytes | None = None  # of a connection whose version is not known yet
        self._is_handling = False
        self._is_lingering = False
        self._is_done = False
        self._is_paused = False
        self._written_bytes = 0
        self._stall_check_s: float | None = None
        self._stall_progress = 0

    def held_bytes(self, exchange: HttpExchange) -> int:
        """Bytes written to an exchange that the client has not taken."""
        engine = self._engine
        if isinstance(engine, Http1Engine):
            return self._link_held_bytes()  # nothing waits in there
        return engine.held_bytes(exchange.request.stream) + self._link_held_bytes()

    def is_held_up(self, exchange: HttpExchange) -> bool:
        """Whether the client has to take something before more is sent on an exchange."""
        return self.held_bytes(exchange) > self._write_buffer_bytes_max

    @property
    def is_opening(self) -> bool:
        """Whether the first request has not come whole (see ``gate``)."""
        return not self._engine.has_begun

    # -- LinkHandler ------------------------------------------------------------------------

    def link_made(self, link: Link) -> None:
        self.link = link
        high = self._write_buffer_bytes_max
        link.set_write_limits(high, high // 4)
        self._engine = self._server.make_engine(link)
        if link.tls is None and self._server.takes_prior_knowledge:
            self._beginning = b""
        self._after_engine()

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_lingering:
            return
        if self._beginning is not None:
            begun = self._choose_version(data)
            if begun is None:
                return
            data = begun
        now = self._now()
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
            self._look_at_windows()

    def eof_received(self) -> None:
        if self._is_lingering:
            self.link.close()
            return
        now = self.link.now()
        self._handle(self._engine.receive_eof(now))
        for exchange in list(self._exchanges.values()):
            # A client may end its direction and wait for the answer (RFC 9112 section 9.6), but
            # nobody does that with a stream that has no end: there it means the client is gone.
            if exchange.is_open_ended and not exchange.closed:
                self.send(Reset(exchange.request.stream, "the client closed the connection"))
        self._after_engine()

    def link_lost(self, error: OSError | None) -> None:
        self._is_done = True
        self._sharing = None
        reason = "the client closed the connection" if error is None else f"the link broke: {error}"
        for exchange in self._exchanges.values():
            exchange.stream_closed(reason)
        self._exchanges.clear()
        tunnels, self._tunnels = self._tunnels, {}
        for tunnel in tunnels.values():
            tunnel.lost(error)

    def link_drained(self) -> None:
        for exchange in list(self._exchanges.values()):
            exchange.wake()
        for tunnel in list(self._tunnels.values()):
            tunnel.look_at_window()
        self._steer_reading()

    def deadline_reached(self, now: float) -> None:
        if self._is_lingering:
            self._linger_on(now)
            return
        if self._stall_check_s is not None and now >= self._stall_check_s:
            self._stall_check_s = None
            if self.link.held_bytes and self._progress() == self._stall_progress:
                self.link.abort()
                return
        self._handle(self._engine.handle_deadline(now))
        self._after_engine()

    def shutdown(self) -> None:
        self.is_shutting_down = True
        self._engine.shutdown(self.link.now())
        for tunnel in list(self._tunnels.values()):
            tunnel.handler.shutdown()
        for exchange in list(self._exchanges.values()):
            exchange.wake()
        self._handle(self._engine.take_events())
        self._after_engine()

    # -- called by exchanges ----------------------------------------------------------------

    def send(self, *commands: HttpCommand) -> None:
        """Tell the engine, and let happen what follows from it."""
        self._sharing = None
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
        self._sharing = None
        stream, is_over, engine = exchange.request.stream, False, self._engine
        try:
            if isinstance(engine, Http1Engine):
                h1 = engine  # typed for the compiler
                is_over = h1.respond(stream, status, headers, body, self._now())
            else:
                engine.respond(stream, status, headers, body, self._now())
        finally:
            if is_over and not self._events:
                self._end_exchange(stream, None)
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
                self._stall_check_s is not None
                and not self._engine.is_multiplexed
                and self._link_held_bytes() <= self._write_buffer_bytes_max
            )
        finally:
            if is_in_order:
                self._write_output()
            else:
                self._handle(self._engine.take_events())
                self._after_engine()

    def write_shared(self, exchange: HttpExchange, data: bytes) -> int:
        """As ``write``, for a piece that many exchanges get: where it can it goes out at once, past
        the cork. Returns what is held, bytes; 0 when the exchange is over."""
        if exchange is not self._sharing and not self._begin_sharing(exchange):
            return self._write_alone(exchange, data)
        framed, link = shared_chunk(data), self.link
        if framed is None or not isinstance(link, ReactorLink):
            return self._write_alone(exchange, data)
        direct = link  # typed for the compiler
        self._written_bytes += len(framed)
        held = direct.write_alone(framed)
        if held and (self._stall_check_s is None or held > self._write_buffer_bytes_max):
            self._after_engine()
        return held

    def _begin_sharing(self, exchange: HttpExchange) -> bool:
        """Look whether the pieces of a response need no engine; until something happens, then."""
        engine = self._engine
        if (
            exchange.closed
            or not isinstance(engine, Http1Engine)
            or not engine.shares_pieces(exchange.request.stream)
        ):
            return False
        self._sharing = exchange
        return True

    def _write_alone(self, exchange: HttpExchange, data: bytes) -> int:
        if exchange.closed:
            return 0
        exchange.write(data)
        return self.held_bytes(exchange)

    def body_consumed(self, exchange: HttpExchange, size_bytes: int) -> None:
        """A handler took a piece of a body: the client may send more."""
        if exchange.request.stream in self._exchanges and not exchange.closed:
            self.send(BodyConsumed(exchange.request.stream, size_bytes))

    @property
    def in_flight(self) -> InFlight:
        """What all requests and WebSockets of the server hold of what was sent to them."""
        return self._server.in_flight

    def limit_hit(self, name: str) -> None:
        """A request ran into a limit that is not the engine's."""
        self._server.on_limit(name)

    def socket_link(self, exchange: HttpExchange) -> Link:
        """Return the link that a WebSocket on this exchange would have."""
        return StreamLink(self, exchange) if self._engine.is_multiplexed else self.link

    def upgrade(
        self,
        exchange: HttpExchange,
        link: Link,
        callbacks: Callbacks,
        settings: WebSocketSettings,
        subprotocols: Sequence[str],
        select_subprotocol: Callable[[Sequence[str]], str | None] | None,
        is_origin_allowed: Callable[[str | None], bool] | None,
        headers: HeadersLike,
    ) -> Endpoint:
        """Accept a handshake and give the link to a WebSocket endpoint."""
        received = exchange.request
        request = RequestHead(received.method, received.target, received.version, received.headers)
        accept = accept_extended_connect if self._engine.is_multiplexed else accept_request
        accepted = accept(
            request,
            subprotocols=subprotocols,
            select_subprotocol=select_subprotocol,
            is_origin_allowed=is_origin_allowed,
            deflate=settings.deflate,
            headers=headers,
        )
        opening = Opening(request, accepted.response, accepted.subprotocol, accepted.deflate)
        if isinstance(link, StreamLink):
            return self._open_tunnel(exchange, link, settings, callbacks, opening)
        self._engine.send(
            Informational(received.stream, 101, accepted.response.headers), now=self.link.now()
        )
        # An engine that was upgraded has no further event, and the link gets another handler.
        (upgraded,) = (each for each in self._engine.take_events() if isinstance(each, Upgraded))
        self._exchanges.pop(received.stream).upgraded(101)
        self._events.clear()
        self._write_output()
        self._is_done = True
        return open_endpoint(
            self.link,
            Role.SERVER,
            settings,
            callbacks,
            opening,
            upgraded.rest,
            self._server.in_flight,
        )

    def _open_tunnel(
        self,
        exchange: HttpExchange,
        link: StreamLink,
        settings: WebSocketSettings,
        callbacks: Callbacks,
        opening: Opening,
    ) -> Endpoint:
        """Answer 200 and give the stream to a WebSocket endpoint (RFC 8441)."""
        stream = exchange.request.stream
        self.send(Response(stream, 200, opening.response.headers))
        self._exchanges.pop(stream).upgraded(200)
        self._tunnels[stream] = link
        rest = exchange.take_unread()
        link.consumed(len(rest))
        return open_endpoint(
            link, Role.SERVER, settings, callbacks, opening, rest, self._server.in_flight
        )

    # -- inside -----------------------------------------------------------------------------

    def _choose_version(self, data: bytes | bytearray | memoryview) -> bytes | None:
        """Return what came so far once it shows which version is spoken, ``None`` before.

        Meanwhile the time of the HTTP/1.1 engine runs, which a client that stops here outlasts.
        """
        assert self._beginning is not None
        begun = self._beginning + bytes(data)
        size = min(len(begun), len(PREFACE))
        if begun[:size] != PREFACE[:size]:
            self._beginning = None
        elif size == len(PREFACE):
            self._beginning = None
            self._engine = self._server.make_http2_engine(self.link)
        else:
            self._beginning = begun
            return None
        return begun

    def _look_at_windows(self) -> None:
        """The client may have taken something, which HTTP/2 says inside the connection."""
        for exchange in list(self._exchanges.values()):
            exchange.wake_if_draining()
        for tunnel in list(self._tunnels.values()):
            tunnel.look_at_window()

    def _handle(self, events: Sequence[HttpEvent]) -> None:
        """Act on events in order, also when acting on one brings others.

        A handler, which may run at once, starts when all that came is known: one read can bring a
        request and the end of its stream or of the connection, and then nobody wants an answer.
        """
        self._sharing = None
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
                    self._server.start_handler(exchange)
        finally:
            self._is_handling = False

    def _give_again(
        self, h1: Http1Engine, data: bytes | bytearray | memoryview, now: float
    ) -> bool:
        """Answer a request whose answer stands, past everything else; tell whether that was so."""
        if len(data) > HEAD_BYTES_MAX or not h1.is_idle() or self._link_held_bytes():
            return False
        output = self._standing.give(bytes(data), h1.scheme, self.link)
        if output is None:
            return False
        h1.note_answered(now)
        self._write([output])
        self._after_engine()
        return True

    def _let_stand(self, data: bytes, again: GiveAgain) -> None:
        """Write the response to ``data``, and keep it for who sends the same."""
        assert isinstance(self._engine, Http1Engine)
        output = self._engine.take_output()
        if len(output) == 1:
            self._standing.keep(data, self._engine.scheme, output[0], again)
        self._write(output)

    def _serve_whole(self, request: RequestReceived, data: bytes) -> None:
        """Serve a request of which nothing more comes, and behind which nothing came."""
        exchange = HttpExchange(self, request)
        exchange.body_ended(NO_TRAILERS)
        self._exchanges[request.stream] = exchange
        self._is_handling = True
        self._whole = data
        try:
            self._server.start_handler(exchange)
        finally:
            self._whole = None
            self._is_handling = False
        if self._events:
            self._handle(())

    def _handle_one(self, event: HttpEvent, fresh: deque[HttpExchange]) -> None:
        if isinstance(event, RequestReceived):
            exchange = HttpExchange(self, event)
            self._exchanges[event.stream] = exchange
            fresh.append(exchange)
        elif tunnel := self._tunnels.get(getattr(event, "stream", 0)):
            self._handle_tunnel(tunnel, event)
        elif isinstance(event, BodyReceived):
            self._exchanges[event.stream].body_received(event.data)
        elif isinstance(event, RequestEnded):
            self._exchanges[event.stream].body_ended(event.trailers)
        elif isinstance(event, StreamClosed):
            self._end_exchange(event.stream, event.error)
        elif isinstance(event, RequestRefused):
            if self._server.on_refused is not None:
                self._server.on_refused(event.status, event.error)
        elif isinstance(event, LimitReached):
            self._server.on_limit(event.limit)
        elif (
            isinstance(event, ConnectionEnded)
            and event.status is not None
            and self._server.on_refused is not None
        ):
            self._server.on_refused(event.status, event.error or "")

    def _end_exchange(self, stream: int, error: str | None) -> None:
        exchange = self._exchanges.pop(stream, None)
        if exchange is not None:
            exchange.stream_closed(error)

    def _handle_tunnel(self, tunnel: StreamLink, event: HttpEvent) -> None:
        if isinstance(event, BodyReceived):
            tunnel.data_received(event.data)
        elif isinstance(event, RequestEnded):
            tunnel.ended()
        elif isinstance(event, StreamClosed):
            del self._tunnels[event.stream]
            tunnel.lost(None if event.error is None else ConnectionResetError(event.error))

    def _write_output(self) -> None:
        engine = self._engine
        if isinstance(engine, Http1Engine):
            h1 = engine  # typed for the compiler
            output = h1.take_output()
        else:
            output = engine.take_output()
        if output:
            self._write(output)

    def _write(self, output: list[bytes]) -> None:
        for buffer in output:
            self._written_bytes += len(buffer)
        link = self.link
        if isinstance(link, ReactorLink):
            direct = link  # typed for the compiler
            direct.write_all(output)
        else:
            link.write(*output)

    def _after_engine(self) -> None:
        """Write, and obey the engine about reading, closing and time."""
        if self._is_done:
            return
        self._write_output()
        if self._is_handling:
            return  # the rest when all events have been acted on
        if self._engine.wants_close:
            self._close()
            return
        self._steer_reading()
        self._set_deadline()

    def _steer_reading(self) -> None:
        """Read when the engine wants to, answers get away and handlers take their bodies."""
        if self._is_done or self._is_lingering:
            return
        is_own_pause = self._link_held_bytes() > self._write_buffer_bytes_max
        if self._exchanges and not self._engine.is_multiplexed and not is_own_pause:
            unread_bytes = sum([exchange.unread_bytes for exchange in self._exchanges.values()])
            is_own_pause = unread_bytes > UNREAD_BODY_BYTES_MAX
        if is_own_pause != self._is_paused:
            self._is_paused = is_own_pause
            self._engine.set_reading_paused(is_own_pause, self.link.now())
        if not self._engine.wants_read or is_own_pause:
            self.link.pause_reading()
        elif self.link.is_reading_paused:
            self.link.resume_reading()

    def _close(self) -> None:
        if self._is_lingering or self.link.is_closing:
            return
        self._is_lingering = True
        if self._engine.wants_linger:
            self.link.write_eof()
            self.link.resume_reading()
        else:
            self.link.close()
        now = self.link.now()
        self._stall_progress = self._progress()
        self._stall_check_s = now + self._server.write_stall_timeout_s
        self.link.set_deadline(now + LINGER_S)

    def _linger_on(self, now: float) -> None:
        """Wait for a client that still takes our last response, and not for any other."""
        progress = self._progress()
        if progress != self._stall_progress:
            self._stall_progress = progress
            self._stall_check_s = now + self._server.write_stall_timeout_s
        elif not self.link.held_bytes or now >= (self._stall_check_s or now):
            self.link.abort()
            return
        self.link.set_deadline(now + LINGER_S)

    def _progress(self) -> int:
        return self._written_bytes - self.link.held_bytes

    def _set_deadline(self) -> None:
        """Set the earlier of the engine's deadline and the look at a client that takes nothing."""
        stall_check_s = self._stall_check_s
        if stall_check_s is None and self._link_held_bytes():
            stall_check_s = self._stall_check_s = self._now() + self._server.write_stall_timeout_s
            self._stall_progress = self._progress()
        engine = self._engine
        if isinstance(engine, Http1Engine):
            h1 = engine  # typed for the compiler
            deadline = h1.find_deadline()
        else:
            deadline = engine.deadline
        if stall_check_s is not None and (deadline is None or stall_check_s < deadline):
            deadline = stall_check_s
        link = self.link
        if isinstance(link, ReactorLink):
            direct = link
            direct.set_deadline(deadline)
        else:
            link.set_deadline(deadline)

    def _now(self) -> float:
        link = self.link
        if isinstance(link, ReactorLink):
            direct = link  # typed for the compiler
            return direct.now()
        return link.now()

    def _link_held_bytes(self) -> int:
        link = self.link
        if isinstance(link, ReactorLink):
            direct = link  # typed for the compiler
            return direct._held
        return link.held_bytes
