"""What each request does. ``begin`` returns ``None`` when it is done, or what is left to await."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from msgspec import UNSET

from longwire.gateways.native.answers import encode_answer, encode_history
from longwire.gateways.native.codes import NativeCloseCode
from longwire.gateways.native.faults import (
    AlreadyConnectedError,
    BadVersionError,
    InFlightError,
    NotConnectedError,
    UnauthorizedError,
)
from longwire.gateways.native.requests import (
    CLIENT_BYTES_MAX,
    BadMessageError,
    Connect,
    History,
    Ping,
    PublishRequest,
    Request,
    Subscribe,
    Unsubscribe,
    read_batch,
    read_history_place,
    read_producer,
    read_start,
)
from longwire.gateways.native.session import NativeSession
from longwire.hub.errors import NotSubscribedError
from longwire.hub.policy import Action, demand
from longwire.hub.publishing import Outcome, Publish
from longwire.hub.subscription import Subscription
from longwire.streams.errors import PositionRefusedError, StreamError
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position
from longwire.streams.verdict import Start, Verdict

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway

__all__ = ["PROTOCOL_VERSION", "Operations"]

PROTOCOL_VERSION = 1


class Operations:
    """The requests of one connection."""

    __slots__ = ("_gateway", "_in_flight", "_in_flight_by_producer", "_session")

    def __init__(self, gateway: NativeGateway, session: NativeSession) -> None:
        self._gateway = gateway
        self._session = session
        self._in_flight = 0
        self._in_flight_by_producer: dict[tuple[str, str], int] | None = None

    def begin(self, request: Request) -> Awaitable[None] | None:
        """Begin with a request. Raises ``StreamError`` to refuse it."""
        if isinstance(request, Connect):
            return self._connect(request)
        if self._session.is_new():
            self._refuse_first(request)
            return None
        if isinstance(request, PublishRequest):
            return self._publish(request)
        if isinstance(request, Subscribe):
            return self._subscribe(request)
        if isinstance(request, History):
            return self._history(request)
        if isinstance(request, Unsubscribe):
            self._unsubscribe(request)
        elif isinstance(request, Ping):
            request_id = None if request.id is UNSET else request.id
            self._session.answer(encode_answer("pong", request_id))
        return None  # a pong has been heard, which is all that it is for

    # -- connect --------------------------------------------------------------------------------

    def _refuse_first(self, request: Request) -> None:
        op = str(request.__struct_config__.tag)
        request_id = request.id if isinstance(request.id, int) else None
        self._session.refuse(request_id, NotConnectedError(op))
        self._session.end(NativeCloseCode.NOT_CONNECTED, f"{op} came before connect")

    async def _connect(self, request: Connect) -> None:
        session = self._session
        if not session.is_new():
            raise AlreadyConnectedError
        token = None if request.token is UNSET else request.token
        client = "" if request.client is UNSET else request.client
        _check_length("token", token or "", self._gateway.limits.token_bytes_max)
        _check_length("client", client, CLIENT_BYTES_MAX)
        if request.version != PROTOCOL_VERSION:
            session.refuse(request.id, BadVersionError(request.version, [PROTOCOL_VERSION]))
            session.end(NativeCloseCode.BAD_VERSION, f"version {request.version} is not spoken")
            return
        principal = await self._gateway.hub.policy.authenticate(token)
        if not session.is_new():
            return  # the connection has ended, or the server goes away
        if principal is None:
            session.refuse(request.id, UnauthorizedError(token is not None))
            session.end(NativeCloseCode.UNAUTHORIZED, "unauthorized")
            return
        session.open(principal, client, self._gateway.now())
        session.answer(
            encode_answer(
                "connected",
                request.id,
                version=PROTOCOL_VERSION,
                connection=session.name,
                server=self._gateway.server,
                heartbeat_s=self._gateway.limits.heartbeat_s,
                limits=self._gateway.announced_limits,
            )
        )

    # -- reading --------------------------------------------------------------------------------

    async def _subscribe(self, request: Subscribe) -> None:
        stream = check_stream_name(request.stream)
        start = read_start(request)
        await self._demand("read", stream)
        subscription = await self._session.attachment.open(stream, start)
        self._session.answer(_encode_subscribed(request, start, subscription.verdict))
        subscription.begin()

    def _unsubscribe(self, request: Unsubscribe) -> None:
        subscription = self._find(check_stream_name(request.stream))
        subscription.end()
        self._session.answer(
            encode_answer(
                "unsubscribed",
                request.id,
                stream=request.stream,
                position=str(subscription.position),
            )
        )

    def _find(self, stream: str) -> Subscription:
        subscription = self._session.attachment.subscriptions.get(stream)
        if subscription is None:
            raise NotSubscribedError(stream)
        return subscription

    async def _history(self, request: History) -> None:
        stream = check_stream_name(request.stream)
        after, before = read_history_place(request)
        limit = self._gateway.limits.history_entries_max
        if request.limit > limit:
            raise BadMessageError(f"history: limit is {request.limit}, at most {limit} is allowed")
        await self._demand("read", stream)
        store, bytes_max = self._gateway.hub.store, self._gateway.hub.stream_limits.entry_bytes_max
        if after is None:
            page = await store.read_back(
                stream, before, entries_max=request.limit, bytes_max=bytes_max
            )
        else:
            page = await store.read(stream, after, entries_max=request.limit, bytes_max=bytes_max)
        if page.reason is not None:
            raise PositionRefusedError(Verdict(page.reason, page.upto, page.tail))
        self._session.answer(
            encode_history(request.id, stream, page.entries, page.has_more, page.tail)
        )

    async def _demand(self, action: Action, stream: str) -> None:
        waiting = demand(self._gateway.hub.policy, self._session.principal, action, stream)
        if waiting is not None:
            await waiting

    # -- publishing -------------------------------------------------------------------------------

    def _publish(self, request: PublishRequest) -> Awaitable[None] | None:
        hub, session = self._gateway.hub, self._session
        stream = check_stream_name(request.stream)
        producer = read_producer(request)
        batch, content_type = read_batch(request, hub.stream_limits.json_depth_max)
        publish = Publish(stream, batch, content_type, session.principal, producer, is_checked=True)
        waiting = demand(hub.policy, session.principal, "publish", stream)
        if waiting is not None:
            return self._publish_later(waiting, request.id, publish)
        self._submit(request.id, publish)
        return None

    async def _publish_later(
        self, waiting: Awaitable[None], request_id: int, publish: Publish
    ) -> None:
        await waiting
        self._submit(request_id, publish)

    def _submit(self, request_id: int, publish: Publish) -> None:
        self._take_off(publish)
        self._gateway.hub.submit(
            publish, lambda outcome: self._published(request_id, publish, outcome)
        )

    def _take_off(self, publish: Publish) -> None:
        """Count a publish that will be on the way."""
        limits = self._gateway.limits
        if self._in_flight >= limits.in_flight_max:
            raise InFlightError("this connection", limits.in_flight_max)
        if publish.producer is not None:
            counts = self._in_flight_by_producer
            if counts is None:
                counts = self._in_flight_by_producer = {}
            key = (publish.stream, publish.producer.producer_id)
            count = counts.get(key, 0)
            if count >= limits.producer_in_flight_max:
                raise InFlightError("this producer", limits.producer_in_flight_max)
            counts[key] = count + 1
        self._in_flight += 1

    def _land(self, publish: Publish) -> None:
        self._in_flight -= 1
        counts = self._in_flight_by_producer
        if publish.producer is not None and counts is not None:
            key = (publish.stream, publish.producer.producer_id)
            counts[key] -= 1
            if not counts[key]:
                del counts[key]

    def _published(self, request_id: int, publish: Publish, outcome: Outcome) -> None:
        self._land(publish)
        if isinstance(outcome, StreamError):
            self._session.refuse(request_id, outcome)
            return
        self._session.answer(
            encode_answer(
                "published",
                request_id,
                stream=publish.stream,
                first=_text(outcome.first),
                last=_text(outcome.last),
                duplicate=outcome.is_duplicate,
                durability=outcome.durability.value,
            )
        )


def _text(position: Position | None) -> str | None:
    return None if position is None else str(position)


def _check_length(member: str, value: str, bytes_max: int) -> None:
    size = len(value.encode())
    if size > bytes_max:
        raise BadMessageError(
            f"connect: {member} has {size} bytes, at most {bytes_max} are allowed"
        )


def _encode_subscribed(request: Subscribe, start: Start, verdict: Verdict) -> bytes:
    members: dict[str, object] = {
        "stream": request.stream,
        "position": str(verdict.resume),
        "tail": str(verdict.tail),
    }
    if isinstance(start, Position):
        members["recovered"] = verdict.reason is None
        if verdict.reason is not None:
            members["reason"] = verdict.reason.value
            members["held"] = request.position
    if verdict.is_closed:
        members["closed"] = True
    return encode_answer("subscribed", request.id, **members)
