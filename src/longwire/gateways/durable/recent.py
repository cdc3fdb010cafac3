# cython: annotation_typing=False, auto_pickle=False
"""Answers of the last second, for those who ask the same: readers that revalidate what they have.

A page of history that ends before the tail is the same for all who may read it. So is the 304 to
a request that says no more than which page, and which one its reader has already. Such an answer
is given again, without asking the store anew, for a second at most. What the page cache hears of,
the hub's doubt, ends it at once. What it learns from the store with each request, that retention
took the page, or on a shared store that the stream is gone, shows a second later.

Who may read is not kept: that is asked for each request.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeAlias

from longwire.base.headers import Headers
from longwire.gateways.durable.answer import Answer

__all__ = ["ANSWERS_MAX", "RECENT_S", "Question", "RecentAnswers", "read_question"]

RECENT_S = 1.0
"""How long an answer is given again, seconds."""

ANSWERS_MAX = 1024
"""Answers of one second. They have no bodies."""

Question: TypeAlias = tuple[str, str, str, str]
"""The stream, the query as it stood, what If-None-Match holds and what Accept-Encoding does."""

# What else may change the answer: who asks, from which page, and for which part.
_TELLING = frozenset(
    {
        "authorization",
        "cookie",
        "if-match",
        "if-modified-since",
        "if-range",
        "if-unmodified-since",
        "last-event-id",
        "origin",
        "range",
        "sec-websocket-protocol",
    }
)


def read_question(stream: str, query: str, headers: Headers) -> Question | None:
    """What a GET asks for, if it says no more than that; ``None`` when the answer may depend on
    something else."""
    if "access_token" in query:
        return None
    condition = codings = ""
    for name, value in headers:
        lower = name.lower()
        if lower == "if-none-match":
            if condition:
                return None
            condition = value
        elif lower == "accept-encoding":
            codings += value + ","
        elif lower in _TELLING or (lower == "accept" and "event-stream" in value.lower()):
            return None
    return stream, query, condition, codings


class RecentAnswers:
    """Holds the answers of one second, then begins anew. Belongs to one event loop."""

    __slots__ = ("_answers", "_clock_s", "_until_s")

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._answers: dict[Question, Answer] = {}
        self._until_s = -math.inf

    def find(self, question: Question) -> Answer | None:
        """The answer to a question that was asked just now."""
        answer = self._answers.get(question)
        if answer is not None and self._clock_s() >= self._until_s:
            self._answers.clear()
            return None
        return answer

    def keep(self, question: Question, answer: Answer) -> None:
        """Give an answer again to who asks the same."""
        now_s = self._clock_s()
        if now_s >= self._until_s:
            self._answers.clear()
            self._until_s = now_s + RECENT_S
        if len(self._answers) < ANSWERS_MAX:
            self._answers[question] = answer

    def forget(self, stream: str | None) -> None:
        """What is known of a stream, or of all, may be wrong now."""
        self._answers.clear()
