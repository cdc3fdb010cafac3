"""Work for a consumer: a position that the server keeps, moved by acknowledgements.

At least once (docs/protocol.md, 13): what was delivered on a connection that ended, or not
acknowledged in time, comes again, to whoever works for the consumer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, Protocol

from longwire.client.delivery import Deliveries, Handler
from longwire.client.errors import ClientError, error_from_answer
from longwire.client.events import Data, End, Gap, Start
from longwire.client.payloads import make_message
from longwire.client.subscription import WireState, start_members
from longwire.streams.position import Position, parse_position

__all__ = ["Consumer", "ConsumerState", "Consumers", "Delivery"]


class Delivery(NamedTuple, Generic[Data]):
    """One entry, delivered to a consumer's worker."""

    stream: str
    consumer: str
    data: Data
    """What was published: JSON, or ``bytes`` where bytes were published."""
    position: Position
    attempt: int
    """1 the first time, then 2, 3 …"""
    time_ms: int
    """When it was stored, Unix time in milliseconds by the server's clock."""
    key: str = ""
    is_erased: bool = False
    """Its payload was erased; ``data`` is ``None``."""


class ConsumerState(NamedTuple):
    """Where a consumer stands."""

    exists: bool
    position: Position
    """Everything up to here has been acknowledged."""
    tail: Position
    """Of the stream."""
    unread: int
    """Entries after ``position`` that are not acknowledged."""
    pending: int
    """Those of them that are delivered and not acknowledged yet."""


def parse_consumer_state(answer: Mapping[str, Any]) -> ConsumerState:
    """From ``consuming`` or ``consumer``."""
    return ConsumerState(
        answer.get("exists") is not False,
        parse_position(answer["position"]),
        parse_position(answer["tail"]),
        int(answer.get("unread", 0)),
        int(answer.get("pending", 0)),
    )


class ConsumerHost(Protocol):
    """What a worker needs of its client."""

    @property
    def is_usable(self) -> bool: ...
    def request(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Callable[[dict[str, Any]], None],
        refused: Callable[[ClientError], None],
    ) -> None: ...
    def tell(self, op: str, members: Mapping[str, Any]) -> None: ...
    def announce(self, event: Any) -> None: ...
    def retry_delay_s(self, error: ClientError, failures: int) -> float: ...


