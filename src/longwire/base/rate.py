# cython: annotation_typing=False, auto_pickle=False
"""A limit on how often something happens: so many per second on average, with room for a burst."""

from __future__ import annotations

__all__ = ["RateLimit"]

# How long a peer may have been silent and make up for it, seconds.
_BURST_S = 10.0


class RateLimit:
    """Allow ``per_s_max`` events a second on average over ten seconds.

    A bucket of tokens: an event takes one, time brings them back, and there are never more than
    ten seconds' worth.
    """

    __slots__ = ("_capacity", "_per_s", "_refilled_s", "_tokens")

    def __init__(self, per_s_max: float, *, now: float) -> None:
        self._per_s = per_s_max
        self._capacity = max(per_s_max * _BURST_S, 1.0)
        self._tokens = self._capacity
        self._refilled_s = now

    def take(self, now: float) -> bool:
        """Count one event at ``now``; return whether it is within the limit."""
        gained = (now - self._refilled_s) * self._per_s
        if gained > 0.0:
            self._tokens = min(self._capacity, self._tokens + gained)
            self._refilled_s = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
