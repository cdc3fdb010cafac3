"""The selector of the simulated event loop: where time passes.

An event loop waits in one place only, its selector's ``select``. Here it does not wait but lets
the world go on, event by event, until something is ready or the loop's next timer is due.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from longwire.simulation.clock import Clock, from_seconds
from longwire.simulation.errors import LivelockError
from longwire.simulation.open_file import DescriptorTable, number_of
from longwire.simulation.process import Life
from longwire.simulation.schedule import Schedule

__all__ = ["SimSelector"]

# Turns of the loop in one instant after which a program is taken to spin.
_TURNS_MAX = 1_000_000


class SimSelector(selectors.BaseSelector):
    """Watches simulated descriptors. Costs what is ready, not what is registered."""

    def __init__(
        self,
        clock: Clock,
        schedule: Schedule,
        descriptors: DescriptorTable,
        on_deadlock: Callable[[], NoReturn],
    ) -> None:
        self._clock = clock
        self._schedule = schedule
        self._descriptors = descriptors
        self._on_deadlock = on_deadlock
        self._keys: dict[int, selectors.SelectorKey] = {}
        # Descriptors that may be ready: those with news, and those that were ready last time.
        self._candidates: dict[int, None] = {}
        self._is_interrupted = False
        self._turns = 0
        self._turns_at_ns = -1
        descriptors.on_change = self._look_at
        descriptors.on_close = self.forget

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = number_of(fileobj)
        self._descriptors.get(number)
        if number in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        key = selectors.SelectorKey(fileobj, number, events, data)
        self._keys[number] = key
        self._candidates[number] = None
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        number = number_of(fileobj)
        self._candidates.pop(number, None)
        try:
            return self._keys.pop(number)
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = number_of(fileobj)
        if number not in self._keys:
            raise KeyError(f"{fileobj!r} is not registered")
        key = selectors.SelectorKey(fileobj, number, events, data)
        self._keys[number] = key
        self._candidates[number] = None
        return key

    def forget(self, number: int) -> None:
        """A descriptor was closed: as with epoll, it is watched no more."""
        self._keys.pop(number, None)
        self._candidates.pop(number, None)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._keys.clear()
        self._candidates.clear()

    def interrupt(self) -> None:
        """The loop has something new to do: a :meth:`select` that is going on returns.

        As an action on the timeline calls into the loop while the loop waits here.
        """
        self._is_interrupted = True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the world go on; see the module. Raises DeadlockError and LivelockError."""
        clock, schedule = self._clock, self._schedule
        limit_ns: int | None = None
        if timeout is not None:
            # A timer that is due in less than half a nanosecond is still not due now.
            limit_ns = clock.now_ns + (max(1, from_seconds(timeout)) if timeout > 0 else 0)
        self._count_turn()
        self._is_interrupted = False
        while True:
            schedule.run_due()
            ready = self._take_ready()
            if ready or self._is_interrupted or (limit_ns is not None and clock.now_ns >= limit_ns):
                return ready
            next_ns = schedule.next_at()
            if next_ns is None and limit_ns is None:
                self._on_deadlock()
            clock.advance(min(each for each in (next_ns, limit_ns) if each is not None))

    def _count_turn(self) -> None:
        if self._turns_at_ns != self._clock.now_ns:
            self._turns_at_ns = self._clock.now_ns
            self._turns = 0
        self._turns += 1
        if self._turns > _TURNS_MAX:
            raise LivelockError(
                f"the event loop turned {_TURNS_MAX} times at {self._clock.now_ns / 1e9:.9f} s:"
                " somebody runs without waiting, and without waiting no time passes"
            )

    def _look_at(self, number: int) -> None:
        if number in self._keys:
            self._candidates[number] = None

    def _take_ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        if not self._candidates:
            return []
        ready = []
        for number in list(self._candidates):
            key = self._keys[number]
            file = self._descriptors.get(number)
            if file.process.life is Life.PAUSED:
                continue
            events = file.events() & key.events
            if events:
                ready.append((key, events))
            else:
                del self._candidates[number]
        return ready