class Consumer(Generic[Data]):
    """Made by ``Client.consume``; iterate over it, or give it a handler there.

    An entry is acknowledged when its handler has returned, or the loop asks for the next one; one
    whose handler failed is given back, to be delivered again after ``retry_after_s``. With
    ``is_manual`` nothing is acknowledged by itself: call ``ack``, ``ack_upto`` and ``nack``.
    """

    def __init__(
        self,
        consumers: Consumers,
        stream: str,
        name: str,
        *,
        start: Start,
        window: int,
        ack_wait_s: float,
        retry_after_s: float,
        is_manual: bool,
        data_type: Any,
        handler: Handler[Delivery[Data]] | None,
    ) -> None:
        self.stream = stream
        self.name = name
        self._consumers = consumers
        self._host = consumers.host
        self._members = {"window": window, "ack_wait_s": ack_wait_s, **start_members(start)}
        self._retry_after_s = retry_after_s
        self._is_manual = is_manual
        self._type = data_type
        self._deliveries: Deliveries[Delivery[Data]] = Deliveries(
            self, f"the consumer {name} of {stream}", handler
        )
        self._state = WireState.IDLE
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._done: list[Position] = []
        self._given: set[Position] = set()
        """Delivered on this connection and not acknowledged."""
        self._ready: asyncio.Future[ConsumerState] = self._loop.create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())

    # -- the application's side -----------------------------------------------------------------

    @property
    def names(self) -> dict[str, str]:
        """What names it in a message."""
        return {"stream": self.stream, "consumer": self.name}

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come."""
        return self._state is WireState.ENDED and self._deliveries.is_empty

    async def ready(self) -> ConsumerState:
        """Wait for the server's first answer; return what it was. Raises ``ClientError``."""
        return await asyncio.shield(self._ready)

    def ack(self, *deliveries: Delivery[Any]) -> None:
        """These have been processed. Sent with others of this turn of the loop."""
        for delivery in deliveries:
            self._acknowledge(delivery.position)

    def ack_upto(self, delivery: Delivery[Any]) -> None:
        """Everything that was delivered here up to and including this one has been processed."""
        position = delivery.position
        if position in self._given:
            self._given = {other for other in self._given if other.offset > position.offset}
            self._host.tell("ack", {**self.names, "upto": str(position)})

    def nack(self, *deliveries: Delivery[Any], after_s: float = 0.0) -> None:
        """Give these back, to be delivered again, after ``after_s`` seconds."""
        positions = [one.position for one in deliveries if one.position in self._given]
        self._given.difference_update(positions)
        if positions:
            texts = [str(position) for position in positions]
            self._host.tell("nack", {**self.names, "positions": texts, "after_s": after_s})

    def release(self) -> None:
        """Stop. What is not acknowledged goes to others at once."""
        self._send_acks()
        if self._state in (WireState.ASKING, WireState.LIVE) and self._host.is_usable:
            self._host.request("release", self.names, lambda _: None, lambda _: None)
        self._deliveries.clear()
        self.end(None)

    def __aiter__(self) -> AsyncIterator[Delivery[Data]]:
        return self._deliveries.iterate()

    # -- from the client ------------------------------------------------------------------------

    def connected(self) -> None:
        """There is a connection: begin to work."""
        if self._state is not WireState.IDLE or not self._host.is_usable:
            return
        self._state = WireState.ASKING
        members = {**self.names, **self._members}
        self._host.request("consume", members, self._consuming, self._refused)

    def disconnected(self) -> None:
        """The connection is gone, and what was delivered on it goes to others."""
        if self._state is WireState.ENDED:
            return
        self._cancel_retry()
        self._state = WireState.IDLE
        self._deliveries.clear()
        self._given.clear()
        self._done.clear()

    def end(self, error: ClientError | None) -> None:
        """Nothing will follow; the error is why."""
        if self._state is WireState.ENDED:
            return
        self._state = WireState.ENDED
        self._cancel_retry()
        if not self._ready.done():
            self._ready.set_exception(error or ClientError("closed", "there was no answer yet"))
        self._consumers.forget(self)
        self._deliveries.finish(error)

    async def stop(self, error: ClientError) -> None:
        """End, and wait for the handler that is running."""
        self.end(error)
        await self._deliveries.stop()
        self._send_acks()

    # -- the server's side ----------------------------------------------------------------------

    def _consuming(self, answer: Mapping[str, Any]) -> None:
        if self._state is not WireState.ASKING:
            return
        self._state = WireState.LIVE
        self._failures = 0
        if not self._ready.done():
            self._ready.set_result(parse_consumer_state(answer))

    def _refused(self, error: ClientError) -> None:
        if self._state is not WireState.ASKING:
            return
        self._state = WireState.IDLE
        named = error.with_details(**self.names)
        self._host.announce(named)
        if not error.retry:
            self.end(named)
            return
        delay_s = self._host.retry_delay_s(error, self._failures)
        self._failures += 1
        self._retry = self._loop.call_later(delay_s, self.connected)

    def delivery(self, entry: Mapping[str, Any]) -> None:
        """An entry for this worker."""
        if self._state is not WireState.LIVE:
            return
        position = parse_position(entry["position"])
        self._given.add(position)
        try:
            message = make_message(self.stream, entry, position, self._type)
        except ClientError as error:
            # It will not fit the next time either, and would be delivered for ever.
            self._host.announce(error)
            self._acknowledge(position)
            return
        attempt = int(entry.get("attempt", 1))
        self._deliveries.put(
            Delivery(
                self.stream,
                self.name,
                message.data,
                position,
                attempt,
                message.time_ms,
                message.key,
                message.is_erased,
            )
        )

    def received(self, message: Mapping[str, Any]) -> None:
        """``gap``, ``closed`` or ``ended`` with the consumer's name."""
        op = message["op"]
        if op == "gap" and message.get("lost") is not False:
            held, upto = parse_position(message["after"]), parse_position(message["upto"])
            gap = Gap(self.stream, str(message.get("reason")), held, upto)
            self._deliveries.put_event(gap)
        elif op == "closed":
            self._deliveries.put_event(End(self.stream, parse_position(message["position"])))
        elif op == "ended" and self._state in (WireState.LIVE, WireState.ASKING):
            self._state = WireState.ASKING
            self._refused(error_from_answer(message))

    # -- the queue ------------------------------------------------------------------------------

    def taken(self) -> None:
        """The server's window bounds what waits."""

    def dealt_with(self, message: Delivery[Data]) -> None:
        if not self._is_manual:
            self._acknowledge(message.position)

    def failed(self, message: Delivery[Data], error: BaseException) -> None:
        named = ClientError(
            "handler_failed",
            f"the handler of {self.name} failed at {self.stream}, {message.position}: {error!r}",
            details={**self.names, "position": message.position},
        )
        named.__cause__ = error
        self._host.announce(named)
        if not self._is_manual:
            self.nack(message, after_s=self._retry_after_s)

    def turn(self, event: Gap | End) -> None:
        self._host.announce(event)
        if isinstance(event, End):
            self.end(None)

    def left(self) -> None:
        self.release()

    def _acknowledge(self, position: Position) -> None:
        if position not in self._given:
            return  # delivered on a connection that is gone: it comes again
        self._given.discard(position)
        if not self._done:
            self._loop.call_soon(self._send_acks)
        self._done.append(position)

    def _send_acks(self) -> None:
        done, self._done = self._done, []
        if done:
            self._host.tell("ack", {**self.names, "positions": [str(one) for one in done]})

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


class Consumers:
    """All that one client works for."""

    def __init__(self, host: ConsumerHost) -> None:
        self.host = host
        self._consumers: dict[tuple[str, str], Consumer[Any]] = {}

    def add(self, consumer: Consumer[Any]) -> None:
        """Begin to work. Raises ``ClientError``, code ``already_consuming``."""
        key = (consumer.stream, consumer.name)
        if key in self._consumers:
            raise ClientError(
                "already_consuming",
                f"this client works for {consumer.name} of {consumer.stream} already; use that "
                "consumer, or a second client",
            )
        self._consumers[key] = consumer
        consumer.connected()

    def forget(self, consumer: Consumer[Any]) -> None:
        """It has ended."""
        key = (consumer.stream, consumer.name)
        if self._consumers.get(key) is consumer:
            del self._consumers[key]

    def connected(self) -> None:
        """There is a connection."""
        for consumer in self._all():
            consumer.connected()

    def disconnected(self) -> None:
        """The connection is gone."""
        for consumer in self._all():
            consumer.disconnected()

    def received(self, message: Mapping[str, Any]) -> None:
        """What names a consumer."""
        consumer = self._consumers.get((str(message.get("stream")), str(message["consumer"])))
        if consumer is None:
            return
        if message["op"] == "delivery":
            consumer.delivery(message)
        else:
            consumer.received(message)

    async def stop(self, error: ClientError) -> None:
        """End all of them."""
        consumers = self._all()
        for consumer in consumers:
            consumer.end(error)
        for consumer in consumers:
            await consumer.stop(error)

    def _all(self) -> Iterable[Consumer[Any]]:
        return list(self._consumers.values())
