"""``live=long-poll``: a request that takes what the hub delivers first (Durable Streams 5.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from longwire.hub.sinks import Gap
from longwire.streams.entry import Entry
from longwire.streams.position import Position

__all__ = ["News"]


class News:
    """A long-poll as the hub sees it: it takes what comes first, with all that comes along.

    It says that it holds what it has got, so it gets no more than a reader may hold.
    """

    __slots__ = ("_held_bytes", "entries", "is_closed", "lost", "some", "upto")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.upto: Position | None = None
        """Up to where the stream was delivered; ``None`` before anything was."""
        self.lost: Gap | None = None
        """What will not come, and is missed by who reads everything; nothing is taken after it."""
        self.is_closed = False
        self.some: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when there is something to tell."""
        self._held_bytes = 0

    def send_entries(self, stream: str, entries: Sequence[Entry]) -> int:
        if self.lost is not None:
            return self._held_bytes
        self.entries += entries
        self.upto = entries[-1].position
        self._held_bytes += sum(len(entry.payload) for entry in entries)
        return self._tell()

    def send_gap(self, stream: str, gap: Gap) -> int:
        if self.lost is None:
            if gap.is_loss:
                self.lost = gap
            else:
                self.upto = gap.upto
        return self._tell()

    def send_closed(self, stream: str, position: Position) -> int:
        self.is_closed = self.lost is None
        return self._tell()

    def stop(self) -> None:
        """Wait no longer."""
        self._tell()

    def _tell(self) -> int:
        if not self.some.done():
            self.some.set_result(None)
        return self._held_bytes
