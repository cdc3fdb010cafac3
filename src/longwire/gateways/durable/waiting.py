"""Readers that wait, and how their responses begin and end."""

from __future__ import annotations

import asyncio

from longwire.base.headers import Headers
from longwire.base.limits import DurableLimits
from longwire.gateways.durable.answer import Answer, no_store, stream_fields
from longwire.gateways.durable.body import Kind, kind_of
from longwire.gateways.durable.cursor import Cursors
from longwire.gateways.durable.events import RunEvents
from longwire.gateways.durable.live_events import LiveEvents
from longwire.gateways.durable.long_poll import News
from longwire.gateways.durable.reading import Excerpt, answer_excerpt, make_excerpt
from longwire.gateways.durable.request import StreamRequest
from longwire.gateways.event_stream import EVENT_STREAM, EventExchange, EventResponses
from longwire.http.representation import Selector
from longwire.hub.hub import Hub
from longwire.hub.sinks import Gap
from longwire.hub.subscription import Attachment, Subscription
from longwire.streams.errors import PositionRefusedError, StreamMissingError
from longwire.streams.store import StreamInfo
from longwire.streams.verdict import Reason, Start, Verdict

__all__ = ["Waiting"]


class Waiting:
    """Long-polls and responses of events of one gateway: readers of the hub, without queues."""

    def __init__(
        self,
        hub: Hub,
        limits: DurableLimits,
        long_poll_timeout_s: float,
        heartbeat_s: float,
        cursors: Cursors,
        selector: Selector,
    ) -> None:
        self._hub = hub
        self._limits = limits
        self.long_poll_timeout_s = long_poll_timeout_s
        """How long a long-poll waits, seconds."""
        self._cursors = cursors
        self._selector = selector
        self._runs = RunEvents()
        self._polls: dict[News, None] = {}
        self._responses = EventResponses(heartbeat_s)

    @property
    def poll_count(self) -> int:
        """Long-polls that wait now."""
        return len(self._polls)

    @property
    def response_count(self) -> int:
        """Responses of events that are open now."""
        return len(self._responses)

    def end_all(self) -> None:
        """Answer those who wait; who wants to goes on with his position, here or elsewhere."""
        self._responses.end_all()
        for news in list(self._polls):
            news.stop()

    # -- long-polls -----------------------------------------------------------------------------

    async def poll(
        self, exchange: EventExchange, request: StreamRequest, info: StreamInfo, start: Start
    ) -> Answer | None:
        """Wait at the end of a stream for what comes, for a while; ``None``: the client is gone.

        Raises ``StreamError``.
        """
        news = News()
        attachment = self._hub.attach(news)
        try:
            subscription = await _open(attachment, request.stream, start)
            self._polls[news] = None
            after = subscription.verdict.resume
            subscription.begin()
            await self._wait(exchange, news)
            head = subscription.head
        finally:
            self._polls.pop(news, None)
            attachment.detach()
        if exchange.closed:
            return None
        if news.lost is not None and news.upto is None:
            raise await self._explain(request.stream, news.lost)
        upto = after if news.upto is None else news.upto
        excerpt = make_excerpt(
            info,
            news.entries,
            after,
            upto,
            is_up_to_date=upto == head,
            is_closed=news.is_closed,
        )
        return self.answer_poll(request, info, excerpt)

    async def _wait(self, exchange: EventExchange, news: News) -> None:
        # Who ends his direction now does not wait for the answer: he is gone.
        exchange.is_open_ended = True
        going = asyncio.ensure_future(exchange.wait_shutdown())
        try:
            await asyncio.wait(
                (going, news.some),
                timeout=self.long_poll_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            going.cancel()

    def answer_poll(self, request: StreamRequest, info: StreamInfo, excerpt: Excerpt) -> Answer:
        """The answer that an excerpt makes, or that there was none."""
        if excerpt.is_empty:
            headers = no_store(stream_fields(None, excerpt.upto, is_closed=excerpt.is_closed))
            headers.add("Stream-Up-To-Date", "true")
            answer = Answer(204, headers)
        else:
            answer = answer_excerpt(
                request, info, excerpt, self._limits.page_max_age_s, self._selector
            )
        if not excerpt.is_closed:
            cursor = self._cursors.after(request.parameter("cursor"))
            answer.headers.add("Stream-Cursor", str(cursor))
        return answer

    async def _explain(self, stream: str, lost: Gap) -> PositionRefusedError | StreamMissingError:
        """Why what was waited for does not come."""
        info = await self._hub.store.info(stream)
        if info is None:
            return StreamMissingError(stream)
        reasons = {reason.value: reason for reason in Reason}
        reason = reasons.get(lost.reason, Reason.TRIMMED)
        return PositionRefusedError(Verdict(reason, lost.upto, info.tail, info.is_closed))

    # -- events ---------------------------------------------------------------------------------

    async def send_events(
        self, exchange: EventExchange, request: StreamRequest, info: StreamInfo, start: Start
    ) -> None:
        """Send what is there and what comes as events, for a while. Raises ``StreamError`` before
        the response has begun."""
        kind = kind_of(info.settings.content_type)
        response = LiveEvents(
            exchange,
            self._hub.limits.held_bytes_max,
            kind,
            self._runs,
            self._cursors,
            request.parameter("cursor"),
        )
        attachment = self._hub.attach(response)
        attachment.owner = response
        response.on_drained = attachment.drained
        try:
            subscription = await _open(attachment, request.stream, start)
            exchange.start(200, _event_fields(subscription, kind))
            self._responses.add(response)
            response.follow(subscription)
            await response.wait(self._limits.sse_lifetime_s)
        finally:
            attachment.detach()
            self._responses.discard(response)


async def _open(attachment: Attachment, stream: str, start: Start) -> Subscription:
    """Open a reader at ``start``. Raises ``PositionRefusedError`` when it can not be honoured."""
    subscription = await attachment.open(stream, start)
    verdict = subscription.verdict
    if verdict.reason is not None:
        raise PositionRefusedError(verdict)
    return subscription


def _event_fields(subscription: Subscription, kind: Kind) -> Headers:
    headers = stream_fields(EVENT_STREAM, subscription.verdict.resume)
    # No cache and no proxy may keep or change what goes on for a minute.
    headers.add("Cache-Control", "no-cache, no-transform")
    headers.add("X-Accel-Buffering", "no")
    if kind is Kind.BINARY:
        headers.add("Stream-SSE-Data-Encoding", "base64")
    return headers
