"""Subscriptions to every stream that matches a pattern (docs/protocol.md, 4.4).

Each stream is delivered once on a connection, however many patterns it belongs to: the first one
opens it, and the last one to be unsubscribed ends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import UNSET

from longwire.gateways.native.formats.format import error_members
from longwire.gateways.native.members import subscribed_members
from longwire.gateways.native.requests import BadMessageError, Subscribe, Unsubscribe, read_start
from longwire.gateways.native.session import NativeSession
from longwire.hub.errors import (
    AlreadySubscribedError,
    NotSubscribedError,
    PermissionDeniedError,
    SubscriptionLimitError,
)
from longwire.hub.policy import demand
from longwire.streams.errors import StreamError
from longwire.streams.name import check_stream_name
from longwire.streams.pattern import StreamPattern
from longwire.streams.position import START, Position, parse_position
from longwire.streams.verdict import Start

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway

__all__ = ["Patterns", "subscribe_pattern", "unsubscribe_pattern"]

logger = logging.getLogger("longwire.native")

AGAIN_FIRST_S, AGAIN_MAX_S = 1.0, 60.0
"""Until a stream that could not be brought is tried again; twice as long each time."""


@dataclass(slots=True)
class _Subscribed:
    """One pattern, and the streams that it brought or shares."""

    pattern: StreamPattern
    streams: set[str] = field(default_factory=set)


class Patterns:
    """The patterns of one connection."""

    def __init__(self, gateway: NativeGateway, session: NativeSession) -> None:
        self._gateway = gateway
        self._session = session
        self._subscribed: dict[str, _Subscribed] = {}
        self._direct: set[str] = set()
        """Streams that were subscribed by name before a pattern shared them."""
        self._new: deque[str] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()
        """One for each stream that is to be tried again."""
        self._unfollow: Callable[[], None] | None = None

    @property
    def are_any(self) -> bool:
        """Whether the connection is subscribed to any."""
        return bool(self._subscribed)

    # -- requests -------------------------------------------------------------------------------

    async def subscribe(self, request: Subscribe) -> None:
        """Subscribe to a pattern: those that exist now, and each one when it is created."""
        text = str(request.pattern)
        pattern = StreamPattern(text)
        limit = self._gateway.hub.limits.subscriptions_per_connection_max
        positions = _read_positions(request, limit)
        start = read_start(request)
        if text in self._subscribed:
            raise AlreadySubscribedError(text)
        if self._session.has_ended:
            return  # before its turn: ``close`` has been called already
        subscribed = self._subscribed[text] = _Subscribed(pattern)
        try:
            # First, so that none is created unheard while the others are looked for.
            if self._unfollow is None:
                self._unfollow = await self._gateway.hub.creations.follow(self._created)
            names = await self._find(pattern, positions)
        except BaseException:
            if text in self._subscribed:  # the connection is not gone
                self._forget(text)
            raise
        self._session.reply("subscribed", request.id, pattern=text, streams=len(names))
        for name in names:
            await self._bring(subscribed, name, positions.get(name, start))

    async def _find(self, pattern: StreamPattern, positions: dict[str, Position]) -> list[str]:
        known = [name for name in positions if pattern.matches(name)]
        names = self._gateway.hub.store.names()
        found = [name async for name in names if pattern.matches(name) and name[0] != "$"]
        return [name for name in dict.fromkeys(known + found) if await self._may_read(name)]

    def unsubscribe(self, request: Unsubscribe) -> None:
        """End a pattern, and what only it brought."""
        text = str(request.pattern)
        if text not in self._subscribed:
            raise NotSubscribedError(text)
        self._forget(text)
        self._session.reply("unsubscribed", request.id, pattern=text)

    def _forget(self, text: str) -> None:
        gone = self._subscribed.pop(text)
        for stream in gone.streams:
            self._end_unless_wanted(stream)
        if not self._subscribed and self._unfollow is not None:
            self._unfollow()
            self._unfollow = None

    def release(self, stream: str) -> bool:
        """A stream is unsubscribed by its name; ``True`` when patterns still want it."""
        self._direct.discard(stream)
        return any(stream in other.streams for other in self._subscribed.values())

    def _end_unless_wanted(self, stream: str) -> None:
        if stream in self._direct or self.release(stream):
            return
        subscription = self._session.attachment.find(stream)
        if subscription is not None:
            subscription.end()

    # -- streams --------------------------------------------------------------------------------

    def _created(self, stream: str) -> None:
        if any(known.pattern.matches(stream) for known in self._subscribed.values()):
            self._new.append(stream)
            if self._worker is None:
                self._worker = asyncio.get_running_loop().create_task(self._work_off())

    async def _work_off(self) -> None:
        try:
            while self._new:
                await self._announce(self._new.popleft())
        finally:
            self._worker = None

    async def _announce(self, stream: str) -> None:
        """Bring a new stream to the patterns that it belongs to."""
        for subscribed in list(self._subscribed.values()):
            if subscribed.pattern.matches(stream) and stream not in subscribed.streams:
                await self._bring(subscribed, stream, START, is_judged=False)

    async def _bring(
        self,
        subscribed: _Subscribed,
        stream: str,
        start: Start,
        *,
        is_judged: bool = True,
        again_s: float = AGAIN_FIRST_S,
    ) -> None:
        """Bring a stream to a pattern. One that the store fails to open now, or of which nobody can
        tell now whether it may be read (``is_judged``: it may), holds up no other."""
        pattern = subscribed.pattern.text
        if self._subscribed.get(pattern) is not subscribed:
            return
        try:
            if is_judged or await self._may_read(stream):
                await self._add(subscribed, stream, start)
        except Exception as error:
            room = self._gateway.hub.limits.subscriptions_per_connection_max - len(self._late)
            # Who opens it at this moment has opened it by then.
            passes = not isinstance(error, StreamError) or error.is_retryable
            passes |= isinstance(error, AlreadySubscribedError)
            if not passes or room <= 0:
                logger.warning("%r of the pattern %r is left out: %s", stream, pattern, error)
                return
            logger.warning("%r of %r is tried again in %g s: %s", stream, pattern, again_s, error)
            late = self._bring_late(subscribed, stream, start, again_s)
            task = asyncio.get_running_loop().create_task(late)
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _bring_late(
        self, subscribed: _Subscribed, stream: str, start: Start, after_s: float
    ) -> None:
        await asyncio.sleep(after_s)
        again_s = min(2 * after_s, AGAIN_MAX_S)
        await self._bring(subscribed, stream, start, is_judged=False, again_s=again_s)

    async def _add(self, subscribed: _Subscribed, stream: str, start: Start) -> None:
        """Bring a stream to the client, or tell that it is there already by another name."""
        if stream in subscribed.streams:
            return
        session, pattern = self._session, subscribed.pattern.text
        existing = session.attachment.find(stream)
        if existing is not None:
            if not any(stream in other.streams for other in self._subscribed.values()):
                self._direct.add(stream)
            subscribed.streams.add(stream)
            place = str(existing.position)
            session.reply(
                "matched", None, pattern=pattern, stream=stream, position=place, tail=place
            )
            return
        try:
            subscription = await session.attachment.open(stream, start)
        except SubscriptionLimitError as error:
            members = {"stream": stream, "pattern": pattern, **error_members(error)}
            session.reply("ended", None, **members)
            return
        if pattern not in self._subscribed:
            subscription.end()
            return
        subscribed.streams.add(stream)
        held = str(start) if isinstance(start, Position) else None
        members = subscribed_members(stream, start, held, subscription.verdict)
        session.reply("matched", None, pattern=pattern, **members)
        subscription.begin()

    async def _may_read(self, stream: str) -> bool:
        try:
            waiting = demand(self._gateway.hub.policy, self._session.principal, "read", stream)
            if waiting is not None:
                await waiting
        except PermissionDeniedError:
            return False
        return True

    def close(self) -> None:
        """The connection is gone."""
        self._subscribed.clear()
        if self._unfollow is not None:
            self._unfollow()
        if self._worker is not None:
            self._worker.cancel()
        for late in self._late:
            late.cancel()


async def subscribe_pattern(
    gateway: NativeGateway, session: NativeSession, request: Subscribe
) -> None:
    """``subscribe`` with ``pattern``."""
    if request.stream is not UNSET or request.position is not UNSET:
        raise BadMessageError("subscribe: pattern excludes stream and position")
    patterns = session.patterns
    if patterns is None:
        patterns = session.patterns = Patterns(gateway, session)
    await patterns.subscribe(request)


def unsubscribe_pattern(session: NativeSession, request: Unsubscribe) -> None:
    """``unsubscribe`` with ``pattern``."""
    if request.stream is not UNSET:
        raise BadMessageError("unsubscribe: stream and pattern exclude each other")
    if session.patterns is None:
        raise NotSubscribedError(str(request.pattern))
    session.patterns.unsubscribe(request)


def _read_positions(request: Subscribe, limit: int) -> dict[str, Position]:
    if request.positions is UNSET:
        return {}
    if len(request.positions) > limit:
        raise BadMessageError(
            f"subscribe: {len(request.positions)} positions are given, at most {limit} may be"
        )
    return {
        check_stream_name(stream): parse_position(text)
        for stream, text in request.positions.items()
    }
