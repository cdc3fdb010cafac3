# cython: annotation_typing=False, auto_pickle=False
"""How many requests were answered, and how quickly. Counting one is for the hot path."""

from __future__ import annotations

__all__ = ["BOUNDS_S", "RequestCounts"]

BOUNDS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Of the buckets of durations, seconds; a last one has no bound."""

_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"})


class RequestCounts:
    """Counts the requests of one server. Belongs to one event loop."""

    __slots__ = ("_bounds_s", "buckets", "by_outcome", "duration_s")

    def __init__(self) -> None:
        self._bounds_s = list(BOUNDS_S)
        self.by_outcome: dict[tuple[str, int], int] = {}
        """By method and status."""
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        """How many took no longer than the bucket's bound, and longer than the one before."""
        self.duration_s = 0.0
        """Of all that are in the buckets, together."""

    def add(self, method: str, status: int, duration_s: float, is_stream: bool) -> None:
        """Count a request; the duration of a stream says nothing.

        Methods that we do not know share one label: clients choose them.
        """
        key = (method if method in _KNOWN_METHODS else "other", status)
        self.by_outcome[key] = self.by_outcome.get(key, 0) + 1
        if is_stream:
            return
        bucket = 0
        for bound_s in self._bounds_s:
            if duration_s <= bound_s:
                break
            bucket += 1
        self.buckets[bucket] += 1
        self.duration_s += duration_s
