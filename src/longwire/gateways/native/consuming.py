"""``consume``, ``ack``, ``nack``, ``consumer``, ``release`` (docs/protocol.md, 13)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from longwire.gateways.native.faults import (
    AlreadyConsumingError,
    ConsumersLimitError,
    NotConsumingError,
)
from longwire.gateways.native.formats.format import closed_members, error_members, gap_members
from longwire.gateways.native.inbox import check_readable_name
from longwire.gateways.native.requests import (
    CONSUMER_NAME_BYTES_MAX,
    Ack,
    BadMessageError,
    Consume,
    ConsumerRequest,
    Nack,
    Release,
    read_start,
)
from longwire.hub.consumers import Consumer, Standing
from longwire.hub.errors import ConsumerRemovedError, PermissionDeniedError
from longwire.hub.policy import demand
from longwire.hub.sinks import Gap
from longwire.streams.entry import Entry
from longwire.streams.errors import StreamError
from longwire.streams.position import Position, parse_position

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway
    from longwire.gateways.native.session import NativeSession

__all__ = ["SessionWorker", "ack", "consume", "consumer", "end_forbidden", "nack", "release"]

WINDOW_DEFAULT = 100
ACK_WAIT_S_DEFAULT = 30.0

Key = tuple[str, str]


class SessionWorker:
    """One connection's work for one consumer."""

    def __init__(
        self, session: NativeSession, consumer: Consumer, name: str, window: int, ack_wait_s: float
    ) -> None:
        self.name = session.name
        self.window = window
        self.ack_wait_s = ack_wait_s
        self.consumer = consumer
        self._session = session
        self._consumer_name = name
        self._held: list[bytes] | None = []
        """Messages that came before the answer to ``consume``; ``None`` after it."""

    @property
    def can_take(self) -> bool:
        return self._session.takes_more

    def drained(self) -> None:
        """The connection takes more again."""
        self.consumer.look()

    def begin(self) -> None:
        """The answer has been sent: what came meanwhile follows it."""
        held, self._held = self._held, None
        for message in held or ():
            self._session.answer(message)

    def _send(self, message: bytes) -> None:
        if self._held is None:
            self._session.answer(message)
        else:
            self._held.append(message)

    def deliver(self, entry: Entry, attempt: int) -> None:
        format_ = self._session.format
        stream = self.consumer.stream
        self._send(format_.delivery(self._consumer_name, attempt, stream, entry))

    def lost(self, gap: Gap) -> None:
        members = gap_members(self.consumer.stream, gap) | {"consumer": self._consumer_name}
        self._send(self._session.format.answer("gap", None, members))

    def closed(self, position: Position) -> None:
        stream = self.consumer.stream
        members = closed_members(stream, position) | {"consumer": self._consumer_name}
        self._send(self._session.format.answer("closed", None, members))
        _take_worker(self._session, (stream, self._consumer_name))

    def ended(self, error: StreamError) -> None:
        stream = self.consumer.stream
        members = {"stream": stream, "consumer": self._consumer_name} | error_members(error)
        self._send(self._session.format.answer("ended", None, members))
        _take_worker(self._session, (stream, self._consumer_name))

    def leave(self) -> None:
        """Give back what is not acknowledged."""
        self.consumer.leave(self)

    def connection_lost(self) -> None:
        """The connection is gone; that of a client who sends one request after the other is back
        with the next of them."""
        if self._session.is_kept:
            self.consumer.part(self)
        else:
            self.leave()


async def consume(gateway: NativeGateway, session: NativeSession, request: Consume) -> None:
    """Work for a consumer."""
    key = _read_key(session, request)
    start = read_start(request, default="earliest")
    limits = gateway.hub.consumers.limits
    window = min(WINDOW_DEFAULT, limits.window_max) if request.window is UNSET else request.window
    if window > limits.window_max:
        raise BadMessageError(
            f"consume: window is {window}, at most {limits.window_max} is allowed"
        )
    ack_wait_s = ACK_WAIT_S_DEFAULT if request.ack_wait_s is UNSET else request.ack_wait_s
    held = _read_held(gateway, session, request)
    await _demand_read(gateway, session, key[0])
    if session.workers is None:
        session.workers = {}
    if key in session.workers:
        raise AlreadyConsumingError(*key)
    if len(session.workers) >= limits.consumers_per_connection_max:
        raise ConsumersLimitError(limits.consumers_per_connection_max)
    found = _find(gateway, session, key)
    worker = SessionWorker(session, found, key[1], window, ack_wait_s)
    session.workers[key] = worker
    try:
        standing = await found.join(worker, start, held)
    except BaseException:
        _take_worker(session, key)
        raise
    if session.has_ended:
        worker.connection_lost()
        return
    session.reply("consuming", request.id, **_describe(key, standing))
    worker.begin()


def ack(gateway: NativeGateway, session: NativeSession, request: Ack) -> None:
    """Entries are dealt with."""
    if (request.upto is UNSET) == (request.positions is UNSET):
        raise BadMessageError("ack: upto or positions is needed, and not both")
    if request.upto is not UNSET:
        upto = str(parse_position(request.upto))
        matches: Callable[[str], bool] = lambda position: position <= upto  # noqa: E731
    else:
        matches = _read_positions(gateway, "ack", request.positions or [])
    consumer = _find_work(gateway, session, request)
    stored = consumer.acknowledge(session.name, matches)
    _answer_later(gateway, session, "acked", request, consumer, stored)


