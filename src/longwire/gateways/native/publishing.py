# cython: annotation_typing=False, auto_pickle=False
"""``publish``: from the request to the hub, and the answer when it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from longwire.base.tuples import make, parts
from longwire.gateways.native.publications import (
    read_batch,
    read_condition,
    read_durability,
    read_producer,
)
from longwire.gateways.native.requests import PublishRequest
from longwire.gateways.native.session import NativeSession
from longwire.hub.policy import demand
from longwire.hub.publishing import Outcome, Publish
from longwire.streams.name import check_stream_name
from longwire.streams.store import Appended

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway

__all__ = ["Flights", "publish"]


class Flights:
    """Publishes of one connection that are not answered yet, and the one that waits for room."""

    __slots__ = ("_by_producer", "_count", "_in_flight_max", "_producer_in_flight_max", "_waiter")

    def __init__(self, in_flight_max: int, producer_in_flight_max: int) -> None:
        self._in_flight_max = in_flight_max
        self._producer_in_flight_max = producer_in_flight_max
        self._count = 0
        self._by_producer: dict[tuple[str, str], int] = {}
        self._waiter: asyncio.Future[None] | None = None

    def take_off(self, producer: tuple[str, str] | None) -> bool:
        """Count one more, of this producer in this stream; ``False`` when there is no room."""
        if self._count >= self._in_flight_max:
            return False
        if producer is not None:
            count = self._by_producer.get(producer, 0)
            if count >= self._producer_in_flight_max:
                return False
            self._by_producer[producer] = count + 1
        self._count += 1
        return True

    def land(self, producer: tuple[str, str] | None) -> None:
        """It is answered."""
        self._count -= 1
        if producer is not None:
            left = self._by_producer[producer] - 1
            if left:
                self._by_producer[producer] = left
            else:
                del self._by_producer[producer]
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def landing(self) -> None:
        """Wait until the next one is answered. One at a time waits: requests have their turns."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter


class _Flight:
    """One publish that is not answered yet. To be called with its outcome."""

    __slots__ = ("_flights", "_producer", "_request_id", "_session", "_stream")

    def __init__(
        self,
        session: NativeSession,
        flights: Flights,
        request_id: int,
        stream: str,
        producer: tuple[str, str] | None,
    ) -> None:
        self._session = session
        self._flights = flights
        self._request_id = request_id
        self._stream = stream
        self._producer = producer

    def __call__(self, outcome: Outcome) -> None:
        self._flights.land(self._producer)
        session = self._session
        if isinstance(outcome, Appended):
            session.answer(session.format.published(self._request_id, self._stream, outcome))
        else:
            session.refuse(self._request_id, outcome)


def publish(
    gateway: NativeGateway, session: NativeSession, request: PublishRequest
) -> Awaitable[None] | None:
    """Store and deliver; answered when it is stored."""
    hub = gateway.hub
    stream, principal = check_stream_name(request.stream), session.principal
    producer = read_producer(request)
    batch, content_type = read_batch(
        request, hub.stream_limits.json_depth_max, gateway.limits.key_bytes_max
    )
    condition, durability = read_condition(request), read_durability(request)
    values = (
        stream,
        batch,
        content_type,
        principal,
        producer,
        condition,
        False,  # closes
        True,  # is_checked
        durability,
        False,  # is_from_server
        True,  # may_create
        None,  # application_sequence
    )
    publish = make(Publish, values)
    waiting = demand(hub.policy, principal, "publish", stream)
    if waiting is None and _submit(gateway, session, request.id, publish) is None:
        return None
    return _publish_later(gateway, session, waiting, request.id, publish)


async def _publish_later(
    gateway: NativeGateway,
    session: NativeSession,
    waiting: Awaitable[None] | None,
    request_id: int,
    publish: Publish,
) -> None:
    """Wait for a permission, and for room; meanwhile no other request of the connection is taken
    up, and in the end nothing more is read from it."""
    if waiting is not None:
        await waiting
    while (flights := _submit(gateway, session, request_id, publish)) is not None:
        await flights.landing()


def _submit(
    gateway: NativeGateway, session: NativeSession, request_id: int, publish: Publish
) -> Flights | None:
    """Give a publish to the hub; return what it has to wait for when too many are in the air."""
    flights = session.flights
    if flights is None:
        limits = gateway.limits
        flights = Flights(limits.in_flight_max, limits.producer_in_flight_max)
        session.flights = flights
    stream, _, _, _, stamp, _, _, _, _, _, _, _ = parts(publish)
    producer = None
    if stamp is not None:
        producer_id, _, _ = parts(stamp)
        producer = (stream, producer_id)
    if not flights.take_off(producer):
        return flights
    gateway.hub.submit(publish, _Flight(session, flights, request_id, stream, producer))
    return None
