"""The gateway: one request for a stream, from the permission to the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import Protocol

from longwire.base.errors import StoreError
from longwire.base.limits import DurableLimits, EventsLimits
from longwire.gateways.durable.answer import Answer
from longwire.gateways.durable.cursor import Cursors
from longwire.gateways.durable.faults import NotOfferedError, refuse
from longwire.gateways.durable.page_cache import PageCache
from longwire.gateways.durable.reading import (
    Excerpt,
    answer_excerpt,
    answer_tail,
    describe,
    read_excerpt,
)
from longwire.gateways.durable.recent import Question, RecentAnswers
from longwire.gateways.durable.request import (
    Live,
    StreamRequest,
    read_expiry,
    read_fork,
    read_live,
    read_start,
    read_ttl,
    wants_closed,
)
from longwire.gateways.durable.waiting import Waiting
from longwire.gateways.durable.writing import append, create, delete
from longwire.gateways.event_stream import EventExchange
from longwire.http.representation import Selector
from longwire.hub.hub import Hub
from longwire.hub.policy import Action, demand
from longwire.identity.principal import ANONYMOUS
from longwire.net.http_exchange import ExchangeClosed
from longwire.streams.errors import (
    StoreUnavailableError,
    StreamError,
    StreamGoneError,
    StreamMissingError,
)
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position
from longwire.streams.store import StreamInfo
from longwire.streams.verdict import Start, StartAt

__all__ = ["DurableExchange", "DurableGateway"]

RESERVED_SEGMENT = "__ds"
"""Durable Streams 6: what is under it is no stream."""


class DurableExchange(EventExchange, Protocol):
    """What is needed of an HTTP exchange, of our own server or under ASGI."""

    async def read_body(self) -> bytes: ...


class DurableGateway:
    """Serves the streams of one hub by the Durable Streams protocol. Belongs to one event loop."""

    def __init__(
        self,
        hub: Hub,
        *,
        limits: DurableLimits | None = None,
        long_poll_timeout_s: float = 25.0,
        heartbeat_s: float = EventsLimits().heartbeat_s,
        cursors: Cursors | None = None,
        selector: Selector | None = None,
    ) -> None:
        self._hub = hub
        self._limits = limits or DurableLimits()
        self._selector = selector or Selector()
        self.waiting = Waiting(
            hub,
            self._limits,
            long_poll_timeout_s,
            heartbeat_s,
            cursors or Cursors(),
            self._selector,
        )
        """Readers that wait for what comes."""
        self.pages = PageCache(self._limits.page_cache_bytes_max, is_shared=hub.store.is_shared)
        self._recent = RecentAnswers()
        hub.on_doubt(self.pages.forget)
        hub.on_doubt(self._recent.forget)
        self.refused = 0
        """Requests that were refused."""

    async def serve(self, exchange: DurableExchange, request: StreamRequest) -> None:
        """Answer one request; returns when the response has ended.

        Refusals are answered, too. Cancelled, it leaves the response open; who cancels ends it.
        """
        try:
            answer = await self._answer_or_refuse(exchange, request)
            if answer is not None:
                await exchange.respond(*answer)
        except ExchangeClosed:
            pass  # the client went away, which is how many a wait ends

    def answer_at_once(self, question: Question) -> Answer | Awaitable[Answer | None] | None:
        """Answer somebody who says nothing of himself as the last one was who asked the same.

        Awaitable when the permission is. ``None``: it is for ``serve``.
        """
        answer = self._recent.find(question)
        if answer is None:
            return None
        try:
            waiting = demand(self._hub.policy, ANONYMOUS, "read", question[0])
        except StreamError:
            return None
        self.pages.hits += 1
        return answer if waiting is None else _after(waiting, answer)

    def holds(self, question: Question, answer: Answer) -> bool:
        """Whether ``answer_at_once`` would give this answer to this question again, now."""
        if self._recent.find(question) is not answer:
            return False
        allowed = self._hub.policy.may(ANONYMOUS, "read", question[0])
        if allowed is True:
            self.pages.hits += 1
            return True
        if isinstance(allowed, Coroutine):
            allowed.close()
        return False

    def drain(self) -> None:
        """End what waits; clients come back by themselves, with their position."""
        self.waiting.end_all()

    async def _answer_or_refuse(
        self, exchange: DurableExchange, request: StreamRequest
    ) -> Answer | None:
        try:
            return await self._answer(exchange, request)
        except StreamError as error:
            refusal = error
        except (StoreError, OSError) as error:
            refusal = StoreUnavailableError(f"the store failed: {error}")
        self.refused += 1
        return refuse(refusal, request.headers, request.principal)

    async def _answer(self, exchange: DurableExchange, request: StreamRequest) -> Answer | None:
        """The answer to a request; ``None`` when it has been sent."""
        if request.stream.partition("/")[0] == RESERVED_SEGMENT:
            raise NotOfferedError("the subscriptions of Durable Streams are not offered here")
        check_stream_name(request.stream)
        match request.method:
            case "HEAD":
                await self._demand(request, "read")
                return describe(request, await self._find(request.stream))
            case "PUT":
                await self._demand_creation(request)
                return await create(self._hub, request, await exchange.read_body())
            case "POST":
                await self._demand(request, "publish")
                if wants_closed(request):
                    await self._demand(request, "manage")
                return await append(self._hub, request, await exchange.read_body())
            case "DELETE":
                await self._demand(request, "manage")
                return await delete(self._hub, request)
        await self._demand(request, "read")
        return await self._read(exchange, request)

    # -- permissions ----------------------------------------------------------------------------

    async def _demand(
        self, request: StreamRequest, action: Action, stream: str | None = None
    ) -> None:
        waiting = demand(self._hub.policy, request.principal, action, stream or request.stream)
        if waiting is not None:
            await waiting

    async def _demand_creation(self, request: StreamRequest) -> None:
        """Who may publish may create, as by publishing; an end is for those who may manage."""
        await self._demand(request, "publish")
        if wants_closed(request) or (read_ttl(request), read_expiry(request)) != (None, None):
            await self._demand(request, "manage")
        wish = read_fork(request)
        if wish is not None:
            await self._demand(request, "read", wish.source)

    # -- reading --------------------------------------------------------------------------------

    async def _find(self, stream: str) -> StreamInfo:
        info = await self._hub.store.info(stream)
        if info is None:
            raise StreamMissingError(stream)
        if info.is_deleted:
            raise StreamGoneError(stream)
        return info

    async def _read(self, exchange: DurableExchange, request: StreamRequest) -> Answer | None:
        doubts = self.pages.doubts
        live = read_live(request)
        start = read_start(request, is_required=live is not None)
        info = await self._find(request.stream)
        if live is Live.SSE:
            await self.waiting.send_events(exchange, request, info, start)
            return None
        if start is StartAt.TAIL:
            if live is Live.LONG_POLL:
                return await self.waiting.poll(exchange, request, info, start)
            return answer_tail(info, await self._hub.store.seek(request.stream, start))
        excerpt = await self._excerpt(info, start)
        if live is None:
            max_age_s = self._limits.page_max_age_s
            answer = answer_excerpt(request, info, excerpt, max_age_s, self._selector)
            self._keep(request, info, excerpt, answer, doubts)
            return answer
        if excerpt.is_empty:
            return await self.waiting.poll(exchange, request, info, excerpt.upto)
        return self.waiting.answer_poll(request, info, excerpt)

    def _keep(
        self,
        request: StreamRequest,
        info: StreamInfo,
        excerpt: Excerpt,
        answer: Answer,
        doubts: int,
    ) -> None:
        """Give a 304 again to who asks the same, if nothing but the hub's doubt can end it soon."""
        settings = info.settings
        if (
            request.question is not None
            and request.principal.is_anonymous
            and answer.status == 304
            and doubts == self.pages.doubts
            and not excerpt.is_up_to_date
            and not settings.keeps_latest
            and settings.ttl_s is None
            and settings.expires_ms is None
        ):
            self._recent.keep(request.question, answer)

    async def _excerpt(self, info: StreamInfo, start: Start) -> Excerpt:
        """What follows a place, from the cache if it is there."""
        found = self.pages.find(info, start if isinstance(start, Position) else info.floor)
        if found is not None:
            return found
        limits, doubts = self._limits, self.pages.doubts
        excerpt = await read_excerpt(
            self._hub.store,
            info,
            start,
            entries_max=limits.page_entries_max,
            bytes_max=limits.page_bytes_max,
        )
        self.pages.keep(info, excerpt, doubts)
        return excerpt


async def _after(permission: Awaitable[None], answer: Answer) -> Answer | None:
    try:
        await permission
    except StreamError:
        return None
    return answer
