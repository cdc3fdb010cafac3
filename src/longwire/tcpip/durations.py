"""Lengths of time in the stack's unit, the integer nanosecond."""

from __future__ import annotations

__all__ = ["DAY", "HOUR", "MICROSECOND", "MILLISECOND", "MINUTE", "SECOND", "earliest"]

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def earliest(*deadlines_ns: int | None) -> int | None:
    """Return the smallest deadline that is set, or ``None``."""
    best: int | None = None
    for deadline_ns in deadlines_ns:
        if deadline_ns is not None and (best is None or deadline_ns < best):
            best = deadline_ns
    return best
