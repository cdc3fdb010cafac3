# cython: annotation_typing=False, auto_pickle=False
"""Entries of the SQLite store: rows, and what retention and keep-latest do to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from longwire.base.tuples import parts
from longwire.stores.sqlite.head import KIND_ENTRY, KIND_ERASED, KIND_SUPERSEDED, Head
from longwire.stores.sqlite.packing import PackedEntries
from longwire.streams.entry import Entry
from longwire.streams.position import Position

__all__ = ["LINKS_KEPT", "Entries", "LogView"]

LINKS_KEPT = 4_096
"""Newest positions of a keep-latest stream at which a reader can be checked, superseded or not."""

_ROW = "offset, link, previous_link, time_ms, kind, key, payload"


class LogView:
    """A stream as one transaction sees it: ``LogFacts`` for the verdict, stretches for reading."""

    __slots__ = ("_connection", "_head", "floor", "is_closed", "tail")

    def __init__(
        self, head: Head, connection: sqlite3.Connection, floor: Position | None = None
    ) -> None:
        self._head = head
        self._connection = connection
        self.floor = head.floor if floor is None else floor
        self.tail = head.tail
        self.is_closed = head.is_closed

    def epoch_at(self, offset: int) -> str:
        return self._head.lineage.epoch_at(offset)

    def link_at(self, offset: int) -> bytes | None:
        for known in (self.floor, self.tail):
            if offset == known.offset:
                return known.link
        row = self._connection.execute(
            "SELECT link FROM entries WHERE stream = ? AND offset = ?", (self._head.id, offset)
        ).fetchone()
        return None if row is None else row[0]

    def iterate_after(self, offset: int) -> Iterator[Entry]:
        """Kept entries with greater offsets, in order."""
        rows = self._connection.execute(
            f"SELECT {_ROW} FROM entries WHERE stream = ? AND offset > ? AND kind != ?"
            " ORDER BY offset",
            (self._head.id, max(offset, self.floor.offset), KIND_SUPERSEDED),
        )
        return map(self._head.entry, rows)

    def iterate_before(self, offset: int) -> Iterator[Entry]:
        """Kept entries with lesser offsets, the newest first."""
        rows = self._connection.execute(
            f"SELECT {_ROW} FROM entries WHERE stream = ? AND offset < ? AND offset > ?"
            " AND kind != ? ORDER BY offset DESC",
            (self._head.id, offset, self.floor.offset, KIND_SUPERSEDED),
        )
        return map(self._head.entry, rows)

    def oldest_offset(self) -> int:
        """Offset of the oldest entry kept; 0 when there is none."""
        for entry in self.iterate_after(0):
            return entry.position.offset
        return 0

    def last(self, count: int) -> Position:
        """The place that ``count`` entries follow, or all that are kept if they are fewer."""
        if count <= 0:
            return self.tail
        row = self._connection.execute(
            "SELECT offset FROM entries WHERE stream = ? AND offset > ? AND kind != ?"
            " ORDER BY offset DESC LIMIT 1 OFFSET ?",
            (self._head.id, self.floor.offset, KIND_SUPERSEDED, count),
        ).fetchone()
        return self.floor if row is None else next(self.iterate_after(row[0])).previous


class Entries:
    """What the writing thread does to entries. What is added is gathered until ``flush``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._gathered = PackedEntries(connection)

    def add(self, head: Head, entries: Sequence[Entry]) -> None:
        """Put entries at the end of a stream."""
        if not entries:
            return
        self._gathered.add(head.id, entries)
        for entry in entries:
            head.tail, _, payload, _, _, _, _ = parts(entry)
            head.kept_bytes += len(payload)
        head.kept_entries += len(entries)
        if head.keeps_latest:
            self.flush()
            for entry in entries:
                self._supersede(head, entry.key, entry.position.offset)

    def flush(self) -> None:
        """Write what was gathered."""
        self._gathered.insert()

    def drop(self) -> None:
        """Forget them: the transaction was rolled back."""
        self._gathered.clear()

    def _supersede(self, head: Head, key: str, offset: int) -> None:
        connection, number = self._connection, head.id
        row = connection.execute(
            "SELECT offset, length(payload) FROM latest JOIN entries USING (stream, offset)"
            " WHERE latest.stream = ? AND latest.key = ?",
            (number, key),
        ).fetchone()
        connection.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?)", (number, key, offset))
        if row is not None:
            head.kept_entries -= 1
            head.kept_bytes -= row[1]
            connection.execute(
                "UPDATE entries SET kind = ?, key = '', payload = x''"
                " WHERE stream = ? AND offset = ?",
                (KIND_SUPERSEDED, number, row[0]),
            )
        stale = (number, offset - LINKS_KEPT, KIND_SUPERSEDED)
        connection.execute(
            "DELETE FROM entries WHERE stream = ? AND offset = ? AND kind = ?", stale
        )
        if row is not None and row[0] <= offset - LINKS_KEPT:
            stale = (number, row[0], KIND_SUPERSEDED)
            connection.execute(
                "DELETE FROM entries WHERE stream = ? AND offset = ? AND kind = ?", stale
            )

    def trim(self, head: Head, now_ms: int) -> None:
        """Apply retention. Call it after ``flush``."""
        keep = head.settings.retention
        oldest_ms = 0 if keep.age_max_s is None else now_ms - round(keep.age_max_s * 1000)

        def is_over(time_ms: int) -> bool:
            entries, payload_bytes = head.kept_entries, head.kept_bytes
            return (
                (keep.entries_max is not None and entries > keep.entries_max)
                or (keep.bytes_max is not None and payload_bytes > keep.bytes_max and entries > 1)
                or time_ms < oldest_ms
            )

        if not head.kept_entries or not is_over(head.oldest_ms):
            return
        if keep.entries_max is not None and not head.keeps_latest:
            self._drop_oldest(head, head.kept_entries - keep.entries_max)
            if not head.kept_entries or not is_over(head.oldest_ms):
                return
        floor = head.floor
        keys = []
        rows = self._connection.execute(
            "SELECT offset, link, time_ms, length(payload), key FROM entries"
            " WHERE stream = ? AND offset > ? AND kind != ? ORDER BY offset",
            (head.id, floor.offset, KIND_SUPERSEDED),
        )
        for offset, link, time_ms, size, key in rows:
            head.oldest_ms = time_ms
            if not is_over(time_ms):
                break
            head.kept_entries -= 1
            head.kept_bytes -= size
            floor = head.place(offset, link)
            keys.append((head.id, key))
        rows.close()
        if floor != head.floor:
            self._drop_until(head, floor, keys)

    def _drop_oldest(self, head: Head, count: int) -> None:
        """Drop so many entries of a stream that keeps all: they are the next after its floor."""
        if count <= 0:
            return
        upto = head.floor.offset + count
        link, size = self._connection.execute(
            "SELECT link, (SELECT sum(length(payload)) FROM entries WHERE stream = ?1"
            " AND offset <= ?2) FROM entries WHERE stream = ?1 AND offset = ?2",
            (head.id, upto),
        ).fetchone()
        head.kept_entries -= count
        head.kept_bytes -= size
        self._drop_until(head, head.place(upto, link), ())

    def _drop_until(self, head: Head, floor: Position, keys: Sequence[tuple[int, str]]) -> None:
        head.floor = floor
        self._connection.execute(
            "DELETE FROM entries WHERE stream = ? AND offset <= ?", (head.id, floor.offset)
        )
        if head.keeps_latest:
            self._connection.executemany("DELETE FROM latest WHERE stream = ? AND key = ?", keys)

    def copy(self, source: Head, fork: Head) -> None:
        """Give a fork what it inherits: everything between its floor and its tail."""
        values = (fork.id, source.id, fork.floor.offset, fork.tail.offset)
        self._connection.execute(
            "INSERT INTO entries SELECT ?, offset, link, previous_link, time_ms, kind, key, payload"
            " FROM entries WHERE stream = ? AND offset > ? AND offset <= ?",
            values,
        )
        if fork.keeps_latest:
            self._connection.execute(
                "INSERT INTO latest SELECT ?, key, offset FROM latest WHERE stream = ?", values[:2]
            )
        fork.kept_entries, fork.kept_bytes = self._connection.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0) FROM entries"
            " WHERE stream = ? AND kind != ?",
            (fork.id, KIND_SUPERSEDED),
        ).fetchone()

    def erase(self, head: Head, offset: int) -> bool:
        """Take the payload out of an entry. Call it after ``flush``."""
        row = self._connection.execute(
            "SELECT length(payload) FROM entries WHERE stream = ? AND offset = ? AND kind = ?",
            (head.id, offset, KIND_ENTRY),
        ).fetchone()
        if row is None or offset <= head.floor.offset:
            return False
        head.kept_bytes -= row[0]
        self._connection.execute(
            "UPDATE entries SET kind = ?, payload = x'' WHERE stream = ? AND offset = ?",
            (KIND_ERASED, head.id, offset),
        )
        return True

    def delete_some(self, stream: int, rows_max: int) -> bool:
        """Delete rows of a stream that is gone; ``False`` when there are none left."""
        deleted = 0
        for table, column in (("entries", "offset"), ("latest", "key"), ("producers", "id")):
            cursor = self._connection.execute(
                f"DELETE FROM {table} WHERE stream = ?1 AND {column} IN"
                f" (SELECT {column} FROM {table} WHERE stream = ?1 LIMIT ?2)",
                (stream, rows_max - deleted),
            )
            deleted += cursor.rowcount
            if deleted >= rows_max:
                return True
        return False
