"""What happens when: hosts that are due, and actions that were put on the timeline."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Protocol

from longwire.simulation.clock import Clock
from longwire.simulation.errors import LivelockError

__all__ = ["Due", "Schedule"]

# Rounds of one instant after which something is wrong: two hosts that answer each other over a
# link without delay come to a handful.
_ROUNDS_MAX = 100_000


class Due(Protocol):
    """Something that wants to be called at a time."""

    def run_due(self) -> None:
        """It is time."""


class _Action:
    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def run_due(self) -> None:
        self._call()


class Schedule:
    """One heap for everything outside the event loop. Equal times keep their order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # (time, serial, what); an entry is stale when ``_times`` says otherwise.
        self._heap: list[tuple[int, int, Due]] = []
        self._times: dict[Due, int] = {}
        self._serial = 0

    def want(self, due: Due, at_ns: int) -> None:
        """Call ``due`` at ``at_ns``, unless it is to be called sooner anyway."""
        at_ns = max(at_ns, self._clock.now_ns)
        known_ns = self._times.get(due)
        if known_ns is not None and known_ns <= at_ns:
            return
        self._times[due] = at_ns
        self._serial += 1
        heapq.heappush(self._heap, (at_ns, self._serial, due))

    def forget(self, due: Due) -> None:
        """Do not call ``due`` after all."""
        self._times.pop(due, None)

    def at(self, at_ns: int, call: Callable[[], object]) -> Due:
        """Call ``call`` once at ``at_ns``; :meth:`forget` takes what is returned."""
        action = _Action(call)
        self.want(action, at_ns)
        return action

    def is_due(self, due: Due) -> bool:
        """Whether ``due`` is to be called at this instant."""
        at_ns = self._times.get(due)
        return at_ns is not None and at_ns <= self._clock.now_ns

    def next_at(self) -> int | None:
        """Return when the next is due."""
        while self._heap:
            at_ns, _, due = self._heap[0]
            if self._times.get(due) == at_ns:
                return at_ns
            heapq.heappop(self._heap)
        return None

    def run_due(self) -> None:
        """Call all that are due by now, in order. Raises LivelockError when there is no end."""
        now_ns = self._clock.now_ns
        for _ in range(_ROUNDS_MAX):
            at_ns = self.next_at()
            if at_ns is None or at_ns > now_ns:
                return
            due = heapq.heappop(self._heap)[2]
            del self._times[due]
            due.run_due()
        raise LivelockError(f"hosts have work without end at {now_ns / 1e9:.9f} s")
