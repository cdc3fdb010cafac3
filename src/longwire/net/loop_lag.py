"""Notices that our own event loop did not run, and for how long.

A peer that got no answer because we computed for a minute is not to blame, and the log should say
so. A beat on the timer wheel, four times a second while there are connections, shows when the loop
last ran; whoever asks right after a block, before the beat could come, sees it in the beat's delay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from longwire.net.timers import TimerWheel, WheelEntry

__all__ = ["BEAT_S", "BLOCKED_S_MIN", "Block", "LoopLag"]

BEAT_S = 0.25
BLOCKED_S_MIN = 0.5
"""Shorter delays are an ordinary busy moment."""

_BLOCKS_KEPT = 16


@dataclass(frozen=True, slots=True)
class Block:
    """One time the loop did not run: at least ``duration_s``, up to ``ended_s`` (monotonic)."""

    duration_s: float
    ended_s: float


class LoopLag(WheelEntry):
    """Keeps the latest times at which the loop was blocked."""

    __slots__ = ("_blocks", "_clock", "_expected", "_users", "_wheel")

    def __init__(self, wheel: TimerWheel, clock: Callable[[], float]) -> None:
        super().__init__()
        self._wheel = wheel
        self._clock = clock
        self._users = 0
        self._expected = 0.0
        self._blocks: deque[Block] = deque(maxlen=_BLOCKS_KEPT)

    def acquire(self) -> None:
        """Beat from now on: a connection has begun."""
        self._users += 1
        if self._users == 1:
            self._arm(self._clock())

    def release(self) -> None:
        """A connection has ended; without any there is no beat."""
        self._users -= 1
        if self._users == 0:
            self._wheel.discard(self)

    def deadline_reached(self, now: float) -> None:
        self._note(now)
        self._arm(now)

    def longest_block(self, now: float, window_s: float) -> Block | None:
        """Return the longest block that ended within the last ``window_s`` seconds."""
        if self._users and self._note(now):
            self._arm(now)
        recent = [block for block in self._blocks if now - block.ended_s <= window_s]
        return max(recent, key=lambda block: block.duration_s, default=None)

    def blocked_s(self, now: float, since_s: float) -> float:
        """Return how long the loop did not run since ``since_s``, as far as is remembered."""
        if self._users and self._note(now):
            self._arm(now)
        return sum(
            min(block.duration_s, block.ended_s - since_s)
            for block in self._blocks
            if block.ended_s > since_s
        )

    def _note(self, now: float) -> bool:
        late_s = now - self._expected
        if late_s < BLOCKED_S_MIN:
            return False
        self._blocks.append(Block(late_s, now))
        return True

    def _arm(self, now: float) -> None:
        self._expected = now + BEAT_S
        self._wheel.set(self, self._expected)
