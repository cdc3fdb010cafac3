"""Producers of the SQLite store: a row each, and those in use in memory."""

from __future__ import annotations

import sqlite3
import struct
from collections import OrderedDict
from collections.abc import Iterable

from longwire.base.limits import SqliteStoreLimits
from longwire.stores.sqlite.head import Head
from longwire.streams.position import Position
from longwire.streams.producer import (
    RESULTS_MAX,
    ForgottenProducer,
    ProducerStamp,
    ProducerState,
    Result,
)

__all__ = ["Producers"]

_RESULT = struct.Struct(">Q8sQ8s")
_CACHED_MAX = 4_096

Key = tuple[int, str, str]


class _Results:
    """Results of the last publishes, packed: a busy server knows many producers."""

    __slots__ = ("_epoch", "packed")

    def __init__(self, epoch: str, packed: bytes = b"") -> None:
        self._epoch = epoch
        self.packed = bytearray(packed)

    def __len__(self) -> int:
        return len(self.packed) // _RESULT.size

    def __getitem__(self, index: int) -> Result:
        at = index * _RESULT.size
        if index < 0:
            at += len(self.packed)
        first, first_link, last, last_link = _RESULT.unpack_from(self.packed, at)
        if not first:
            return Result(None, None)
        epoch = self._epoch
        return Result(Position(first, epoch, first_link), Position(last, epoch, last_link))

    def append(self, result: Result) -> None:
        if len(self) >= RESULTS_MAX:
            del self.packed[: _RESULT.size]
        first, last = result
        if first is None or last is None:
            self.packed += bytes(_RESULT.size)
        else:
            self.packed += _RESULT.pack(first.offset, first.link, last.offset, last.link)

    def clear(self) -> None:
        self.packed.clear()


class _Known:
    """One producer: its row, if it has one, and its state."""

    __slots__ = ("is_forgotten", "row", "state")

    def __init__(self, row: int | None, state: ProducerState, is_forgotten: bool) -> None:
        self.row = row
        self.state = state
        self.is_forgotten = is_forgotten


class Producers:
    """Belongs to the writing thread. What is recorded is written by ``flush``."""

    def __init__(self, limits: SqliteStoreLimits) -> None:
        self._limits = limits
        self._cached: OrderedDict[Key, _Known] = OrderedDict()
        self._dirty: dict[Key, _Known] = {}

    def find(
        self, connection: sqlite3.Connection, head: Head, principal: str, producer: str, now_ms: int
    ) -> ProducerState | ForgottenProducer | None:
        """What is remembered of a producer."""
        key = (head.id, principal, producer)
        known = self._cached.get(key)
        if known is None:
            known = self._load(connection, head, key)
            if known is None:
                return None
            self._cached[key] = known
        self._cached.move_to_end(key)
        silent_ms = now_ms - known.state.used_ms
        if known.is_forgotten or silent_ms > self._limits.producer_state_s * 1000:
            return ForgottenProducer(known.state.epoch)
        return known.state

    def _load(self, connection: sqlite3.Connection, head: Head, key: Key) -> _Known | None:
        row = connection.execute(
            "SELECT id, epoch, next_sequence, used_ms, is_forgotten, results FROM producers"
            " WHERE stream = ? AND principal = ? AND producer = ?",
            key,
        ).fetchone()
        if row is None:
            return None
        number, epoch, next_sequence, used_ms, is_forgotten, packed = row
        results = _Results(head.lineage.epoch, packed)
        return _Known(
            number, ProducerState(epoch, next_sequence, results, used_ms), bool(is_forgotten)
        )

    def record(
        self, head: Head, principal: str, stamp: ProducerStamp, result: Result, now_ms: int
    ) -> None:
        """Take note of an accepted publish."""
        key = (head.id, principal, stamp.producer_id)
        known = self._cached.get(key)
        if known is None:
            state = ProducerState(stamp.epoch, results=_Results(head.lineage.epoch))
            known = self._cached[key] = _Known(None, state, False)
        if known.row is None or known.is_forgotten:
            if key not in self._dirty and head.producer_count is not None:
                head.producer_count += 1
            known.is_forgotten = False
        known.state.record(stamp, result)
        known.state.used_ms = now_ms
        self._dirty[key] = known

    def flush(self, connection: sqlite3.Connection) -> None:
        """Write what was recorded."""
        updates = []
        for key, known in self._dirty.items():
            state = known.state
            assert isinstance(state.results, _Results)
            values = (
                state.epoch,
                state.next_sequence,
                state.used_ms,
                known.is_forgotten,
                state.results.packed,
            )
            if known.row is not None:
                updates.append((*values, known.row))
                continue
            cursor = connection.execute(
                "INSERT INTO producers (epoch, next_sequence, used_ms, is_forgotten, results,"
                " stream, principal, producer) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, *key),
            )
            known.row = cursor.lastrowid
        connection.executemany(
            "UPDATE producers SET epoch = ?, next_sequence = ?, used_ms = ?, is_forgotten = ?,"
            " results = ? WHERE id = ?",
            updates,
        )
        self._dirty.clear()
        while len(self._cached) > _CACHED_MAX:
            self._cached.popitem(last=False)

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
        oldest_ms = now_ms - round(self._limits.producer_state_s * 1000)
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
