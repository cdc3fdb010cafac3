"""Pages out of entries that a store has at hand: where they end and whether there is more."""

from __future__ import annotations

from collections.abc import Sequence

from longwire.streams.entry import Entry
from longwire.streams.position import START, Position
from longwire.streams.store import Page
from longwire.streams.verdict import LogFacts, Verdict, judge, judge_missing

__all__ = [
    "judge_backwards",
    "missing_page",
    "page_after",
    "page_before",
    "refused_page",
]


def missing_page(position: Position | None) -> Page:
    """What a reader gets of a stream that does not exist."""
    reason = None if position is None else judge_missing(position).reason
    return Page((), START, START, START, reason)


def refused_page(verdict: Verdict) -> Page:
    """What a reader gets whose position was refused."""
    resume, tail = verdict.resume, verdict.tail
    return Page((), resume, resume, tail, verdict.reason, resume != tail, verdict.is_closed)


def page_after(
    log: LogFacts, after: Position, found: Sequence[Entry], *, entries_max: int, bytes_max: int
) -> Page:
    """The page after a position that was honoured.

    ``found`` are the kept entries that follow it, ``entries_max`` of them unless there are fewer.
    """
    entries = _within(found, bytes_max)
    is_end = len(entries) == len(found) < entries_max or (
        bool(entries) and entries[-1].position == log.tail
    )
    upto = log.tail if is_end else entries[-1].position
    return Page(entries, after, upto, log.tail, has_more=not is_end, is_closed=log.is_closed)


def page_before(
    log: LogFacts,
    before: Position | None,
    found: Sequence[Entry],
    *,
    oldest_offset: int,
    bytes_max: int,
) -> Page:
    """The page that ends before the entry at a position. ``found`` is in the order of the stream,
    ``oldest_offset`` that of the oldest entry kept."""
    entries = tuple(reversed(_within(tuple(reversed(found)), bytes_max)))
    upto = log.tail if before is None else before
    return Page(
        entries,
        entries[0].previous if entries else upto,
        upto,
        log.tail,
        has_more=bool(entries) and entries[0].position.offset > oldest_offset,
        is_closed=log.is_closed,
    )


def judge_backwards(before: Position, log: LogFacts) -> Verdict:
    """Judge a position to read back from: that something after it was dropped does not matter."""
    offset = before.offset
    is_below = offset < log.floor.offset and before.epoch == log.epoch_at(offset)
    if before.is_start or is_below:
        return Verdict(None, before, log.tail)
    return judge(before, log)


def _within(entries: Sequence[Entry], bytes_max: int) -> tuple[Entry, ...]:
    """The first of ``entries`` that together hold at most ``bytes_max`` bytes, and at least one."""
    total = 0
    for index, entry in enumerate(entries):
        total += len(entry.payload)
        if total > bytes_max and index:
            return tuple(entries[:index])
    return tuple(entries)
