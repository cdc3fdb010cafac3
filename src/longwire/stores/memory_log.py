# cython: annotation_typing=False, auto_pickle=False
"""The logs of the memory store: one that keeps everything, one that keeps the latest of each key.

Both answer the same questions (``LogFacts`` for the verdict, stretches for reading) and know
nothing of clocks, producers or limits of the store.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Sequence
from typing import Protocol, Self

from longwire.streams.entry import Entry
from longwire.streams.lineage import Lineage
from longwire.streams.position import START, Position

__all__ = ["DenseLog", "LatestLog", "MemoryLog"]

LINKS_KEPT = 4096
"""Newest positions of a keep-latest stream at which a reader can be checked, superseded or not."""

_COMPACT_ENTRIES_MIN = 64


class MemoryLog(Protocol):
    """The entries of one stream in memory."""

    lineage: Lineage
    floor: Position
    tail: Position
    payload_bytes: int
    is_closed: bool

    def epoch_at(self, offset: int) -> str: ...

    def __len__(self) -> int:
        """How many entries are kept."""

    def link_at(self, offset: int) -> bytes | None: ...

    def append(self, entry: Entry) -> list[Entry]:
        """Add the next entry; return those it took the place of."""

    def oldest(self) -> Entry:
        """The oldest entry kept. There must be one."""

    def drop_oldest(self) -> Entry:
        """Drop the oldest entry kept and move the floor. There must be one."""

    def after(self, offset: int, entries_max: int) -> Sequence[Entry]:
        """The oldest kept entries with greater offsets."""

    def before(self, offset: int, entries_max: int) -> Sequence[Entry]:
        """The newest kept entries with lesser offsets, in the order of the stream."""

    def find(self, offset: int) -> Entry | None:
        """The entry with this offset, if it is kept."""

    def replace(self, entry: Entry) -> None:
        """Put an entry in the place of the one with the same position, which must be kept."""

    def branch(self, upto: int, epoch: str) -> Self:
        """A log that begins with what this one holds up to an offset that is kept."""


class DenseLog:
    """Keeps every entry from the floor on: the entry of an offset is found by subtraction."""

    __slots__ = ("_entries", "_head", "floor", "is_closed", "lineage", "payload_bytes", "tail")

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.floor = START
        self.tail = START
        self.payload_bytes = 0
        self.is_closed = False
        # Entries before _head are dropped already; the list is cut now and then, not every time.
        self._entries: list[Entry] = []
        self._head = 0

    def __len__(self) -> int:
        return len(self._entries) - self._head

    def epoch_at(self, offset: int) -> str:
        return self.lineage.epoch_at(offset)

    def _index(self, offset: int) -> int:
        return self._head + offset - self.floor.offset - 1

    def link_at(self, offset: int) -> bytes | None:
        if offset == self.floor.offset:
            return self.floor.link
        return self._entries[self._index(offset)].position.link

    def append(self, entry: Entry) -> list[Entry]:
        self._entries.append(entry)
        self.tail = entry.position
        self.payload_bytes += len(entry.payload)
        return []

    def oldest(self) -> Entry:
        return self._entries[self._head]

    def drop_oldest(self) -> Entry:
        entry = self._entries[self._head]
        self._head += 1
        if self._head >= _COMPACT_ENTRIES_MIN and self._head * 2 >= len(self._entries):
            del self._entries[: self._head]
            self._head = 0
        self.floor = entry.position
        self.payload_bytes -= len(entry.payload)
        return entry

    def after(self, offset: int, entries_max: int) -> Sequence[Entry]:
        start = max(self._index(offset) + 1, self._head)
        return self._entries[start : start + entries_max]

    def before(self, offset: int, entries_max: int) -> Sequence[Entry]:
        end = min(self._index(offset), len(self._entries))
        start = max(end - entries_max, self._head)
        return self._entries[start:end] if end > start else ()

    def find(self, offset: int) -> Entry | None:
        index = self._index(offset)
        return self._entries[index] if self._head <= index < len(self._entries) else None

    def replace(self, entry: Entry) -> None:
        index = self._index(entry.position.offset)
        self.payload_bytes += len(entry.payload) - len(self._entries[index].payload)
        self._entries[index] = entry

    def branch(self, upto: int, epoch: str) -> DenseLog:
        log = DenseLog(self.lineage.branch(upto, epoch))
        log.floor = log.tail = self.floor
        for entry in self._entries[self._head : self._index(upto) + 1]:
            log.append(entry)
        return log


class LatestLog:
    """Keeps the newest entry of each key, in the order of their offsets.

    A reader's position usually is that of a superseded entry, whose link is needed to check it.
    So links of the newest offsets are kept although their entries are gone; a reader that is
    further behind is refused with ``trimmed`` and reads all that is kept anew.
    """

    __slots__ = (
        "_by_key",
        "_entries",
        "_links",
        "_offsets",
        "floor",
        "is_closed",
        "lineage",
        "payload_bytes",
        "tail",
    )

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.floor = START
        self.tail = START
        self.payload_bytes = 0
        self.is_closed = False
        self._by_key: dict[str, Entry] = {}
        self._entries: list[Entry] = []
        self._offsets: list[int] = []
        self._links: deque[bytes] = deque(maxlen=LINKS_KEPT)

    def __len__(self) -> int:
        return len(self._entries)

    def epoch_at(self, offset: int) -> str:
        return self.lineage.epoch_at(offset)

    def link_at(self, offset: int) -> bytes | None:
        if offset == self.floor.offset:
            return self.floor.link
        behind = self.tail.offset - offset
        if behind < len(self._links):
            return self._links[-1 - behind]
        index = bisect.bisect_left(self._offsets, offset)
        if index < len(self._offsets) and self._offsets[index] == offset:
            return self._entries[index].position.link
        return None

    def append(self, entry: Entry) -> list[Entry]:
        superseded = self._by_key.get(entry.key)
        if superseded is not None:
            index = bisect.bisect_left(self._offsets, superseded.position.offset)
            del self._offsets[index], self._entries[index]
            self.payload_bytes -= len(superseded.payload)
        self._by_key[entry.key] = entry
        self._entries.append(entry)
        self._offsets.append(entry.position.offset)
        self._links.append(entry.position.link)
        self.tail = entry.position
        self.payload_bytes += len(entry.payload)
        return [] if superseded is None else [superseded]

    def oldest(self) -> Entry:
        return self._entries[0]

    def drop_oldest(self) -> Entry:
        entry = self._entries.pop(0)
        del self._offsets[0], self._by_key[entry.key]
        self.floor = entry.position
        self.payload_bytes -= len(entry.payload)
        return entry

    def after(self, offset: int, entries_max: int) -> Sequence[Entry]:
        start = bisect.bisect_right(self._offsets, offset)
        return self._entries[start : start + entries_max]

    def before(self, offset: int, entries_max: int) -> Sequence[Entry]:
        end = bisect.bisect_left(self._offsets, offset)
        return self._entries[max(0, end - entries_max) : end]

    def find(self, offset: int) -> Entry | None:
        index = bisect.bisect_left(self._offsets, offset)
        is_there = index < len(self._offsets) and self._offsets[index] == offset
        return self._entries[index] if is_there else None

    def replace(self, entry: Entry) -> None:
        index = bisect.bisect_left(self._offsets, entry.position.offset)
        self.payload_bytes += len(entry.payload) - len(self._entries[index].payload)
        self._entries[index] = self._by_key[entry.key] = entry

    def branch(self, upto: int, epoch: str) -> LatestLog:
        assert upto == self.tail.offset, "what was superseded is gone"
        log = LatestLog(self.lineage.branch(upto, epoch))
        log.floor, log.tail, log.payload_bytes = self.floor, self.tail, self.payload_bytes
        log._by_key, log._entries = dict(self._by_key), list(self._entries)
        log._offsets, log._links = list(self._offsets), self._links.copy()
        return log
