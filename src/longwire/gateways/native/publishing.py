# cython: annotation_typing=False, auto_pickle=False
"""``publish``: from the request to the hub, and the answer when it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from longwire.base.limits import NativeLimits
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
    from longwire.hub.hub import Hub

__all__ = ["Flights", "Publishing", "publish"]


class Publishing:
    """What every publish asks of a gateway, looked up once."""

    __slots__ = (
        "depth_max",
        "in_flight_max",
        "key_bytes_max",
        "policy",
        "producer_in_flight_max",
        "publisher",
    )

    def __init__(self, hub: Hub, limits: NativeLimits) -> None:
        self.publisher = hub.publisher
        self.policy = hub.policy
        self.depth_max = hub.stream_limits.json_depth_max
        self.key_bytes_max = limits.key_bytes_max
        self.in_flight_max = limits.in_flight_max
        self.producer_in_flight_max = limits.producer_in_flight_max


class Producer:
    """One producer in one stream, and how many of its publishes are not answered yet."""

    __slots__ = ("count", "producer_id", "stream")

    def __init__(self, stream: str, producer_id: str) -> None:
        self.stream = stream
        self.producer_id = producer_id
        self.count = 0


class Flights:
    """Publishes of one connection that are not answered yet, and the one that waits for room."""

    __slots__ = (
        "_count",
        "_in_flight_max",
        "_last",
        "_producer_in_flight_max",
        "_producers",
        "_waiter",
    )

    def __init__(self, in_flight_max: int, producer_in_flight_max: int) -> None:
        self._in_flight_max = in_flight_max
        self._producer_in_flight_max = producer_in_flight_max
        self._count = 0
        self._producers: dict[tuple[str, str], Producer] = {}
        """Those with publishes that are not answered, and the last one."""
        self._last: Producer | None = None
        """Most connections have one."""
        self._waiter: asyncio.Future[None] | None = None

    def find(self, stream: str, producer_id: str) -> Producer:
        """The producer with this identifier in this stream."""
        last = self._last
        if last is not None:
            if last.producer_id == producer_id and last.stream == stream:
                return last
            if not last.count:
                del self._producers[last.stream, last.producer_id]
        key = (stream, producer_id)
        found = self._producers.get(key)
        if found is None:
            found = self._producers[key] = Producer(stream, producer_id)
        self._last = found
        return found

    def take_off(self, producer: Producer | None) -> bool:
        """Count one more; ``False`` when there is no room."""
        if self._count >= self._in_flight_max:
            return False
        if producer is not None:
            if producer.count >= self._producer_in_flight_max:
                return False
            producer.count += 1
        self._count += 1
        return True

    def land(self, producer: Producer | None) -> None:
        """It is answered."""
        self._count -= 1
        if producer is not None:
            producer.count -= 1
            if not producer.count and producer is not self._last:
                del self._producers[producer.stream, producer.producer_id]
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
        producer: Producer | None,
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
    publishing = gateway.publishing
    stream, principal = check_stream_name(request.stream), session.principal
    producer = read_producer(request)
    batch, content_type = read_batch(request, publishing.depth_max, publishing.key_bytes_max)
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
    waiting, request_id = demand(publishing.policy, principal, "publish", stream), request.id
    if waiting is None and _submit(publishing, session, request_id, publish) is None:
        return None
    return _publish_later(publishing, session, waiting, request_id, publish)


async def _publish_later(
    publishing: Publishing,
    session: NativeSession,
    waiting: Awaitable[None] | None,
    request_id: int,
    publish: Publish,
) -> None:
    """Wait for a permission, and for room; meanwhile no other request of the connection is taken
    up, and in the end nothing more is read from it."""
    if waiting is not None:
        await waiting
    while (flights := _submit(publishing, session, request_id, publish)) is not None:
        await flights.landing()


def _submit(
    publishing: Publishing, session: NativeSession, request_id: int, publish: Publish
) -> Flights | None:
    """Give a publish to the hub; return what it has to wait for when too many are in the air."""
    flights = session.flights
    if flights is None:
        flights = Flights(publishing.in_flight_max, publishing.producer_in_flight_max)
        session.flights = flights
    stream, _, _, _, stamp, _, _, _, _, _, _, _ = parts(publish)
    producer = None
    if stamp is not None:
        producer_id, _, _ = parts(stamp)
        producer = flights.find(stream, producer_id)
    if not flights.take_off(producer):
        return flights
    flight = _Flight(session, flights, request_id, stream, producer)
    publishing.publisher.submit(publish, flight)
    return None
