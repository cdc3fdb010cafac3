"""Sets of sequence numbers as sorted, disjoint, non-adjacent half-open ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

__all__ = ["RangeSet"]


class RangeSet:
    """``add`` and ``gaps`` cost the logarithm of the number of ranges plus what they touch."""

    __slots__ = ("_ends", "_starts", "total")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        """How many numbers are in the set."""

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __reversed__(self) -> Iterator[tuple[int, int]]:
        return zip(reversed(self._starts), reversed(self._ends), strict=True)

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._starts, number) - 1
        return index >= 0 and number < self._ends[index]

    @property
    def end(self) -> int | None:
        """The end of the highest range."""
        return self._ends[-1] if self._ends else None

    def add(self, start: int, end: int) -> tuple[int, int]:
        """Put a range in; return the range that holds it now. ``start`` is below ``end``."""
        low = bisect_left(self._ends, start)
        high = bisect_right(self._starts, end)
        if low < high:
            start = min(start, self._starts[low])
            end = max(end, self._ends[high - 1])
            for index in range(low, high):
                self.total -= self._ends[index] - self._starts[index]
        self._starts[low:high] = [start]
        self._ends[low:high] = [end]
        self.total += end - start
        return start, end

    def find(self, number: int) -> tuple[int, int] | None:
        """Return the range that holds ``number``."""
        index = bisect_right(self._starts, number) - 1
        if index >= 0 and number < self._ends[index]:
            return self._starts[index], self._ends[index]
        return None

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return what is missing between ``start`` and ``end``."""
        missing = []
        index = bisect_right(self._ends, start)
        while start < end and index < len(self._starts) and self._starts[index] < end:
            if start < self._starts[index]:
                missing.append((start, self._starts[index]))
            start = self._ends[index]
            index += 1
        if start < end:
            missing.append((start, end))
        return missing

    def remove_below(self, limit: int) -> None:
        """Take out every number below ``limit``."""
        index = bisect_right(self._ends, limit)
        for at in range(index):
            self.total -= self._ends[at] - self._starts[at]
        del self._starts[:index]
        del self._ends[:index]
        if self._starts and self._starts[0] < limit:
            self.total -= limit - self._starts[0]
            self._starts[0] = limit

    def clear(self) -> None:
        """Take everything out."""
        self._starts.clear()
        self._ends.clear()
        self.total = 0
