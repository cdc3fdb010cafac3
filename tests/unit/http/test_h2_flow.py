"""Windows, priorities and time on HTTP/2 (RFC 9113 sections 5.2, 6.8 and 6.9; RFC 9218)."""

from __future__ import annotations

import pytest
from hyperframe.frame import DataFrame, PingFrame, WindowUpdateFrame

from longwire.base.headers import Headers
from longwire.base.limits import Http2Limits, HttpLimits
from longwire.http.events import (
    Body,
    BodyConsumed,
    BodyReceived,
    ConnectionEnded,
    End,
    LimitReached,
    RequestReceived,
    Response,
    StreamClosed,
)
from longwire.http.h2_priority import Priority, parse_priority, sending_order
from tests.unit.http.h2_wire import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    Conversation,
    frame,
    request,
    setting,
)

WINDOW = 65_535


def _open_windows(talk: Conversation, stream: int, size: int) -> None:
    for each in (0, stream):
        talk.feed(frame(WINDOW_UPDATE, each, size.to_bytes(4, "big")))


def test_a_response_waits_for_the_window() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.send(Response(1, 200, Headers()), Body(1, bytes(100_000)), End(1))
    assert len(talk.answers[1].body) == WINDOW
    assert talk.engine.held_bytes(1) == 100_000 - WINDOW
    assert not talk.of(StreamClosed)
    _open_windows(talk, 1, 100_000 - WINDOW)
    assert len(talk.answers[1].body) == 100_000
    assert talk.answers[1].has_ended
    assert talk.engine.held_bytes(1) == 0
    assert talk.of(StreamClosed) == [StreamClosed(1, None)]


def test_a_window_that_grows_by_settings_counts() -> None:
    talk = Conversation(echo=False, begin=False)
    talk.feed(PREFACE + frame(SETTINGS, 0, setting(4, 10)) + frame(SETTINGS, 0, flags=ACK))
    talk.headers(1, request())
    talk.send(Response(1, 200, Headers()), Body(1, bytes(30)), End(1))
    assert len(talk.answers[1].body) == 10
    talk.feed(frame(SETTINGS, 0, setting(4, 25)))
    assert len(talk.answers[1].body) == 25
    talk.feed(frame(SETTINGS, 0, setting(4, 5)))
    talk.feed(frame(WINDOW_UPDATE, 1, (20).to_bytes(4, "big")))
    assert len(talk.answers[1].body) == 25, "the window is at nought, having been below it"
    talk.feed(frame(WINDOW_UPDATE, 1, (5).to_bytes(4, "big")))
    assert len(talk.answers[1].body) == 30


def test_one_stream_without_a_window_holds_up_no_other() -> None:
    talk = Conversation(echo=False, begin=False)
    talk.feed(PREFACE + frame(SETTINGS, 0, setting(4, 10)) + frame(SETTINGS, 0, flags=ACK))
    for stream in (1, 3):
        talk.headers(stream, request())
        talk.send(Response(stream, 200, Headers()), Body(stream, bytes(30)), End(stream))
    talk.feed(frame(WINDOW_UPDATE, 3, (20).to_bytes(4, "big")))
    assert len(talk.answers[1].body) == 10
    assert talk.answers[3].has_ended


def test_a_client_gets_credit_for_what_was_consumed_only() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request("/", "POST"), END_HEADERS)
    for _ in range(4):
        talk.feed(frame(DATA, 1, bytes(16_000)))
    before = len([each for each in talk.frames if isinstance(each, WindowUpdateFrame)])
    talk.send(BodyConsumed(1, 64_000))
    updates = [each for each in talk.frames if isinstance(each, WindowUpdateFrame)][before:]
    assert {each.stream_id: each.window_increment for each in updates}[1] == 64_000
    talk.feed(frame(DATA, 1, bytes(16_000), END_STREAM))
    assert sum(len(each.data) for each in talk.of(BodyReceived)) == 80_000  # type: ignore[union-attr]


def test_what_nobody_read_is_credited_when_its_stream_closes() -> None:
    talk = Conversation(echo=False, http2=Http2Limits(connection_window_bytes=128 * 1024))
    for stream in range(1, 41, 2):
        talk.headers(stream, request("/", "POST"), END_HEADERS)
        talk.feed(frame(DATA, stream, bytes(16_000)) + frame(DATA, stream, bytes(16_000)))
        talk.send(Response(stream, 200, Headers()), End(stream))
        assert talk.goaway is None, f"stream {stream}: the connection's window leaks"


