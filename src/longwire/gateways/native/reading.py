"""The requests of those who read: ``subscribe``, ``resume``, ``unsubscribe``, ``history``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longwire.gateways.native.formats.format import error_members
from longwire.gateways.native.requests import (
    BadMessageError,
    History,
    Resume,
    ResumedStream,
    Subscribe,
    Unsubscribe,
    read_history_place,
    read_start,
)
from longwire.gateways.native.session import NativeSession
from longwire.hub.errors import NotSubscribedError, PermissionDeniedError
from longwire.hub.policy import demand
from longwire.hub.subscription import Subscription
from longwire.streams.errors import PositionRefusedError, StreamError
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position
from longwire.streams.verdict import Start, Verdict

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway

__all__ = ["end_forbidden", "history", "resume", "subscribe", "unsubscribe"]


async def subscribe(gateway: NativeGateway, session: NativeSession, request: Subscribe) -> None:
    """Read one stream."""
    stream = check_stream_name(request.stream)
    start = read_start(request)
    subscription = await _open(gateway, session, stream, start)
    session.reply("subscribed", request.id, **_subscribed_members(request, start, subscription))
    subscription.begin()


async def resume(gateway: NativeGateway, session: NativeSession, request: Resume) -> None:
    """Read many streams. One that is refused does not touch the others."""
    limit = gateway.hub.limits.subscriptions_per_connection_max
    if len(request.streams) > limit:
        raise BadMessageError(
            f"resume: {len(request.streams)} streams are named, at most {limit} may be"
        )
    # Whatever is malformed refuses the whole message, before anything is done.
    starts = [(check_stream_name(wanted.stream), read_start(wanted)) for wanted in request.streams]
    answers: list[Mapping[str, Any]] = []
    opened: list[Subscription] = []
    for wanted, (stream, start) in zip(request.streams, starts, strict=True):
        try:
            subscription = await _open(gateway, session, stream, start)
        except StreamError as error:
            answers.append({"stream": stream, **error_members(error)})
            gateway.count_error(error.code)
            continue
        opened.append(subscription)
        answers.append(_subscribed_members(wanted, start, subscription))
    session.reply("resumed", request.id, streams=answers)
    for subscription in opened:
        subscription.begin()


def unsubscribe(gateway: NativeGateway, session: NativeSession, request: Unsubscribe) -> None:
    """Read a stream no longer."""
    stream = check_stream_name(request.stream)
    subscription = session.attachment.subscriptions.get(stream)
    if subscription is None:
        raise NotSubscribedError(stream)
    subscription.end()
    session.reply("unsubscribed", request.id, stream=stream, position=str(subscription.position))


async def history(gateway: NativeGateway, session: NativeSession, request: History) -> None:
    """Read a page of the past."""
    stream = check_stream_name(request.stream)
    after, before = read_history_place(request)
    limit = gateway.limits.history_entries_max
    if request.limit > limit:
        raise BadMessageError(f"history: limit is {request.limit}, at most {limit} is allowed")
    await _demand_read(gateway, session, stream)
    store, bytes_max = gateway.hub.store, gateway.hub.stream_limits.entry_bytes_max
    if after is None:
        page = await store.read_back(stream, before, entries_max=request.limit, bytes_max=bytes_max)
    else:
        page = await store.read(stream, after, entries_max=request.limit, bytes_max=bytes_max)
    if page.reason is not None:
        raise PositionRefusedError(Verdict(page.reason, page.upto, page.tail))
    session.answer(
        session.format.history(request.id, stream, page.entries, page.has_more, page.tail)
    )


async def end_forbidden(gateway: NativeGateway, session: NativeSession) -> None:
    """End what this client may not read any more, and say so (docs/protocol.md, 4.6)."""
    for stream, subscription in list(session.attachment.subscriptions.items()):
        try:
            await _demand_read(gateway, session, stream)
        except PermissionDeniedError as error:
            subscription.end()
            place = {"stream": stream, "position": str(subscription.position)}
            session.reply("ended", None, **(place | error_members(error)))


async def _open(
    gateway: NativeGateway, session: NativeSession, stream: str, start: Start
) -> Subscription:
    await _demand_read(gateway, session, stream)
    return await session.attachment.open(stream, start)


async def _demand_read(gateway: NativeGateway, session: NativeSession, stream: str) -> None:
    waiting = demand(gateway.hub.policy, session.principal, "read", stream)
    if waiting is not None:
        await waiting


def _subscribed_members(
    request: Subscribe | ResumedStream, start: Start, subscription: Subscription
) -> dict[str, Any]:
    verdict = subscription.verdict
    members: dict[str, Any] = {
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
    return members
