"""When to try again: full jitter, bounded by the length of the outage (docs/protocol.md, 10.3).

Each wait is drawn evenly between zero and a bound, so that clients which lost their server at one
moment do not come back at one moment. The bound is three quarters of the time since the connection
was lost: who was away for two seconds is back one and a half later at the latest, and after a
minute an attempt every quarter of a minute is enough. A bound that doubles with each failure
instead has grown past any short outage by the luck of a few short draws.

While a connection lives the outage counts backwards, ten times as fast. So links that break often
do not add up to one long outage, and a server that drops everyone as soon as they are connected is
still left alone.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]

OUTAGE_PART = 0.75

PAID_BACK = 10.0
"""Seconds of outage that one second of life makes good."""

LIVED_S = 5.0
"""A connection that was open for so long had lived: its loss is answered by a retry at once."""


class Backoff:
    """The waits of one client. ``random`` draws from [0, 1); times are seconds."""

    def __init__(self, first_s: float, max_s: float, random: Callable[[], float]) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._random = random
        self._lost_s: float | None = None
        self.failures = 0
        """Attempts since a connection had lived."""

    def next(self, now_s: float) -> float:
        """Count a failure at ``now_s``; return how long to wait after it."""
        if self._lost_s is None:
            self._lost_s = now_s
        self.failures += 1
        outage_s = now_s - self._lost_s
        return self._random() * min(self._max_s, max(self._first_s, OUTAGE_PART * outage_s))

    def within(self, low_s: float, high_s: float) -> float:
        """A delay anywhere in a range that the server asked for."""
        return low_s + self._random() * max(0.0, high_s - low_s)

    def lost(self, now_s: float, lived_s: float) -> bool:
        """A connection that was open for ``lived_s`` was lost at ``now_s``. Return whether it had
        lived: then the outage begins now, and the first attempt need not wait."""
        if lived_s >= LIVED_S:
            self._lost_s = now_s
            self.failures = 0
            return True
        if self._lost_s is not None:
            # What lies further back than the longest wait needs makes no difference to the waits.
            began_s = max(self._lost_s, now_s - lived_s - self._max_s / OUTAGE_PART)
            self._lost_s = min(now_s, began_s + (1 + PAID_BACK) * lived_s)
        return False
