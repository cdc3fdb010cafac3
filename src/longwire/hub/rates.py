"""How much may come in a second from one user, from one address, or to one stream.

Each name has a bucket that fills at the rate and holds ten seconds' worth. What takes more than
lies in it is refused, and told when to try again. A batch may empty a bucket beyond its bottom when
it is full, since otherwise one larger than the bucket could never pass.
"""

from __future__ import annotations

from longwire.hub.errors import RateError

__all__ = ["NAMES_MAX", "RATE_WINDOW_S", "Rates"]

RATE_WINDOW_S = 10.0
"""Over which a rate is averaged: a burst may be ten seconds' worth."""

NAMES_MAX = 100_000
"""Names that are remembered for each rate. Past it the one that was heard of least recently begins
anew, with a full bucket."""


class Rates:
    """Buckets by name. ``whose`` ends the sentence of a refusal; no rate: everything passes."""

    __slots__ = ("_buckets", "_names_max", "_rate", "_whose", "is_limited", "refused")

    def __init__(self, rate: float | None, whose: str, names_max: int = NAMES_MAX) -> None:
        self._rate = rate
        self.is_limited = rate is not None
        """Whether there is a rate; where there is none, nobody need ask for the time."""
        self._whose = whose
        self._names_max = names_max
        self._buckets: dict[str, tuple[float, float]] = {}
        """What is left, and when that was so; in the order of last use."""
        self.refused = 0

    def take(self, name: str, now: float, amount: int = 1) -> None:
        """Take ``amount`` at ``now``, seconds. Raises :exc:`RateError`. The empty name is
        nobody's."""
        rate = self._rate
        if rate is None or not name:
            return
        full = max(1.0, rate * RATE_WINDOW_S)
        left, since = self._buckets.pop(name, (full, now))
        left = min(full, left + max(0.0, now - since) * rate)
        needed = min(float(amount), full)
        is_enough = left >= needed
        self._buckets[name] = (left - amount if is_enough else left, now)
        if len(self._buckets) > self._names_max:
            del self._buckets[next(iter(self._buckets))]
        if not is_enough:
            self.refused += 1
            raise RateError(rate, self._whose, round((needed - left) / rate, 3))
