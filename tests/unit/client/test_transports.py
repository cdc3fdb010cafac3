"""Which transport is tried next, by what failed and how."""

from __future__ import annotations

from longwire.client.carrier import Doubt
from longwire.client.connection import Ending, Timing
from longwire.client.transports import DOUBTS_PROVEN_MAX, TRANSPORTS, Transports

NOT_ITS_FAULT = Ending(0, "refused", True)
MAYBE = Ending(1006, "reset", True, doubt=Doubt.SOME)
CERTAIN = Ending(0, "HTTP 403", False, doubt=Doubt.CERTAIN)


def make(remembered: str | None = None) -> Transports:
    return Transports("ws://x/ws", TRANSPORTS, {}, Timing(climb_s=10.0), remembered)


def test_what_certainly_does_not_work_gives_way_at_once() -> None:
    choice = make()
    assert choice.failed(CERTAIN) is None
    assert choice.current == "sse"
    assert choice.failed(CERTAIN) is None
    assert choice.current == "long-poll"


def test_what_may_be_the_networks_doing_gives_way_the_second_time() -> None:
    choice = make()
    assert choice.failed(MAYBE) is MAYBE
    assert choice.current == "websocket"
    assert choice.failed(MAYBE) is None
    assert choice.current == "sse"


def test_what_has_worked_is_doubted_later_and_success_takes_doubts_away() -> None:
    choice = make()
    choice.worked("websocket")
    borne = DOUBTS_PROVEN_MAX - 1
    for _ in range(2):
        assert [choice.failed(MAYBE) for _ in range(borne)] == [MAYBE] * borne
        choice.worked("websocket")
    assert [choice.failed(MAYBE) for _ in range(borne + 1)] == [MAYBE] * borne + [None]
    assert choice.current == "sse"


def test_a_server_that_is_not_there_says_nothing_against_a_transport() -> None:
    choice = make()
    for _ in range(10):
        assert choice.failed(NOT_ITS_FAULT) is NOT_ITS_FAULT
    assert choice.current == "websocket"


def test_when_none_works_the_first_refusal_counts_unless_one_may_pass() -> None:
    choice = make()
    assert [choice.failed(CERTAIN) for _ in TRANSPORTS] == [None, None, CERTAIN]
    assert choice.current == "websocket"
    buffered = Ending(1006, "no event", True, doubt=Doubt.CERTAIN)
    assert [choice.failed(one) for one in (CERTAIN, buffered, CERTAIN)] == [None, None, buffered]


def test_what_worked_before_comes_first_and_better_ones_are_climbed_to() -> None:
    choice = make("long-poll")
    assert (choice.current, choice.better()) == ("long-poll", ("websocket", "sse"))
    delays = []
    for _ in range(8):
        delays.append(choice.climb_delay_s(0.0, lambda: 0.5))
        choice.climbing()
    assert delays == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0]
    choice.worked("websocket")
    assert choice.better() == ()


def test_what_was_better_for_a_moment_only_is_left_and_climbed_to_less_and_less_often() -> None:
    choice = make("sse")
    delays = []
    for _ in range(3):
        choice.worked("sse")
        delays.append(choice.climb_delay_s(0.0, lambda: 0.5))
        choice.climbing()
        choice.worked("websocket")
        assert choice.current == "websocket"
        choice.failed(Ending(1006, "cut", True, lived_s=1.0))
        assert choice.current == "sse"
    assert delays == [10.0, 20.0, 40.0]
    choice.worked("websocket")
    choice.failed(Ending(1006, "cut", True, lived_s=60.0))
    assert choice.current == "websocket"
    choice.failed(Ending(0, "refused", True))  # an attempt says nothing of how long it would live
    assert choice.current == "websocket"


def test_climb_is_not_put_off_by_connections_that_are_lost_before_it() -> None:
    choice = make("sse")
    delays = []
    for now_s in (100.0, 103.0, 109.0, 200.0):
        choice.worked("sse")
        delays.append(choice.climb_delay_s(now_s, lambda: 0.5))
    assert delays == [10.0, 7.0, 1.0, 0.0]
