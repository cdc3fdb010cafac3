"""What the application has written and the peer has not acknowledged, by sequence number."""

from __future__ import annotations

from bisect import bisect_right

__all__ = ["SendBuffer"]

# Chunks that are done with are cut off in batches, so that each costs a share of one move.
_TRIM_CHUNKS = 64


class SendBuffer:
    """Octets from ``start`` to ``end``. What is handed out are views; nothing is copied twice."""

    __slots__ = ("_chunks", "_first", "_starts", "end", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        """Sequence number of the first octet that is still kept."""
        self.end = start
        """One past the last octet written."""
        self._chunks: list[bytes] = []
        self._starts: list[int] = []
        self._first = 0

    def __len__(self) -> int:
        return self.end - self.start

    def append(self, data: bytes) -> None:
        """Put octets at the end."""
        if data:
            self._chunks.append(data)
            self._starts.append(self.end)
            self.end += len(data)

    def slice(self, start: int, end: int) -> bytes | memoryview:
        """Return the octets from ``start`` to ``end``, which must be kept."""
        if start == end:
            return b""
        index = bisect_right(self._starts, start) - 1
        offset = start - self._starts[index]
        chunk = self._chunks[index]
        if offset + end - start <= len(chunk):
            if offset == 0 and end - start == len(chunk):
                return chunk
            return memoryview(chunk)[offset : offset + end - start]
        parts: list[memoryview] = []
        wanted = end - start
        while wanted > 0:
            part = memoryview(self._chunks[index])[offset : offset + wanted]
            parts.append(part)
            wanted -= len(part)
            index += 1
            offset = 0
        return b"".join(parts)

    def release(self, upto: int) -> None:
        """Forget octets below ``upto``."""
        if upto <= self.start:
            return
        self.start = min(upto, self.end)
        first = self._first
        while first < len(self._chunks) and self._starts[first] + len(self._chunks[first]) <= upto:
            # Let go of the octets now; the empty places go in a batch.
            self._starts[first] += len(self._chunks[first])
            self._chunks[first] = b""
            first += 1
        self._first = first
        if first > _TRIM_CHUNKS or first == len(self._chunks):
            del self._chunks[:first]
            del self._starts[:first]
            self._first = 0
