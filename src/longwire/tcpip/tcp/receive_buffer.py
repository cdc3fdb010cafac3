"""What the peer has sent and the application has not read, and pieces that came too early."""

from __future__ import annotations

from bisect import insort
from collections import deque

from longwire.tcpip.tcp.ranges import RangeSet

__all__ = ["ReceiveBuffer"]


class ReceiveBuffer:
    """In-order octets to read, and out-of-order pieces beyond ``RCV.NXT``.

    Bounded by the window, which the caller enforces, and by ``pieces_max``.
    """

    __slots__ = (
        "_offset",
        "_pieces",
        "_ready",
        "_recent",
        "_starts",
        "capacity",
        "early",
        "pieces_max",
        "readable",
    )

    def __init__(self, capacity: int, pieces_max: int) -> None:
        self.capacity = capacity
        self.pieces_max = pieces_max
        self.readable = 0
        """Octets to read."""
        self.early = RangeSet()
        """What came too early."""
        self._ready: deque[bytes | memoryview] = deque()
        self._offset = 0
        self._pieces: dict[int, bytes | memoryview] = {}
        self._starts: list[int] = []
        self._recent: list[int] = []

    @property
    def free(self) -> int:
        """Octets that the application has left room for."""
        return max(0, self.capacity - self.readable)

    def append(self, data: bytes | memoryview) -> None:
        """Put octets that are next in order."""
        if len(data):
            self._ready.append(data)
            self.readable += len(data)

    def insert(self, start: int, data: bytes | memoryview) -> bool:
        """Keep a piece that came too early; the first copy of an octet wins.

        Return false, keeping nothing, when there would be too many pieces.
        """
        end = start + len(data)
        gaps = self.early.gaps(start, end)
        if len(self._pieces) + len(gaps) > self.pieces_max:
            return False
        for gap_start, gap_end in gaps:
            self._pieces[gap_start] = data[gap_start - start : gap_end - start]
            insort(self._starts, gap_start)
        self.early.add(start, end)
        # RFC 2018 4: the first block is the one that the newest segment is in.
        self._recent.insert(0, start)
        del self._recent[16:]
        return True

    def advance(self, next_sequence: int) -> int:
        """Move the pieces that are in order now to what can be read; return the new RCV.NXT."""
        while self._starts and self._starts[0] <= next_sequence:
            start = self._starts.pop(0)
            piece = self._pieces.pop(start)
            end = start + len(piece)
            if end > next_sequence:
                self.append(piece[next_sequence - start :])
                next_sequence = end
        self.early.remove_below(next_sequence)
        return next_sequence

    def sack_blocks(self, count: int) -> list[tuple[int, int]]:
        """Return at most ``count`` early ranges, those that grew last first (RFC 2018 4)."""
        blocks: list[tuple[int, int]] = []
        kept = []
        for number in self._recent:
            block = self.early.find(number)
            if block is not None and block not in blocks:
                kept.append(number)
                blocks.append(block)
        self._recent = kept
        return blocks[:count]

    def read(self, count: int) -> bytes:
        """Return up to ``count`` octets and forget them."""
        count = min(count, self.readable)
        parts = []
        wanted = count
        while wanted > 0:
            chunk = self._ready[0]
            part = chunk[self._offset : self._offset + wanted]
            parts.append(part)
            wanted -= len(part)
            self._offset += len(part)
            if self._offset == len(chunk):
                self._ready.popleft()
                self._offset = 0
        self.readable -= count
        return b"".join(parts)

    def peek(self, count: int) -> bytes:
        """Return up to ``count`` octets and keep them."""
        parts: list[bytes | memoryview] = []
        offset = self._offset
        for chunk in self._ready:
            if count <= 0:
                break
            part = chunk[offset : offset + count]
            parts.append(part)
            count -= len(part)
            offset = 0
        return b"".join(parts)
