"""``live=sse``: a response of events that the hub delivers to (Durable Streams 5.8)."""

from __future__ import annotations

from collections.abc import Sequence

from longwire.gateways.durable.body import Kind
from longwire.gateways.durable.cursor import Cursors
from longwire.gateways.durable.events import RunEvents, encode_control
from longwire.gateways.event_stream import EventExchange, EventResponse
from longwire.hub.sinks import Gap
from longwire.hub.subscription import Subscription
from longwire.streams.entry import Entry
from longwire.streams.position import Position

__all__ = ["LiveEvents"]


class LiveEvents(EventResponse):
    """A response of events as the hub sees it. Begins with ``follow``."""

    __slots__ = ("_cursor", "_cursors", "_has_lost", "_kind", "_runs", "_subscription")

    def __init__(
        self,
        exchange: EventExchange,
        held_bytes_max: int,
        kind: Kind,
        runs: RunEvents,
        cursors: Cursors,
        given: str | None,
    ) -> None:
        super().__init__(exchange, held_bytes_max)
        self._kind = kind
        self._runs = runs
        self._cursors = cursors
        self._cursor = cursors.after(given)
        self._subscription: Subscription | None = None
        self._has_lost = False
        """Something will not come that is missed: nothing after it may be sent."""

    def follow(self, subscription: Subscription) -> None:
        """Say where reading begins if there is nothing to read yet, then let deliveries begin."""
        self._subscription = subscription
        verdict = subscription.verdict
        if verdict.resume == verdict.tail and not verdict.is_closed:
            self.write(self._control(verdict.resume))
        subscription.begin()

    def send_entries(self, stream: str, entries: Sequence[Entry]) -> int:
        if self._has_lost:
            return 0
        is_up_to_date = self._is_up_to_date(entries[-1].position)
        events = self._runs.encode(
            self._kind, entries, self._next_cursor(), is_up_to_date=is_up_to_date
        )
        return self.write(events)

    def send_gap(self, stream: str, gap: Gap) -> int:
        if gap.is_loss and not self._has_lost:
            # The protocol has no word for it here; who comes back with its offset is told (410).
            self._has_lost = True
            self.end()
        if self._has_lost:
            return 0
        return self.write(self._control(gap.upto))

    def send_closed(self, stream: str, position: Position) -> int:
        if not self._has_lost:
            self.write(self._control(position, is_closed=True))
        self.end()
        return 0

    def _control(self, position: Position, *, is_closed: bool = False) -> bytes:
        return encode_control(
            position,
            self._next_cursor(),
            is_up_to_date=self._is_up_to_date(position),
            is_closed=is_closed,
        )

    def _next_cursor(self) -> int:
        """Never lower than the one before."""
        self._cursor = max(self._cursor, self._cursors.after(None))
        return self._cursor

    def _is_up_to_date(self, position: Position) -> bool:
        return self._subscription is None or position == self._subscription.head
