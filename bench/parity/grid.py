"""The cells of the grid: path and algorithm of each, and the link that stands for the path."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.devices.loss import ListedLoss
from longwire.tcpip.devices.queues import DropTailQueue
from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.randomness import RandomStream

__all__ = ["SEEDS", "Cell", "cells"]

SEEDS = (1, 2, 3, 4, 5)

_RTTS_MS = (10, 50, 200)
_LOSSES = (0.0, 0.001, 0.01, 0.03)
_RATES_MBIT = (5, 20, 100)
_ALGORITHMS = ("reno", "cubic")

_SEGMENT_OCTETS = 1448
_PACKET_OCTETS = 1500
_QUEUED_PACKETS_MIN = 25

# Enough round trips to leave slow start behind, enough packets to lose some.
_DURATIONS_S = {10: 5, 50: 8, 200: 15}


@dataclass(frozen=True, order=True)
class Cell:
    """One path and one algorithm."""

    rtt_ms: int
    loss: float
    rate_mbit: int
    congestion: str
    late_ms: int = 0
    """How much later acknowledgments come than the path has them: to see what that does."""

    @property
    def duration_s(self) -> int:
        """How long is sent."""
        return _DURATIONS_S[self.rtt_ms]

    @property
    def product_packets(self) -> int:
        """What is on the way when the link is full, packets."""
        return self.rate_mbit * 1000 * self.rtt_ms // 8 // _PACKET_OCTETS

    @property
    def window_packets(self) -> int:
        """What the receiver offers: the link and a quarter more, but no less than that and 25."""
        return self.product_packets + max(self.product_packets // 4, _QUEUED_PACKETS_MIN)

    @property
    def window_octets(self) -> int:
        """The same as octets of text."""
        return self.window_packets * _SEGMENT_OCTETS

    @property
    def queue_packets(self) -> int:
        """Enough for everything that the window lets be sent, so that nothing is lost but what the
        schedule drops, not even when Linux, in real time, sends it all at once."""
        return 2 * self.window_packets

    def link(self, seed: int) -> Link:
        """Return the link; data goes from ``a`` to ``b``."""
        delay_ns = self.rtt_ms * MILLISECOND // 2
        dropped = self._dropped(seed)
        forward = PathSettings(
            rate_bits_per_s=self.rate_mbit * 1_000_000,
            delay_ns=delay_ns,
            queue=lambda: DropTailQueue(packets_max=self.queue_packets),
            loss=lambda: ListedLoss(dropped),
        )
        back = PathSettings(delay_ns=delay_ns + self.late_ms * MILLISECOND)
        return Link(forward, back, stream=RandomStream(seed, "parity"))

    def _dropped(self, seed: int) -> list[int]:
        """The numbers of the packets that are dropped; the handshake's are not among them."""
        stream = RandomStream(seed, f"drops at {self.loss}")
        packets = self.rate_mbit * 1_000_000 // 8 // _PACKET_OCTETS * (self.duration_s + 10)
        return [number for number in range(3, packets) if stream.chance(self.loss)]

    def __str__(self) -> str:
        loss = f"{self.loss:.1%}"
        return f"{self.rtt_ms} ms, {loss}, {self.rate_mbit} Mbit/s, {self.congestion}"


def cells() -> list[Cell]:
    """Return all 72."""
    return [Cell(*each) for each in itertools.product(_RTTS_MS, _LOSSES, _RATES_MBIT, _ALGORITHMS)]
