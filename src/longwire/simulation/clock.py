"""The time of a world: whole nanoseconds since it began."""

from __future__ import annotations

from longwire.tcpip.durations import SECOND

__all__ = ["EPOCH_NS", "Clock", "from_seconds", "on_grid", "to_seconds"]

EPOCH_NS = 1_767_225_600 * SECOND
"""The wall clock at the beginning of a world: 2026-01-01, 00:00 UTC."""


def from_seconds(seconds: float) -> int:
    """Return the nearest nanosecond."""
    return round(seconds * SECOND)


def to_seconds(time_ns: int) -> float:
    """Return seconds, as asyncio counts them."""
    return time_ns / SECOND


def on_grid(seconds: float) -> float:
    """Return the first whole nanosecond, in seconds, that is not before ``seconds``.

    So that a program whose timer goes off never finds that its time has not come.
    """
    nearest_ns = from_seconds(seconds)
    nearest_s = nearest_ns / SECOND
    return nearest_s if nearest_s >= seconds else (nearest_ns + 1) / SECOND


class Clock:
    """Moves only forwards, and only when everybody waits."""

    __slots__ = ("now_ns",)

    def __init__(self) -> None:
        self.now_ns = 0

    def advance(self, to_ns: int) -> None:
        """Go on to ``to_ns``; a time that has passed changes nothing."""
        if to_ns > self.now_ns:
            self.now_ns = to_ns