def test_streams_share_or_go_first_as_they_ask() -> None:
    talk = Conversation(echo=False, begin=False)
    talk.feed(PREFACE + frame(SETTINGS, 0) + frame(SETTINGS, 0, flags=ACK))
    for stream, priority in ((1, "u=5"), (3, "u=1"), (5, "u=1, i"), (7, "u=1, i")):
        talk.headers(stream, request(priority=priority))
    # Nothing may leave until the connection's window opens again.
    talk.headers(9, request(priority="u=0"))
    talk.send(Response(9, 200, Headers()), Body(9, bytes(WINDOW)), End(9))
    for stream in (1, 3, 5, 7):
        talk.send(Response(stream, 200, Headers()), Body(stream, bytes(40_000)), End(stream))
    before = len(talk.frames)
    talk.feed(frame(WINDOW_UPDATE, 0, (200_000).to_bytes(4, "big")))
    order = [each.stream_id for each in talk.frames[before:] if isinstance(each, DataFrame)]
    assert order == [3, 3, 3, 5, 7, 5, 7, 5, 7, 1, 1, 1]


def test_a_priority_update_changes_the_order() -> None:
    talk = Conversation(echo=False)
    talk.headers(9, request())
    talk.send(Response(9, 200, Headers()), Body(9, bytes(WINDOW)), End(9))
    for stream in (11, 13):
        talk.headers(stream, request())
        talk.send(Response(stream, 200, Headers()), Body(stream, b"x"), End(stream))
    talk.feed(frame(0x10, 0, (13).to_bytes(4, "big") + b"u=0"))
    before = len(talk.frames)
    talk.feed(frame(WINDOW_UPDATE, 0, (2).to_bytes(4, "big")))
    order = [each.stream_id for each in talk.frames[before:] if isinstance(each, DataFrame)]
    assert order == [13, 11]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", Priority()),
        ("u=0", Priority(0)),
        ("u=7, i", Priority(7, True)),
        ("i=?1;x=1 , u=2", Priority(2, True)),
        ("i=?0", Priority()),
        ("u=8", Priority()),
        ("u=-1", Priority()),
        ("u=1.5", Priority()),
        ("U=1, I", Priority()),
        ("u, i=1", Priority()),
        ("u=1, u=4", Priority(4)),
        ("other=1, i", Priority(3, True)),
        (",,;=", Priority()),
    ],
)
def test_priorities_are_read(value: str, expected: Priority) -> None:
    assert parse_priority(value) == expected


def test_the_turn_goes_on_behind_the_last_one() -> None:
    streams = [(1, Priority(3, True)), (3, Priority(3, True)), (5, Priority(3, True))]
    assert sending_order(streams, 3) == [(5, True), (1, True), (3, True)]
    assert sending_order([], 0) == []


# Time


def test_an_idle_connection_is_closed_in_order() -> None:
    talk = Conversation(limits=HttpLimits(idle_timeout_s=30.0))
    talk.headers(1, request())
    talk.wait(29.9)
    assert talk.goaway is None
    talk.wait(0.2)
    assert talk.goaway is not None
    assert (talk.goaway.error_code, talk.goaway.last_stream_id) == (0, 1)
    assert talk.engine.wants_close


def test_a_stream_that_is_served_keeps_the_connection() -> None:
    talk = Conversation(limits=HttpLimits(idle_timeout_s=30.0), echo=False)
    talk.headers(1, request())
    talk.wait(1_000.0)
    assert talk.goaway is None


@pytest.mark.parametrize(
    "begun",
    [b"", PREFACE[:5], PREFACE, PREFACE + frame(SETTINGS, 0) + b"\0\0"],
    ids=["nothing", "half a preface", "no SETTINGS", "half a frame"],
)
def test_a_slow_beginning_is_given_up(begun: bytes) -> None:
    talk = Conversation(begin=False, limits=HttpLimits(head_timeout_s=10.0))
    talk.feed(begun)
    talk.wait(9.9)
    assert not talk.engine.wants_close
    talk.wait(0.2)
    assert talk.engine.wants_close


def test_settings_that_are_not_acknowledged_end_the_connection() -> None:
    talk = Conversation(begin=False)
    talk.feed(PREFACE + frame(SETTINGS, 0))
    talk.wait(10.1)
    assert talk.goaway is not None
    assert talk.goaway.error_code == 0x4
    assert LimitReached("head_timeout_s") in talk.events


def test_a_slow_header_block_is_given_up() -> None:
    talk = Conversation()
    talk.feed(frame(HEADERS, 1, talk.block(request()), END_STREAM))
    talk.wait(10.1)
    assert talk.goaway is not None
    assert talk.goaway.error_code == 0xB


def test_a_slow_body_is_answered_408_and_others_are_served() -> None:
    talk = Conversation(limits=HttpLimits(body_timeout_s=5.0))
    talk.headers(1, request("/", "POST"), END_HEADERS)
    talk.feed(frame(DATA, 1, b"begun"))
    talk.wait(4.9)
    assert not talk.answers
    talk.wait(0.2)
    assert talk.answers[1].status == 408
    assert talk.is_alive()


