"""What waits for a link that is busy: first in, first out, with a bound or with CoDel."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from longwire.tcpip.device import Unit
from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.reasons import Reason

__all__ = ["CodelQueue", "DropTailQueue", "Queue", "Queued"]


@dataclass(frozen=True, slots=True)
class Queued:
    """A unit that waits, and since when; ``delay_ns`` is how much longer it is on the way."""

    unit: Unit
    octets: int
    since_ns: int
    delay_ns: int = 0


class Queue(Protocol):
    """One direction's queue. ``octets`` is what waits in it."""

    octets: int

    def __len__(self) -> int: ...

    def offer(self, entry: Queued) -> Reason | None:
        """Take a unit, or return why not."""

    def first(self) -> Queued | None:
        """Return what has waited longest."""

    def take(self, now_ns: int) -> tuple[Queued | None, list[tuple[Queued, Reason]]]:
        """Return the unit to transmit now, and those that are dropped instead."""


class DropTailQueue:
    """Refuses what does not fit. ``None`` means no bound of that kind."""

    def __init__(self, *, packets_max: int | None = 1000, octets_max: int | None = None) -> None:
        self.packets_max = packets_max
        self.octets_max = octets_max
        self.octets = 0
        self._entries: deque[Queued] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def offer(self, entry: Queued) -> Reason | None:
        if self.packets_max is not None and len(self._entries) >= self.packets_max:
            return Reason.LINK_QUEUE_FULL
        if self.octets_max is not None and self.octets + entry.octets > self.octets_max:
            return Reason.LINK_QUEUE_FULL
        self._entries.append(entry)
        self.octets += entry.octets
        return None

    def first(self) -> Queued | None:
        return self._entries[0] if self._entries else None

    def take(self, now_ns: int) -> tuple[Queued | None, list[tuple[Queued, Reason]]]:
        if not self._entries:
            return None, []
        entry = self._entries.popleft()
        self.octets -= entry.octets
        return entry, []


class CodelQueue(DropTailQueue):
    """Controlled delay (RFC 8289): drops from the head once waiting was too long for too long."""

    def __init__(
        self,
        *,
        target_ns: int = 5 * MILLISECOND,
        interval_ns: int = 100 * MILLISECOND,
        packets_max: int | None = 1000,
        packet_octets_max: int = 1500,
    ) -> None:
        super().__init__(packets_max=packets_max)
        self.target_ns = target_ns
        self.interval_ns = interval_ns
        self._packet_octets_max = packet_octets_max
        self._first_above_ns: int | None = None
        self._next_drop_ns = 0
        self._count = 0
        self._last_count = 0
        self._is_dropping = False

    def take(self, now_ns: int) -> tuple[Queued | None, list[tuple[Queued, Reason]]]:
        dropped: list[tuple[Queued, Reason]] = []
        entry, is_late = self._dequeue(now_ns)
        if self._is_dropping:
            if not is_late:
                self._is_dropping = False
            while self._is_dropping and entry is not None and now_ns >= self._next_drop_ns:
                dropped.append((entry, Reason.LINK_QUEUE_DELAY))
                self._count += 1
                entry, is_late = self._dequeue(now_ns)
                if not is_late:
                    self._is_dropping = False
                else:
                    self._next_drop_ns = self._control_law(self._next_drop_ns)
        elif is_late and entry is not None:
            dropped.append((entry, Reason.LINK_QUEUE_DELAY))
            entry, _ = self._dequeue(now_ns)
            self._is_dropping = True
            # 5.4: if the last dropping state was left lately, begin near the rate it ended with.
            delta = self._count - self._last_count
            was_lately = now_ns - self._next_drop_ns < 16 * self.interval_ns
            self._count = delta if delta > 1 and was_lately else 1
            self._next_drop_ns = self._control_law(now_ns)
            self._last_count = self._count
        return entry, dropped

    def _dequeue(self, now_ns: int) -> tuple[Queued | None, bool]:
        """Return the head, and whether the time to drop has come (5.3)."""
        entry, _ = super().take(now_ns)
        if entry is None:
            self._first_above_ns = None
            return None, False
        if now_ns - entry.since_ns < self.target_ns or self.octets <= self._packet_octets_max:
            self._first_above_ns = None
            return entry, False
        if self._first_above_ns is None:
            self._first_above_ns = now_ns + self.interval_ns
            return entry, False
        return entry, now_ns >= self._first_above_ns

    def _control_law(self, since_ns: int) -> int:
        # interval / sqrt(count), with an integer root of six more digits.
        return since_ns + self.interval_ns * 1000 // math.isqrt(self._count * 1_000_000)
