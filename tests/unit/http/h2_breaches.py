"""What a client can do wrong on HTTP/2, rule by rule, and on which level it is an error.

Named by section of RFC 9113 unless another RFC is named. Rules about the fields of a request stand
in test_h2_requests.py; those of time in test_h2_flow.py; floods in test_h2_floods.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from longwire.base.headers import Headers
from longwire.http.events import End, Response
from tests.unit.http.h2_wire import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Conversation,
    Fields,
    frame,
    request,
    setting,
)

__all__ = ["CONNECTION_ERRORS", "IGNORED", "PREFACES", "STREAM_ERRORS", "Breach", "Ignored"]

PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 0x1, 0x3, 0x5, 0x6
COMPRESSION_ERROR = 0x9

PRIORITY_FLAG, PRIORITY_UPDATE, UNKNOWN = 0x20, 0x10, 0x42

Act = Callable[[Conversation], None]


class Breach(NamedTuple):
    name: str
    act: Act
    code: int


class Ignored(NamedTuple):
    name: str
    act: Act


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


# How a stream 1 comes into a state (section 5.1)


def idle(talk: Conversation) -> None:
    """Stream 1 has not begun."""


def opened(talk: Conversation) -> None:
    """Stream 1 is open: its body is still to come."""
    talk.headers(1, request("/", "POST"), END_HEADERS)


def half_closed(talk: Conversation) -> None:
    """The request on stream 1 is complete; its response is not."""
    talk.headers(1, request())


def closed(talk: Conversation) -> None:
    """Stream 1 is over."""
    talk.headers(1, request())
    talk.send(Response(1, 200, Headers()), End(1))


def reset_by_client(talk: Conversation) -> None:
    opened(talk)
    talk.feed(frame(RST_STREAM, 1, u32(8)))


def reset_by_us(talk: Conversation) -> None:
    talk.headers(1, [*request("/", "POST"), ("Upper", "case")], END_HEADERS)


def passed_over(talk: Conversation) -> None:
    """Stream 1 was never used, and a later one was (section 5.1.1)."""
    talk.headers(3, request())


def tunnel(talk: Conversation) -> None:
    """Stream 1 carries a WebSocket (RFC 8441)."""
    talk.headers(1, TUNNEL, END_HEADERS)
    talk.send(Response(1, 200, Headers()))


TUNNEL: Fields = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":authority", "example.org"),
    (":path", "/"),
]


def feeding(*pieces: bytes, state: Act = idle) -> Act:
    """Bring stream 1 into a state, then send these bytes."""

    def act(talk: Conversation) -> None:
        state(talk)
        for piece in pieces:
            talk.feed(piece)

    return act


def block(fields: Fields, *, state: Act = idle, flags: int = 5, stream: int = 1) -> Act:
    """Bring stream 1 into a state, then send a HEADERS frame."""

    def act(talk: Conversation) -> None:
        state(talk)
        talk.headers(stream, fields, flags)

    return act


def compressed(data: bytes, *, before: Fields | None = None) -> Act:
    """A field block of these bytes, behind some that are right."""

    def act(talk: Conversation) -> None:
        start = b"" if before is None else talk.block(before)
        talk.feed(frame(HEADERS, 1, start + data, END_HEADERS | END_STREAM))

    return act


def interrupted(*pieces: bytes, flags: int = END_STREAM) -> Act:
    """A field block that has not ended, then these bytes."""

    def act(talk: Conversation) -> None:
        talk.feed(frame(HEADERS, 1, talk.block(request()), flags))
        for piece in pieces:
            talk.feed(piece)

    return act


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, b"".join(setting(*pair) for pair in pairs))


def oversized(kind: int, stream: int) -> bytes:
    return (16_385).to_bytes(3, "big") + bytes([kind, 0]) + u32(stream)


def _window_over_the_top_by_settings(talk: Conversation) -> None:
    opened(talk)
    talk.feed(frame(WINDOW_UPDATE, 1, u32(0x7FFF_FFFF - 65_535)))
    talk.feed(settings((4, 65_536)))


def _depending_on_itself(talk: Conversation) -> None:
    payload = u32(1) + b"\1" + talk.block(request())
    talk.feed(frame(HEADERS, 1, payload, END_HEADERS | END_STREAM | PRIORITY_FLAG))


def _with_length(length: int, *pieces: bytes, flags: int = END_HEADERS) -> Act:
    return feeding(
        *pieces,
        state=block(request("/", "POST", content_length=str(length)), flags=flags),
    )


def _with_length_and_trailers(talk: Conversation) -> None:
    talk.headers(1, request("/", "POST", content_length="3"), END_HEADERS)
    talk.headers(1, [("checksum", "1")])


PREFACES = [
    ("3.4 another protocol", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("3.4 a preface that is wrong at its end", PREFACE[:-1] + b"x" + frame(SETTINGS, 0)),
    ("3.4 no SETTINGS", PREFACE + frame(PING, 0, bytes(8))),
    ("3.4 an acknowledgement for SETTINGS", PREFACE + frame(SETTINGS, 0, flags=ACK)),
    ("3.4 a request for SETTINGS", PREFACE + frame(HEADERS, 1, b"", END_HEADERS)),
    ("3.4 an unknown frame for SETTINGS", PREFACE + frame(UNKNOWN, 0)),
    ("3.4 GOAWAY for SETTINGS", PREFACE + frame(GOAWAY, 0, bytes(8))),
]
"""Beginnings of a connection; each ends it with PROTOCOL_ERROR."""

CONNECTION_ERRORS = [
    # Frames
    Breach("4.2 DATA over the size", feeding(oversized(DATA, 1), state=opened), FRAME_SIZE_ERROR),
    Breach("4.2 HEADERS over the size", feeding(oversized(HEADERS, 1)), FRAME_SIZE_ERROR),
    Breach("4.2 SETTINGS over the size", feeding(oversized(SETTINGS, 0)), FRAME_SIZE_ERROR),
    Breach("4.2 unknown frame over the size", feeding(oversized(UNKNOWN, 0)), FRAME_SIZE_ERROR),
    # Field blocks (RFC 7541)
    Breach("4.3 index 0", compressed(b"\x80"), COMPRESSION_ERROR),
    Breach("4.3 an index beyond the tables", compressed(b"\xff\x7f"), COMPRESSION_ERROR),
    Breach("4.3 a string that is cut off", compressed(b"\x00\x05ab"), COMPRESSION_ERROR),
    Breach("4.3 an integer without end", compressed(b"\x7f" + b"\xff" * 20), COMPRESSION_ERROR),
    Breach("4.3 padding of a whole octet", compressed(b"\0\x81a\x82\xff\xff"), COMPRESSION_ERROR),
    Breach("4.3 padding of zeros", compressed(b"\0\x81\x18\1a"), COMPRESSION_ERROR),
    Breach("4.3 the symbol EOS", compressed(b"\0\x84\xff\xff\xff\xff\1a"), COMPRESSION_ERROR),
    Breach("4.3 a table over its size", compressed(b"\x3f\xff\x7f"), COMPRESSION_ERROR),
    Breach(
        "4.3 a table's size behind a field",
        compressed(b"\x20", before=request()),
        COMPRESSION_ERROR,
    ),
    Breach(
        "4.3 in the trailers",
        feeding(frame(HEADERS, 1, b"\x80", END_HEADERS | END_STREAM), state=opened),
        COMPRESSION_ERROR,
    ),
    Breach("4.3 PING inside a block", interrupted(frame(PING, 0, bytes(8))), PROTOCOL_ERROR),
    Breach("4.3 SETTINGS inside a block", interrupted(settings()), PROTOCOL_ERROR),
    Breach("4.3 GOAWAY inside a block", interrupted(frame(GOAWAY, 0, bytes(8))), PROTOCOL_ERROR),
    Breach(
        "4.3 PRIORITY inside a block", interrupted(frame(PRIORITY, 1, bytes(5))), PROTOCOL_ERROR
    ),
    Breach(
        "4.3 RST_STREAM inside a block", interrupted(frame(RST_STREAM, 1, u32(8))), PROTOCOL_ERROR
    ),
    Breach(
        "4.3 WINDOW_UPDATE inside a block",
        interrupted(frame(WINDOW_UPDATE, 0, u32(1))),
        PROTOCOL_ERROR,
    ),
    Breach("4.3 DATA inside a block", interrupted(frame(DATA, 1, b"x"), flags=0), PROTOCOL_ERROR),
    Breach("4.3 HEADERS inside a block", interrupted(frame(HEADERS, 3, b"", 5)), PROTOCOL_ERROR),
    Breach(
        "4.3 PRIORITY_UPDATE inside a block",
        interrupted(frame(PRIORITY_UPDATE, 0, u32(1))),
        PROTOCOL_ERROR,
    ),
    Breach("5.5 an unknown frame inside a block", interrupted(frame(UNKNOWN, 0)), PROTOCOL_ERROR),
    # States of streams
    Breach("5.1 DATA on an idle stream", feeding(frame(DATA, 1, b"x")), PROTOCOL_ERROR),
    Breach(
        "5.1 RST_STREAM on an idle stream", feeding(frame(RST_STREAM, 1, u32(8))), PROTOCOL_ERROR
    ),
    Breach(
        "5.1 WINDOW_UPDATE on an idle stream",
        feeding(frame(WINDOW_UPDATE, 1, u32(1))),
        PROTOCOL_ERROR,
    ),
    Breach("5.1 HEADERS on a stream that ended", block(request(), state=closed), STREAM_CLOSED),
    Breach("5.1.1 an even stream", block(request(), stream=2), PROTOCOL_ERROR),
    Breach("5.1.1 DATA on an even stream", feeding(frame(DATA, 2, b"x")), PROTOCOL_ERROR),
    Breach("5.1.1 a lower stream than before", block(request(), state=passed_over), PROTOCOL_ERROR),
    # Frame by frame
    Breach("6.1 DATA on stream 0", feeding(frame(DATA, 0, b"x")), PROTOCOL_ERROR),
    Breach(
        "6.1 padding as long as the frame",
        feeding(frame(DATA, 1, b"\5abcd", PADDED), state=opened),
        PROTOCOL_ERROR,
    ),
    Breach(
        "6.1 padding without its length",
        feeding(frame(DATA, 1, b"", PADDED), state=opened),
        FRAME_SIZE_ERROR,
    ),
    Breach(
        "6.1 DATA past the window of its stream",
        feeding(*[frame(DATA, 1, bytes(16_384))] * 5, state=opened),
        FLOW_CONTROL_ERROR,
    ),
    Breach("6.2 HEADERS on stream 0", block(request(), stream=0), PROTOCOL_ERROR),
    Breach(
        "6.2 padding as long as the frame", feeding(frame(HEADERS, 1, b"\5ab", 0xD)), PROTOCOL_ERROR
    ),
    Breach(
        "6.2 padding without its length", feeding(frame(HEADERS, 1, b"", 0xD)), FRAME_SIZE_ERROR
    ),
    Breach(
        "6.2 a priority that is cut off",
        feeding(frame(HEADERS, 1, bytes(3), END_HEADERS | PRIORITY_FLAG)),
        FRAME_SIZE_ERROR,
    ),
    Breach("6.3 PRIORITY on stream 0", feeding(frame(PRIORITY, 0, bytes(5))), PROTOCOL_ERROR),
    Breach(
        "6.3 PRIORITY of another length, no stream to reset",
        feeding(frame(PRIORITY, 1, bytes(4))),
        FRAME_SIZE_ERROR,
    ),
    Breach("6.4 RST_STREAM on stream 0", feeding(frame(RST_STREAM, 0, u32(8))), PROTOCOL_ERROR),
    Breach(
        "6.4 RST_STREAM of three octets",
        feeding(frame(RST_STREAM, 1, bytes(3)), state=opened),
        FRAME_SIZE_ERROR,
    ),
    Breach(
        "6.4 RST_STREAM of five octets",
        feeding(frame(RST_STREAM, 1, bytes(5)), state=opened),
        FRAME_SIZE_ERROR,
    ),
    Breach("6.5 SETTINGS on a stream", feeding(frame(SETTINGS, 1)), PROTOCOL_ERROR),
    Breach("6.5 SETTINGS of five octets", feeding(frame(SETTINGS, 0, bytes(5))), FRAME_SIZE_ERROR),
    Breach(
        "6.5 an acknowledgement with settings",
        feeding(frame(SETTINGS, 0, setting(4, 1), ACK)),
        FRAME_SIZE_ERROR,
    ),
    Breach("6.5.2 ENABLE_PUSH of 2", feeding(settings((2, 2))), PROTOCOL_ERROR),
    Breach("6.5.2 a window over the top", feeding(settings((4, 1 << 31))), FLOW_CONTROL_ERROR),
    Breach("6.5.2 a frame size under the least", feeding(settings((5, 16_383))), PROTOCOL_ERROR),
    Breach("6.5.2 a frame size over the top", feeding(settings((5, 1 << 24))), PROTOCOL_ERROR),
    Breach(
        "6.5.2 the second of two settings is wrong",
        feeding(settings((4, 1), (2, 7))),
        PROTOCOL_ERROR,
    ),
    Breach(
        "6.6 PUSH_PROMISE", feeding(frame(PUSH_PROMISE, 1, u32(2), 4), state=opened), PROTOCOL_ERROR
    ),
    Breach(
        "6.6 PUSH_PROMISE on stream 0", feeding(frame(PUSH_PROMISE, 0, u32(2), 4)), PROTOCOL_ERROR
    ),
    Breach("6.7 PING on a stream", feeding(frame(PING, 1, bytes(8))), PROTOCOL_ERROR),
    Breach("6.7 PING of seven octets", feeding(frame(PING, 0, bytes(7))), FRAME_SIZE_ERROR),
    Breach("6.7 PING of nine octets", feeding(frame(PING, 0, bytes(9))), FRAME_SIZE_ERROR),
    Breach("6.8 GOAWAY on a stream", feeding(frame(GOAWAY, 1, bytes(8))), PROTOCOL_ERROR),
    Breach("6.8 GOAWAY of seven octets", feeding(frame(GOAWAY, 0, bytes(7))), FRAME_SIZE_ERROR),
    Breach(
        "6.9 WINDOW_UPDATE of three octets",
        feeding(frame(WINDOW_UPDATE, 0, bytes(3))),
        FRAME_SIZE_ERROR,
    ),
    Breach(
        "6.9 WINDOW_UPDATE of five octets on a stream",
        feeding(frame(WINDOW_UPDATE, 1, bytes(5)), state=opened),
        FRAME_SIZE_ERROR,
    ),
    Breach("6.9 WINDOW_UPDATE of 0", feeding(frame(WINDOW_UPDATE, 0, u32(0))), PROTOCOL_ERROR),
    Breach(
        "6.9.1 the connection's window over the top",
        feeding(frame(WINDOW_UPDATE, 0, u32(0x7FFF_FFFF))),
        FLOW_CONTROL_ERROR,
    ),
    Breach(
        "6.9.2 a stream's window over the top by SETTINGS",
        _window_over_the_top_by_settings,
        FLOW_CONTROL_ERROR,
    ),
    Breach("6.10 CONTINUATION first", feeding(frame(CONTINUATION, 1, b"", 4)), PROTOCOL_ERROR),
    Breach(
        "6.10 CONTINUATION on stream 0", feeding(frame(CONTINUATION, 0, b"", 4)), PROTOCOL_ERROR
    ),
    Breach(
        "6.10 CONTINUATION behind the end of a block",
        feeding(frame(CONTINUATION, 1, b"", 4), state=opened),
        PROTOCOL_ERROR,
    ),
    Breach(
        "6.10 CONTINUATION behind DATA",
        feeding(frame(DATA, 1, b"x"), frame(CONTINUATION, 1, b"", 4), state=opened),
        PROTOCOL_ERROR,
    ),
    Breach(
        "6.10 CONTINUATION of another stream",
        interrupted(frame(CONTINUATION, 3, b"", 4)),
        PROTOCOL_ERROR,
    ),
    # Other RFCs
    Breach("8441 3 ENABLE_CONNECT_PROTOCOL of 2", feeding(settings((8, 2))), PROTOCOL_ERROR),
    Breach(
        "8441 3 ENABLE_CONNECT_PROTOCOL taken back",
        feeding(settings((8, 1)), settings((8, 0))),
        PROTOCOL_ERROR,
    ),
    Breach("9218 2.1 NO_RFC7540_PRIORITIES of 2", feeding(settings((9, 2))), PROTOCOL_ERROR),
    Breach("9218 2.1 NO_RFC7540_PRIORITIES later on", feeding(settings((9, 1))), PROTOCOL_ERROR),
    Breach(
        "9218 7.1 PRIORITY_UPDATE on a stream",
        feeding(frame(PRIORITY_UPDATE, 1, u32(1)), state=opened),
        PROTOCOL_ERROR,
    ),
    Breach(
        "9218 7.1 PRIORITY_UPDATE about stream 0",
        feeding(frame(PRIORITY_UPDATE, 0, u32(0))),
        PROTOCOL_ERROR,
    ),
    Breach(
        "9218 7.1 PRIORITY_UPDATE of three octets",
        feeding(frame(PRIORITY_UPDATE, 0, bytes(3))),
        FRAME_SIZE_ERROR,
    ),
]
"""Each ends the connection: GOAWAY with its code, and nothing more is answered."""

STREAM_ERRORS = [
    Breach(
        "5.1 DATA behind the end", feeding(frame(DATA, 1, b"x"), state=half_closed), STREAM_CLOSED
    ),
    Breach("5.1 HEADERS behind the end", block(request(), state=half_closed), STREAM_CLOSED),
    Breach("5.1 trailers behind the end", block([("a", "b")], state=half_closed), STREAM_CLOSED),
    Breach(
        "5.1 DATA on a closed stream", feeding(frame(DATA, 1, b"x"), state=closed), STREAM_CLOSED
    ),
    Breach(
        "5.1 DATA on a stream that was reset",
        feeding(frame(DATA, 1, b"x"), state=reset_by_client),
        STREAM_CLOSED,
    ),
    Breach(
        "5.1 HEADERS on a stream that was reset",
        block(request(), state=reset_by_client),
        STREAM_CLOSED,
    ),
    Breach(
        "5.1.1 DATA on a stream that was passed over",
        feeding(frame(DATA, 1, b"x"), state=passed_over),
        STREAM_CLOSED,
    ),
    Breach(
        "6.3 PRIORITY of another length",
        feeding(frame(PRIORITY, 1, bytes(4)), state=opened),
        FRAME_SIZE_ERROR,
    ),
    Breach("7540 5.3.1 a stream that depends on itself", _depending_on_itself, PROTOCOL_ERROR),
    Breach(
        "7540 5.3.1 a stream that depends on itself later",
        feeding(frame(PRIORITY, 1, u32(1) + b"\1"), state=opened),
        PROTOCOL_ERROR,
    ),
    Breach(
        "6.9 WINDOW_UPDATE of 0",
        feeding(frame(WINDOW_UPDATE, 1, u32(0)), state=opened),
        PROTOCOL_ERROR,
    ),
    Breach(
        "6.9 WINDOW_UPDATE of 0 behind the end",
        feeding(frame(WINDOW_UPDATE, 1, u32(0)), state=half_closed),
        PROTOCOL_ERROR,
    ),
    Breach(
        "6.9.1 the stream's window over the top",
        feeding(frame(WINDOW_UPDATE, 1, u32(0x7FFF_FFFF)), state=opened),
        FLOW_CONTROL_ERROR,
    ),
    Breach(
        "8.1 trailers that do not end the stream",
        block([("a", "b")], state=opened, flags=END_HEADERS),
        PROTOCOL_ERROR,
    ),
    Breach(
        "8.1 a second request on the stream",
        block(request(), state=opened, flags=END_HEADERS),
        PROTOCOL_ERROR,
    ),
    Breach(
        "8.1 a pseudo-header in the trailers", block([(":path", "/")], state=opened), PROTOCOL_ERROR
    ),
    Breach("8.2.1 upper case in the trailers", block([("A", "b")], state=opened), PROTOCOL_ERROR),
    Breach(
        "8.2.2 connection in the trailers",
        block([("connection", "x")], state=opened),
        PROTOCOL_ERROR,
    ),
    Breach(
        "9110 6.5.1 a length in the trailers",
        block([("content-length", "0")], state=opened),
        PROTOCOL_ERROR,
    ),
    Breach("9110 6.5.1 host in the trailers", block([("host", "a")], state=opened), PROTOCOL_ERROR),
    Breach("8.1.1 more than the length", _with_length(2, frame(DATA, 1, b"abc")), PROTOCOL_ERROR),
    Breach(
        "8.1.1 more than the length, in two frames",
        _with_length(3, frame(DATA, 1, b"ab"), frame(DATA, 1, b"cd")),
        PROTOCOL_ERROR,
    ),
    Breach(
        "8.1.1 less than the length",
        _with_length(4, frame(DATA, 1, b"abc", END_STREAM)),
        PROTOCOL_ERROR,
    ),
    Breach("8.1.1 a length and no body", _with_length(1, flags=5), PROTOCOL_ERROR),
    Breach("8.1.1 a length and trailers alone", _with_length_and_trailers, PROTOCOL_ERROR),
    Breach("8.5 trailers on a tunnel", block([("a", "b")], state=tunnel), PROTOCOL_ERROR),
    Breach(
        "8.5 HEADERS on a tunnel", block(request(), state=tunnel, flags=END_HEADERS), PROTOCOL_ERROR
    ),
]
"""Each ends stream 1 with RST_STREAM and its code; the connection goes on."""

IGNORED = [
    Ignored("4.1 the reserved bit", feeding(frame(PING, 1 << 31, bytes(8)))),
    Ignored("4.1 undefined flags", feeding(frame(PING, 0, bytes(8), 0xFE))),
    Ignored(
        "5.1 RST_STREAM on a closed stream", feeding(frame(RST_STREAM, 1, u32(8)), state=closed)
    ),
    Ignored(
        "5.1 WINDOW_UPDATE on a closed stream",
        feeding(frame(WINDOW_UPDATE, 1, u32(1)), state=closed),
    ),
    Ignored("5.1 PRIORITY on a closed stream", feeding(frame(PRIORITY, 1, bytes(5)), state=closed)),
    Ignored("5.1 PRIORITY on an idle stream", feeding(frame(PRIORITY, 9, bytes(5)))),
    Ignored(
        "5.1 RST_STREAM on one that we reset",
        feeding(frame(RST_STREAM, 1, u32(8)), state=reset_by_us),
    ),
    Ignored(
        "5.1 WINDOW_UPDATE on one that we reset",
        feeding(frame(WINDOW_UPDATE, 1, u32(1)), state=reset_by_us),
    ),
    Ignored("5.1 RST_STREAM twice", feeding(frame(RST_STREAM, 1, u32(8)), state=reset_by_client)),
    Ignored("5.5 an unknown frame", feeding(frame(UNKNOWN, 0, b"x"))),
    Ignored("5.5 an unknown frame on an idle stream", feeding(frame(UNKNOWN, 9, b"x"))),
    Ignored("6.4 an unknown error code", feeding(frame(RST_STREAM, 1, u32(0xFFFF)), state=opened)),
    Ignored("6.5 an unknown setting", feeding(settings((0x99, 7)))),
    Ignored("6.5 the same setting twice", feeding(settings((4, 1), (4, 65_535)))),
    Ignored("6.5.2 ENABLE_PUSH of 1", feeding(settings((2, 1)))),
    Ignored("6.5.2 a table of any size", feeding(settings((1, 0xFFFF_FFFF)))),
    Ignored(
        "6.5.3 an acknowledgement that was not asked for", feeding(frame(SETTINGS, 0, flags=ACK))
    ),
    Ignored("6.7 an answer to no ping of ours", feeding(frame(PING, 0, bytes(8), ACK))),
    Ignored(
        "8441 3 ENABLE_CONNECT_PROTOCOL of 1, twice", feeding(settings((8, 1)), settings((8, 1)))
    ),
    Ignored(
        "9218 7.1 PRIORITY_UPDATE of an idle stream",
        feeding(frame(PRIORITY_UPDATE, 0, u32(9) + b"u=1")),
    ),
]
"""Each changes nothing: the next request is answered, and no stream is reset because of it."""
