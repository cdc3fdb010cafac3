"""Answers of the last second: to whom they are given, for how long, and how many."""

from __future__ import annotations

import pytest

from longwire.base.headers import Headers
from longwire.gateways.durable.answer import Answer
from longwire.gateways.durable.recent import (
    ANSWERS_MAX,
    RECENT_S,
    Question,
    RecentAnswers,
    read_question,
)

UNCHANGED = Answer(304, Headers())


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def ask(number: int = 0) -> Question:
    return ("s", f"offset={number}", '"e"', "")


def test_a_question_is_the_page_and_what_its_reader_has() -> None:
    headers = Headers([("Host", "a"), ("if-none-match", '"e"'), ("Accept", "*/*")])
    assert read_question("s", "offset=-1", headers) == ("s", "offset=-1", '"e"', "")
    assert read_question("s", "", Headers()) == ("s", "", "", "")
    coded = read_question(
        "s", "", Headers([("Accept-Encoding", "gzip"), ("accept-encoding", "br")])
    )
    assert coded == ("s", "", "", "gzip,br,")


@pytest.mark.parametrize(
    "fields",
    [
        [("Authorization", "Bearer x")],
        [("cookie", "session=x")],
        [("ORIGIN", "https://example.com")],
        [("Sec-WebSocket-Protocol", "longwire.token.x")],
        [("Accept", "text/html, Text/Event-Stream;q=0.5")],
        [("Last-Event-ID", "x")],
        [("Range", "bytes=0-1")],
        [("If-Range", '"e"')],
        [("If-Match", '"e"')],
        [("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")],
        [("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")],
        [("If-None-Match", '"e"'), ("If-None-Match", '"f"')],
    ],
)
def test_whoever_says_more_is_answered_for_himself(fields: list[tuple[str, str]]) -> None:
    assert read_question("s", "offset=-1", Headers([("Host", "a"), *fields])) is None


def test_a_token_in_the_query_says_more() -> None:
    assert read_question("s", "offset=-1&access_token=x", Headers()) is None


def test_an_answer_lasts_a_second() -> None:
    clock = Clock()
    recent = RecentAnswers(clock)
    recent.keep(ask(1), UNCHANGED)
    assert recent.find(ask(1)) is UNCHANGED
    assert recent.find(ask(2)) is None
    clock.now_s += RECENT_S * 0.75
    recent.keep(ask(2), UNCHANGED)
    clock.now_s += RECENT_S * 0.24
    assert recent.find(ask(1)) is recent.find(ask(2)) is UNCHANGED
    clock.now_s += RECENT_S * 0.01
    assert recent.find(ask(1)) is None
    assert recent.find(ask(2)) is None  # it never lasts longer


def test_doubt_ends_all_answers() -> None:
    recent = RecentAnswers(Clock())
    recent.keep(ask(), UNCHANGED)
    recent.forget("other")
    assert recent.find(ask()) is None


def test_there_is_an_end_to_what_is_kept() -> None:
    recent = RecentAnswers(Clock())
    for number in range(ANSWERS_MAX + 1):
        recent.keep(ask(number), UNCHANGED)
    assert recent.find(ask(ANSWERS_MAX - 1)) is UNCHANGED
    assert recent.find(ask(ANSWERS_MAX)) is None
