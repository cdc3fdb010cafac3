"""Whether a position can be honoured, and if not, why and from where reading goes on.

One rule for every store: a position is honoured only when the log still holds what its owner has
seen and everything after it. Never a silent gap and never a false "recovered".
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias

from longwire.streams.position import START, Position

__all__ = [
    "Last",
    "LogFacts",
    "Reason",
    "Start",
    "StartAt",
    "Verdict",
    "judge",
    "judge_missing",
]


class Reason(Enum):
    """Why a position is refused. The values are the words on the wire."""

    TRIMMED = "trimmed"
    """Entries after it were dropped by retention."""
    EPOCH = "epoch"
    """It is of another life of the stream."""
    DIVERGED = "diverged"
    """The log has another entry at that offset: it was rolled back and written on."""
    AHEAD = "ahead"
    """It lies beyond the tail: the log was rolled back."""


class StartAt(Enum):
    """Where to begin without a position."""

    TAIL = "tail"
    EARLIEST = "earliest"


class Last(NamedTuple):
    """Begin so that this many entries follow, or all that are kept if they are fewer."""

    entries: int


Start: TypeAlias = Position | StartAt | Last


class Verdict(NamedTuple):
    """The answer to where reading shall begin."""

    reason: Reason | None
    """``None``: honoured."""
    resume: Position
    """Where reading goes on: the position itself when it is honoured."""
    tail: Position
    is_closed: bool = False
    """Whether the stream takes no more entries."""


class LogFacts(Protocol):
    """What the rule needs to know of a log, all of one moment."""

    def epoch_at(self, offset: int) -> str:
        """The epoch of positions with this offset: not the same for what a fork inherited."""

    @property
    def floor(self) -> Position:
        """The position before the oldest entry that is kept."""

    @property
    def tail(self) -> Position: ...

    @property
    def is_closed(self) -> bool: ...

    def link_at(self, offset: int) -> bytes | None:
        """Link of the entry with this offset (floor included), ``None`` when not known."""


def judge(position: Position, log: LogFacts) -> Verdict:
    """Judge a position against a log.

    Where reading goes on after a refusal: after ``trimmed`` and ``epoch`` with the oldest entry
    kept, as nothing from there on was seen. After ``diverged`` and ``ahead`` at the tail: what
    lies before it was seen in part, and sending it again would double that part.
    """
    tail, floor = log.tail, log.floor
    if position.is_start:
        reason = None if floor.is_start else Reason.TRIMMED
    elif position.epoch != log.epoch_at(position.offset):
        reason = Reason.EPOCH
    elif position.offset > tail.offset:
        reason = Reason.AHEAD
    elif position.offset < floor.offset:
        reason = Reason.TRIMMED
    else:
        link = log.link_at(position.offset)
        if link is None:
            reason = Reason.TRIMMED
        else:
            reason = None if link == position.link else Reason.DIVERGED
    if reason is None:
        return Verdict(None, position, tail, log.is_closed)
    resume = floor if reason in (Reason.TRIMMED, Reason.EPOCH) else tail
    return Verdict(reason, resume, tail, log.is_closed)


def judge_missing(start: Start) -> Verdict:
    """Judge where to begin in a stream that does not exist."""
    if isinstance(start, Position) and not start.is_start:
        return Verdict(Reason.EPOCH, START, START)
    return Verdict(None, START, START)
