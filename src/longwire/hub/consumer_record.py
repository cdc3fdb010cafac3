"""What is kept of a consumer: how far it is, and what is on its way to whom.

A value and the rules that change it; no store, and no clock: ``now_ms`` is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from longwire.streams.position import Position, parse_position

__all__ = ["ITEMS_MAX", "ConsumerRecord", "Item"]

ITEMS_MAX = 10_000
"""Entries that a consumer may have taken beyond the oldest that is not acknowledged."""

PENDING, WAITING, DONE = 0, 1, 2


class Item(msgspec.Struct, array_like=True):
    """One entry that was taken from the stream and lies after the consumer's position."""

    after: str
    position: str
    state: int
    """With a worker; waiting to be delivered again; acknowledged, while an older one is not."""
    worker: str
    due_ms: int
    """With a worker: until when; waiting: from when on."""
    attempt: int


class ConsumerRecord(msgspec.Struct):
    """All of it, as it is written into the store."""

    position: str
    """Everything up to here is acknowledged."""
    cursor: str
    """Everything up to here has been taken from the stream."""
    items: list[Item] = []
    """Between the two, in the order of the stream."""

    @classmethod
    def begin(cls, position: Position) -> ConsumerRecord:
        """A consumer that has read nothing yet."""
        return cls(str(position), str(position), [])

    @classmethod
    def parse(cls, payload: bytes) -> ConsumerRecord:
        """Read it as it was written."""
        record: ConsumerRecord = msgspec.json.decode(payload, type=cls)
        return record

    def encode(self) -> bytes:
        """Write it."""
        return msgspec.json.encode(self)

    # -- what can be told -----------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Entries that are delivered and not acknowledged."""
        return sum(item.state == PENDING for item in self.items)

    def unread(self, tail: Position) -> int:
        """Entries that are not acknowledged, up to a tail."""
        position = parse_position(self.position)
        if position.epoch != tail.epoch and not position.is_start:
            position = tail._replace(offset=0)
        done = sum(item.state == DONE for item in self.items)
        return max(0, tail.offset - position.offset - done)

    def next_due_ms(self, now_ms: int) -> int | None:
        """When something more is to be delivered again. What may be now already waits for a worker
        with room, not for a time."""
        dues = (item.due_ms for item in self.items if item.state != DONE and item.due_ms > now_ms)
        return min(dues, default=None)

    def held_by(self, worker: str) -> int:
        """How much a worker has without an acknowledgement."""
        return sum(item.state == PENDING and item.worker == worker for item in self.items)

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be taken before older entries are acknowledged."""
        return len(self.items) >= ITEMS_MAX

    # -- what changes it ------------------------------------------------------------------------

    def acknowledge(self, worker: str, matches: Callable[[str], bool]) -> bool:
        """Take the acknowledgements of a worker; ``True`` when that changed something."""
        changed = False
        for item in self._of(worker, matches):
            item.state = DONE
            changed = True
        if changed:
            self.settle()
        return changed

    def give_back(self, worker: str, matches: Callable[[str], bool], due_ms: int) -> bool:
        """Let entries of a worker be delivered again from ``due_ms`` on."""
        changed = False
        for item in self._of(worker, matches):
            item.state, item.worker, item.due_ms = WAITING, "", due_ms
            changed = True
        return changed

    def _of(self, worker: str, matches: Callable[[str], bool]) -> list[Item]:
        return [
            item
            for item in self.items
            if item.state == PENDING and item.worker == worker and matches(item.position)
        ]

    def reclaim(self, now_ms: int) -> bool:
        """Take back what was not acknowledged in time."""
        changed = False
        for item in self.items:
            if item.state == PENDING and item.due_ms <= now_ms:
                item.state, item.worker = WAITING, ""
                changed = True
        return changed

    def waiting(self, now_ms: int) -> list[Item]:
        """What may be delivered again now, the oldest first."""
        return [item for item in self.items if item.state == WAITING and item.due_ms <= now_ms]

    def hand_out(self, item: Item, worker: str, due_ms: int) -> None:
        """Deliver an entry again, to this worker."""
        item.state, item.worker, item.due_ms = PENDING, worker, due_ms
        item.attempt += 1

    def take(self, after: Position, position: Position, worker: str, due_ms: int) -> Item:
        """Take the next entry of the stream, for this worker."""
        item = Item(str(after), str(position), PENDING, worker, due_ms, 1)
        self.items.append(item)
        self.cursor = item.position
        return item

    def drop(self, items: Iterable[Item]) -> None:
        """Forget entries that are not in the stream any more."""
        gone = {id(item) for item in items}
        self.items = [item for item in self.items if id(item) not in gone]
        self.settle()

    def jump(self, upto: Position) -> None:
        """Go on from ``upto``: what lies before it is not in the stream any more."""
        self.items.clear()
        self.position = self.cursor = str(upto)

    def pass_to(self, upto: Position) -> None:
        """Take note that nothing more is there up to ``upto`` (superseded entries)."""
        self.cursor = str(upto)
        self.settle()

    def settle(self) -> None:
        """Let the position follow what is acknowledged from the beginning on."""
        done = 0
        for item in self.items:
            if item.state != DONE:
                break
            self.position = item.position
            done += 1
        del self.items[:done]
        if not self.items:
            self.position = self.cursor

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ConsumerRecord) and self.encode() == other.encode()

    __hash__ = None  # type: ignore[assignment]
