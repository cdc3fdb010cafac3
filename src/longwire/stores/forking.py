"""Where a fork branches off, and what it begins with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from longwire.streams.entry import Entry, NewEntry, is_json
from longwire.streams.errors import ContentTypeError, ForkError, PositionRefusedError
from longwire.streams.position import Position
from longwire.streams.store import Fork, StreamSettings
from longwire.streams.verdict import LogFacts, judge

__all__ = ["Branch", "check_fork", "find_branch", "judge_fork"]


class Branch(NamedTuple):
    """What is inherited, and what is not but looks so."""

    upto: Position
    """The last position that is inherited."""
    rest: NewEntry | None
    """The beginning of an entry in which the branch lies; it becomes an entry of the fork."""


def check_fork(fork: Fork, stream: str, source: StreamSettings, wanted: StreamSettings) -> None:
    """Raise what speaks against forking a stream with such settings."""
    if wanted.content_type != source.content_type:
        raise ContentTypeError(stream, source.content_type, wanted.content_type)
    if wanted.keeps_latest != source.keeps_latest or wanted.is_ephemeral != source.is_ephemeral:
        raise ForkError(f'"{fork.source}" and its fork must keep entries in the same manner')
    if source.keeps_latest and (fork.sub_offset or fork.after is not None):
        raise ForkError(f'"{fork.source}" keeps the latest entries only: fork it at its tail')


def judge_fork(fork: Fork, log: LogFacts) -> Position:
    """The position at which a fork was asked for. Raises ``PositionRefusedError``."""
    if fork.after is None:
        return log.tail
    verdict = judge(fork.after, log)
    if verdict.reason is not None:
        raise PositionRefusedError(verdict)
    return fork.after


def find_branch(
    start: Position, sub_offset: int, following: Iterable[Entry], content_type: str
) -> Branch:
    """Go on from ``start`` by a sub-offset over the entries that follow it.

    Raises :exc:`ForkError` when the stream ends before.
    """
    upto, left = start, sub_offset
    counts_entries = is_json(content_type)
    for entry in following:
        if left == 0:
            break
        size = 1 if counts_entries else len(entry.payload)
        if size > left:
            return Branch(upto, NewEntry(entry.payload[:left], entry.key))
        upto, left = entry.position, left - size
    if left:
        unit = "entries" if counts_entries else "bytes"
        raise ForkError(
            f"the sub-offset {sub_offset} lies beyond the tail: {sub_offset - left} {unit} follow"
        )
    return Branch(upto, None)
