"""The requests of those who read: ``subscribe``, ``resume``, ``unsubscribe``, ``history``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from longwire.gateways.native.formats.format import error_members
from longwire.gateways.native.inbox import check_readable_name
from longwire.gateways.native.members import subscribed_members
from longwire.gateways.native.patterns import subscribe_pattern, unsubscribe_pattern
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
from longwire.streams.verdict import Start, Verdict

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway

__all__ = ["end_forbidden", "history", "resume", "subscribe", "unsubscribe"]


async def subscribe(gateway: NativeGateway, session: NativeSession, request: Subscribe) -> None:
    """Read one stream, or all that match a pattern."""
    if request.pattern is not UNSET:
        await subscribe_pattern(gateway, session, request)
        return
    if request.stream is UNSET:
        raise BadMessageError("subscribe: stream or pattern is missing")
    if request.positions is not UNSET:
        raise BadMessageError("subscribe: positions come with a pattern; a stream has position")
    stream = check_readable_name(session, request.stream)
    start = read_start(request)
    subscription = await _open(gateway, session, stream, start)
    members = subscribed_members(stream, start, _held(request), subscription.verdict)
    session.reply("subscribed", request.id, **members)
    subscription.begin()


async def resume(gateway: NativeGateway, session: NativeSession, request: Resume) -> None:
    """Read many streams. One that is refused does not touch the others."""
    limit = gateway.hub.limits.subscriptions_per_connection_max
    if len(request.streams) > limit:
        raise BadMessageError(
            f"resume: {len(request.streams)} streams are named, at most {limit} may be"
        )
    # Whatever is malformed refuses the whole message, before anything is done.
    starts = [
        (check_readable_name(session, wanted.stream), read_start(wanted))
        for wanted in request.streams
    ]
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
        answers.append(subscribed_members(stream, start, _held(wanted), subscription.verdict))
    session.reply("resumed", request.id, streams=answers)
    for subscription in opened:
        subscription.begin()


def unsubscribe(gateway: NativeGateway, session: NativeSession, request: Unsubscribe) -> None:
    """Read a stream, or what matches a pattern, no longer."""
    if request.pattern is not UNSET:
        unsubscribe_pattern(session, request)
        return
    if request.stream is UNSET:
        raise BadMessageError("unsubscribe: stream or pattern is missing")
    stream = check_readable_name(session, request.stream)
    subscription = session.attachment.find(stream)
    if subscription is None:
        raise NotSubscribedError(stream)
    if session.patterns is None or not session.patterns.release(stream):
        subscription.end()
    session.reply("unsubscribed", request.id, stream=stream, position=str(subscription.position))


async def history(gateway: NativeGateway, session: NativeSession, request: History) -> None:
    """Read a page of the past."""
    stream = check_readable_name(session, request.stream)
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
    for subscription in session.attachment.subscriptions:
        stream = subscription.stream
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
    return await session.attachment.open(stream, start, is_reserved_allowed=True)


async def _demand_read(gateway: NativeGateway, session: NativeSession, stream: str) -> None:
    if stream.startswith("$"):
        return  # the own inbox, or the name would not have been taken
    waiting = demand(gateway.hub.policy, session.principal, "read", stream)
    if waiting is not None:
        await waiting


def _held(request: Subscribe | ResumedStream) -> str | None:
    return None if request.position is UNSET else request.position
