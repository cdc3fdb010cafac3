"""What ends an HTTP/2 connection, each by its section of RFC 9113, and with which code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from longwire.base.headers import Headers
from longwire.base.limits import Http2Limits
from longwire.http.events import ConnectionEnded, End, Response, StreamClosed
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
    frame,
    request,
    setting,
)
from tests.unit.http.wire import Cut

PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 0x1, 0x3, 0x5
FRAME_SIZE_ERROR, REFUSED_STREAM, COMPRESSION_ERROR, CALM = 0x6, 0x7, 0x9, 0xB

Breach = Callable[[Conversation], None]


def _open(talk: Conversation, stream: int = 1) -> None:
    """Begin a request whose body is still to come."""
    talk.headers(stream, request("/", "POST"), END_HEADERS)


def _feeding(data: bytes, *, is_open: bool = False) -> Breach:
    def breach(talk: Conversation) -> None:
        if is_open:
            _open(talk)
        talk.feed(data)

    return breach


def _after_the_end(talk: Conversation) -> None:
    talk.headers(1, request())
    talk.feed(frame(DATA, 1, b"more"))


def _lower_stream(talk: Conversation) -> None:
    talk.headers(5, request())
    talk.headers(3, request())


def _interrupted_block(talk: Conversation) -> None:
    talk.feed(frame(HEADERS, 1, talk.block(request()), END_STREAM) + frame(PING, 0, bytes(8)))


def _other_continuation(talk: Conversation) -> None:
    talk.feed(frame(HEADERS, 1, talk.block(request()), END_STREAM))
    talk.feed(frame(CONTINUATION, 3, b"", END_HEADERS))


def _second_head(talk: Conversation) -> None:
    _open(talk)
    talk.headers(1, request("/", "POST"), END_HEADERS)


def _window_overflow(talk: Conversation) -> None:
    talk.feed(frame(WINDOW_UPDATE, 0, (0x7FFF_FFFF).to_bytes(4, "big")))


def _too_much_data(talk: Conversation) -> None:
    _open(talk)
    for _ in range(5):  # the window is 64 KiB and nobody reads
        talk.feed(frame(DATA, 1, bytes(16_384)))


BREACHES: dict[str, tuple[Breach, set[int]]] = {
    "4.2 a frame larger than the maximum": (
        _feeding((16_385).to_bytes(3, "big") + bytes([DATA, 0]) + bytes(4)),
        {FRAME_SIZE_ERROR},
    ),
    "4.3 a block that is not HPACK": (
        _feeding(frame(HEADERS, 1, b"\xff\xff\xff\xff\xff", END_HEADERS | END_STREAM)),
        {COMPRESSION_ERROR, PROTOCOL_ERROR},
    ),
    "5.1 DATA on an idle stream": (_feeding(frame(DATA, 1, b"x")), {PROTOCOL_ERROR}),
    "5.1 RST_STREAM on an idle stream": (
        _feeding(frame(RST_STREAM, 1, bytes(4))),
        {PROTOCOL_ERROR},
    ),
    "5.1 WINDOW_UPDATE on an idle stream": (
        _feeding(frame(WINDOW_UPDATE, 1, b"\0\0\0\1")),
        {PROTOCOL_ERROR},
    ),
    "5.1.1 an even stream": (
        lambda talk: talk.headers(2, request()),
        {PROTOCOL_ERROR},
    ),
    "5.1.1 a lower stream than before": (_lower_stream, {PROTOCOL_ERROR, STREAM_CLOSED}),
    "6.1 DATA on stream 0": (_feeding(frame(DATA, 0, b"x")), {PROTOCOL_ERROR}),
    "6.1 padding as long as the frame": (
        _feeding(frame(DATA, 1, b"\x05abcd", PADDED), is_open=True),
        {PROTOCOL_ERROR},
    ),
    "6.2 HEADERS on stream 0": (
        lambda talk: talk.headers(0, request()),
        {PROTOCOL_ERROR},
    ),
    "6.2 another frame inside a block": (_interrupted_block, {PROTOCOL_ERROR}),
    "6.3 PRIORITY on stream 0": (_feeding(frame(PRIORITY, 0, bytes(5))), {PROTOCOL_ERROR}),
    "6.4 RST_STREAM on stream 0": (_feeding(frame(RST_STREAM, 0, bytes(4))), {PROTOCOL_ERROR}),
    "6.4 RST_STREAM of another length": (
        _feeding(frame(RST_STREAM, 1, bytes(3)), is_open=True),
        {FRAME_SIZE_ERROR},
    ),
    "6.5 SETTINGS on a stream": (_feeding(frame(SETTINGS, 1)), {PROTOCOL_ERROR}),
    "6.5 SETTINGS of a broken length": (
        _feeding(frame(SETTINGS, 0, bytes(5))),
        {FRAME_SIZE_ERROR},
    ),
    "6.5 an acknowledgement with settings": (
        _feeding(frame(SETTINGS, 0, setting(4, 1), ACK)),
        {FRAME_SIZE_ERROR},
    ),
    "6.5.2 ENABLE_PUSH of 2": (_feeding(frame(SETTINGS, 0, setting(2, 2))), {PROTOCOL_ERROR}),
    "6.5.2 a window over the maximum": (
        _feeding(frame(SETTINGS, 0, setting(4, 0x8000_0000))),
        {FLOW_CONTROL_ERROR},
    ),
    "6.5.2 a frame size under the minimum": (
        _feeding(frame(SETTINGS, 0, setting(5, 16_383))),
        {PROTOCOL_ERROR},
    ),
    "6.5.2 a frame size over the maximum": (
        _feeding(frame(SETTINGS, 0, setting(5, 1 << 24))),
        {PROTOCOL_ERROR},
    ),
    "6.6 PUSH_PROMISE from a client": (
        _feeding(frame(PUSH_PROMISE, 1, bytes(4), END_HEADERS), is_open=True),
        {PROTOCOL_ERROR},
    ),
    "6.7 PING on a stream": (_feeding(frame(PING, 1, bytes(8))), {PROTOCOL_ERROR}),
    "6.7 PING of another length": (_feeding(frame(PING, 0, bytes(7))), {FRAME_SIZE_ERROR}),
    "6.8 GOAWAY on a stream": (_feeding(frame(GOAWAY, 1, bytes(8))), {PROTOCOL_ERROR}),
    "6.9 WINDOW_UPDATE of another length": (
        _feeding(frame(WINDOW_UPDATE, 0, bytes(3))),
        {FRAME_SIZE_ERROR},
    ),
    "6.9 a WINDOW_UPDATE of 0": (
        _feeding(frame(WINDOW_UPDATE, 0, bytes(4))),
        {PROTOCOL_ERROR},
    ),
    "6.9.1 a window over the maximum": (_window_overflow, {FLOW_CONTROL_ERROR}),
    "6.9.1 more DATA than the window": (_too_much_data, {FLOW_CONTROL_ERROR}),
    "6.10 CONTINUATION without HEADERS": (
        _feeding(frame(CONTINUATION, 1, b"", END_HEADERS), is_open=True),
        {PROTOCOL_ERROR},
    ),
    "6.10 CONTINUATION of another stream": (_other_continuation, {PROTOCOL_ERROR}),
    "8.1 a second head that is no trailers": (_second_head, {PROTOCOL_ERROR}),
    "9218 7.1 a PRIORITY_UPDATE on a stream": (
        _feeding(frame(0x10, 1, bytes(4)), is_open=True),
        {PROTOCOL_ERROR},
    ),
}


@pytest.mark.parametrize(("breach", "codes"), BREACHES.values(), ids=BREACHES.keys())
def test_a_breach_ends_the_connection_with_its_code(
    breach: Breach, codes: set[int], cut: Cut
) -> None:
    talk = Conversation(cut=cut, echo=False)
    breach(talk)
    assert talk.goaway is not None, "the connection goes on"
    assert talk.goaway.error_code in codes
    assert talk.engine.wants_close
    assert isinstance(talk.events[-1], ConnectionEnded)
    before = len(talk.frames)
    talk.feed(frame(PING, 0, bytes(8)))
    assert len(talk.frames) == before, "nothing more is answered"


def test_what_came_before_a_breach_is_given_out() -> None:
    talk = Conversation(echo=False)
    talk.feed(
        frame(HEADERS, 1, talk.block(request()), END_HEADERS | END_STREAM) + frame(DATA, 0, b"x")
    )
    kinds = [type(event).__name__ for event in talk.events]
    assert kinds == ["RequestReceived", "RequestEnded", "StreamClosed", "ConnectionEnded"]
    assert talk.goaway is not None
    assert talk.goaway.last_stream_id == 1


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        PREFACE + frame(PING, 0, bytes(8)),
        PREFACE + frame(SETTINGS, 0, flags=ACK),
        PREFACE + frame(HEADERS, 1, b"", END_HEADERS),
    ],
    ids=["another protocol", "no SETTINGS", "an acknowledgement", "a request"],
)
def test_the_preface_is_asked_for(first: bytes, cut: Cut) -> None:
    talk = Conversation(cut=cut, begin=False)
    talk.feed(first)
    assert talk.goaway is not None
    assert talk.goaway.error_code == PROTOCOL_ERROR


def test_data_behind_the_end_of_a_stream_is_an_error_of_the_stream_at_least() -> None:
    talk = Conversation(echo=False)
    _after_the_end(talk)
    assert talk.resets == {1: STREAM_CLOSED} or (
        talk.goaway is not None and talk.goaway.error_code == STREAM_CLOSED
    )


def test_more_streams_than_announced_are_refused_before_the_client_can_know() -> None:
    talk = Conversation(http2=Http2Limits(concurrent_streams_max=2), echo=False, begin=False)
    talk.feed(PREFACE + frame(SETTINGS, 0))
    for stream in (1, 3, 5):
        talk.headers(stream, request())
    assert talk.resets == {5: REFUSED_STREAM}
    assert talk.goaway is None


def test_unknown_frames_and_settings_are_ignored() -> None:
    talk = Conversation()
    talk.feed(frame(0x42, 0, b"whatever") + frame(SETTINGS, 0, setting(0x99, 7)))
    assert talk.is_alive()


def test_a_client_that_says_goodbye_gets_its_answers() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.feed(frame(GOAWAY, 0, bytes(8)))
    assert not talk.engine.wants_close
    talk.send(Response(1, 200, Headers()), End(1))
    assert talk.answers[1].status == 200
    assert talk.engine.wants_close
    assert talk.events[-2:] == [StreamClosed(1, None), ConnectionEnded(None)]


def test_a_client_that_leaves_in_anger_closes_everything() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.feed(frame(GOAWAY, 0, bytes(4) + (2).to_bytes(4, "big")))
    assert talk.engine.wants_close
    assert isinstance(talk.events[-2], StreamClosed)


def test_a_stream_that_the_client_resets_is_closed() -> None:
    talk = Conversation()
    talk.headers(1, request("/", "POST"), END_HEADERS)
    talk.feed(frame(RST_STREAM, 1, (8).to_bytes(4, "big")))
    assert talk.events[-1] == StreamClosed(1, "the client reset the stream (error code 8)")
    assert talk.is_alive()
