"""When to try again: full jitter, bounded by the length of the outage (docs/protocol.md, 10.3).

Each wait is drawn evenly between zero and a bound, so that clients which lost their server at one
moment do not come back at one moment. The bound is three quarters of the time since the connection
was lost: who was away for two seconds is back one and a half later at the latest, and after a
minute an attempt every quarter of a minute is enough. A bound that doubles with each failure
instead has grown past any short outage by the luck of a few short draws.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]

OUTAGE_PART = 0.75


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

    def lived(self, now_s: float) -> None:
        """A connection that had lived was lost at ``now_s``: the outage begins there."""
        self._lost_s = now_s
        self.failures = 0
