"""Attacks on HTTP/2 servers by frames that are legal one by one, and their limits at the edge."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable

import pytest

from longwire.base.headers import Headers
from longwire.base.limits import Http2Limits, HttpLimits
from longwire.http.events import Body, End, Response
from tests.unit.http.h2_wire import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Conversation,
    frame,
    request,
    setting,
)

CALM = 0xB

LIMITS = Http2Limits(
    control_frames_per_s_max=2.0,
    resets_per_s_max=2.0,
    window_updates_spare=20,
    continuation_frames_max=3,
    concurrent_streams_max=3,
)


def _ping(talk: Conversation, index: int) -> None:
    talk.feed(frame(PING, 0, bytes(8)))


def _settings(talk: Conversation, index: int) -> None:
    talk.feed(frame(SETTINGS, 0, setting(4, 65_535 + index)))


def _priority(talk: Conversation, index: int) -> None:
    talk.feed(frame(PRIORITY, 2 * index + 1, bytes(5)))


def _unknown(talk: Conversation, index: int) -> None:
    talk.feed(frame(0x77, 0))


def _empty_data(talk: Conversation, index: int) -> None:
    if index == 0:
        talk.headers(1, request("/", "POST"), END_HEADERS)
    talk.feed(frame(DATA, 1))


def _ping_answer(talk: Conversation, index: int) -> None:
    talk.feed(frame(PING, 0, bytes(8), ACK))


def _settings_answer(talk: Conversation, index: int) -> None:
    talk.feed(frame(SETTINGS, 0, flags=ACK))


def _goodbye(talk: Conversation, index: int) -> None:
    if index == 0:
        talk.headers(1, request())
    talk.feed(frame(GOAWAY, 0, bytes(8)))


def _priority_update(talk: Conversation, index: int) -> None:
    talk.feed(frame(0x10, 0, b"\0\0\0\1u=1"))


def _data_behind_a_reset(talk: Conversation, index: int) -> None:
    if index == 0:
        talk.headers(1, request("/", "POST"), END_HEADERS)
        talk.send(Response(1, 200, Headers()), Body(1, b"enough"), End(1))
    talk.feed(frame(DATA, 1, b"x"))


def _ends_behind_a_reset(talk: Conversation, index: int) -> None:
    if index == 0:
        _data_behind_a_reset(talk, 0)
    else:
        talk.feed(frame(DATA, 1, b"", END_STREAM))


def _window_update(talk: Conversation, index: int) -> None:
    talk.feed(frame(WINDOW_UPDATE, 0, b"\0\0\0\1"))


def _rapid_reset(talk: Conversation, index: int) -> None:
    stream = 2 * index + 1
    talk.headers(stream, request())
    talk.feed(frame(RST_STREAM, stream, bytes(4)))


def _made_you_reset(talk: Conversation, index: int) -> None:
    talk.headers(2 * index + 1, [*request(), ("Upper", "case")])


def _made_you_reset_by_a_window(talk: Conversation, index: int) -> None:
    stream = 2 * index + 1
    talk.headers(stream, request())
    talk.feed(frame(WINDOW_UPDATE, stream, bytes(4)))


def _made_you_reset_by_too_wide_a_window(talk: Conversation, index: int) -> None:
    stream = 2 * index + 1
    talk.headers(stream, request())
    talk.feed(frame(WINDOW_UPDATE, stream, b"\x7f\xff\xff\xff"))


def _made_you_reset_by_trailers(talk: Conversation, index: int) -> None:
    stream = 2 * index + 1
    talk.headers(stream, request("/", "POST"), END_HEADERS)
    talk.headers(stream, [("a", "b")], END_HEADERS)


def _made_you_reset_by_a_length(talk: Conversation, index: int) -> None:
    talk.headers(2 * index + 1, request("/", "POST", content_length="1"))


def _refused(talk: Conversation, index: int) -> None:
    if index == 0:
        for stream in range(1, 2 * LIMITS.concurrent_streams_max, 2):
            talk.headers(stream, request())
    talk.headers(2 * (LIMITS.concurrent_streams_max + index) + 1, request())


FLOODS: dict[str, Callable[[Conversation, int], None]] = {
    "pings": _ping,
    "settings": _settings,
    "priorities": _priority,
    "unknown frames": _unknown,
    "empty data": _empty_data,
    "window updates": _window_update,
    "rapid reset": _rapid_reset,
    "made you reset": _made_you_reset,
    "made you reset by a window of 0": _made_you_reset_by_a_window,
    "made you reset by too wide a window": _made_you_reset_by_too_wide_a_window,
    "made you reset by trailers": _made_you_reset_by_trailers,
    "made you reset by a length": _made_you_reset_by_a_length,
    "streams past their number": _refused,
    "answers to no ping": _ping_answer,
    "acknowledgements": _settings_answer,
    "goodbyes": _goodbye,
    "priority updates": _priority_update,
    "data behind a reset": _data_behind_a_reset,
    "ends behind a reset": _ends_behind_a_reset,
}


CONTROL = (
    _ping,
    _settings,
    _priority,
    _unknown,
    _empty_data,
    _ping_answer,
    _settings_answer,
    _goodbye,
    _priority_update,
    _data_behind_a_reset,
    _ends_behind_a_reset,
)


@pytest.mark.parametrize("one", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_ends_in_enhance_your_calm(one: Callable[[Conversation, int], None]) -> None:
    talk = Conversation(http2=LIMITS, echo=False)
    # The first SETTINGS and the acknowledgement of ours were two of the 20 of ten seconds.
    allowed = 18 if one in CONTROL else 20
    for index in range(allowed):
        one(talk, index)
        assert talk.goaway is None, f"number {index + 1} was one too many"
    one(talk, allowed)
    assert talk.goaway is not None
    assert talk.goaway.error_code == CALM
    assert talk.engine.wants_close


@pytest.mark.parametrize("one", [_ping, _rapid_reset], ids=["pings", "resets"])
def test_the_same_in_a_long_time_is_no_flood(one: Callable[[Conversation, int], None]) -> None:
    talk = Conversation(http2=LIMITS, echo=False)
    for index in range(100):
        one(talk, index)
        talk.wait(0.5)
    assert talk.goaway is None


def test_a_block_of_many_frames_ends_in_enhance_your_calm() -> None:
    talk = Conversation(http2=LIMITS)
    talk.feed(frame(HEADERS, 1, talk.block(request()), END_STREAM))
    for _ in range(3):
        talk.feed(frame(CONTINUATION, 1))
        assert talk.goaway is None
    talk.feed(frame(CONTINUATION, 1))
    assert talk.goaway is not None
    assert talk.goaway.error_code == CALM


def test_a_block_of_as_many_frames_as_allowed_is_a_request() -> None:
    talk = Conversation(http2=LIMITS)
    talk.feed(frame(HEADERS, 1, talk.block(request()), END_STREAM))
    talk.feed(frame(CONTINUATION, 1) * 2 + frame(CONTINUATION, 1, b"", END_HEADERS))
    assert talk.answers[1].status == 200


def test_a_header_bomb_ends_in_enhance_your_calm() -> None:
    # One large field put into the table, and named a few hundred times with one octet each.
    talk = Conversation(limits=HttpLimits(header_bytes_max=8_192))
    talk.headers(1, [*request(), ("bomb", "x" * 3_000)])
    talk.headers(3, [*request(), *[("bomb", "x" * 3_000)] * 300])
    assert talk.goaway is not None
    assert talk.goaway.error_code == CALM


def test_window_updates_for_what_we_send_are_no_flood() -> None:
    talk = Conversation(http2=LIMITS, echo=False)
    talk.headers(1, request())
    talk.send(Response(1, 200, Headers()))
    for _ in range(200):
        talk.send(Body(1, bytes(1_000)))
        one = (1_000).to_bytes(4, "big")
        talk.feed(frame(WINDOW_UPDATE, 0, one) + frame(WINDOW_UPDATE, 1, one))
    assert talk.goaway is None
    assert len(talk.answers[1].body) == 200_000


def test_uploads_that_were_answered_early_are_no_flood() -> None:
    talk = Conversation(http2=LIMITS, echo=False)
    for stream in range(1, 41, 2):
        talk.headers(stream, request("/", "POST"), END_HEADERS)
        talk.send(Response(stream, 413, Headers()), End(stream))
        talk.feed(frame(DATA, stream, bytes(1_024)) * 40)
    assert talk.goaway is None


def test_a_table_that_the_peer_allows_to_grow_does_not() -> None:
    # RFC 7541 section 7.3: what is kept to compress is our decision, not the peer's.
    talk = Conversation(echo=False)
    for size in (0xFFFF_FFFF, 0, 1 << 20):
        talk.feed(frame(SETTINGS, 0, setting(1, size)))
    stream = 1
    for index in range(200):
        talk.headers(stream, request())
        talk.send(Response(stream, 200, Headers([("one", f"{index:0100}")])), End(stream))
        assert talk.answers[stream].headers["one"] == f"{index:0100}"
        stream += 2
    # One table with every field would be 200 x (100 + 3 + 32) bytes; the client's is as large as
    # ours, which it is told.
    assert talk.client_table_bytes <= 4_096


def test_what_is_remembered_of_streams_that_are_over_has_a_bound() -> None:
    talk = Conversation(echo=True)
    seen = []
    for stream in range(1, 7_001, 2):
        talk.headers(stream, request())
        talk.forget_all()
        if stream % 1_000 == 1:
            seen.append(_size_of(talk.engine))
    assert seen[-1] <= seen[3] * 1.05, seen


def _size_of(root: object) -> int:
    """Bytes of everything that can be reached from ``root`` and is not a class or a module."""
    found: dict[int, object] = {}
    waiting = [root]
    while waiting:
        each = waiting.pop()
        if id(each) in found or isinstance(each, type | types.ModuleType | types.FunctionType):
            continue
        found[id(each)] = each
        waiting += gc.get_referents(each)
    return sum(sys.getsizeof(each) for each in found.values())
