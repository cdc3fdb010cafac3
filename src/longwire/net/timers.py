# cython: annotation_typing=False, auto_pickle=False
"""One timer wheel for each event loop, instead of a timer handle for each connection.

Deadlines of connections move all the time (every byte of the peer postpones the next ping), and
almost none is ever reached. So an entry is not moved when its deadline gets later: it is looked
at when its old slot comes, and put where it belongs now. Setting a deadline is a store and a
comparison; the loop holds one handle however many connections there are.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable

__all__ = ["LATE_S", "TICK_S", "TimerWheel", "WheelEntry"]

TICK_S = 1 / 32
"""Width of a slot. A deadline is never early and at most this much late on an idle loop."""

LATE_S = 0.25
"""Lateness of the wheel itself from which the loop is taken to have been blocked."""


class WheelEntry:
    """Something with at most one deadline."""

    __slots__ = ("deadline", "wheel_slot")

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.wheel_slot: int | None = None

    def deadline_reached(self, now: float) -> None:
        """Called by the wheel when ``deadline`` has come; ``deadline`` is ``None`` by then."""
        raise NotImplementedError


class TimerWheel:
    """Calls entries when their deadlines come.

    After the loop was blocked, the wheel first lets it turn once more before it calls anyone: what
    a peer sent meanwhile lies in the socket, and has to be read before its silence is judged.
    (asyncio handles sockets before timers, uvloop timers before sockets.)
    """

    __slots__ = ("_clock", "_handle", "_handle_slot", "_has_waited", "_heap", "_loop", "_slots")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._slots: dict[int, dict[WheelEntry, None]] = {}
        self._heap: list[int] = []
        self._handle: asyncio.TimerHandle | None = None
        self._handle_slot = 0
        self._has_waited = False

    def set(self, entry: WheelEntry, when: float | None) -> None:
        """Set the deadline of ``entry``, or clear it."""
        entry.deadline = when
        if when is None:
            return
        held = entry.wheel_slot
        if held is not None and held * TICK_S <= when:
            return  # its slot comes in time
        slot = math.ceil(when / TICK_S)
        if held is not None:
            if held <= slot:
                return
            self._slots[held].pop(entry, None)
        self._put(entry, slot)

    def discard(self, entry: WheelEntry) -> None:
        """Forget ``entry``, so that the wheel does not keep it alive."""
        entry.deadline = None
        if entry.wheel_slot is not None:
            self._slots[entry.wheel_slot].pop(entry, None)
            entry.wheel_slot = None

    def _put(self, entry: WheelEntry, slot: int) -> None:
        entries = self._slots.get(slot)
        if entries is None:
            self._slots[slot] = entries = {}
            heapq.heappush(self._heap, slot)
        entries[entry] = None
        entry.wheel_slot = slot
        if self._handle is None or slot < self._handle_slot:
            self._schedule()

    def _schedule(self) -> None:
        """Arm the one handle for the earliest slot that holds an entry."""
        while self._heap and not self._slots[self._heap[0]]:
            del self._slots[heapq.heappop(self._heap)]
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._heap:
            self._handle_slot = self._heap[0]
            delay = self._handle_slot * TICK_S - self._clock()
            self._handle = self._loop.call_later(max(0.0, delay), self._advance)

    def _advance(self) -> None:
        self._handle = None
        now = self._clock()
        if now - self._handle_slot * TICK_S > LATE_S and not self._has_waited:
            self._has_waited = True
            self._handle = self._loop.call_later(TICK_S, self._advance)
            return
        self._has_waited = False
        due: list[WheelEntry] = []
        later: list[WheelEntry] = []
        while self._heap and self._heap[0] * TICK_S <= now:
            for entry in self._slots.pop(heapq.heappop(self._heap)):
                entry.wheel_slot = None
                if entry.deadline is None:
                    continue
                if entry.deadline <= now:
                    due.append(entry)
                else:
                    later.append(entry)
        for entry in later:
            self.set(entry, entry.deadline)
        for entry in due:
            # An entry called before this one may have cleared or moved its deadline.
            if entry.deadline is None or entry.deadline > now:
                continue
            entry.deadline = None
            try:
                entry.deadline_reached(now)
            except Exception as error:
                self._loop.call_exception_handler(
                    {"message": f"deadline of {entry!r} failed", "exception": error}
                )
        self._schedule()
