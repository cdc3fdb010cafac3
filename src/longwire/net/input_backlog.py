# cython: annotation_typing=False, auto_pickle=False
"""Input of a WebSocket that came and has to wait: for other connections' turn, or for a reader.

One read can bring thousands of messages, and compressed ones can grow a thousandfold. What is more
than a connection's share of a turn of the event loop is kept here, and nothing is read meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from longwire.net.loop_state import loop_state
from longwire.websocket.events import Event

if TYPE_CHECKING:
    from longwire.net.endpoint import Endpoint

__all__ = ["INFLATE_STEP_BYTES", "InputBacklog"]

INFLATE_STEP_BYTES = 4096
"""Compressed input that is taken at once; between steps a pause of reading takes effect."""

EVENT_BYTES = 64
"""What a message that waits takes beside its payload, as an object of Python."""

INFLATE_TURN_S = 0.005
"""What these steps may take together before other connections have their turn, seconds: a read of
compressed input can be a quarter of a gigabyte of messages."""


class InputBacklog:
    """What one endpoint was sent and has not been given yet. Made with the first such input."""

    __slots__ = (
        "_endpoint",
        "_events",
        "_events_bytes",
        "_is_feeding",
        "_is_giving",
        "_is_turn_queued",
        "_unfed",
    )

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        # Input past the point where reading paused.
        self._unfed = b""
        # Events of one read that are more than the connection's share of a turn.
        self._events: list[Event] | None = None
        self._events_bytes = 0
        self._is_turn_queued = False
        self._is_feeding = False
        self._is_giving = False

    def held_bytes(self) -> int:
        """Input that the engine was not given, and events as ``count_events`` found them."""
        return len(self._unfed) + (0 if self._events is None else self._events_bytes)

    def count_events(self) -> None:
        """Reading pauses, so what waits can wait for long.

        Counted once; what is given of it meanwhile is still in the sum.
        """
        if self._events is not None and self._events_bytes == 0:
            for event in self._events:
                size = len(event) if isinstance(event, (str, bytes)) else 0
                self._events_bytes += size + EVENT_BYTES

    def is_empty(self) -> bool:
        """Whether new input has nothing to stand behind."""
        return self._events is None and not self._unfed

    def holds_events(self) -> bool:
        """Whether the engine was given more than the callbacks."""
        return self._events is not None

    def add(self, data: bytes | bytearray | memoryview) -> None:
        """Take input, and give of it what may be given now."""
        self._unfed += data
        if self._events is None:
            self._feed()

    def put_off(self, events: list[Event]) -> None:
        """Keep events for the next turn."""
        self._events = events

    def drop_events(self) -> None:
        """Nobody wants the events any more."""
        self._events = None

    def queue_turn(self) -> None:
        """Go on when the other connections have had their turn."""
        self._endpoint.link.pause_reading()
        if not self._is_turn_queued:
            self._is_turn_queued = True
            loop = asyncio.get_running_loop()
            loop_state(loop).turns_shared += 1
            loop.call_soon(self._take_turn)

    def resume(self) -> None:
        """The endpoint reads again: what waits comes first, and what is being given before that."""
        if self._events is not None or self._is_giving:
            self.queue_turn()
        else:
            self._read_on()

    def can_give(self) -> bool:
        """Whether ``give_some`` would give anything."""
        return not self._is_feeding and not self.is_empty()

    def give_some(self) -> None:
        """Give what comes next; for a connection that has ended, where it cannot wait."""
        if self._events is not None:
            self._give_events(self._events)
        else:
            self._feed()

    def _take_turn(self) -> None:
        self._is_turn_queued = False
        if self._endpoint.is_reading_paused:
            return
        if self._events is not None:
            self._give_events(self._events)
        self._read_on()

    def _give_events(self, events: list[Event]) -> None:
        self._events = None
        self._is_giving = True
        self._endpoint.handle(events, self._endpoint.link.now())
        self._is_giving = False
        if self._events is None:
            self._events_bytes = 0

    def _read_on(self) -> None:
        """Take more from the peer, unless something of the last read still waits."""
        if self._events is None:
            self._feed()
        is_waiting = self._events is not None or self._is_turn_queued
        if not is_waiting and not self._endpoint.is_reading_paused:
            self._endpoint.link.resume_reading()

    def _feed(self) -> None:
        """Hand input to the engine, in steps until reading pauses.

        Compressed input can grow a thousandfold, so a pause has to hold within one read too.
        """
        if self._is_feeding:
            return
        self._is_feeding = True
        endpoint = self._endpoint
        engine = endpoint.engine
        enough = engine.messages_received + engine.turn_messages_max
        now = endpoint.link.now()
        ends_s = now + INFLATE_TURN_S
        while self._unfed and self._events is None and not endpoint.is_reading_paused:
            if engine.messages_received >= enough or now >= ends_s:
                self.queue_turn()
                break
            step, self._unfed = self._unfed[:INFLATE_STEP_BYTES], self._unfed[INFLATE_STEP_BYTES:]
            endpoint.take_in(step, now)
            now = endpoint.link.now()
        self._is_feeding = False
