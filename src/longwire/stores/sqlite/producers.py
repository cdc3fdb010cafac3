# cython: annotation_typing=False, auto_pickle=False
"""Producers of the SQLite store: a row each, and those in use in memory."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable

from longwire.base.limits import SqliteStoreLimits
from longwire.base.tuples import parts
from longwire.stores.sqlite.bulk import put_rows, update_rows
from longwire.stores.sqlite.head import Head
from longwire.streams.position import Position
from longwire.streams.producer import (
    RESULTS_MAX,
    ForgottenProducer,
    ProducerStamp,
    ProducerState,
    Result,
)

__all__ = ["Known", "Producers"]

_PLACE = struct.Struct(">Q8s")
_ONE_PLACE = struct.Struct(">BQ8s")
_SIZES = (1, 1 + _PLACE.size, 1 + 2 * _PLACE.size)
_CACHED_MAX = 4_096
_CHANGING = ("epoch", "next_sequence", "used_ms", "is_forgotten", "results")
_GOING_ON = ("next_sequence", "results")
"""What changes with a publish that follows another one: nothing that lies in an index."""

_UNWRITTEN_MS_MAX = 60_000
"""By how much the time of use in the file may be behind, unless it is asked for. A crash makes a
producer that much older, which may be forgotten as much earlier."""

Key = tuple[int, str, str]


class _Results:
    """Results of the last publishes as they are kept in the file, since a busy server knows many
    producers and writes them with every commit: each begins with the number of its places."""

    __slots__ = ("_count", "_epoch", "packed")

    def __init__(self, epoch: str, packed: bytes = b"") -> None:
        self._epoch = epoch
        self.packed = bytearray(packed)
        self._count = len(self._split())

    def _split(self) -> list[bytes]:
        results, at = [], 0
        while at < len(self.packed):
            size = _SIZES[self.packed[at]]
            results.append(bytes(self.packed[at : at + size]))
            at += size
        return results

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Result:
        packed = self._split()[index]
        places = [
            Position(offset, self._epoch, link) for offset, link in _PLACE.iter_unpack(packed[1:])
        ]
        return Result(places[0], places[-1]) if places else Result(None, None)

    def append(self, result: Result) -> None:
        first, last = parts(result)
        if first is None or last is None:
            packed = b"\0"
        elif first is last:
            offset, _, link = parts(last)
            packed = _ONE_PLACE.pack(1, offset, link)
        else:
            packed = b"\2" + _PLACE.pack(first.offset, first.link)
            packed += _PLACE.pack(last.offset, last.link)
        if self._count == RESULTS_MAX:
            del self.packed[: _SIZES[self.packed[0]]]
        else:
            self._count += 1
        self.packed += packed

    def clear(self) -> None:
        self.packed.clear()
        self._count = 0


class Known:
    """One producer: its key, its row, if it has one, and its state."""

    __slots__ = ("is_forgotten", "key", "row", "state", "written_epoch", "written_ms")

    def __init__(self, key: Key, row: int | None, state: ProducerState, is_forgotten: bool) -> None:
        self.key = key
        self.row = row
        self.state = state
        self.is_forgotten = is_forgotten
        self.written_epoch = -1
        self.written_ms = 0
        if row is not None and not is_forgotten:
            self.note_written()

    def note_written(self) -> None:
        """The row has the epoch and the time of use that are in memory."""
        self.written_epoch = self.state.epoch
        self.written_ms = self.state.used_ms


class Producers:
    """Belongs to the writing thread. What is recorded is written by ``flush``."""

    def __init__(self, limits: SqliteStoreLimits) -> None:
        self._limits = limits
        self._silent_ms_max = round(limits.producer_state_s * 1000)
        self._cached: dict[Key, Known] = {}
        self._dirty: dict[Known, None] = {}
        self._used: dict[Known, None] = {}
        """Those that were used later than the file says."""
        self._rows: int | None = None
        """The greatest number of a row; ``None`` before it is asked for."""

    def find(
        self, connection: sqlite3.Connection, head: Head, principal: str, producer: str
    ) -> Known | None:
        """A producer that is known, forgotten or not."""
        key = (head.id, principal, producer)
        known = self._cached.get(key)
        if known is None:
            known = self._load(connection, head, key)
            if known is not None:
                self._cached[key] = known
        return known

    def remembered(self, known: Known, now_ms: int) -> ProducerState | ForgottenProducer:
        """What is remembered of a producer."""
        state = known.state
        if known.is_forgotten or now_ms - state.used_ms > self._silent_ms_max:
            return ForgottenProducer(state.epoch)
        return state

    def _load(self, connection: sqlite3.Connection, head: Head, key: Key) -> Known | None:
        row = connection.execute(
            "SELECT id, epoch, next_sequence, used_ms, is_forgotten, results FROM producers"
            " WHERE stream = ? AND principal = ? AND producer = ?",
            key,
        ).fetchone()
        if row is None:
            return None
        number, epoch, next_sequence, used_ms, is_forgotten, packed = row
        results = _Results(head.lineage.epoch, packed)
        state = ProducerState(epoch, next_sequence, results, used_ms)
        return Known(key, number, state, bool(is_forgotten))

    def add(self, head: Head, principal: str, stamp: ProducerStamp) -> Known:
        """A producer that was not known. Its first publish is to be recorded."""
        key = (head.id, principal, stamp.producer_id)
        state = ProducerState(stamp.epoch, results=_Results(head.lineage.epoch))
        known = self._cached[key] = Known(key, None, state, False)
        return known

    def record(
        self, head: Head, known: Known, stamp: ProducerStamp, result: Result, now_ms: int
    ) -> None:
        """Take note of an accepted publish."""
        if known.row is None or known.is_forgotten:
            if known not in self._dirty and head.producer_count is not None:
                head.producer_count += 1
            known.is_forgotten = False
            known.written_epoch = -1  # all of the row is to be written
        state = known.state
        state.record(stamp, result)
        state.used_ms = now_ms
        self._dirty[known] = None

    def flush(self, connection: sqlite3.Connection) -> None:
        """Write what was recorded."""
        going_on, changed = [], []
        for known in self._dirty:
            state = known.state
            assert isinstance(state.results, _Results)
            if known.row is None:
                known.row = self._take_row(connection)
            follows = (
                state.epoch == known.written_epoch
                and state.used_ms - known.written_ms < _UNWRITTEN_MS_MAX
            )
            stream, principal, producer = known.key
            row = (
                known.row,
                stream,
                principal,
                producer,
                state.epoch,
                state.next_sequence,
                state.used_ms,
                known.is_forgotten,
                state.results.packed,
            )
            if follows:
                going_on.append(row)
                self._used[known] = None
            else:
                changed.append(row)
                self._used.pop(known, None)
                known.note_written()
        put_rows(connection, "producers", _CHANGING, changed)
        put_rows(connection, "producers", _GOING_ON, going_on)
        self._dirty.clear()
        if len(self._cached) > _CACHED_MAX:
            self.write_uses(connection)
            while len(self._cached) > _CACHED_MAX:
                del self._cached[next(iter(self._cached))]

    def write_uses(self, connection: sqlite3.Connection) -> None:
        """Write when producers were used, before the file is asked for it or closed."""
        for known in self._used:
            known.note_written()
        uses = [(known.row, known.written_ms) for known in self._used]
        update_rows(connection, "producers", ("used_ms",), uses)
        self._used.clear()

    def _take_row(self, connection: sqlite3.Connection) -> int:
        if self._rows is None:
            (self._rows,) = connection.execute(
                "SELECT coalesce(max(id), 0) FROM producers"
            ).fetchone()
        self._rows += 1
        return self._rows

    def bound(self, connection: sqlite3.Connection, heads: Iterable[Head]) -> None:
        """Forget those silent for longest where a stream has too many. Call it after ``flush``."""
        for head in heads:
            if head.producer_count is None:
                (head.producer_count,) = connection.execute(
                    "SELECT count(*) FROM producers WHERE stream = ? AND is_forgotten = 0",
                    (head.id,),
                ).fetchone()
            excess = head.producer_count - self._limits.producers_max
            if excess > 0:
                self._forget(connection, head, excess)

    def _forget(self, connection: sqlite3.Connection, head: Head, count: int) -> None:
        self.write_uses(connection)
        rows = connection.execute(
            "SELECT id, principal, producer FROM producers WHERE stream = ? AND is_forgotten = 0"
            " ORDER BY used_ms LIMIT ?",
            (head.id, count),
        ).fetchall()
        self._forget_rows(connection, [row[0] for row in rows])
        for _, principal, producer in rows:
            self._cached.pop((head.id, principal, producer), None)
        assert head.producer_count is not None
        head.producer_count -= len(rows)
        connection.execute(
            "DELETE FROM producers WHERE id IN (SELECT id FROM producers WHERE stream = ?"
            " AND is_forgotten = 1 ORDER BY used_ms DESC LIMIT -1 OFFSET ?)",
            (head.id, self._limits.producers_forgotten_max),
        )

    def forget_silent(self, connection: sqlite3.Connection, now_ms: int) -> None:
        """Forget all that have been silent for too long, to give their room back."""
        self.write_uses(connection)
        oldest_ms = now_ms - self._silent_ms_max
        rows = connection.execute(
            "SELECT id FROM producers WHERE is_forgotten = 0 AND used_ms < ? LIMIT 10000",
            (oldest_ms,),
        ).fetchall()
        if rows:
            self._forget_rows(connection, [row[0] for row in rows])
            self._cached.clear()

    def _forget_rows(self, connection: sqlite3.Connection, numbers: list[int]) -> None:
        connection.executemany(
            "UPDATE producers SET is_forgotten = 1, results = x'' WHERE id = ?",
            [(number,) for number in numbers],
        )

    def drop(self) -> None:
        """Forget what is in memory: the transaction was rolled back, or a stream removed."""
        self._cached.clear()
        self._dirty.clear()
        self._used.clear()
        self._rows = None
