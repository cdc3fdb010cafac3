# cython: annotation_typing=False, auto_pickle=False
"""The one who writes: many pieces of work in one transaction, on one thread.

What belongs together is one job. A job that is refused (``StreamError``) has changed nothing; a
failure of the database fails the whole transaction, and what is in memory is dropped with it.
Entries, states of producers and heads of streams are gathered and written at the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace

from longwire.base.entropy import Entropy
from longwire.base.limits import SqliteStoreLimits
from longwire.base.tuples import make, parts
from longwire.stores.appending import appended, chain, check_append, check_same, find_duplicate
from longwire.stores.forking import check_fork, find_branch, judge_fork
from longwire.stores.sqlite.bulk import update_rows
from longwire.stores.sqlite.entries import Entries, LogView
from longwire.stores.sqlite.head import CHANGING, Head, load_head
from longwire.stores.sqlite.producers import Producers
from longwire.streams.entry import Durability, Entry, NewEntry
from longwire.streams.errors import (
    PositionRefusedError,
    StoreFullError,
    StreamError,
    StreamGoneError,
    StreamMissingError,
)
from longwire.streams.lineage import Lineage
from longwire.streams.position import Position, draw_epoch
from longwire.streams.producer import Result
from longwire.streams.store import Append, Appended, Fork, StreamInfo, StreamSettings
from longwire.streams.verdict import judge

__all__ = ["Job", "Writer"]

Job = Callable[["Writer"], object]

# An enum's member is slow to look up.
_DISK = Durability.DISK

_HEADS_CACHED_MAX = 10_000
_EXPIRED_STREAMS = 500
"""Streams looked at in one transaction."""

_SWEPT_ROWS = 2_000
"""Rows of removed streams that are deleted in one transaction, so that others need not wait."""


class Writer:
    """Runs jobs. Everything here happens on the writing thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        limits: SqliteStoreLimits,
        clock_ms: Callable[[], int],
        entropy: Entropy,
    ) -> None:
        self.connection = connection
        self._limits = limits
        self._clock_ms = clock_ms
        self._entropy = entropy
        self._heads: dict[str, Head] = {}
        self._dirty: dict[int, Head] = {}
        self._entries = Entries(connection)
        self._producers = Producers(limits)
        self._stream_count: int | None = None
        self.now_ms = 0

    # -- transactions ---------------------------------------------------------------------------

    def run(self, jobs: Sequence[Job]) -> list[object]:
        """Do all jobs and commit; return a result or ``StreamError`` for each.

        Raises ``sqlite3.Error`` when the database failed; nothing of it is done then, unless the
        commit itself failed half-way, which cannot be known.
        """
        results: list[object] = []
        self.now_ms = self._clock_ms()
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                try:
                    results.append(job(self))
                except StreamError as error:
                    results.append(error)
            self._flush()
            self.connection.execute("COMMIT")
        except BaseException:
            self._drop()
            raise
        self._evict()
        return results

    def _flush(self) -> None:
        self._entries.flush()
        heads = list(self._dirty.values())
        for head in heads:
            self._entries.trim(head, self.now_ms)
        self._producers.flush(self.connection)
        self._producers.bound(self.connection, heads)
        update_rows(self.connection, "streams", CHANGING, [head.values() for head in heads])
        self._dirty.clear()

    def _drop(self) -> None:
        self._heads.clear()
        self._dirty.clear()
        self._entries.drop()
        self._producers.drop()
        self._stream_count = None
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _evict(self) -> None:
        while len(self._heads) > _HEADS_CACHED_MAX:
            del self._heads[next(iter(self._heads))]

    # -- streams --------------------------------------------------------------------------------

    def find(self, name: str) -> Head | None:
        """Return a stream unless its life is over, also one that is deleted but has forks."""
        head = self._heads.get(name)
        if head is None:
            head = load_head(self.connection, name)
            if head is None:
                return None
            self._heads[name] = head
        if head.is_deleted or not head.is_expired(self.now_ms):
            return head
        self._remove(head)
        return head if head.is_deleted else None

    def get(self, name: str) -> Head:
        """Return a stream; raise ``StreamMissingError`` or ``StreamGoneError``."""
        head = self.find(name)
        if head is None:
            raise StreamMissingError(name)
        if head.is_deleted:
            raise StreamGoneError(name)
        return head

    def create(
        self,
        name: str,
        settings: StreamSettings,
        fork: Fork | None,
        batch: Sequence[NewEntry],
        closes: bool,
    ) -> tuple[StreamInfo, bool]:
        """Create a stream, or make sure that it is there."""
        head = self.find(name)
        if head is not None:
            check_same(head.info(), settings, fork, closes)
            return head.info(), False
        if fork is None:
            head = self._begin(name, settings, Lineage(draw_epoch(self._entropy)), None)
        else:
            head, rest = self._fork(name, settings, fork)
            batch = [*rest, *batch]
        self._store(head, Append(name, batch, closes=closes))
        self._entries.flush()
        self._entries.trim(head, self.now_ms)
        return head.info(), True

    def _begin(
        self, name: str, settings: StreamSettings, lineage: Lineage, fork: Fork | None
    ) -> Head:
        if self._stream_count is None:
            (self._stream_count,) = self.connection.execute(
                "SELECT count(*) FROM streams"
            ).fetchone()
        streams_max = self._limits.streams_max
        if streams_max is not None and self._stream_count >= streams_max:
            raise StoreFullError(f"the store holds {streams_max} streams, which is its limit")
        now_ms = self.now_ms
        head = Head(0, name, settings, lineage, created_ms=now_ms, newest_ms=now_ms, fork=fork)
        head.deadline_ms = head.next_deadline_ms(now_ms)
        head.producer_count = 0
        head.insert(self.connection)
        self._stream_count += 1
        self._heads[name] = self._dirty[head.id] = head
        return head

    def _fork(self, name: str, settings: StreamSettings, fork: Fork) -> tuple[Head, list[NewEntry]]:
        source = self.get(fork.source)
        check_fork(fork, name, source.settings, settings)
        self._entries.flush()
        view = LogView(source, self.connection)
        start = judge_fork(fork, view)
        following = view.iterate_after(start.offset) if fork.sub_offset else ()
        branch = find_branch(start, fork.sub_offset, following, settings.content_type)
        upto = branch.upto
        lineage = source.lineage.branch(upto.offset, draw_epoch(self._entropy))
        head = self._begin(name, settings, lineage, replace(fork, after=start))
        head.floor, head.tail, head.newest_ms = source.floor, upto, source.newest_ms
        self._entries.copy(source, head)
        source.fork_count += 1
        self._dirty[source.id] = source
        return head, [] if branch.rest is None else [branch.rest]

    def close_stream(self, name: str) -> StreamInfo:
        """Let a stream take no more entries."""
        head = self.get(name)
        head.is_closed = True
        self._dirty[head.id] = head
        return head.info()

    def delete(self, name: str) -> bool:
        """Remove a stream; its entries go in ``sweep``."""
        head = self.find(name)
        if head is None:
            return False
        if head.is_deleted:
            raise StreamGoneError(name)
        self._remove(head)
        return True

    def _remove(self, head: Head) -> None:
        """Remove a stream, or hide it as long as there are forks of it."""
        self._entries.flush()
        self._producers.flush(self.connection)
        head.is_deleted = True
        head.deadline_ms = None
        self._dirty[head.id] = head
        # A fork that goes may be the last one of a source that was deleted before, and so on.
        doomed: Head | None = head
        while doomed is not None and doomed.is_deleted and doomed.fork_count == 0:
            doomed.is_deleted = False
            self._forget_stream(doomed)
            doomed = None if doomed.fork is None else self.find(doomed.fork.source)
            if doomed is not None:
                doomed.fork_count -= 1
                self._dirty[doomed.id] = doomed

    def _forget_stream(self, head: Head) -> None:
        self.connection.execute("DELETE FROM streams WHERE id = ?", (head.id,))
        self.connection.execute("INSERT INTO doomed VALUES (?)", (head.id,))
        self._heads.pop(head.name, None)
        self._dirty.pop(head.id, None)
        if self._stream_count is not None:
            self._stream_count -= 1

    # -- entries --------------------------------------------------------------------------------

    def append_all(self, requests: Sequence[Append]) -> list[Appended | StreamError]:
        """Several appends, each all or nothing."""
        outcomes: list[Appended | StreamError] = []
        for request in requests:
            try:
                outcomes.append(self.append(request))
            except StreamError as error:
                outcomes.append(error)
        return outcomes

    def append(self, request: Append) -> Appended:
        """One append of the contract."""
        stream, _, _, stamp, principal, create, _, _, _, _ = parts(request)
        head = self.find(stream)
        if head is None:
            if create is None:
                raise StreamMissingError(stream)
            # The row is written only when nothing speaks against the append.
            head = Head(0, stream, create, Lineage(""))
        elif head.is_deleted:
            raise StreamGoneError(stream)
        known = remembered = None
        if stamp is not None:
            if head.id:
                producer_id, _, _ = parts(stamp)
                known = self._producers.find(self.connection, head, principal, producer_id)
            if known is not None:
                remembered = self._producers.remembered(known, self.now_ms)
            duplicate = find_duplicate(remembered, request, head, _DISK)
            if duplicate is not None:
                self._touch(head)
                return duplicate
        check_append(request, head, _DISK)
        if not head.id:
            lineage = Lineage(draw_epoch(self._entropy))
            head = self._begin(stream, head.settings, lineage, None)
        entries = self._store(head, request)
        stored = appended(entries, head, _DISK)
        if stamp is not None:
            first, last, _, _, _, _, _, _ = parts(stored)
            result = make(Result, (first, last))
            if known is None:
                known = self._producers.add(head, principal, stamp)
            self._producers.record(head, known, stamp, result, self.now_ms)
        return stored

    def _store(self, head: Head, request: Append) -> list[Entry]:
        _, batch, _, _, _, _, _, application_sequence, closes, _ = parts(request)
        # The wall clock may be set back; the times of a stream do not follow it.
        time_ms = head.newest_ms = max(self.now_ms, head.newest_ms)
        content_type = head.settings.content_type
        epoch = head.lineage.epoch
        entries = chain(batch, head.tail, epoch, time_ms, content_type)
        self._entries.add(head, entries)
        if closes:
            head.is_closed = True
        if application_sequence is not None:
            head.application_sequence = application_sequence
        head.deadline_ms = head.next_deadline_ms(self.now_ms)
        self._dirty[head.id] = head
        return entries

    def erase(self, name: str, position: Position) -> bool:
        """Take the payload out of the entry at a position."""
        head = self.get(name)
        self._entries.flush()
        verdict = judge(position, LogView(head, self.connection))
        if verdict.reason is not None:
            raise PositionRefusedError(verdict)
        self._dirty[head.id] = head
        return self._entries.erase(head, position.offset)

    # -- time -----------------------------------------------------------------------------------

    def touch(self, name: str) -> None:
        """A stream is used: its idle time begins anew."""
        head = self.find(name)
        if head is not None and not head.is_deleted:
            self._touch(head)

    def _touch(self, head: Head) -> None:
        if head.settings.ttl_s is not None:
            head.deadline_ms = head.next_deadline_ms(self.now_ms)
            self._dirty[head.id] = head

    def expire(self, after: int) -> int | None:
        """Apply what depends on time to some streams with greater numbers than ``after``; return
        from where to go on, ``None`` at the end."""
        if after == 0:
            self._flush()
            self._producers.forget_silent(self.connection, self.now_ms)
            for head in self._heads.values():
                head.producer_count = None
        rows = self.connection.execute(
            "SELECT id, name FROM streams WHERE id > ? AND (kept_entries > 0 OR deadline_ms <= ?)"
            " ORDER BY id LIMIT ?",
            (after, self.now_ms, _EXPIRED_STREAMS),
        ).fetchall()
        for _, name in rows:
            found = self.find(name)
            if found is not None and not found.is_deleted:
                self._dirty[found.id] = found  # retention is applied when it is written
        return rows[-1][0] if len(rows) == _EXPIRED_STREAMS else None

    def settle(self) -> None:
        """Write what may be behind in the file. The last job before it is closed."""
        self._producers.write_uses(self.connection)

    def sweep(self) -> bool:
        """Delete some rows of removed streams; ``True`` when there are more."""
        row = self.connection.execute("SELECT stream FROM doomed LIMIT 1").fetchone()
        if row is None:
            return False
        if not self._entries.delete_some(row[0], _SWEPT_ROWS):
            self.connection.execute("DELETE FROM doomed WHERE stream = ?", row)
        return True
