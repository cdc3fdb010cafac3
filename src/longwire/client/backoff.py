"""When to try again: full jitter (docs/protocol.md, 10.3)."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]

GROWTH = 1.5
"""Slow at first: most outages last seconds, and to be back a second after one is what counts. Ten
failures later the bound is twenty times the first."""


class Backoff:
    """Delays anywhere between zero and a bound that grows with each failure, so that clients which
    lost the server at one moment do not come back at one moment. ``random`` draws from [0, 1)."""

    def __init__(self, first_s: float, max_s: float, random: Callable[[], float]) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._random = random
        self.failures = 0

    def next(self) -> float:
        """Count a failure; return how long to wait after it, seconds."""
        bound_s = min(self._max_s, self._first_s * GROWTH**self.failures)
        self.failures += 1
        return self._random() * bound_s

    def within(self, low_s: float, high_s: float) -> float:
        """A delay anywhere in a range that the server asked for, seconds."""
        return low_s + self._random() * max(0.0, high_s - low_s)

    def reset(self) -> None:
        """The connection lived."""
        self.failures = 0
