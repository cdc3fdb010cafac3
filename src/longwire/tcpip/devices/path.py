"""One direction of a link with everything that real ones have: rate, delay, queue, faults.

A unit first meets the faults (down, lost, corrupted, doubled), then waits in the queue until the
transmitter is free, then takes its time on the way. Randomness comes from one stream for each
purpose.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from longwire.tcpip.addresses import Address
from longwire.tcpip.device import Unit, unit_octets
from longwire.tcpip.devices.loss import Loss
from longwire.tcpip.devices.queues import DropTailQueue, Queue, Queued
from longwire.tcpip.devices.rules import PASS, RuleChain, Verdict
from longwire.tcpip.durations import SECOND, earliest
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Notebook, Reason

__all__ = ["Path", "PathSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """One direction of a link. Settings may be exchanged while packets are on the way."""

    rate_bits_per_s: int | None = None
    """How fast octets leave; ``None``: at once, and nothing ever queues."""
    delay_ns: int = 0
    """How long they are on the way."""
    jitter_ns: int = 0
    """Up to so much longer, each value equally likely; the order is kept."""
    queue: Callable[[], Queue] = DropTailQueue
    """Makes the queue; used once, when the link is made."""
    loss: Callable[[], Loss] | None = None
    """Makes the loss model; used whenever settings that name another one are put in place."""
    reorder: float = 0.0
    """Probability that a packet is held back, and those behind it overtake it."""
    reorder_delay_ns: int = 10_000_000
    """How long it is held back."""
    duplicate: float = 0.0
    """Probability that a packet comes twice."""
    corrupt: float = 0.0
    """Probability that one of its bits is flipped."""
    mtu: int | None = None
    """Largest IP packet that passes; larger ones vanish (an MTU hole) unless ``icmp_from``."""
    icmp_from: Address | None = None
    """The router that reports packets that are too large, to the end that sent them."""


@dataclass(slots=True)
class _Streams:
    """One stream for each purpose, so that one more draw here moves nothing there."""

    root: RandomStream
    loss: RandomStream = field(init=False)
    jitter: RandomStream = field(init=False)
    reorder: RandomStream = field(init=False)
    duplicate: RandomStream = field(init=False)
    corrupt: RandomStream = field(init=False)

    def __post_init__(self) -> None:
        for purpose in ("loss", "jitter", "reorder", "duplicate", "corrupt"):
            setattr(self, purpose, self.root.fork(purpose))


class Path:
    """One direction. ``rules`` are asked first, and by the link."""

    def __init__(self, settings: PathSettings, stream: RandomStream, notebook: Notebook) -> None:
        self.settings = settings
        self.is_up = True
        self.count = 0
        self.delivered_octets = 0
        self.rules = RuleChain(stream.fork("rules"))
        self._streams = _Streams(stream)
        self._notebook = notebook
        self._queue = settings.queue()
        self._loss = settings.loss() if settings.loss else None
        self._free_ns = 0
        self._last_arrival_ns = 0
        self._flying: list[tuple[int, int, Unit]] = []
        self._serial = 0

    def change(self, settings: PathSettings) -> None:
        if settings.loss is not self.settings.loss:
            self._loss = settings.loss() if settings.loss else None
        self.settings = settings

    def send(self, unit: Unit, octets: int, now_ns: int, verdict: Verdict = PASS) -> None:
        """Take a unit of so many octets, or lose it; do to it what a rule's verdict says."""
        self.count += 1
        settings, streams = self.settings, self._streams
        if not self.is_up:
            self._notebook.write(now_ns, Reason.LINK_DOWN, unit=unit)
            return
        if self._loss is not None and self._loss.takes(self.count, streams.loss):
            self._notebook.write(now_ns, Reason.LINK_LOSS, f"packet {self.count}", unit)
            return
        if settings.corrupt and streams.corrupt.chance(settings.corrupt):
            self._notebook.write(now_ns, Reason.LINK_CORRUPTED, f"packet {self.count}", unit)
            unit = self._corrupted(unit)
        if verdict.is_corrupted:
            unit = self._corrupted(unit)
        copies = verdict.copies
        if settings.duplicate and streams.duplicate.chance(settings.duplicate):
            self._notebook.write(now_ns, Reason.LINK_DUPLICATED, f"packet {self.count}", unit)
            copies += 1
        for _ in range(copies):
            self._enqueue(Queued(unit, octets, now_ns, verdict.delay_ns))

    def _corrupted(self, unit: Unit) -> bytes:
        octets = bytearray(unit_octets(unit))
        bit = self._streams.corrupt.below(len(octets) * 8)
        octets[bit >> 3] ^= 1 << (bit & 7)
        return bytes(octets)

    def _enqueue(self, entry: Queued) -> None:
        now_ns = entry.since_ns
        if self.settings.rate_bits_per_s is None and not len(self._queue):
            self._launch(entry, now_ns)
            return
        self._serve(now_ns)
        reason = self._queue.offer(entry)
        if reason is not None:
            self._notebook.write(now_ns, reason, f"packet {self.count}", entry.unit)
            return
        self._serve(now_ns)

    def _serve(self, now_ns: int) -> None:
        """Transmit what the transmitter has had the time for."""
        while (head := self._queue.first()) is not None:
            start_ns = max(self._free_ns, head.since_ns)
            if start_ns > now_ns:
                return
            entry, dropped = self._queue.take(start_ns)
            for gone, reason in dropped:
                self._notebook.write(now_ns, reason, unit=gone.unit)
            if entry is None:
                continue
            self._free_ns = start_ns + self._transmission_ns(entry.octets)
            self._launch(entry, self._free_ns)

    def _transmission_ns(self, octets: int) -> int:
        rate = self.settings.rate_bits_per_s
        return 0 if rate is None else octets * 8 * SECOND // rate

    def _launch(self, entry: Queued, now_ns: int) -> None:
        settings, streams = self.settings, self._streams
        arrival_ns = now_ns + settings.delay_ns
        if settings.jitter_ns:
            arrival_ns += streams.jitter.below(settings.jitter_ns + 1)
        arrival_ns = max(arrival_ns, self._last_arrival_ns)
        held_ns = entry.delay_ns
        if settings.reorder and streams.reorder.chance(settings.reorder):
            self._notebook.write(now_ns, Reason.LINK_REORDERED, unit=entry.unit)
            held_ns += settings.reorder_delay_ns
        if not held_ns:
            self._last_arrival_ns = arrival_ns
        self.delivered_octets += entry.octets
        self._serial += 1
        heapq.heappush(self._flying, (arrival_ns + held_ns, self._serial, entry.unit))

    def receive(self, now_ns: int) -> list[Unit]:
        self._serve(now_ns)
        arrived = []
        while self._flying and self._flying[0][0] <= now_ns:
            arrived.append(heapq.heappop(self._flying)[2])
        return arrived

    def poll_at(self) -> int | None:
        """Return a time not later than the next arrival."""
        queued_ns: int | None = None
        head = self._queue.first()
        if head is not None:
            queued_ns = max(self._free_ns, head.since_ns)
            if type(self._queue) is DropTailQueue:
                # Nothing but transmission and delay comes between the head and its arrival.
                queued_ns += self._transmission_ns(head.octets) + self.settings.delay_ns
        return earliest(self._flying[0][0] if self._flying else None, queued_ns)