def nack(gateway: NativeGateway, session: NativeSession, request: Nack) -> None:
    """Entries are to be delivered again."""
    matches = _read_positions(gateway, "nack", request.positions)
    consumer = _find_work(gateway, session, request)
    after_s = 0.0 if request.after_s is UNSET else request.after_s
    stored = consumer.give_back(session.name, matches, after_s)
    _answer_later(gateway, session, "nacked", request, consumer, stored)


async def consumer(
    gateway: NativeGateway, session: NativeSession, request: ConsumerRequest
) -> None:
    """Tell where a consumer stands."""
    key = _read_key(session, request)
    await _demand_read(gateway, session, key[0])
    found = _find(gateway, session, key)
    standing = await found.standing()
    gateway.hub.consumers.tidy(found)
    members = _describe(key, standing)
    if not standing.exists:
        members["exists"] = False
    session.reply("consumer", request.id, **members)


async def release(gateway: NativeGateway, session: NativeSession, request: Release) -> None:
    """Work for a consumer no longer, or remove it."""
    key = _read_key(session, request)
    worker = _take_worker(session, key)
    if worker is not None:
        worker.leave()
    elif session.is_kept and not request.forget:
        await _give_back_everything(gateway, session, key)
    elif not request.forget:
        raise NotConsumingError(*key)
    if request.forget:
        await _demand_read(gateway, session, key[0])
        found = _find(gateway, session, key)
        await found.forget()
        gateway.hub.consumers.tidy(found)
    session.reply("released", request.id, stream=key[0], consumer=key[1])


async def _give_back_everything(gateway: NativeGateway, session: NativeSession, key: Key) -> None:
    """What was delivered in other requests of the same client goes to others at once."""
    found = _find(gateway, session, key)
    try:
        await found.give_back(session.name, lambda position: True, 0.0)
    except ConsumerRemovedError:
        raise NotConsumingError(*key) from None
    finally:
        gateway.hub.consumers.tidy(found)


async def end_forbidden(gateway: NativeGateway, session: NativeSession) -> None:
    """End work on what this client may not read any more, and say so (docs/protocol.md, 4.6)."""
    for key, worker in list((session.workers or {}).items()):
        try:
            await _demand_read(gateway, session, key[0])
        except PermissionDeniedError as error:
            if _find_worker(session, key) is worker:
                worker.leave()
                worker.ended(error)


# -- helpers ------------------------------------------------------------------------------------


def _read_key(
    session: NativeSession, request: Consume | Ack | Nack | ConsumerRequest | Release
) -> Key:
    stream = check_readable_name(session, request.stream)
    size = len(request.consumer.encode())
    if not 1 <= size <= CONSUMER_NAME_BYTES_MAX:
        raise BadMessageError(
            f"consumer has {size} bytes; a name has 1 to {CONSUMER_NAME_BYTES_MAX}"
        )
    return stream, request.consumer


def _find(gateway: NativeGateway, session: NativeSession, key: Key) -> Consumer:
    return gateway.hub.consumers.get(session.principal.name, *key)


def _find_worker(session: NativeSession, key: Key) -> SessionWorker | None:
    return None if session.workers is None else session.workers.get(key)


def _take_worker(session: NativeSession, key: Key) -> SessionWorker | None:
    return None if session.workers is None else session.workers.pop(key, None)


def _find_work(gateway: NativeGateway, session: NativeSession, request: Ack | Nack) -> Consumer:
    """The consumer that this connection works for, or another request of the same client."""
    key = _read_key(session, request)
    worker = _find_worker(session, key)
    if worker is not None:
        return worker.consumer
    if session.is_kept:
        return _find(gateway, session, key)
    raise NotConsumingError(*key)


def _read_held(gateway: NativeGateway, session: NativeSession, request: Consume) -> set[str] | None:
    """What the client has of what was delivered to it in requests before."""
    positions = [] if request.held is UNSET else request.held
    limit = gateway.hub.consumers.limits.window_max
    if len(positions) > limit:
        raise BadMessageError(f"consume: held has {len(positions)} items, at most {limit} may be")
    held = {str(parse_position(text)) for text in positions}
    return held if session.is_kept else None


def _read_positions(gateway: NativeGateway, op: str, positions: list[str]) -> Callable[[str], bool]:
    limit = gateway.hub.consumers.limits.window_max
    if not 1 <= len(positions) <= limit:
        raise BadMessageError(f"{op}: positions has {len(positions)} items; it has 1 to {limit}")
    wanted = {str(parse_position(text)) for text in positions}
    return wanted.__contains__


def _answer_later(
    gateway: NativeGateway,
    session: NativeSession,
    op: str,
    request: Ack | Nack,
    consumer: Consumer,
    stored: asyncio.Future[Standing],
) -> None:
    def answer(done: asyncio.Future[Standing]) -> None:
        gateway.hub.consumers.tidy(consumer)
        request_id = None if request.id is UNSET else request.id
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, StreamError):
            session.refuse(request_id, error)
        elif error is None and request_id is not None:
            key = (request.stream, request.consumer)
            members = _describe(key, done.result())
            del members["tail"]
            session.reply(op, request_id, **members)

    stored.add_done_callback(answer)


def _describe(key: Key, standing: Standing) -> dict[str, Any]:
    return {
        "stream": key[0],
        "consumer": key[1],
        "position": str(standing.position),
        "tail": str(standing.tail),
        "unread": standing.unread,
        "pending": standing.pending,
    }


async def _demand_read(gateway: NativeGateway, session: NativeSession, stream: str) -> None:
    if stream.startswith("$"):
        return  # the own inbox, or the name would not have been taken
    waiting = demand(gateway.hub.policy, session.principal, "read", stream)
    if waiting is not None:
        await waiting
