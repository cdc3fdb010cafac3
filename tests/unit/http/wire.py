"""A client's bytes on one side of an engine, an application on the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import h11

from longwire.base.headers import Headers
from longwire.base.limits import HttpLimits
from longwire.http.events import (
    Body,
    BodyReceived,
    ConnectionEnded,
    End,
    HttpEvent,
    RequestEnded,
    RequestReceived,
    Response,
    StreamClosed,
    Upgraded,
)
from longwire.http.h1 import Http1Engine

Cut = Callable[[bytes], list[bytes]]


def whole(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def at_random(data: bytes) -> list[bytes]:
    """Cut into pieces of 1 to 40 bytes, the same for the same data."""
    source = random.Random(data)
    pieces = []
    while data:
        size = source.randint(1, 40)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


CUTS: dict[str, Cut] = {"whole": whole, "byte by byte": byte_by_byte, "at random": at_random}


@dataclass
class Seen:
    """A request as the application saw it."""

    head: RequestReceived
    body: bytes = b""
    trailers: Headers | None = None

    @property
    def line(self) -> str:
        return f"{self.head.method} {self.head.target}"


@dataclass
class Answer:
    """A response as an independent client read it."""

    status: int
    headers: Headers
    body: bytes
    trailers: Headers = field(default_factory=Headers)


Application = Callable[[Http1Engine, HttpEvent, "Conversation"], None]


def echo(engine: Http1Engine, event: HttpEvent, conversation: Conversation) -> None:
    """Answer each complete request with its request line and body."""
    if isinstance(event, RequestEnded):
        seen = conversation.seen[-1]
        body = seen.line.encode() + b"\n" + seen.body
        conversation.send(
            Response(event.stream, 200, Headers()), Body(event.stream, body), End(event.stream)
        )


def silent(engine: Http1Engine, event: HttpEvent, conversation: Conversation) -> None:
    """Leave every request without an answer."""


class Conversation:
    """One connection: feeds the engine, lets the application act, keeps what came out."""

    def __init__(
        self,
        *,
        limits: HttpLimits | None = None,
        scheme: Literal["http", "https"] = "http",
        application: Application = echo,
        now: float = 0.0,
    ) -> None:
        self.now = now
        self.engine = Http1Engine(now=now, limits=limits, scheme=scheme, server=None)
        self.application = application
        self.events: list[HttpEvent] = []
        self.seen: list[Seen] = []
        self.output = b""

    def feed(self, pieces: bytes | Iterable[bytes]) -> None:
        for piece in [pieces] if isinstance(pieces, bytes) else pieces:
            self.handle(self.engine.receive(piece, self.now))

    def eof(self) -> None:
        self.handle(self.engine.receive_eof(self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass, calling the engine when it asked to be called."""
        end = self.now + seconds
        while self.engine.deadline is not None and self.engine.deadline <= end:
            self.now = max(self.now, self.engine.deadline)
            self.handle(self.engine.handle_deadline(self.now))
        self.now = end

    def send(self, *commands: object) -> None:
        self.engine.send(*commands, now=self.now)  # type: ignore[arg-type]
        self.take_output()

    def answer(self, *commands: object) -> None:
        """Send from outside the application, and go on with what that sets free."""
        self.send(*commands)
        self.handle(self.engine.take_events())

    def handle(self, events: list[HttpEvent]) -> None:
        self.take_output()
        while events:
            for event in events:
                self.note(event)
                self.application(self.engine, event, self)
            events = self.engine.take_events()
            self.take_output()

    def take_output(self) -> None:
        self.output += b"".join(self.engine.take_output())

    def note(self, event: HttpEvent) -> None:
        assert not self.has_ended, f"{event} came after the last event"
        previous = self.events[-1] if self.events else None
        if isinstance(event, BodyReceived) and isinstance(previous, BodyReceived):
            # Where a body is cut follows the reads, so pieces are joined to be compared.
            self.events[-1] = BodyReceived(event.stream, previous.data + event.data)
        else:
            self.events.append(event)
        if isinstance(event, RequestReceived):
            self.seen.append(Seen(event))
        elif isinstance(event, BodyReceived):
            assert event.data
            self.seen[-1].body += event.data
        elif isinstance(event, RequestEnded):
            self.seen[-1].trailers = event.trailers

    @property
    def has_ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], ConnectionEnded | Upgraded)

    @property
    def lines(self) -> list[str]:
        """The requests that the application saw, as method and target."""
        return [seen.line for seen in self.seen]

    @property
    def ended(self) -> ConnectionEnded:
        assert self.events and isinstance(self.events[-1], ConnectionEnded), self.events
        return self.events[-1]

    @property
    def closed(self) -> list[StreamClosed]:
        return [event for event in self.events if isinstance(event, StreamClosed)]

    def answers(self, *methods: str) -> list[Answer]:
        """Read all that came out with h11; ``methods`` are those of the requests (GET)."""
        return read_answers(self.output, *methods, is_closed=self.engine.wants_close)


def read_answers(output: bytes, *methods: str, is_closed: bool) -> list[Answer]:
    answers = []
    index = 0
    while output:
        method = methods[index] if index < len(methods) else "GET"
        answer, output = read_answer(output, method, is_closed)
        answers.append(answer)
        index += answer.status >= 200
    return answers


def read_answer(output: bytes, method: str, is_closed: bool) -> tuple[Answer, bytes]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(output)
    if is_closed:
        client.receive_data(b"")
    answer = None
    while True:
        event = client.next_event()
        if isinstance(event, h11.InformationalResponse | h11.Response):
            answer = Answer(event.status_code, as_headers(event.headers.raw_items()), b"")
            if isinstance(event, h11.InformationalResponse):
                rest = output[output.index(b"\r\n\r\n") + 4 :]
                return answer, rest
        elif isinstance(event, h11.Data):
            assert answer is not None
            answer.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert answer is not None
            answer.trailers = as_headers(event.headers.raw_items())
            return answer, client.trailing_data[0]
        else:
            raise AssertionError(f"the response is not complete: {event!r} in {output!r}")


def as_headers(items: Iterable[tuple[bytes, bytes]]) -> Headers:
    return Headers([(name.decode(), value.decode("latin-1")) for name, value in items])


def get(target: str = "/", *fields: str, version: str = "1.1", method: str = "GET") -> bytes:
    """A request head; ``fields`` are whole lines."""
    lines = [f"{method} {target} HTTP/{version}", "Host: example.org", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(body: bytes, *fields: str, target: str = "/") -> bytes:
    return get(target, f"Content-Length: {len(body)}", *fields, method="POST") + body


def chunked(body: bytes, *fields: str, target: str = "/") -> bytes:
    """A head that announces chunks, and ``body`` as it stands."""
    return get(target, "Transfer-Encoding: chunked", *fields, method="POST") + body
