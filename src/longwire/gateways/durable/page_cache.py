"""Pages of history that were read, kept for the next who reads the same.

A page that ends before the tail stays what it is: whether it still holds is told by the epoch of
the stream and by how much of it is kept. What these do not tell, an erased payload and a log that
was rolled back, the hub does (``Hub.on_doubt``); of what other servers erase it hears nothing, so
on a store that they share a page is kept for seconds only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from longwire.gateways.durable.reading import Excerpt
from longwire.streams.position import Position
from longwire.streams.store import StreamInfo

__all__ = ["PAGE_OVERHEAD_BYTES", "SHARED_AGE_S", "PageCache"]

SHARED_AGE_S = 10.0
"""How long a page is kept when other servers may erase what is in it, seconds."""

PAGE_OVERHEAD_BYTES = 512
"""What a page costs beside its body."""


class _Kept(NamedTuple):
    excerpt: Excerpt
    epoch: str
    read_s: float


class PageCache:
    """Holds at most ``bytes_max``; what was not asked for the longest goes first, by streams."""

    def __init__(
        self, bytes_max: int, *, is_shared: bool, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._bytes_max = bytes_max
        self._age_max_s = SHARED_AGE_S if is_shared else None
        self._clock_s = clock_s
        # Both in the order of use.
        self._streams: dict[str, dict[Position, _Kept]] = {}
        self.size_bytes = 0
        """What the pages cost."""
        self.hits = 0
        """Pages that were not read again."""
        self.doubts = 0
        """Times that pages were forgotten: what was read before does not count after."""

    def find(self, info: StreamInfo, after: Position) -> Excerpt | None:
        """The page after a position, if it is there and holds."""
        pages = self._streams.get(info.name)
        kept = None if pages is None else pages.get(after)
        if pages is None or kept is None:
            return None
        if not self._holds(kept, info):
            self._drop(info.name, after)
            return None
        self.hits += 1
        self._streams[info.name] = self._streams.pop(info.name)
        pages[after] = pages.pop(after)
        return kept.excerpt

    def _holds(self, kept: _Kept, info: StreamInfo) -> bool:
        if self._age_max_s is not None and self._clock_s() - kept.read_s > self._age_max_s:
            return False
        return kept.epoch == info.epoch and info.floor.offset <= kept.excerpt.after.offset

    def keep(self, info: StreamInfo, excerpt: Excerpt, doubts: int) -> None:
        """Keep a page, if it is one that stays. ``doubts`` is as it was before it was read."""
        settings = info.settings
        if doubts != self.doubts:
            return
        # Reading prolongs a time to live, so it must be read; entries that are superseded vanish.
        if excerpt.is_up_to_date or settings.ttl_s is not None or settings.keeps_latest:
            return
        self._drop(info.name, excerpt.after)
        kept = _Kept(excerpt, info.epoch, self._clock_s())
        self._streams.setdefault(info.name, {})[excerpt.after] = kept
        self.size_bytes += _cost(kept)
        while self.size_bytes > self._bytes_max:
            name, pages = next(iter(self._streams.items()))
            self._drop(name, next(iter(pages)))

    def forget(self, stream: str | None) -> None:
        """Pages of a stream, or of all, may be wrong now."""
        self.doubts += 1
        if stream is None:
            self._streams.clear()
            self.size_bytes = 0
        else:
            for kept in self._streams.pop(stream, {}).values():
                self.size_bytes -= _cost(kept)

    def _drop(self, stream: str, after: Position) -> None:
        pages = self._streams.get(stream, {})
        kept = pages.pop(after, None)
        if kept is not None:
            self.size_bytes -= _cost(kept)
            if not pages:
                del self._streams[stream]


def _cost(kept: _Kept) -> int:
    return len(kept.excerpt.body) + PAGE_OVERHEAD_BYTES