def test_a_client_that_takes_nothing_loses_its_stream() -> None:
    talk = Conversation(http2=Http2Limits(stall_timeout_s=20.0), echo=False)
    talk.headers(1, request())
    talk.send(Response(1, 200, Headers()), Body(1, bytes(100_000)), End(1))
    talk.wait(19.9)
    assert not talk.resets
    talk.wait(0.2)
    assert talk.resets == {1: 0x8}
    assert talk.goaway is None
    assert talk.of(LimitReached) == [LimitReached("stall_timeout_s")]


@pytest.mark.parametrize(("each", "is_reset"), [(100, True), (128, False)])
def test_a_client_that_takes_a_little_now_and_then_is_no_better(each: int, is_reset: bool) -> None:
    # In the time of one stall eight windows of this size: 1 KiB is what counts.
    talk = Conversation(http2=Http2Limits(stall_timeout_s=20.0), echo=False)
    talk.headers(1, request())
    talk.send(Response(1, 200, Headers()), Body(1, bytes(100_000)), End(1))
    for _ in range(16):
        talk.wait(2.45)
        if not talk.resets:
            _open_windows(talk, 1, each)
    assert (talk.resets == {1: 0x8}) is is_reset


def test_the_last_of_a_response_may_be_taken_in_small_pieces() -> None:
    talk = Conversation(http2=Http2Limits(stall_timeout_s=20.0), echo=False)
    talk.headers(1, request())
    talk.send(Response(1, 200, Headers()), Body(1, bytes(WINDOW + 100)), End(1))
    talk.wait(19.0)
    _open_windows(talk, 1, 100)
    assert talk.answers[1].has_ended


def test_a_stream_that_waits_for_others_is_not_stalled() -> None:
    # The first has urgency 0 and takes all of the connection's window, again and again.
    talk = Conversation(http2=Http2Limits(stall_timeout_s=20.0), echo=False)
    talk.headers(1, request(priority="u=0"))
    talk.headers(3, request())
    for stream in (1, 3):
        talk.send(Response(stream, 200, Headers()), Body(stream, bytes(1_000_000)), End(stream))
    for _ in range(10):
        talk.wait(10.0)
        for each in (1, 0):
            talk.feed(frame(WINDOW_UPDATE, each, (50_000).to_bytes(4, "big")))
    assert not talk.resets
    assert not talk.answers[3].body


def test_time_in_which_nobody_reads_is_not_the_clients() -> None:
    talk = Conversation(limits=HttpLimits(body_timeout_s=5.0), echo=False)
    talk.headers(1, request("/", "POST"), END_HEADERS)
    talk.engine.set_reading_paused(True, talk.now)
    talk.wait(60.0)
    talk.engine.set_reading_paused(False, talk.now)
    talk.wait(4.9)
    assert not talk.answers
    talk.wait(0.2)
    assert talk.answers[1].status == 408


# Shutting down


def test_shutdown_takes_what_is_on_the_way_and_finishes_what_is_begun() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.shutdown()
    assert talk.goaway is not None
    assert talk.goaway.last_stream_id == 0x7FFF_FFFF
    talk.headers(3, request())  # sent before the client read the GOAWAY
    assert len(talk.of(RequestReceived)) == 2
    (ping,) = [each for each in talk.frames if isinstance(each, PingFrame)]
    talk.feed(frame(PING, 0, ping.opaque_data, ACK))
    assert talk.goaway.last_stream_id == 3
    talk.headers(5, request())
    assert talk.resets == {5: 0x7}
    for stream in (1, 3):
        assert not talk.engine.wants_close
        talk.send(Response(stream, 200, Headers()), End(stream))
    assert talk.engine.wants_close
    assert talk.events[-1] == ConnectionEnded(None)


def test_shutdown_of_an_idle_connection_waits_for_the_ping_or_a_second() -> None:
    talk = Conversation()
    talk.shutdown()
    assert not talk.engine.wants_close
    talk.wait(1.1)
    assert talk.engine.wants_close


def test_the_end_of_the_input_leaves_whole_requests_to_be_answered() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.headers(3, request("/", "POST"), END_HEADERS)
    talk._handle(talk.engine.receive_eof(talk.now))
    assert [each.stream for each in talk.of(StreamClosed)] == [3]  # type: ignore[union-attr]
    talk.send(Response(1, 200, Headers()), End(1))
    assert talk.answers[1].status == 200
    assert talk.engine.wants_close


def test_goodbye_without_streams_ends_at_once() -> None:
    talk = Conversation()
    talk.feed(frame(GOAWAY, 0, bytes(8)))
    assert talk.engine.wants_close
