"""What a server's peers have sent and nobody has handled yet, of all connections together.

A message may have a megabyte and a request body more, and there may be ten thousand connections:
what each may have for itself is too much for all at once. Counted is what grows with a peer's
sending: messages and bodies that have not come whole, and those that wait for their handler.
"""

from __future__ import annotations

from typing import Protocol

from longwire.base.codes import CloseCode
from longwire.base.errors import LimitError
from longwire.base.limits import KIB

__all__ = ["COUNTED_BYTES_MIN", "Holder", "InFlight"]

COUNTED_BYTES_MIN = 32 * KIB
"""What one connection may hold without being counted: then counting costs nothing as a rule."""

# How much is given up past the maximum, and how much may come before all is counted anew: looking
# at every holder for each piece of a message would be work for the attacker to give.
_SHARE = 8


class Holder(Protocol):
    """A connection, or a request on one."""

    def in_flight_bytes(self) -> int:
        """What it holds now."""

    def give_up(self, error: LimitError) -> None:
        """Tell the peer, end, and hold nothing more."""


class InFlight:
    """The bytes in flight of one server. ``maximum`` ``None`` limits nothing.

    Holders tell when they have grown; what they let go of is found out when there seems to be too
    much. Then those that hold the most are given up, and of equals those that have not grown for
    longest, until an eighth of the maximum is free again.
    """

    def __init__(self, maximum: int | None) -> None:
        self._maximum = maximum
        self._sizes: dict[Holder, int] = {}
        self._total = 0
        self._review_at = 0 if maximum is None else maximum

    def grew(self, holder: Holder, size_bytes: int) -> None:
        """``holder`` has so much now, at least ``COUNTED_BYTES_MIN``. It may be given up at once.

        Whoever called this calls ``forget`` in the end.
        """
        if self._maximum is None:
            return
        self._total += size_bytes - self._sizes.pop(holder, 0)
        self._sizes[holder] = size_bytes
        if self._total > self._review_at:
            self._review(self._maximum)

    def forget(self, holder: Holder) -> None:
        """``holder`` is over."""
        self._total -= self._sizes.pop(holder, 0)

    def _review(self, maximum: int) -> None:
        """Count anew, and give up what is too much."""
        self._sizes = {
            holder: size
            for holder in self._sizes
            if (size := holder.in_flight_bytes()) >= COUNTED_BYTES_MIN
        }
        self._total = sum(self._sizes.values())
        if self._total > maximum:
            self._give_up(maximum)
        self._review_at = max(maximum, self._total + maximum // _SHARE)

    def _give_up(self, maximum: int) -> None:
        error = LimitError(CloseCode.TRY_AGAIN_LATER, "in_flight_bytes_max", self._total, maximum)
        for holder in sorted(self._sizes, key=self._sizes.__getitem__, reverse=True):
            if self._total <= maximum - maximum // _SHARE:
                return
            self.forget(holder)
            holder.give_up(error)
