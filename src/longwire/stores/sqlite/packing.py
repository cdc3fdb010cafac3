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
ends     of the payloads in ``data``, one number of fixed width for each entry
=======  =============================================================================
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from longwire.streams.entry import Entry

__all__ = ["PACKED_BYTES_MAX", "PackedEntries"]

PACKED_BYTES_MAX = 8 * 1024 * 1024
"""Payloads that are gathered for one statement, about; what is packed is a copy."""

# Decimal numbers, filled up with spaces: SQLite has no function that reads binary ones.
_RUN = b"%19d%19d%19d%10d%10d"  # stream, first offset, time, number of entries, bytes of the key
_END = b"%10d"
_RUN_BYTES = 77
_END_BYTES = 10

# One step for each entry. A state is: index of the entry; where the next run is described; entries
# of this run still to come; where the link before the entry lies; stream, offset, time and key;
# where the payload begins and ends. Places count from 0, substr() counts from 1.
_INSERT = f"""
WITH RECURSIVE step
    (at, next_run, left, link, stream, offset, time_ms, key, start, "end") AS (
    VALUES (-1, 0, 0, -16, 0, 0, 0, '', 0, 0)
    UNION ALL
    SELECT
        at + 1,
        CASE left WHEN 0 THEN next_run + {_RUN_BYTES} ELSE next_run END,
        CASE left WHEN 0 THEN CAST(substr(:runs, next_run + 58, 10) AS INTEGER) ELSE left END - 1,
        CASE left WHEN 0 THEN link + 16 ELSE link + 8 END,
        CASE left WHEN 0 THEN CAST(substr(:runs, next_run + 1, 19) AS INTEGER) ELSE stream END,
        CASE left WHEN 0 THEN CAST(substr(:runs, next_run + 20, 19) AS INTEGER)
            ELSE offset + 1 END,
        CASE left WHEN 0 THEN CAST(substr(:runs, next_run + 39, 19) AS INTEGER) ELSE time_ms END,
        CASE left WHEN 0 THEN CAST(
            substr(:data, "end" + 1, CAST(substr(:runs, next_run + 68, 10) AS INTEGER)) AS TEXT)
            ELSE key END,
        CASE left WHEN 0 THEN "end" + CAST(substr(:runs, next_run + 68, 10) AS INTEGER)
            ELSE "end" END,
        CAST(substr(:ends, (at + 1) * {_END_BYTES} + 1, {_END_BYTES}) AS INTEGER)
    FROM step WHERE at < :last
)
INSERT INTO entries (stream, offset, link, previous_link, time_ms, kind, key, payload)
SELECT stream, offset, substr(:links, link + 9, 8), substr(:links, link + 1, 8), time_ms, 0, key,
    substr(:data, start + 1, "end" - start)
FROM step WHERE at >= 0
"""


class PackedEntries:
    """Gathers entries until they are inserted. Belongs to the writing thread."""

    def __init__(self) -> None:
        self._runs: list[bytes] = []
        self._links: list[bytes] = []
        self._data: list[bytes] = []
        self._ends: list[bytes] = []
        self._size = 0
        # The run that grows: what it begins with, and how long it is.
        self._stream = 0
        self._offset = 0
        self._time_ms = 0
        self._key = ""
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Whether they should be inserted before more are added."""
        return self._size >= PACKED_BYTES_MAX

    def add(self, stream: int, entries: Sequence[Entry]) -> None:
        """Put entries at the end of the stream with this number."""
        size = self._size
        links, data, ends = self._links, self._data, self._ends
        for position, previous, payload, time_ms, _, key, _ in entries:
            if not (
                self._count
                and stream == self._stream
                and position.offset == self._offset + self._count
                and time_ms == self._time_ms
                and key == self._key
            ):
                self._end_run()
                self._stream, self._offset = stream, position.offset
                self._time_ms, self._key = time_ms, key
                links.append(previous.link)
                if key:
                    encoded = key.encode()
                    data.append(encoded)
                    size += len(encoded)
            self._count += 1
            size += len(payload)
            links.append(position.link)
            data.append(payload)
            ends.append(_END % size)
        self._size = size

    def _end_run(self) -> None:
        if self._count:
            key_bytes = len(self._key.encode())
            values = (self._stream, self._offset, self._time_ms, self._count, key_bytes)
            self._runs.append(_RUN % values)
            self._count = 0

    def insert(self, connection: sqlite3.Connection) -> None:
        """Write what was gathered, in the order in which it came."""
        self._end_run()
        if not self._ends:
            return
        self._data.append(b"\0")  # a substr() of nothing at all would be NULL
        connection.execute(
            _INSERT,
            {
                "runs": b"".join(self._runs),
                "links": b"".join(self._links),
                "data": b"".join(self._data),
                "ends": b"".join(self._ends),
                "last": len(self._ends) - 1,
            },
        )
        self.clear()

    def clear(self) -> None:
        """Forget what was gathered."""
        for gathered in (self._runs, self._links, self._data, self._ends):
            gathered.clear()
        self._size = self._count = 0
