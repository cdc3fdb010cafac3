"""The time of a world: whole nanoseconds since it began."""

from __future__ import annotations

from longwire.tcpip.durations import SECOND

__all__ = ["EPOCH_NS", "Clock", "WallClock", "from_seconds", "on_grid", "to_seconds"]

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


class WallClock:
    """What a host takes for the time of day: the world's, ahead or behind, and going wrong.

    Only the time of day is wrong: programs wait, and count seconds, by the world's time, as by a
    monotonic clock whose drift is too small to matter.
    """

    __slots__ = ("_clock", "_drift_ppb", "_offset_ns", "_since_ns")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.set(0, 0)

    def set(self, offset_ns: int, drift_ppb: int) -> None:
        """Be so far ahead of the world's time now, and gain so many nanoseconds a second."""
        self._offset_ns = offset_ns
        self._drift_ppb = drift_ppb
        self._since_ns = self._clock.now_ns

    @property
    def skew_ns(self) -> int:
        """How far it is ahead of the world's time."""
        passed_ns = self._clock.now_ns - self._since_ns
        return self._offset_ns + passed_ns * self._drift_ppb // SECOND

    def now_ns(self) -> int:
        """Return the nanoseconds since 1970 that it shows."""
        return EPOCH_NS + self._clock.now_ns + self.skew_ns
