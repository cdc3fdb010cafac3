"""What the connections of one event loop share: clock, timer wheel, cork, lag, read buffer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from longwire.net.loop_lag import LoopLag
from longwire.net.plain_calls import PlainCalls
from longwire.net.reactor import Reactor, can_react, has_kernel_sockets
from longwire.net.timers import TimerWheel

__all__ = ["Cork", "LoopState", "loop_state"]

READ_BUFFER_BYTES = 64 * 1024


class Corked(Protocol):
    """A link with something to flush."""

    def flush(self) -> None: ...


class Cork:
    """The second flush point of a tick: one ``call_soon`` for all links written to meanwhile.

    The first is the end of a read burst, where a link flushes itself. Never a timer: nothing is
    held back longer than the callbacks that are ready to run now.
    """

    __slots__ = ("_is_queued", "_links", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._links: list[Corked] = []
        self._is_queued = False

    def add(self, link: Corked) -> None:
        """Flush ``link`` with the others. The caller adds a link once until it is flushed."""
        self._links.append(link)
        self.expect()

    def expect(self) -> None:
        """Queue the flush behind what was woken just now, before anything is written."""
        if not self._is_queued:
            self._is_queued = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_queued = False
        links, self._links = self._links, []
        for link in links:
            link.flush()


class LoopState:
    """One per event loop."""

    __slots__ = (
        "_reactor",
        "clock",
        "cork",
        "is_uvloop",
        "lag",
        "loop",
        "read_buffer",
        "turns_shared",
        "wheel",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        # uvloop's own clock stands still between turns and has milliseconds; it is the same
        # CLOCK_MONOTONIC. Any other loop is asked itself, since a simulated one has its own time.
        self.is_uvloop = type(loop).__module__.partition(".")[0] == "uvloop"
        self.clock: Callable[[], float] = time.monotonic if self.is_uvloop else loop.time
        self.wheel = TimerWheel(loop, self.clock)
        self.cork = Cork(loop)
        self.lag = LoopLag(self.wheel, self.clock)
        # Every read of every link goes through this one buffer and is handled before the next, so
        # an idle connection holds no buffer at all.
        self.read_buffer = memoryview(bytearray(READ_BUFFER_BYTES))
        self.turns_shared = 0
        """How often a connection had brought more than its share of a turn, and waited."""
        self._reactor: Reactor | None = None

    @property
    def reactor(self) -> Reactor | None:
        """The reactor of this loop; ``None`` where the loop cannot have one."""
        if self._reactor is None and can_react(self.loop):
            calls = None if has_kernel_sockets(self.loop) else PlainCalls()
            self._reactor = Reactor(self, calls)
        return self._reactor


_ATTRIBUTE = "_longwire_state"


def loop_state(loop: asyncio.AbstractEventLoop) -> LoopState:
    """Return what the connections of ``loop`` share."""
    # Kept on the loop itself, and not in a table of loops, so that both go together. A loop that
    # runs several processes, as a simulated one does, says whose state it is.
    find_owner = getattr(loop, "state_owner", None)
    owner = loop if find_owner is None else find_owner()
    state: LoopState | None = getattr(owner, _ATTRIBUTE, None)
    if state is None:
        state = LoopState(loop)
        setattr(owner, _ATTRIBUTE, state)
    return state
