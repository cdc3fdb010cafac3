"""Responses that stand: for the same bytes, for the second of their Date, while that is agreed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longwire.base.dates import DateSource
from longwire.net.standing import ANSWER_BYTES_MAX, ANSWERS_MAX, StandingAnswers

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OUTPUT = b"HTTP/1.1 304 Not Modified\r\n\r\n"

LINK: Any = object()


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def standing(clock: Callable[[], float]) -> StandingAnswers:
    return StandingAnswers(DateSource(clock))


def test_an_answer_stands_for_all_bytes_of_its_request() -> None:
    answers = standing(Clock())
    assert answers.give(GET, "http", LINK) is None
    answers.keep(GET, "http", OUTPUT, lambda link: link is LINK)
    assert answers.give(GET, "http", LINK) == OUTPUT
    assert answers.give(GET, "https", LINK) is None
    for other in (GET[:-1], GET + b"G", GET.replace(b"a", b"A"), b""):
        assert answers.give(other, "http", LINK) is None


def test_an_answer_goes_with_the_second_of_its_date() -> None:
    clock = Clock()
    answers = standing(clock)
    answers.keep(GET, "http", OUTPUT, lambda link: True)
    clock.now_s += 0.999
    assert answers.give(GET, "http", LINK) == OUTPUT
    clock.now_s += 0.001
    assert answers.give(GET, "http", LINK) is None
    clock.now_s -= 0.001
    assert answers.give(GET, "http", LINK) is None


def test_an_answer_is_given_only_while_that_is_agreed_to() -> None:
    allowed = [True, False, True]
    answers = standing(Clock())
    answers.keep(GET, "http", OUTPUT, lambda link: allowed.pop(0))
    given = [answers.give(GET, "http", LINK) for _ in range(3)]
    assert given == [OUTPUT, None, OUTPUT]


def test_no_more_answers_stand_than_may() -> None:
    clock = Clock()
    answers = standing(clock)
    for number in range(ANSWERS_MAX + 1):
        answers.keep(b"%d" % number, "http", OUTPUT, lambda link: True)
    assert answers.give(b"%d" % (ANSWERS_MAX - 1), "http", LINK) == OUTPUT
    assert answers.give(b"%d" % ANSWERS_MAX, "http", LINK) is None
    clock.now_s += 1
    answers.keep(GET, "http", OUTPUT, lambda link: True)
    assert answers.give(GET, "http", LINK) == OUTPUT
    assert answers.give(b"0", "http", LINK) is None


def test_long_answers_do_not_stand() -> None:
    answers = standing(Clock())
    answers.keep(b"1", "http", b"x" * ANSWER_BYTES_MAX, lambda link: True)
    answers.keep(b"2", "http", b"x" * (ANSWER_BYTES_MAX + 1), lambda link: True)
    assert answers.give(b"1", "http", LINK) == b"x" * ANSWER_BYTES_MAX
    assert answers.give(b"2", "http", LINK) is None
