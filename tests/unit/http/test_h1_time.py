"""Who may be silent for how long, and what happens then."""

from __future__ import annotations

import pytest

from longwire.base.headers import Headers
from longwire.base.limits import HttpLimits
from longwire.http.events import BodyWanted, LimitReached, Response, StreamClosed
from tests.unit.http.wire import Conversation, chunked, get, post, silent

LIMITS = HttpLimits(head_timeout_s=10, body_timeout_s=30, idle_timeout_s=75)


def open_connection() -> Conversation:
    return Conversation(limits=LIMITS, application=silent, now=1000.0)


def respond(conversation: Conversation, stream: int = 1) -> None:
    conversation.answer(Response(stream, 200, Headers(), end=True))


def test_connection_without_a_byte_is_closed_silently() -> None:
    conversation = open_connection()
    assert conversation.engine.deadline == 1010.0
    conversation.wait(9.9)
    assert not conversation.engine.wants_close
    conversation.wait(0.1)
    assert conversation.engine.wants_close
    assert conversation.ended.error is None
    assert conversation.events[0] == LimitReached("head_timeout_s")
    assert conversation.output == b""
    assert conversation.engine.deadline is None


def test_9110_15_5_9_slow_head_is_answered_408() -> None:
    conversation = open_connection()
    conversation.wait(5)
    for byte in get()[:9]:
        conversation.feed(bytes([byte]))
        conversation.wait(1)
    assert not conversation.engine.wants_close
    assert conversation.engine.deadline == 1015.0  # from the first byte, whatever came since
    conversation.wait(1)
    [answer] = conversation.answers()
    assert answer.status == 408
    assert answer.headers["connection"] == "close"
    assert conversation.ended.status == 408


def test_empty_line_begins_the_time_of_a_head() -> None:
    conversation = open_connection()
    conversation.feed(get())
    respond(conversation)
    conversation.feed(b"\r\n")
    conversation.wait(9)
    conversation.feed(b"G")
    conversation.wait(1)
    assert [answer.status for answer in conversation.answers()] == [200, 408]


def test_idle_connection_is_closed_silently() -> None:
    conversation = open_connection()
    conversation.feed(get())
    conversation.wait(500)  # the answer may take as long as it likes
    respond(conversation)
    conversation.wait(74.9)
    assert not conversation.engine.wants_close
    conversation.wait(0.1)
    assert conversation.engine.wants_close
    assert conversation.ended.error is None
    assert not [event for event in conversation.events if isinstance(event, LimitReached)]
    assert len(conversation.answers()) == 1


def test_next_request_ends_the_idle_time() -> None:
    conversation = open_connection()
    conversation.feed(get())
    respond(conversation)
    conversation.wait(74)
    conversation.feed(get()[:-1])
    assert conversation.engine.deadline == conversation.now + 10
    conversation.feed(get()[-1:])
    assert conversation.engine.deadline is None


def test_head_read_ahead_has_time_from_the_end_of_the_response_before() -> None:
    conversation = open_connection()
    conversation.feed(get() + get("/next")[:10])
    conversation.wait(100)
    respond(conversation)
    assert conversation.engine.deadline == 1110.0
    conversation.wait(10)
    assert [answer.status for answer in conversation.answers()] == [200, 408]


@pytest.mark.parametrize("data", [post(b"hello"), chunked(b"5\r\nhello\r\n0\r\n\r\n")])
def test_9110_15_5_9_slow_body_is_answered_408(data: bytes) -> None:
    conversation = open_connection()
    conversation.feed(data[:-3])
    for byte in data[-3:-1]:
        conversation.wait(29)
        conversation.feed(bytes([byte]))
    assert not conversation.engine.wants_close
    conversation.wait(30)
    [answer] = conversation.answers()
    assert answer.status == 408
    assert conversation.closed == [StreamClosed(1, conversation.ended.error)]


def test_slow_body_after_the_response_began_cuts_it_off() -> None:
    conversation = open_connection()
    conversation.feed(post(b"hello")[:-1])
    conversation.answer(Response(1, 200, Headers()))
    conversation.wait(30)
    assert conversation.engine.wants_close
    assert conversation.output.count(b"HTTP/1.1") == 1
    assert conversation.closed[0].error is not None


def test_slow_rest_of_a_dropped_body_is_not_waited_for() -> None:
    conversation = open_connection()
    conversation.feed(post(b"hello")[:-1])
    respond(conversation)
    conversation.wait(29)
    assert not conversation.engine.wants_close
    conversation.wait(1)
    assert conversation.engine.wants_close
    assert len(conversation.answers()) == 1


def test_body_has_time_from_the_continue_on() -> None:
    conversation = open_connection()
    conversation.feed(get("/", "Content-Length: 5", "Expect: 100-continue"))
    conversation.wait(1000)
    conversation.answer(BodyWanted(1))
    assert conversation.engine.deadline == 2030.0


def test_time_in_which_the_driver_does_not_read_is_not_the_peers() -> None:
    conversation = open_connection()
    conversation.feed(post(b"hello")[:-1])
    conversation.wait(20)
    conversation.engine.set_reading_paused(True, conversation.now)
    assert conversation.engine.deadline is None
    conversation.wait(100)
    conversation.engine.set_reading_paused(True, conversation.now)
    conversation.engine.set_reading_paused(False, conversation.now)
    conversation.engine.set_reading_paused(False, conversation.now)
    assert conversation.engine.deadline == conversation.now + 10


def test_early_call_does_nothing() -> None:
    conversation = open_connection()
    assert conversation.engine.handle_deadline(1009.9) == []
    assert not conversation.engine.wants_close


def test_without_limits_nothing_is_timed() -> None:
    limits = HttpLimits(head_timeout_s=None, body_timeout_s=None, idle_timeout_s=None)
    conversation = Conversation(limits=limits, application=silent)
    assert conversation.engine.deadline is None
    conversation.feed(get()[:-1])
    assert conversation.engine.deadline is None
    conversation.feed(get()[-1:])
    respond(conversation)
    assert conversation.engine.deadline is None
    conversation.feed(post(b"a")[:-1])
    assert conversation.engine.deadline is None
