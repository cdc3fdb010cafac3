"""An HTTP/2 client that says what it is told to, right or wrong, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import hpack
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame, RstStreamFrame

from longwire.base.headers import Headers
from longwire.base.limits import Http2Limits, HttpLimits
from longwire.http.events import (
    Body,
    BodyReceived,
    End,
    HttpEvent,
    RequestEnded,
    RequestReceived,
    Response,
    StreamClosed,
)
from longwire.http.h2 import Http2Engine
from tests.unit.http.wire import Cut, whole

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8

Fields = list[tuple[str, str]]


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


def setting(identifier: int, value: int) -> bytes:
    return identifier.to_bytes(2, "big") + value.to_bytes(4, "big")


def request(path: str = "/", method: str = "GET", **more: str) -> Fields:
    fields = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "example.org"),
        (":path", path),
    ]
    return fields + [(name.replace("_", "-"), value) for name, value in more.items()]


@dataclass
class Answer:
    """A response as it came over the wire."""

    status: int = 0
    headers: Headers = field(default_factory=Headers)
    interim: list[int] = field(default_factory=list)
    body: bytes = b""
    trailers: Headers = field(default_factory=Headers)
    has_ended: bool = False


class Conversation:
    """A connection with an engine: what is sent, what happened, what came back."""

    def __init__(
        self,
        *,
        limits: HttpLimits | None = None,
        http2: Http2Limits | None = None,
        cut: Cut = whole,
        echo: bool = True,
        begin: bool = True,
    ) -> None:
        self.now = 0.0
        self.engine = Http2Engine(now=0.0, limits=limits, http2=http2, server=None)
        self.events: list[HttpEvent] = []
        self.frames: list[Frame] = []
        self.answers: dict[int, Answer] = {}
        self._bodies: dict[int, bytes] = {}
        self._echo = echo
        self._cut = cut
        self._encoder = hpack.Encoder()
        self._decoder = hpack.Decoder()
        self._decoder.max_allowed_table_size = 0xFFFF_FFFF  # what we allow is judged by tests
        self._unread = b""
        self._after()
        if begin:
            self.feed(PREFACE + frame(SETTINGS, 0) + frame(SETTINGS, 0, flags=ACK))

    def feed(self, data: bytes) -> None:
        for piece in self._cut(data):
            self._handle(self.engine.receive(piece, self.now))

    def block(self, fields: Fields) -> bytes:
        encoded: bytes = self._encoder.encode(fields)
        return encoded

    def headers(self, stream: int, fields: Fields, flags: int = END_STREAM | END_HEADERS) -> None:
        self.feed(frame(HEADERS, stream, self.block(fields), flags))

    def wait(self, seconds: float) -> None:
        """Let time pass, calling the engine when it asked to be called."""
        end = self.now + seconds
        while self.engine.deadline is not None and self.engine.deadline <= end:
            self.now = max(self.now, self.engine.deadline)
            self._handle(self.engine.handle_deadline(self.now))
        self.now = end

    def send(self, *commands: object) -> None:
        self.engine.send(*commands, now=self.now)  # type: ignore[arg-type]
        self._handle(self.engine.take_events())

    def shutdown(self) -> None:
        self.engine.shutdown(self.now)
        self._handle(self.engine.take_events())

    @property
    def goaway(self) -> GoAwayFrame | None:
        """The last GOAWAY that came."""
        return self.goaways[-1] if self.goaways else None

    @property
    def goaways(self) -> list[GoAwayFrame]:
        return [each for each in self.frames if isinstance(each, GoAwayFrame)]

    @property
    def resets(self) -> dict[int, int]:
        """The error code of each stream that was reset."""
        return {
            each.stream_id: each.error_code
            for each in self.frames
            if isinstance(each, RstStreamFrame)
        }

    def of(self, kind: type) -> list[HttpEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def client_table_bytes(self) -> int:
        """How large the table is that the client keeps of our fields."""
        size: int = self._decoder.header_table.maxsize
        return size

    def forget_all(self) -> None:
        """Keep nothing of what came until now."""
        self.events.clear()
        self.frames.clear()
        self.answers.clear()

    def is_alive(self) -> bool:
        """Whether a new request is answered."""
        stream = 2**20 + 1 + 2 * len(self.answers)
        self.headers(stream, request("/alive"))
        return stream in self.answers and self.answers[stream].status == 200

    def _handle(self, events: list[HttpEvent]) -> None:
        self.events += events
        # As the driver does: what ended in the same read is not answered.
        ended = {event.stream for event in events if isinstance(event, StreamClosed)}
        for event in events:
            if isinstance(event, RequestReceived):
                self._bodies[event.stream] = b""
            elif isinstance(event, BodyReceived):
                self._bodies[event.stream] += event.data
            elif isinstance(event, RequestEnded) and self._echo:
                body = self._bodies.pop(event.stream)
                if event.stream in ended:
                    continue
                self.engine.send(
                    Response(event.stream, 200, Headers()),
                    Body(event.stream, body),
                    End(event.stream),
                    now=self.now,
                )
        if events and self._echo:
            self._handle(self.engine.take_events())
        self._after()

    def _after(self) -> None:
        self._unread += b"".join(self.engine.take_output())
        while len(self._unread) >= 9:
            each, length = Frame.parse_frame_header(memoryview(self._unread[:9]))
            if len(self._unread) < 9 + length:
                break
            each.parse_body(memoryview(self._unread[9 : 9 + length]))
            self._unread = self._unread[9 + length :]
            self.frames.append(each)
            self._read(each)

    def _read(self, each: Frame) -> None:
        if isinstance(each, HeadersFrame):
            assert "END_HEADERS" in each.flags
            fields = self._decoder.decode(each.data)
            answer = self.answers.setdefault(each.stream_id, Answer())
            if fields and fields[0][0] == ":status":
                status = int(fields[0][1])
                if status < 200:
                    answer.interim.append(status)
                else:
                    answer.status, answer.headers = status, Headers(fields[1:])
            else:
                answer.trailers = Headers(fields)
        if each.type == DATA:
            self.answers[each.stream_id].body += each.data
        if "END_STREAM" in each.flags:
            self.answers[each.stream_id].has_ended = True
