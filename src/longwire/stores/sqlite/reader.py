"""Reading: each call sees one moment of the file, beside whatever is being written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from longwire.stores.pages import (
    judge_backwards,
    missing_page,
    page_after,
    page_before,
    refused_page,
)
from longwire.stores.sqlite.database import open_reader
from longwire.stores.sqlite.entries import LogView
from longwire.stores.sqlite.head import Head, load_head
from longwire.streams.entry import Entry
from longwire.streams.position import Position
from longwire.streams.store import Page, StreamInfo
from longwire.streams.verdict import Last, Start, StartAt, Verdict, judge, judge_missing

__all__ = ["Moment", "Readers"]

T = TypeVar("T")

_GAIN_MAX_MS = 1_000
"""A hundredth of the idle time, or this if it is less, may be missing at its end: a write for every
read would cost more than it is worth."""


class Moment:
    """One stream at one moment; ``head`` is ``None`` when there is none to read."""

    def __init__(self, connection: sqlite3.Connection, name: str, now_ms: int) -> None:
        self._connection = connection
        head = load_head(connection, name)
        if head is not None and not head.is_deleted and head.is_expired(now_ms):
            head = None
        self.known = head
        """Also a stream that is deleted but has forks."""
        self.head = None if head is None or head.is_deleted else head
        self._now_ms = now_ms

    def _view(self, head: Head) -> LogView:
        """The log as retention by age would have it now."""
        age_max_s = head.settings.retention.age_max_s
        if age_max_s is None or not head.kept_entries:
            return LogView(head, self._connection)
        oldest_ms = self._now_ms - round(age_max_s * 1000)
        if head.newest_ms < oldest_ms:
            return LogView(head, self._connection, floor=head.tail)
        view = LogView(head, self._connection)
        floor = head.floor
        for entry in view.iterate_after(0):
            if entry.time_ms >= oldest_ms:
                break
            floor = entry.position
        return LogView(head, self._connection, floor)

    def is_ageing(self) -> bool:
        """Whether using the stream now prolongs its life by more than is worth noting."""
        head = self.head
        if head is None or head.settings.ttl_s is None or head.deadline_ms is None:
            return False
        gained_ms = (head.next_deadline_ms(self._now_ms) or 0) - head.deadline_ms
        return gained_ms > min(_GAIN_MAX_MS, head.settings.ttl_s * 10)

    def info(self) -> StreamInfo | None:
        head = self.known
        if head is None:
            return None
        head.floor = self._view(head).floor
        return head.info()

    def seek(self, start: Start) -> Verdict:
        if self.head is None:
            return judge_missing(start)
        view = self._view(self.head)
        if isinstance(start, Position):
            return judge(start, view)
        if isinstance(start, Last):
            place = view.last(start.entries)
        else:
            place = view.tail if start is StartAt.TAIL else view.floor
        return Verdict(None, place, view.tail, view.is_closed)

    def read(self, after: Position, entries_max: int, bytes_max: int) -> Page:
        if self.head is None:
            return missing_page(after)
        view = self._view(self.head)
        verdict = judge(after, view)
        if verdict.reason is not None:
            return refused_page(verdict)
        found = _take(view.iterate_after(after.offset), entries_max, bytes_max)
        return page_after(view, after, found, entries_max=entries_max, bytes_max=bytes_max)

    def read_back(self, before: Position | None, entries_max: int, bytes_max: int) -> Page:
        if self.head is None:
            return missing_page(before)
        view = self._view(self.head)
        if before is not None:
            verdict = judge_backwards(before, view)
            if verdict.reason is not None:
                return refused_page(verdict)
        offset = view.tail.offset + 1 if before is None else before.offset
        found = _take(view.iterate_before(offset), entries_max, bytes_max)[::-1]
        oldest = view.oldest_offset()
        return page_before(view, before, found, oldest_offset=oldest, bytes_max=bytes_max)


def _take(entries: Iterator[Entry], entries_max: int, bytes_max: int) -> list[Entry]:
    """As many as may go into a page, and one more where the bytes are the limit."""
    taken: list[Entry] = []
    total = 0
    if entries_max <= 0:
        return taken
    for entry in entries:
        taken.append(entry)
        total += len(entry.payload)
        if len(taken) >= entries_max or (total > bytes_max and len(taken) > 1):
            break
    return taken


class Readers:
    """Connections that only read, lent to one thread at a time."""

    def __init__(self, path: Path, count: int) -> None:
        self._free: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._all = [open_reader(path) for _ in range(count)]
        for connection in self._all:
            self._free.put(connection)

    @contextmanager
    def _borrow(self) -> Iterator[sqlite3.Connection]:
        connection = self._free.get()
        try:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")
        finally:
            self._free.put(connection)

    def look(self, name: str, now_ms: int, question: Callable[[Moment], T]) -> tuple[T, bool]:
        """Answer a question about a stream; with it, whether its life should be prolonged."""
        with self._borrow() as connection:
            moment = Moment(connection, name, now_ms)
            return question(moment), moment.is_ageing()

    def names(self, after: int, now_ms: int) -> list[tuple[int, str]]:
        """Some streams with greater numbers: (number, name)."""
        with self._borrow() as connection:
            return connection.execute(
                "SELECT id, name FROM streams WHERE id > ? AND is_deleted = 0"
                " AND (deadline_ms IS NULL OR deadline_ms > ?) ORDER BY id LIMIT 1000",
                (after, now_ms),
            ).fetchall()

    def close(self) -> None:
        for connection in self._all:
            connection.close()
