"""What a fleet writes down as it happens, so that a process that was killed can be judged too.

A journal is a file of records of 24 bytes each, whoever writes it (the Node.js fleet does too), all
little-endian: the kind (1 byte, 3 unused), the member that writes it, the member that published the
message, the message's number among those of its publisher (4 bytes each), and the time on the
machine's monotonic clock in seconds (a double).
"""

from __future__ import annotations

import enum
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Happening", "Journal", "Record", "read_journal"]

_RECORD = struct.Struct("<B3xIIId")
_FLUSH_BYTES = 16_384


class Happening(enum.IntEnum):
    """What a record tells."""

    ATTEMPTED = 1  # the application asked for this message to be published
    STORED = 2  # it was told that the message is stored
    REFUSED = 3  # it was told that the message could not be sent, or saw that by itself
    RECEIVED = 4  # a handler got the message
    CONNECTED = 5  # the member has a connection (again)
    DISCONNECTED = 6  # the member has learned that it has none
    GAP = 7  # it was told that messages of this publisher will not come
    READ_BACK = 8  # the message was found in the stream when all was over


class Record(NamedTuple):
    """One line of a journal; ``publisher`` and ``sequence`` are 0 where they mean nothing."""

    kind: int
    member: int
    publisher: int
    sequence: int
    time_s: float


class Journal:
    """Writes records to a new file. An attempt is in the file before :meth:`write` returns; other
    records are once :meth:`flush` was called or some hundreds have come together."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._held = bytearray()
        self.counts = dict.fromkeys(Happening, 0)

    def write(self, kind: Happening, member: int, publisher: int = 0, sequence: int = 0) -> None:
        """Write one record with the present time."""
        self._held += _RECORD.pack(kind, member, publisher, sequence, time.monotonic())
        self.counts[kind] += 1
        if kind is Happening.ATTEMPTED or len(self._held) >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the system, which keeps it when this process is killed."""
        if self._held:
            os.write(self._fd, self._held)
            self._held.clear()

    def close(self) -> None:
        """Flush and close; a second call does nothing."""
        if self._fd >= 0:
            self.flush()
            os.close(self._fd)
            self._fd = -1


def read_journal(path: Path) -> Iterator[Record]:
    """Yield the records of a journal; a last one that was cut off is left out."""
    with path.open("rb") as file:
        while chunk := file.read(_RECORD.size * 8192):
            whole = len(chunk) - len(chunk) % _RECORD.size
            for fields in _RECORD.iter_unpack(memoryview(chunk)[:whole]):
                yield Record(*fields)
