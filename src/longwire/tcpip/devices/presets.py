"""Links as people have them. The numbers are typical, not anybody's in particular."""

from __future__ import annotations

from longwire.tcpip.devices.link import PathSettings
from longwire.tcpip.devices.loss import GilbertElliottLoss, RandomLoss
from longwire.tcpip.devices.queues import CodelQueue, DropTailQueue
from longwire.tcpip.durations import MICROSECOND, MILLISECOND

__all__ = ["PRESETS", "preset"]

_MEGABIT = 1_000_000

PRESETS: dict[str, tuple[PathSettings, PathSettings]] = {
    # (from the server, to the server)
    "dc": (
        PathSettings(rate_bits_per_s=10_000 * _MEGABIT, delay_ns=50 * MICROSECOND),
        PathSettings(rate_bits_per_s=10_000 * _MEGABIT, delay_ns=50 * MICROSECOND),
    ),
    "dsl": (
        PathSettings(
            rate_bits_per_s=16 * _MEGABIT,
            delay_ns=12 * MILLISECOND,
            queue=lambda: DropTailQueue(packets_max=100),
        ),
        PathSettings(
            rate_bits_per_s=1 * _MEGABIT,
            delay_ns=12 * MILLISECOND,
            queue=lambda: DropTailQueue(packets_max=60),
        ),
    ),
    "lte": (
        PathSettings(
            rate_bits_per_s=30 * _MEGABIT,
            delay_ns=25 * MILLISECOND,
            jitter_ns=15 * MILLISECOND,
            queue=lambda: DropTailQueue(packets_max=500),
        ),
        PathSettings(
            rate_bits_per_s=10 * _MEGABIT,
            delay_ns=25 * MILLISECOND,
            jitter_ns=15 * MILLISECOND,
            queue=lambda: DropTailQueue(packets_max=300),
        ),
    ),
    "wifi-lossy": (
        PathSettings(
            rate_bits_per_s=20 * _MEGABIT,
            delay_ns=3 * MILLISECOND,
            jitter_ns=4 * MILLISECOND,
            queue=CodelQueue,
            loss=lambda: GilbertElliottLoss(0.005, 0.3),
        ),
        PathSettings(
            rate_bits_per_s=20 * _MEGABIT,
            delay_ns=3 * MILLISECOND,
            jitter_ns=4 * MILLISECOND,
            queue=CodelQueue,
            loss=lambda: GilbertElliottLoss(0.005, 0.3),
        ),
    ),
    "geo-sat": (
        PathSettings(
            rate_bits_per_s=20 * _MEGABIT,
            delay_ns=280 * MILLISECOND,
            queue=lambda: DropTailQueue(packets_max=400),
            loss=lambda: RandomLoss(0.001),
        ),
        PathSettings(
            rate_bits_per_s=2 * _MEGABIT,
            delay_ns=280 * MILLISECOND,
            queue=lambda: DropTailQueue(packets_max=100),
            loss=lambda: RandomLoss(0.001),
        ),
    ),
}


def preset(name: str) -> tuple[PathSettings, PathSettings]:
    """Return both directions of a preset. Raises ValueError that lists the names."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"link {name!r} is unknown; it is one of {', '.join(PRESETS)}") from None
