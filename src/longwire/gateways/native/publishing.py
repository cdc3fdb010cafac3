"""``publish``: from the request to the hub, and the answer when it is stored."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from longwire.gateways.native.faults import InFlightError
from longwire.gateways.native.requests import (
    PublishRequest,
    read_batch,
    read_condition,
    read_durability,
    read_producer,
)
from longwire.gateways.native.session import NativeSession
from longwire.hub.policy import demand
from longwire.hub.publishing import Outcome, Publish
from longwire.streams.entry import Durability
from longwire.streams.errors import StreamError
from longwire.streams.name import check_stream_name

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway

__all__ = ["Flights", "publish"]

# An enum's value is slow to look up, and each publish is answered with one.
_DURABILITY_TEXTS = {durability: durability.value for durability in Durability}


class Flights:
    """Publishes of one connection that are not answered yet."""

    __slots__ = ("_by_producer", "_count")

    def __init__(self) -> None:
        self._count = 0
        self._by_producer: dict[tuple[str, str], int] = {}

    def take_off(self, publish: Publish, in_flight_max: int, producer_in_flight_max: int) -> None:
        """Count one more. Raises ``InFlightError``."""
        if self._count >= in_flight_max:
            raise InFlightError("this connection", in_flight_max)
        if publish.producer is not None:
            key = (publish.stream, publish.producer.producer_id)
            count = self._by_producer.get(key, 0)
            if count >= producer_in_flight_max:
                raise InFlightError("this producer", producer_in_flight_max)
            self._by_producer[key] = count + 1
        self._count += 1

    def land(self, publish: Publish) -> None:
        """It is answered."""
        self._count -= 1
        if publish.producer is not None:
            key = (publish.stream, publish.producer.producer_id)
            self._by_producer[key] -= 1
            if not self._by_producer[key]:
                del self._by_producer[key]


def publish(
    gateway: NativeGateway, session: NativeSession, request: PublishRequest
) -> Awaitable[None] | None:
    """Store and deliver; answered when it is stored."""
    hub, limits = gateway.hub, gateway.limits
    stream = check_stream_name(request.stream)
    producer = read_producer(request)
    batch, content_type = read_batch(
        request, hub.stream_limits.json_depth_max, limits.key_bytes_max
    )
    publish = Publish(
        stream,
        batch,
        content_type,
        session.principal,
        producer,
        read_condition(request),
        is_checked=True,
        durability=read_durability(request),
    )
    waiting = demand(hub.policy, session.principal, "publish", stream)
    if waiting is not None:
        return _publish_later(gateway, session, waiting, request.id, publish)
    _submit(gateway, session, request.id, publish)
    return None


async def _publish_later(
    gateway: NativeGateway,
    session: NativeSession,
    waiting: Awaitable[None],
    request_id: int,
    publish: Publish,
) -> None:
    await waiting
    _submit(gateway, session, request_id, publish)


def _submit(
    gateway: NativeGateway, session: NativeSession, request_id: int, publish: Publish
) -> None:
    flights = session.flights
    if flights is None:
        flights = session.flights = Flights()
    limits = gateway.limits
    flights.take_off(publish, limits.in_flight_max, limits.producer_in_flight_max)

    def done(outcome: Outcome) -> None:
        flights.land(publish)
        _answer(session, request_id, publish.stream, outcome)

    gateway.hub.submit(publish, done)


def _answer(session: NativeSession, request_id: int, stream: str, outcome: Outcome) -> None:
    if isinstance(outcome, StreamError):
        session.refuse(request_id, outcome)
        return
    first, last = outcome.first, outcome.last
    text = None if first is None else str(first)
    session.reply(
        "published",
        request_id,
        stream=stream,
        first=text,
        last=text if last is first else str(last),
        duplicate=outcome.is_duplicate,
        durability=_DURABILITY_TEXTS[outcome.durability],
    )
