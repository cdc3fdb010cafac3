# cython: annotation_typing=False, auto_pickle=False
"""New entries on their way to the file, packed into four values for one statement.

A parameter for each column of each row costs the interpreter more than the row costs SQLite, and
every statement waits for the interpreter's lock when it ends. Here a row is some bytes in what all
rows share, which SQLite cuts apart by itself, without the lock:

=======  =============================================================================
runs     of entries that follow each other in one stream, stored at one time, with one
         key: numbers of fixed width, see ``_RUN``
links    8 bytes each: for a run, that before its first entry, then those of its entries
data     for a run, its key, then the payloads of its entries
places   of the payloads in ``data``: numbers of fixed width, see ``_PLACE``
=======  =============================================================================

A temporary table of numbers counts the rows, which costs SQLite half of what recursion does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from longwire.base.tuples import parts
from longwire.streams.entry import Entry

__all__ = ["PACKED_BYTES_MAX", "PACKED_ENTRIES_MAX", "PackedEntries"]

PACKED_BYTES_MAX = 8 * 1024 * 1024
"""Payloads that are gathered for one statement, about; what is packed is a copy."""

PACKED_ENTRIES_MAX = 4_096
"""Entries that are gathered for one statement: there are as many numbers."""

# Decimal numbers, filled up with spaces: SQLite has no function that reads binary ones. Entries
# count from 0; bytes of ``data`` from 1, as substr() does.
# Stream; offset of entry 0, were it of this run; time; first and last entry; begin and length of
# the key.
_RUN = b"%19d%20d%19d%10d%10d%10d%10d"
_RUN_BYTES = 98
# Begin and length of a payload.
_PLACE_BYTES = 20
_BLANK_PLACE = b" " * _PLACE_BYTES

_NUMBERS = f"""
WITH RECURSIVE counted (n) AS (
    VALUES (0) UNION ALL SELECT n + 1 FROM counted LIMIT {PACKED_ENTRIES_MAX}
)
INSERT INTO temp.numbers SELECT n FROM counted
"""

# LIMIT keeps the runs a table of their own: they are cut apart once, not for each entry.
_INSERT = f"""
INSERT INTO entries (stream, offset, link, previous_link, time_ms, kind, key, payload)
SELECT
    stream,
    base + n,
    substr(:links, 8 * (n + run) + 9, 8),
    substr(:links, 8 * (n + run) + 1, 8),
    time_ms,
    0,
    key,
    substr(
        :data,
        CAST(substr(:places, {_PLACE_BYTES} * n + 1, 10) AS INTEGER),
        CAST(substr(:places, {_PLACE_BYTES} * n + 11, 10) AS INTEGER)
    )
FROM (
    SELECT
        n AS run,
        CAST(substr(:runs, {_RUN_BYTES} * n + 1, 19) AS INTEGER) AS stream,
        CAST(substr(:runs, {_RUN_BYTES} * n + 20, 20) AS INTEGER) AS base,
        CAST(substr(:runs, {_RUN_BYTES} * n + 40, 19) AS INTEGER) AS time_ms,
        CAST(substr(:runs, {_RUN_BYTES} * n + 59, 10) AS INTEGER) AS first,
        CAST(substr(:runs, {_RUN_BYTES} * n + 69, 10) AS INTEGER) AS last,
        CAST(
            substr(
                :data,
                CAST(substr(:runs, {_RUN_BYTES} * n + 79, 10) AS INTEGER),
                CAST(substr(:runs, {_RUN_BYTES} * n + 89, 10) AS INTEGER)
            ) AS TEXT
        ) AS key
    FROM temp.numbers WHERE n < :run_count LIMIT -1
) CROSS JOIN temp.numbers
WHERE n BETWEEN first AND last
"""


class PackedEntries:
    """Gathers entries until they are inserted. Belongs to the writing thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """To be called outside of a transaction, which might be rolled back."""
        self._connection = connection
        connection.execute("CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY)")
        connection.execute(_NUMBERS)
        self._runs: list[int] = []
        self._links: list[bytes] = []
        self._data: list[bytes] = []
        self._places = bytearray()
        self._size = 0
        self._entry_count = 0
        # The run that grows: what it begins with, and how long it is.
        self._stream = 0
        self._offset = 0
        self._time_ms = 0
        self._key = ""
        self._count = 0

    def add(self, stream: int, entries: Sequence[Entry]) -> None:
        """Put entries at the end of the stream with this number."""
        for entry in entries:
            position, previous, payload, time_ms, _, key, _ = parts(entry)
            if self._size >= PACKED_BYTES_MAX or self._entry_count == PACKED_ENTRIES_MAX:
                self.insert()
            offset, _, link = parts(position)
            if not (
                self._count
                and stream == self._stream
                and offset == self._offset + self._count
                and time_ms == self._time_ms
                and key == self._key
            ):
                self._end_run()
                self._stream, self._offset = stream, offset
                self._time_ms, self._key = time_ms, key
                self._links.append(previous.link)
            size = len(payload)
            self._links.append(link)
            self._data.append(payload)
            end = _PLACE_BYTES * (self._entry_count + 1)
            self._places += _BLANK_PLACE
            _write_number(self._places, end - 10, self._size + 1)
            _write_number(self._places, end, size)
            self._size += size
            self._count += 1
            self._entry_count += 1

    def _end_run(self) -> None:
        if not self._count:
            return
        key = self._key.encode()
        first = self._entry_count - self._count
        base = self._offset - first
        numbers = (self._stream, base, self._time_ms, first, self._entry_count - 1)
        self._runs.extend((*numbers, self._size + 1, len(key)))
        if key:
            self._data.append(key)
            self._size += len(key)
        self._count = 0

    def insert(self) -> None:
        """Write what was gathered, in the order in which it came."""
        self._end_run()
        if not self._entry_count:
            return
        self._data.append(b"\0")  # a substr() of nothing at all would be NULL
        run_count = len(self._runs) // 7
        self._connection.execute(
            _INSERT,
            {
                "runs": _RUN * run_count % tuple(self._runs),
                "links": b"".join(self._links),
                "data": b"".join(self._data),
                "places": self._places,
                "run_count": run_count,
            },
        )
        self.clear()

    def clear(self) -> None:
        """Forget what was gathered."""
        self._runs.clear()
        self._links.clear()
        self._data.clear()
        self._places.clear()
        self._size = self._entry_count = self._count = 0


def _write_number(text: bytearray, end: int, number: int) -> None:
    """Write a number that is not negative into blanks of ``text``, up to ``end``.

    One for each payload: to format them costs the interpreter as much as the row.
    """
    while True:
        end -= 1
        text[end] = 48 + number % 10
        number //= 10
        if not number:
            return
