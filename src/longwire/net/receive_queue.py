"""Messages that wait for ``recv``, counted in messages and in bytes."""

from __future__ import annotations

from collections import deque

from longwire.websocket.events import Fragment

__all__ = ["ITEM_OVERHEAD_BYTES", "ReceiveQueue"]

ITEM_OVERHEAD_BYTES = 128
"""What an entry costs besides its payload: object headers and its place in the queue."""


class ReceiveQueue:
    """A queue with a high and a low mark. It never refuses: the owner pauses reading instead.

    What is over the high mark is what one read brought more, so memory stays bounded.
    """

    __slots__ = ("_bytes", "_bytes_high", "_bytes_low", "_count_high", "_count_low", "_items")

    def __init__(
        self, count_high: int | None, bytes_high: int | None, count_low: int | None = None
    ) -> None:
        self._items: deque[str | bytes | Fragment] = deque()
        self._bytes = 0
        self._count_high = count_high
        self._bytes_high = bytes_high
        if count_low is None:
            count_low = 0 if count_high is None else count_high // 4
        self._count_low = count_low
        self._bytes_low = 0 if bytes_high is None else bytes_high // 4

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size_bytes(self) -> int:
        """Payload and overhead of what waits. Text is counted in characters."""
        return self._bytes

    @property
    def is_over(self) -> bool:
        """Whether reading has to pause."""
        return (self._count_high is not None and len(self._items) > self._count_high) or (
            self._bytes_high is not None and self._bytes > self._bytes_high
        )

    @property
    def is_low(self) -> bool:
        """Whether reading may go on."""
        return (self._count_high is None or len(self._items) <= self._count_low) and (
            self._bytes_high is None or self._bytes <= self._bytes_low or not self._items
        )

    def put(self, item: str | bytes | Fragment) -> None:
        self._items.append(item)
        self._bytes += _cost(item)

    def take(self) -> str | bytes | Fragment:
        """Take the oldest entry; raise :exc:`IndexError` if there is none."""
        item = self._items.popleft()
        self._bytes -= _cost(item)
        return item

    def counts(self) -> tuple[int, int]:
        """Return (messages, payload bytes) that wait; parts of one message count as one."""
        messages = sum(1 for item in self._items if not isinstance(item, Fragment) or item.final)
        return messages, self._bytes - len(self._items) * ITEM_OVERHEAD_BYTES


def _cost(item: str | bytes | Fragment) -> int:
    payload = item.data if isinstance(item, Fragment) else item
    return len(payload) + ITEM_OVERHEAD_BYTES
