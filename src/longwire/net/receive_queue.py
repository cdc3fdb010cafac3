# cython: annotation_typing=False, auto_pickle=False
"""Messages that wait for ``recv``, counted in messages and in bytes."""

from __future__ import annotations

from longwire.websocket.events import Fragment

__all__ = ["ITEM_OVERHEAD_BYTES", "ReceiveQueue"]

ITEM_OVERHEAD_BYTES = 128
"""What an entry costs besides its payload: object headers and its place in the queue."""

_OVERHEAD_BYTES = ITEM_OVERHEAD_BYTES

# Places at the head whose entries were taken; past so many the rest moves up.
_GAP_MAX = 64


class ReceiveQueue:
    """A queue with a high and a low mark. It never refuses: the owner pauses reading instead.

    What is over the high mark is what one read brought more, so memory stays bounded. Empty, it
    holds nothing: a ``deque`` would keep half a kilobyte for each idle connection.
    """

    __slots__ = (
        "_bytes",
        "_bytes_high",
        "_bytes_low",
        "_count_high",
        "_count_low",
        "_head",
        "_items",
    )

    def __init__(
        self, count_high: int | None, bytes_high: int | None, count_low: int | None = None
    ) -> None:
        self._items: list[str | bytes | Fragment | None] = []
        self._head = 0
        self._bytes = 0
        # -1: no limit
        self._count_high = -1 if count_high is None else count_high
        self._bytes_high = -1 if bytes_high is None else bytes_high
        if count_low is None:
            count_low = 0 if count_high is None else count_high // 4
        self._count_low = count_low
        self._bytes_low = 0 if bytes_high is None else bytes_high // 4

    def __len__(self) -> int:
        return len(self._items) - self._head

    @property
    def size_bytes(self) -> int:
        """Payload and overhead of what waits. Text is counted in characters."""
        return self._bytes

    def is_over(self) -> bool:
        """Whether reading has to pause."""
        return (self._count_high >= 0 and len(self._items) - self._head > self._count_high) or (
            self._bytes_high >= 0 and self._bytes > self._bytes_high
        )

    def is_low(self) -> bool:
        """Whether reading may go on."""
        count = len(self._items) - self._head
        return (self._count_high < 0 or count <= self._count_low) and (
            self._bytes_high < 0 or self._bytes <= self._bytes_low or count == 0
        )

    def put(self, item: str | bytes | Fragment) -> None:
        """Add an entry."""
        self._items.append(item)
        self._bytes += _cost(item)

    def take(self) -> str | bytes | Fragment:
        """Take the oldest entry; raise :exc:`IndexError` if there is none."""
        items, head = self._items, self._head
        item = items[head]
        assert item is not None
        self._bytes -= _cost(item)
        head += 1
        if head == len(items):
            items.clear()
            head = 0
        elif head > _GAP_MAX and head * 2 > len(items):
            del items[:head]
            head = 0
        else:
            items[head - 1] = None
        self._head = head
        return item

    def counts(self) -> tuple[int, int]:
        """Return (messages, payload bytes) that wait; parts of one message count as one."""
        waiting = self._items[self._head :]
        messages = sum(1 for item in waiting if not isinstance(item, Fragment) or item.final)
        return messages, self._bytes - len(waiting) * ITEM_OVERHEAD_BYTES


def _cost(item: str | bytes | Fragment) -> int:
    if type(item) is bytes or type(item) is str:
        return len(item) + _OVERHEAD_BYTES
    return len(item.data) + _OVERHEAD_BYTES  # type: ignore[union-attr]
