"""HTTP/2, the server's side of one connection (RFC 9113, RFC 8441, RFC 9218), on the h2 library.

How bytes become events: ``h2_frames`` cuts the input into frames and counts what is abused, the
h2 library reads them (states, HPACK, flow control), ``h2_head`` checks a request, ``h2_stream`` is
one request with its response, ``h2_outbox`` sends what waits as windows and priorities allow,
``h2_patience`` says when who has been waited for too long. This module holds them together.

Errors have two levels (RFC 9113 section 5.4). What breaks a connection ends in GOAWAY with the
code of the rule; a malformed request ends its stream; one that is well formed and refused gets a
status. Whatever ends the connection, the events up to it are given out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import h2.events

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import Http2Limits, HttpLimits
from longwire.http.events import (
    Body,
    BodyConsumed,
    BodyReceived,
    BodyWanted,
    ConnectionEnded,
    End,
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
)
from longwire.http.h2_frames import (
    ErrorCode,
    Frame,
    FrameCutter,
    FrameGuard,
    FrameType,
    Http2Violation,
)
from longwire.http.h2_head import MalformedMessage, read_head, read_trailers
from longwire.http.h2_outbox import Outbox
from longwire.http.h2_patience import Patience
from longwire.http.h2_priority import parse_priority
from longwire.http.h2_rules import FrameRules, StreamViolation
from longwire.http.h2_stream import Stream
from longwire.http.response_fields import (
    check_field,
    check_trailers,
    known_body_bytes,
    misuse,
)
from longwire.http.semantics import reason_phrase

__all__ = ["Http2Engine"]

# RFC 9113 section 6.8: the highest there is, in the GOAWAY that only announces the end.
_LAST_STREAM_ID = 0x7FFF_FFFF

_SLOW_BODY = ProtocolError(408, "body_timeout_s: the request's body came too slowly")

_GOING = "the server is shutting down"


class Http2Engine:
    """Serve one HTTP/2 connection; implements ``HttpEngine``.

    The parameters are those of ``Http1Engine``, and ``http2``, what this version may cost.
    """

    def __init__(
        self,
        *,
        now: float,
        limits: HttpLimits | None = None,
        http2: Http2Limits | None = None,
        scheme: Literal["http", "https"] = "http",
        server: str | None = "longwire",
        date: Callable[[], str] | None = None,
    ) -> None:
        self._limits = limits or HttpLimits()
        self._http2 = http2 or Http2Limits()
        self._scheme = scheme
        self._server = server
        self._date = date
        self._cutter = FrameCutter()
        self._guard = FrameGuard(self._http2, now=now)
        self._streams: dict[int, Stream] = {}
        self._rules = FrameRules(self._streams)
        self._outbox = Outbox(self._limits, self._http2, self._guard, self._streams)
        self._patience = Patience(self._limits, self._http2, now)
        self._events: list[HttpEvent] = []
        self._has_settings = False
        self._last_stream = 0  # the highest that was taken up
        self._last_allowed = _LAST_STREAM_ID  # by the GOAWAY we sent
        self._is_shutting_down = False
        self.wants_close = False
        self.wants_linger = False

    # Reading

    def receive(self, data: bytes | bytearray | memoryview, now: float) -> list[HttpEvent]:
        """Take bytes from the peer; never raises for what they are."""
        if not self.wants_close:
            self._patience.heard(now)
            self._cutter.feed(data)
            try:
                self._read(now)
            except Http2Violation as violation:
                self._fail(violation.code, violation.message)
        return self.take_events()

    def receive_eof(self, now: float) -> list[HttpEvent]:
        """Learn that the peer will send no more. Requests that came whole are still answered."""
        for stream in list(self._streams.values()):
            if not stream.is_request_complete:
                self._forget(stream, "the connection ended before the request did")
        self._is_shutting_down = True
        self._patience.ended()  # nobody is there to answer what was announced
        self._end_when_done()
        return self.take_events()

    def take_events(self) -> list[HttpEvent]:
        """Return the events not given out yet."""
        events, self._events = self._events, []
        return events

    def take_output(self) -> list[bytes]:
        """Return what is to be written."""
        return self._outbox.take()

    @property
    def has_begun(self) -> bool:
        """Whether the preface has come whole, SETTINGS included."""
        return self._has_settings

    @property
    def is_multiplexed(self) -> bool:
        """Streams share the connection (RFC 9113 section 5)."""
        return True

    def held_bytes(self, stream: int) -> int:
        """Bytes of a response that wait for the peer's window."""
        known = self._streams.get(stream)
        return 0 if known is None else known.pending_bytes

    @property
    def wants_read(self) -> bool:
        """Whether to go on reading: flow control, not silence, holds a peer back."""
        return not self.wants_close

    def _read(self, now: float) -> None:
        if not self._cutter.has_preface:
            preface = self._cutter.take_preface()
            if preface is None:
                return
            self._outbox.connection.receive_data(preface)
        while not self.wants_close:
            frame = self._cutter.take_frame()
            if frame is None:
                break
            self._receive_frame(frame, now)
        self._patience.reading(self._cutter.is_inside_frame or self._guard.is_inside_block, now)
        self._send_pending(now)

    def _receive_frame(self, frame: Frame, now: float) -> None:
        self._guard.check(frame, now)
        if not self._has_settings:
            # RFC 9113 section 3.4: the preface ends with a SETTINGS frame.
            if frame.type != FrameType.SETTINGS or frame.is_ack:
                raise Http2Violation(
                    ErrorCode.PROTOCOL_ERROR, "the first frame of the connection is not SETTINGS"
                )
            self._has_settings = True
        if frame.type == FrameType.DATA and frame.stream not in self._streams:
            self._guard.check_late_data(frame, now)
        try:
            passed = self._rules.check(frame)
        except StreamViolation as violation:
            self._end_stream(self._streams[frame.stream], violation.code, violation.message, now)
            return
        if frame.type == FrameType.GOAWAY:
            self._receive_goaway(frame)
        elif frame.type == FrameType.PRIORITY_UPDATE:
            self._update_priority(frame)
        elif passed is not None:
            self._pass_on(passed, now)

    def _pass_on(self, frame: Frame, now: float) -> None:
        for event in self._outbox.receive(frame.data):
            self._handle(event, now)

    def _handle(self, event: h2.events.Event, now: float) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event, now)
        elif isinstance(event, h2.events.DataReceived):
            self._receive_body(event, now)
        elif isinstance(event, h2.events.TrailersReceived):
            self._end_request_with(event, now)
        elif isinstance(event, h2.events.StreamEnded):
            self._end_request(event.stream_id, now)
        elif isinstance(event, h2.events.StreamReset):
            self._reset_by_peer(event, now)
        elif isinstance(event, h2.events.SettingsAcknowledged):
            self._patience.has_settings_ack = True
        elif isinstance(event, h2.events.PingAckReceived):
            self._announce_end()

    # Requests

    def _begin(self, event: h2.events.RequestReceived, now: float) -> None:
        identifier = event.stream_id
        if identifier > self._last_allowed or len(self._streams) >= (
            self._http2.concurrent_streams_max
        ):
            # RFC 9113 section 8.7: not processed at all, safe to send again.
            self._reset(identifier, ErrorCode.REFUSED_STREAM, now)
            return
        try:
            head, refusal = read_head(event.headers, self._limits)
            self._check_fault()
            if event.stream_ended is not None and head.lacks(0):
                raise MalformedMessage("a request with a content-length has no body")
        except MalformedMessage:
            self._reset(identifier, ErrorCode.PROTOCOL_ERROR, now)
            return
        self._last_stream = max(self._last_stream, identifier)
        priority = parse_priority(head.headers.joined("priority") or "")
        stream = Stream(identifier, head, priority, now)
        self._streams[identifier] = stream
        if refusal is not None:
            self._refuse(stream, refusal, now)
            return
        self._events.append(
            RequestReceived(
                identifier,
                head.method,
                head.target,
                "2",
                head.headers,
                # Not what :scheme says. RFC 9110 section 7.4 lets a trusted gateway ask for https
                # over a connection without TLS, and nobody else speaks clear-text HTTP/2.
                self._scheme,
                head.authority,
                head.protocol,
            )
        )

    def _receive_body(self, event: h2.events.DataReceived, now: float) -> None:
        stream = self._streams.get(event.stream_id)
        size = len(event.data)
        if stream is None or (stream.has_ended and not stream.is_tunnel):
            self._outbox.give_credit(event.stream_id, event.flow_controlled_length)
            return
        self._outbox.give_credit(event.stream_id, event.flow_controlled_length - size)
        if not size:
            return
        stream.heard_s = now
        stream.waits_for_continue = False
        stream.received_bytes += size
        stream.unread_bytes += size
        if stream.head.is_exceeded_by(stream.received_bytes):
            self._end_malformed(stream, "the body is longer than its content-length", now)
            return
        maximum = self._limits.body_bytes_max
        if maximum is not None and stream.received_bytes > maximum and not stream.is_tunnel:
            self._give_up(
                stream, LimitError(413, "body_bytes_max", stream.received_bytes, maximum), now
            )
            return
        self._events.append(BodyReceived(stream.identifier, bytes(event.data)))

    def _end_request_with(self, event: h2.events.TrailersReceived, now: float) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        try:
            trailers = read_trailers(event.headers)
            self._check_fault()
        except MalformedMessage as error:
            self._end_malformed(stream, str(error), now)
            return
        self._complete_request(stream, trailers, now)

    def _check_fault(self) -> None:
        if self._rules.fault is not None:
            raise MalformedMessage(self._rules.fault)

    def _end_request(self, identifier: int, now: float) -> None:
        stream = self._streams.get(identifier)
        if stream is not None:
            self._complete_request(stream, Headers(), now)

    def _complete_request(self, stream: Stream, trailers: Headers, now: float) -> None:
        if not stream.has_ended and stream.head.lacks(stream.received_bytes):
            self._end_malformed(stream, "the body is shorter than its content-length", now)
        elif not stream.is_request_complete:
            stream.is_request_complete = True
            if not stream.has_ended or stream.is_tunnel:
                self._events.append(RequestEnded(stream.identifier, trailers))
            if stream.is_sent:
                self._forget(stream, None)

    def _reset_by_peer(self, event: h2.events.StreamReset, now: float) -> None:
        if not event.remote_reset:
            # h2 reset the stream for what the peer did: that counts as if the peer had.
            self._guard.count_reset(now)
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            self._forget(stream, f"the client reset the stream (error code {event.error_code})")

    def _update_priority(self, frame: Frame) -> None:
        # RFC 9218 section 7.1: the stream it is about and the field value.
        about = int.from_bytes(frame.payload[:4], "big") & _LAST_STREAM_ID
        stream = self._streams.get(about)
        if stream is not None:
            stream.priority = parse_priority(frame.payload[4:].decode("latin-1"))

    # Refusing and ending

    def _refuse(self, stream: Stream, error: ProtocolError, now: float) -> None:
        """Answer a request that is not given out."""
        self._events.append(RequestRefused(stream.identifier, error.code, error.message))
        self._answer_failure(stream, error, now)

    def _give_up(self, stream: Stream, error: ProtocolError, now: float) -> None:
        """Answer a request that was given out and turned out wrong; reset it if answered."""
        self._tell_closed(stream, error.message)
        if stream.has_response:
            self._reset(stream.identifier, ErrorCode.CANCEL, now)
            self._drop(stream)
        else:
            self._answer_failure(stream, error, now)

    def _answer_failure(self, stream: Stream, error: ProtocolError, now: float) -> None:
        text = f"{error.code} {reason_phrase(error.code)}: {error.message}\n".encode()
        head = Headers([("content-type", "text/plain; charset=utf-8")])
        stream.waits_for_continue = False
        self._start(stream, Response(stream.identifier, error.code, head), len(text))
        stream.add(text)
        stream.end([])
        self._send_pending(now)

    def _end_malformed(self, stream: Stream, message: str, now: float) -> None:
        """End a stream whose request is malformed (RFC 9113 section 8.1.1)."""
        self._end_stream(stream, ErrorCode.PROTOCOL_ERROR, message, now)

    def _end_stream(self, stream: Stream, code: ErrorCode, message: str, now: float) -> None:
        """End a stream for what the peer did."""
        self._reset(stream.identifier, code, now)
        self._forget(stream, message)

    def _reset(self, identifier: int, code: ErrorCode, now: float) -> None:
        self._outbox.reset(identifier, code)
        if self._is_peers_fault(code):
            self._guard.count_reset(now)

    def _is_peers_fault(self, code: ErrorCode) -> bool:
        if code is ErrorCode.REFUSED_STREAM:
            # Before it has read our SETTINGS a client cannot know how many streams it may open.
            return self._patience.has_settings_ack
        return code in (ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR)

    def _forget(self, stream: Stream, error: str | None) -> None:
        self._tell_closed(stream, error)
        self._drop(stream)

    def _tell_closed(self, stream: Stream, error: str | None) -> None:
        if not stream.is_told_closed:
            stream.is_told_closed = True
            self._events.append(StreamClosed(stream.identifier, error))

    def _drop(self, stream: Stream) -> None:
        """Forget a stream that is closed; what its handler did not read is free again."""
        if self._streams.pop(stream.identifier, None) is not None and stream.unread_bytes:
            self._outbox.give_credit(stream.identifier, stream.unread_bytes)
        self._end_when_done()

    def _fail(self, code: ErrorCode, message: str) -> None:
        """End the connection for what the peer did."""
        self.wants_linger = True
        self._outbox.goaway(self._last_stream, code, message)
        self._end(message, 429 if code is ErrorCode.ENHANCE_YOUR_CALM else None)

    def _end(self, error: str | None, status: int | None = None) -> None:
        if self.wants_close:
            return
        for stream in self._streams.values():
            self._tell_closed(stream, error or "the connection ended before the response")
        self._streams.clear()
        self.wants_close = True
        self._events.append(ConnectionEnded(error, status))

    def _receive_goaway(self, frame: Frame) -> None:
        # h2 takes a GOAWAY for the end; what is begun may go on after it (RFC 9113 section 6.8).
        code = int.from_bytes(frame.payload[4:8], "big")
        if code:
            self._end(f"the client ended the connection (error code {code})")
            return
        self._is_shutting_down = True
        self._end_when_done()

    def shutdown(self, now: float) -> None:
        """Announce the end, take what is on the way, finish what is begun (section 6.8)."""
        if self._is_shutting_down or self.wants_close:
            self._is_shutting_down = True
            return
        self._is_shutting_down = True
        if not self._streams and not self._has_settings:
            self._end(None)
            return
        # Requests that were sent before the client read this have come when the ping is answered.
        # The ping goes first, since clients on the h2 library take nothing after a GOAWAY.
        self._outbox.ping()
        self._outbox.goaway(_LAST_STREAM_ID, ErrorCode.NO_ERROR, _GOING)
        self._patience.announced(now)

    def _announce_end(self) -> None:
        if self._is_shutting_down and self._last_allowed == _LAST_STREAM_ID:
            self._patience.ended()
            self._last_allowed = self._last_stream
            self._outbox.goaway(
                self._last_stream, ErrorCode.NO_ERROR, "the server is shutting down"
            )
            self._end_when_done()

    def _end_when_done(self) -> None:
        is_announcing = self._patience.is_announcing
        if self._is_shutting_down and not self._streams and not is_announcing:
            self._end(None)

    # Sending

    def send(self, *commands: HttpCommand, now: float) -> None:
        """Queue output, in order; see ``HttpEngine.send``."""
        for index, command in enumerate(commands):
            stream = self._stream_for(command)
            if stream is None:
                continue
            if isinstance(command, Response):
                body_bytes = 0 if command.end else known_body_bytes(commands[index + 1 :])
                self._start(stream, command, body_bytes)
                if command.end:
                    stream.end([])
            elif isinstance(command, Body | End):
                self._continue(stream, command, now)
            elif isinstance(command, Informational):
                self._inform(stream, command)
            elif isinstance(command, BodyWanted):
                if stream.waits_for_continue:
                    self._inform(stream, Informational(command.stream, 100))
                    stream.heard_s = now
            elif isinstance(command, BodyConsumed):
                stream.unread_bytes -= command.size_bytes
                stream.heard_s = now
                self._outbox.give_credit(command.stream, command.size_bytes)
            elif isinstance(command, Reset):
                self._reset(command.stream, ErrorCode.INTERNAL_ERROR, now)
                self._forget(stream, command.reason)
        self._send_pending(now)

    def respond(self, stream: int, status: int, headers: Headers, body: bytes, now: float) -> bool:
        """Queue a complete response; the same as ``send`` with all its parts."""
        head = Response(stream, status, headers)
        self.send(*((head, Body(stream, body)) if body else (head,)), End(stream), now=now)
        return False

    def write(self, stream: int, data: bytes, now: float) -> None:
        """Queue a piece of the body; the same as ``send`` of a ``Body``."""
        self.send(Body(stream, data), now=now)

    def _stream_for(self, command: HttpCommand) -> Stream | None:
        stream = self._streams.get(command.stream)
        if stream is None and not isinstance(command, BodyConsumed | BodyWanted):
            raise misuse(f"stream {command.stream} is not being answered")
        return stream

    def _start(self, stream: Stream, response: Response, body_bytes: int | None) -> None:
        fields = stream.start(response, body_bytes)
        names = {name for name, _ in fields}
        # RFC 9110 section 6.6.1: an origin server with a clock sends Date.
        if self._date is not None and "date" not in names:
            fields.insert(0, ("date", self._date()))
        if self._server is not None and "server" not in names:
            fields.insert(0, ("server", self._server))
        self._outbox.headers(stream.identifier, response.status, fields)

    def _continue(self, stream: Stream, command: Body | End, now: float) -> None:
        try:
            if isinstance(command, Body):
                stream.add(command.data)
            else:
                stream.end([(name, value) for name, _, value in check_trailers(command.trailers)])
        except ProtocolError as error:
            if stream.has_response and not stream.has_ended:
                # Only breaking the stream off keeps the client from taking it for complete.
                self._reset(stream.identifier, ErrorCode.INTERNAL_ERROR, now)
                self._forget(stream, error.message)
            raise

    def _inform(self, stream: Stream, interim: Informational) -> None:
        if stream.has_response:
            raise misuse("the final response has been started")
        # RFC 9113 section 8.6: there is no 101 in HTTP/2.
        if not 100 <= interim.status <= 199 or interim.status == 101:
            raise misuse(f"{interim.status} is not an interim status of HTTP/2")
        fields = [(check_field(name, value), value.strip(" \t")) for name, value in interim.headers]
        if any(name in ("content-length", "transfer-encoding") for name, _ in fields):
            raise misuse("an interim response has no Content-Length or Transfer-Encoding")
        if interim.status == 100:
            stream.waits_for_continue = False
        self._outbox.headers(stream.identifier, interim.status, fields)

    def _send_pending(self, now: float) -> None:
        """Send what windows allow; end the streams whose response is out."""
        if self.wants_close:
            return
        for stream in self._outbox.send_pending(now):
            if not stream.is_request_complete:
                if stream.is_tunnel:
                    continue  # our direction has ended, the client's goes on
                # RFC 9113 section 8.1: the rest of the request is not needed.
                self._outbox.reset(stream.identifier, ErrorCode.NO_ERROR)
            self._forget(stream, None)

    # Time

    @property
    def deadline(self) -> float | None:
        """When to be called again."""
        return None if self.wants_close else self._patience.deadline(self._streams.values())

    def handle_deadline(self, now: float) -> list[HttpEvent]:
        """Refuse what is too slow, close what is idle."""
        if not self.wants_close:
            try:
                if self._patience.check_connection(now, has_streams=bool(self._streams)):
                    self._announce_end()
            except Http2Violation as violation:
                if violation.code is ErrorCode.SETTINGS_TIMEOUT:
                    self._events.append(LimitReached("head_timeout_s"))
                self._fail(violation.code, violation.message)
            for stream in self._patience.slow_requests(self._streams.values(), now):
                self._give_up(stream, _SLOW_BODY, now)
            for stream in self._patience.stalled(self._streams.values(), now):
                self._events.append(LimitReached("stall_timeout_s"))
                self._reset(stream.identifier, ErrorCode.CANCEL, now)
                self._forget(stream, "the client took nothing of the response for too long")
        return self.take_events()

    def set_reading_paused(self, paused: bool, now: float) -> None:
        """Stop the peer's time while the driver does not read, and go on with it."""
        self._patience.set_paused(paused, now, self._streams.values())
