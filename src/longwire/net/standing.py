# cython: annotation_typing=False, auto_pickle=False
"""Responses that stand for a moment: who sends the same request again is given the same bytes.

A response depends on more than its request, so each stands with a function that is asked every
time: may it be given, now, on this link? All go when the Date that they hold has passed. So what is
given is what the handler would have sent, and nobody but the clock can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from longwire.base.dates import DateSource
from longwire.net.link import Link

__all__ = ["ANSWERS_MAX", "ANSWER_BYTES_MAX", "GiveAgain", "StandingAnswers"]

ANSWERS_MAX = 512
"""Responses that stand at a time, for all connections of a server; more do not stand."""

ANSWER_BYTES_MAX = 4096
"""A longer response is not kept: what it costs is not its head."""

GiveAgain: TypeAlias = Callable[[Link], bool]
"""Whether a response may be given again on a link, now. ``True``: it is, so let it be counted."""


class StandingAnswers:
    """The responses of the second that ``date`` tells. Belongs to one event loop."""

    __slots__ = ("_answers", "_date", "_text")

    def __init__(self, date: DateSource) -> None:
        self._date = date
        self._text = ""
        # By what was sent, and whether it was encrypted.
        self._answers: dict[tuple[bytes, str], tuple[bytes, GiveAgain]] = {}

    def give(self, data: bytes, scheme: str, link: Link) -> bytes | None:
        """Return what answers the request that ``data`` is, all of it and nothing more, if that
        stands and may be given."""
        if not self._answers:
            return None
        found = self._answers.get((data, scheme))
        if found is None:
            return None
        if self._date() != self._text:
            self._answers.clear()
            return None
        output, may_be_given = found
        return output if may_be_given(link) else None

    def keep(self, data: bytes, scheme: str, output: bytes, again: GiveAgain) -> None:
        """Let ``output`` stand as the answer to ``data``, for as long as ``again`` agrees."""
        text = self._date()
        if text != self._text:
            self._answers.clear()
            self._text = text
        if len(self._answers) < ANSWERS_MAX and len(output) <= ANSWER_BYTES_MAX:
            self._answers[data, scheme] = output, again
