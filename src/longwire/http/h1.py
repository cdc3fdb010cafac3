# cython: annotation_typing=False, auto_pickle=False
"""HTTP/1.0 and HTTP/1.1, the server's side of one connection (RFC 9110, RFC 9112).

How bytes become events: ``h1_reader`` cuts requests off the input (``h1_scan`` finds and checks a
head, ``h1_head`` reads it with llhttp, ``h1_known_heads`` knows those that come again, ``h1_body``
takes the body off), ``h1_writer`` frames the response, ``h1_exchange`` is one request with its
response. This module holds them together: which
request is being read, which is being answered, what is waited for, when the connection is over.

Requests may be pipelined. They are read ahead up to a limit, but their events are given out one
request at a time: those of the next when the response to the one before has ended. So responses
leave in the order of the requests whatever the caller does.

After any error in what the peer sent nothing more is read: what follows a request whose end is
in doubt is never taken for a request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from longwire.base.errors import ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import KIB, HttpLimits
from longwire.http.events import (
    Body,
    BodyReceived,
    BodyWanted,
    ConnectionEnded,
    End,
    HttpCommand,
    HttpEvent,
    Informational,
    LimitReached,
    RequestEnded,
    Reset,
    Response,
    StreamClosed,
    Upgraded,
)
from longwire.http.h1_exchange import Exchange
from longwire.http.h1_known_heads import HEAD_BYTES_MAX, KnownHeads
from longwire.http.h1_reader import RequestReader
from longwire.http.h1_writer import failure_response, interim_response
from longwire.http.request_received import RequestReceived
from longwire.http.response_fields import known_body_bytes

__all__ = ["Http1Engine"]

# Bytes kept unread while a request ahead of them is being answered; past it reading pauses.
_HELD_BYTES_MAX = 64 * KIB


class Http1Engine:
    """Serve one HTTP/1.x connection; implements ``HttpEngine``.

    ``now`` is when the connection was accepted. ``scheme`` is ``https`` under TLS. ``server`` is
    the value of the Server header, ``None`` for none; ``date`` returns the value of Date
    (``semantics.DateSource``, shared by all connections), ``None`` for a server without a clock.
    ``known_heads`` are shared, too; without them every head is read anew. Not thread-safe.
    """

    def __init__(
        self,
        *,
        now: float,
        limits: HttpLimits | None = None,
        scheme: Literal["http", "https"] = "http",
        server: str | None = "longwire",
        date: Callable[[], str] | None = None,
        known_heads: KnownHeads | None = None,
    ) -> None:
        self._limits = limits or HttpLimits()
        self.scheme = scheme
        self._server = server
        self._date = date
        self._known_heads = known_heads
        self._reader = RequestReader(self._limits, scheme, known_heads)
        self._events: list[HttpEvent] = []
        self._output: list[bytes] = []
        self._streams = 0
        self._exchanges: deque[Exchange] = deque()  # the first is the one being answered
        self._reading: Exchange | None = None  # whose body is to be read, answered or not
        self._is_input_closed = False  # what arrives is dropped
        self._has_eof = False
        self._failure: tuple[ProtocolError, bool] | None = None  # for after the exchanges; to HEAD?
        self._is_shutting_down = False
        self._is_upgraded = False
        self._since = now  # when what we wait for began to be waited for
        self._paused_since: float | None = None
        self.wants_close = False
        self.wants_linger = False

    # Reading

    def receive(self, data: bytes | bytearray | memoryview, now: float) -> list[HttpEvent]:
        """Take bytes from the peer; never raises for what they are."""
        if self._is_upgraded:
            raise ProtocolError(500, "the connection is no longer HTTP", side="local")
        if data and not self._is_input_closed and not self._has_eof:
            if not self._exchanges and self._reading is None and not self._reader.is_inside_head():
                self._since = now
            self._reader.feed(data)
            self._advance(now)
        return self.take_events()

    def receive_whole(
        self, data: bytes | bytearray | memoryview, now: float
    ) -> RequestReceived | None:
        """Take a request that came alone in one piece, whose head is known: ``receive`` made short.

        It has no body, and its end is not told. ``None``: nothing was taken.
        """
        if self._known_heads is None or len(data) > HEAD_BYTES_MAX or not self.is_idle():
            return None
        head = self._known_heads.find(bytes(data))
        if head is None:
            return None
        self._streams += 1
        exchange = Exchange(self._streams, head, self._limits)
        self._exchanges.append(exchange)
        self._since = now
        return exchange.request_received(self.scheme)

    def is_idle(self) -> bool:
        """Tell whether nothing goes on: the next byte would begin a request that is answered."""
        return (
            not self._exchanges
            and self._reading is None
            and not self._is_input_closed
            and not self._has_eof
            and not self._is_shutting_down
            and not self._reader.is_inside_head()
        )

    def note_answered(self, now: float) -> None:
        """Learn that the driver itself took a whole plain request while nothing went on, and wrote
        a response after which the connection goes on."""
        self._streams += 1
        self._since = now

    def receive_eof(self, now: float) -> list[HttpEvent]:
        """Learn that the peer half-closed; what it asked for in full is still answered."""
        if not self._is_upgraded and not self._has_eof:
            self._has_eof = True
            self._advance(now)
        return self.take_events()

    def take_events(self) -> list[HttpEvent]:
        """Return the events not given out yet."""
        events, self._events = self._events, []
        return events

    def take_output(self) -> list[bytes]:
        """Return what is to be written."""
        output, self._output = self._output, []
        return output

    @property
    def has_begun(self) -> bool:
        """Whether a request's head has come whole."""
        return self._streams > 0

    @property
    def is_multiplexed(self) -> bool:
        """One request at a time has the connection."""
        return False

    def held_bytes(self, stream: int) -> int:
        """Nothing waits here: HTTP/1.x leaves flow control to TCP."""
        return 0

    @property
    def wants_read(self) -> bool:
        """Whether to go on reading."""
        if self._is_upgraded or self.wants_close or self._has_eof:
            return False
        if self._is_input_closed or not self._is_blocked():
            return True
        return not self._is_full_ahead() and self._reader.held_bytes() < _HELD_BYTES_MAX

    def _is_blocked(self) -> bool:
        """Tell whether bytes that are here may not be read yet."""
        if self._reading is not None:
            # The body of a request read ahead stays where it is until its turn comes.
            return self._is_ahead(self._reading)
        if not self._exchanges:
            return False
        last = self._exchanges[-1]
        if last.head.protocol is not None and not last.writer.started:
            return True  # whether more HTTP follows depends on our answer
        return self._is_shutting_down or self._is_full_ahead()

    def _is_ahead(self, exchange: Exchange) -> bool:
        return not exchange.writer.ended and exchange is not self._exchanges[0]

    def _is_full_ahead(self) -> bool:
        return self._reading is None and len(self._exchanges) > self._limits.pipelined_requests_max

    def _advance(self, now: float) -> None:
        """Read as far as the bytes and the rules allow."""
        try:
            while not self._is_input_closed and not self._is_blocked():
                if not self._reader.held_bytes() and not self._has_eof:
                    return
                if not (self._read_head(now) if self._reading is None else self._read_body(now)):
                    if self._has_eof:
                        self._run_dry()
                    return
        except ProtocolError as error:
            self._fail(error)

    def _read_head(self, now: float) -> bool:
        head = self._reader.read_head()
        if head is None:
            return False
        self._streams += 1
        exchange = Exchange(self._streams, head, self._limits)
        self._exchanges.append(exchange)
        events = self._events if exchange is self._exchanges[0] else exchange.events
        events.append(exchange.request_received(self.scheme))
        self._since = now
        self._reading = exchange
        if exchange.body.ended:
            self._end_request(exchange, events)
        return True

    def _read_body(self, now: float) -> bool:
        exchange = self._reading
        assert exchange is not None
        if not self._reader.held_bytes():
            return False
        self._since = now
        exchange.waits_for_continue = False  # the client did not wait
        data = self._reader.read_body(exchange.body)
        if exchange.writer.ended:
            exchange.discarded_bytes += len(data)
            if exchange.body.ended:
                self._reading = None
            elif exchange.has_too_much_to_discard():
                self._end(None)
        else:
            if data:
                self._events.append(BodyReceived(exchange.stream, data))
            if exchange.body.ended:
                self._end_request(exchange, self._events)
        return bool(data) or exchange.body.ended

    def _end_request(self, exchange: Exchange, events: list[HttpEvent]) -> None:
        events.append(RequestEnded(exchange.stream, exchange.body.trailers))
        self._reading = None
        if not exchange.head.keep_alive and exchange.head.protocol is None:
            # RFC 9112 section 9.6: nothing after a request with the close option is processed.
            self._close_input()

    def _run_dry(self) -> None:
        """Handle the end of the input where more was expected."""
        if self._reading is not None and not self._reading.writer.ended:
            # RFC 9112 section 8: an incomplete request may be answered before closing.
            raise ProtocolError(400, "the connection ended before the request's body did")
        was_inside_head = self._reading is None and self._reader.is_inside_head()
        self._close_input()
        if not self._exchanges:
            self._end("the connection ended inside a request's head" if was_inside_head else None)

    def _close_input(self) -> None:
        self._is_input_closed = True
        self._reading = None
        self._reader.take_rest()

    # Failing and ending

    def _fail(self, error: ProtocolError) -> None:
        """Answer what the peer did wrong, at once or after the requests before it."""
        reading, is_head_request = self._reading, self._reader.is_head_request
        self._close_input()
        self.wants_linger = True
        if reading is None:
            if self._exchanges:
                self._failure = (error, is_head_request)
            else:
                self._answer_failure(error, is_head_request)
        elif reading.writer.started:
            self._end(error.message)
        else:
            self._answer_failure(error, reading.head.method == "HEAD")

    def _answer_failure(self, error: ProtocolError, is_head_request: bool) -> None:
        self._output.append(
            failure_response(
                error, without_body=is_head_request, server=self._server, date=self._date
            )
        )
        self._end(error.message, error.code)

    def _end(self, error: str | None, status: int | None = None) -> None:
        """Stop: nothing is read, nothing more may be sent; the output leaves and that is all."""
        if self.wants_close:
            return
        if self._reading is not None or self._reader.held_bytes():
            self.wants_linger = True
        self._close_input()
        if self._exchanges:
            # Requests read ahead were never given out: only the first is known outside.
            self._events.append(StreamClosed(self._exchanges[0].stream, error))
            self._exchanges.clear()
        self.wants_close = True
        self._events.append(ConnectionEnded(error, status))

    # Sending

    def send(self, *commands: HttpCommand, now: float) -> None:
        """Queue output for the request being answered."""
        for index, command in enumerate(commands):
            exchange = self._exchange_for(command.stream)
            if isinstance(command, Response):
                self._start_response(exchange, command, commands[index + 1 :])
            elif isinstance(command, Body | End):
                self._continue_response(exchange, command)
            elif isinstance(command, Informational):
                self._send_interim(exchange, command, now)
            elif isinstance(command, BodyWanted):
                if exchange.waits_for_continue:
                    self._send_interim(exchange, Informational(command.stream, 100), now)
            elif isinstance(command, Reset):
                self._end(command.reason)
            if exchange.writer.ended:
                self._finish_exchange(exchange, now)
        if not self._is_upgraded:
            self._advance(now)

    def respond(self, stream: int, status: int, headers: Headers, body: bytes, now: float) -> bool:
        """Queue a complete response; the same as ``send`` with all its parts."""
        exchange = self._exchange_for(stream)
        head = exchange.writer.start(
            status,
            headers,
            len(body),
            not self._is_last(exchange, True),
            self._server,
            self._date,
        )
        self._output += exchange.writer.whole(head, body)
        if exchange.writer.keep_alive and self._is_at_rest():
            self._exchanges.popleft()
            self._since = now
            return True
        self._finish_exchange(exchange, now)
        self._advance(now)
        return False

    def _is_at_rest(self) -> bool:
        """Tell whether, but for the one request that is being answered, nothing goes on."""
        return (
            len(self._exchanges) == 1
            and self._reading is None
            and not self._events
            and not self._is_input_closed
            and not self._has_eof
            and not self._is_shutting_down
            and not self._reader.is_inside_head()
        )

    def write(self, stream: int, data: bytes, now: float) -> None:
        """Queue a piece of the body; the same as ``send`` of a ``Body``."""
        self._continue_response(self._exchange_for(stream), Body(stream, data))

    def shares_pieces(self, stream: int) -> bool:
        """Tell whether a driver may write ``h1_writer.shared_chunk`` of a piece of the body itself,
        past ``write``; that holds until the next event or command."""
        if self._is_upgraded or self._output or not self._exchanges:
            return False
        exchange = self._exchanges[0]
        return exchange.stream == stream and exchange.writer.shares_pieces()

    def _exchange_for(self, stream: int) -> Exchange:
        if self._exchanges and self._exchanges[0].stream == stream and not self._is_upgraded:
            return self._exchanges[0]
        raise ProtocolError(500, f"request {stream} is not being answered", side="local")

    def _start_response(
        self, exchange: Exchange, response: Response, following: Sequence[HttpCommand]
    ) -> None:
        body_bytes = 0 if response.end else known_body_bytes(following)
        head = exchange.writer.start(
            response.status,
            response.headers,
            body_bytes,
            not self._is_last(exchange, body_bytes is not None),
            self._server,
            self._date,
        )
        self._output.append(head)
        if response.end:
            self._continue_response(exchange, End(response.stream))

    def _is_last(self, exchange: Exchange, is_answered_at_once: bool) -> bool:
        """Tell whether the connection cannot go on after this response."""
        if not exchange.head.keep_alive or self._is_shutting_down:
            return True
        if exchange.waits_for_continue:
            # RFC 9110 section 10.1.1: the client may now send the body or not; only closing
            # keeps the next request apart from it.
            return True
        if self._is_input_closed and self._failure is None and len(self._exchanges) == 1:
            return True
        return is_answered_at_once and exchange.has_too_much_to_discard()

    def _continue_response(self, exchange: Exchange, command: Body | End) -> None:
        writer = exchange.writer
        try:
            if isinstance(command, Body):
                self._output += writer.body(command.data)
            else:
                self._output += writer.end(command.trailers)
        except ProtocolError as error:
            if writer.is_broken:
                self._end(error.message)
            raise

    def _send_interim(self, exchange: Exchange, interim: Informational, now: float) -> None:
        if exchange.writer.started:
            raise ProtocolError(500, "the final response has been started", side="local")
        if interim.status == 101:
            self._upgrade(exchange, interim.headers)
            return
        output = interim_response(interim.status, interim.headers)
        # RFC 9110 section 15.2: no 1xx to an HTTP/1.0 client.
        if exchange.head.version == "1.0":
            return
        if interim.status == 100 and exchange.waits_for_continue:
            exchange.waits_for_continue = False
            self._since = now
        self._output.append(output)

    def _upgrade(self, exchange: Exchange, given: Headers) -> None:
        if exchange.head.protocol is None:
            raise ProtocolError(500, "the client did not ask for another protocol", side="local")
        headers = Headers(given)
        # RFC 9110 section 7.8: a 101 names the protocol in Upgrade, and Connection names Upgrade.
        if "upgrade" not in headers:
            headers.add("Upgrade", exchange.head.protocol)
        if "connection" not in headers:
            headers.add("Connection", "Upgrade")
        self._output.append(interim_response(101, headers))
        self._is_upgraded = True
        self._events.append(Upgraded(exchange.stream, self._reader.take_rest()))

    def _finish_exchange(self, exchange: Exchange, now: float) -> None:
        self._exchanges.popleft()
        self._events.append(StreamClosed(exchange.stream, None))
        self._since = now
        if not exchange.writer.keep_alive:
            self._exchanges.clear()  # read ahead, and not to be answered
            self._end(None)
        elif self._exchanges:
            self._events += self._exchanges[0].events
        elif self._failure is not None:
            self._answer_failure(*self._failure)
        elif self._is_shutting_down or self._is_input_closed or exchange.has_too_much_to_discard():
            self._end(None)

    # Time

    @property
    def deadline(self) -> float | None:
        """When to be called again."""
        return self.find_deadline()

    def find_deadline(self) -> float | None:
        """Return ``deadline``, as the hot path asks for it."""
        if self.wants_close or self._is_upgraded or self._paused_since is not None:
            return None
        timeout_s = self._timeout_s()
        return None if timeout_s is None else self._since + timeout_s

    def _timeout_s(self) -> float | None:
        """Return how long the peer may be silent now; ``None`` where it is our turn."""
        limits = self._limits
        if self._exchanges:
            is_waiting = self._reading is self._exchanges[0]
            return (
                limits.body_timeout_s
                if is_waiting and not self._exchanges[0].waits_for_continue
                else None
            )
        if self._reading is not None:
            return limits.body_timeout_s
        if self._reader.is_inside_head() or not self._streams:
            return limits.head_timeout_s
        return limits.idle_timeout_s

    def handle_deadline(self, now: float) -> list[HttpEvent]:
        """Refuse what is too slow, close what is idle."""
        deadline = self.find_deadline()
        if deadline is not None and now >= deadline:
            # RFC 9110 section 15.5.9: 408 when no complete request came in time. Before the first
            # byte of one nobody waits for an answer, and after ours nobody waits for another.
            if self._reading is not None:
                self._fail(ProtocolError(408, "body_timeout_s: the request's body came too slowly"))
            elif self._reader.is_inside_head():
                self._fail(ProtocolError(408, "head_timeout_s: the request's head came too slowly"))
            else:
                if not self._streams:
                    self._events.append(LimitReached("head_timeout_s"))
                self._end(None)
        return self.take_events()

    def set_reading_paused(self, paused: bool, now: float) -> None:
        """Stop the peer's time while the driver does not read, and go on with it."""
        if paused and self._paused_since is None:
            self._paused_since = now
        elif not paused and self._paused_since is not None:
            self._since = min(now, self._since + now - self._paused_since)
            self._paused_since = None

    def shutdown(self, now: float) -> None:
        """Finish the request that is begun, then end."""
        self._is_shutting_down = True
        if not self._is_upgraded and not self._exchanges and not self._reader.is_inside_head():
            self._end(None)
