"""Reading a stream with ``EventSource``: one response that does not end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from longwire.base.headers import HeadersLike
from longwire.base.limits import EventsLimits
from longwire.gateways.events.encoding import (
    EVENTS,
    HEARTBEAT,
    EventEncoder,
    encode_event,
    payload_encoding,
)
from longwire.http.challenge import bearer_challenge
from longwire.http.events import RequestReceived
from longwire.http.pages import error_page
from longwire.hub.hub import Hub
from longwire.hub.policy import demand
from longwire.hub.subscription import Subscription
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.net.http_exchange import ExchangeClosed
from longwire.streams.errors import StreamError
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position, parse_position
from longwire.streams.store import StreamInfo
from longwire.streams.verdict import Start, StartAt

__all__ = ["EventExchange", "EventsGateway"]

RETRY_AFTER_S = 5

_HEADERS = (
    ("Content-Type", "text/event-stream"),
    # Each response is of its own moment; and a proxy must neither keep nor change it.
    ("Cache-Control", "no-store, no-transform"),
    ("X-Accel-Buffering", "no"),
    ("X-Content-Type-Options", "nosniff"),
    ("Vary", "Accept, Last-Event-ID"),
)

_STATUS_BY_CODE = {
    "bad_stream_name": 400,
    "bad_position": 400,
    "permission_denied": 403,
    "too_many_subscriptions": 503,
    "store_unavailable": 503,
    "store_full": 503,
}


class EventExchange(Protocol):
    """What is needed of an HTTP exchange, of our own server or under ASGI."""

    @property
    def request(self) -> RequestReceived: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None: ...
    def start(self, status: int, headers: HeadersLike = ()) -> None: ...
    def write(self, data: bytes) -> None: ...
    def finish(self) -> None: ...
    async def drain(self) -> None: ...
    async def wait_shutdown(self) -> None: ...


class EventsGateway:
    """Serves streams as server-sent events on one hub. Belongs to one event loop."""

    def __init__(self, hub: Hub, *, limits: EventsLimits | None = None) -> None:
        self._hub = hub
        self._limits = limits or EventsLimits()
        self._sinks: dict[_ExchangeSink, None] = {}
        self._heartbeat: asyncio.TimerHandle | None = None
        self.responses_total = 0

    @property
    def response_count(self) -> int:
        """Responses that are open now."""
        return len(self._sinks)

    async def serve(
        self,
        exchange: EventExchange,
        stream: str,
        *,
        principal: Principal = ANONYMOUS,
        offset: str | None = None,
    ) -> None:
        """Answer one request for ``stream``; returns when the response has ended.

        ``offset`` is the query parameter of that name; the header Last-Event-ID beats it. Refusals
        are answered, too. Cancelled, it leaves the response open; who cancels ends it.
        """
        sink = _ExchangeSink(exchange, self._hub.limits.held_bytes_max)
        attachment = self._hub.attach(sink)
        sink.on_drained = attachment.drained
        try:
            try:
                start = _read_start(exchange.request, offset)
                check_stream_name(stream)
                waiting = demand(self._hub.policy, principal, "read", stream)
                if waiting is not None:
                    await waiting
                subscription = await attachment.open(stream, start)
                info = await self._hub.store.info(stream)
            except StreamError as error:
                await _refuse(exchange, error, principal)
                return
            await self._run(exchange, sink, subscription, start, info)
        except ExchangeClosed:
            pass  # the client went away, which is how such a response usually ends
        finally:
            attachment.detach()
            self._sinks.pop(sink, None)

    async def _run(
        self,
        exchange: EventExchange,
        sink: _ExchangeSink,
        subscription: Subscription,
        start: Start,
        info: StreamInfo | None,
    ) -> None:
        verdict = subscription.verdict
        if verdict.is_closed and verdict.reason is None and verdict.resume == verdict.tail:
            # WHATWG HTML section 9.2.3: 204 tells the browser to stop reconnecting.
            await exchange.respond(204, (("Cache-Control", "no-store"),))
            return
        if exchange.request.method == "HEAD":
            await exchange.respond(200, _HEADERS)
            return
        exchange.start(200, _HEADERS)
        exchange.write(b"retry: %d\n" % self._limits.retry_ms)
        exchange.write(_encode_subscribed(subscription, start, info))
        self.responses_total += 1
        self._sinks[sink] = None
        self._keep_alive()
        subscription.on_closed = sink.end
        subscription.begin()
        going = asyncio.ensure_future(exchange.wait_shutdown())
        try:
            await asyncio.wait((going, sink.ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            going.cancel()
            sink.stop()
        if not exchange.closed:
            exchange.finish()

    def drain(self) -> None:
        """End all responses; browsers come back by themselves, with their position."""
        for sink in list(self._sinks):
            sink.end()

    # -- heartbeats -----------------------------------------------------------------------------

    def _keep_alive(self) -> None:
        """See to it that no response is silent for long: one timer for all of them."""
        if self._heartbeat is None and self._sinks and self._limits.heartbeat_s > 0:
            loop = asyncio.get_running_loop()
            # Looked at twice in each interval, nobody is silent for longer than one.
            self._heartbeat = loop.call_later(self._limits.heartbeat_s / 2, self._beat)

    def _beat(self) -> None:
        self._heartbeat = None
        for sink in self._sinks:
            sink.beat()
        self._keep_alive()


class _ExchangeSink:
    """One response, as the hub sees it: the shared text goes out as it is.

    HTTP/1.1 wraps each buffer into a chunk of its own, other versions into their frames; that is
    the exchange's business, so the text can be shared by all of them.
    """

    __slots__ = ("_draining", "_exchange", "_has_sent", "_held_bytes_max", "ended", "on_drained")

    encoder: EventEncoder = EVENTS

    def __init__(self, exchange: EventExchange, held_bytes_max: int) -> None:
        self._exchange = exchange
        self._held_bytes_max = held_bytes_max
        self.on_drained: Callable[[], None] = _nothing
        self._has_sent = True
        self._draining: asyncio.Task[None] | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the stream has ended, or the server wants the response to end."""

    def send_bytes(self, buffer: bytes, messages: int) -> int:
        self._has_sent = True
        try:
            self._exchange.write(buffer)
        except ExchangeClosed:
            return 0  # the end of the exchange is noticed elsewhere
        held = self._exchange.held_bytes
        if held > self._held_bytes_max and self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())
        return held

    async def _drain(self) -> None:
        """Only for a response that does not drain is there a task that waits until it does."""
        await self._exchange.drain()
        self._draining = None
        self.on_drained()

    def beat(self) -> None:
        """Say something if nothing was said since the last call."""
        if not self._has_sent and not self._exchange.closed:
            self.send_bytes(HEARTBEAT, 0)
        self._has_sent = False

    def end(self) -> None:
        """Let the response come to its end."""
        if not self.ended.done():
            self.ended.set_result(None)

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._draining is not None:
            self._draining.cancel()


def _nothing() -> None:
    pass


def _read_start(request: RequestReceived, offset: str | None) -> Start:
    text = request.headers.get("Last-Event-ID") or offset
    if text is None or text in ("now", "tail", ""):
        return StartAt.TAIL
    if text in ("-1", "earliest"):
        return StartAt.EARLIEST
    return parse_position(text)


def _encode_subscribed(subscription: Subscription, start: Start, info: StreamInfo | None) -> bytes:
    verdict = subscription.verdict
    members: dict[str, object] = {
        "stream": subscription.stream,
        "position": str(verdict.resume),
        "tail": str(verdict.tail),
    }
    if isinstance(start, Position):
        members["recovered"] = verdict.reason is None
        if verdict.reason is not None:
            members["reason"] = verdict.reason.value
            members["held"] = str(start)
    if info is not None:
        members["content_type"] = info.settings.content_type
        members["encoding"] = payload_encoding(info.settings.content_type)
    return encode_event("subscribed", verdict.resume, members)


async def _refuse(exchange: EventExchange, error: StreamError, principal: Principal) -> None:
    status = _STATUS_BY_CODE.get(error.code, 500)
    # RFC 9110 section 15.5.2: who has shown nothing may do so; who has is refused for good.
    is_unknown = status == 403 and principal.is_anonymous
    if is_unknown:
        status = 401
    headers, body = error_page(
        status,
        None,
        error.message,
        exchange.request.headers.joined("Accept"),
        members={"code": error.code, **error.details},
    )
    headers.set("Cache-Control", "no-store")
    if is_unknown:
        headers.set("WWW-Authenticate", bearer_challenge())
    elif status == 403:
        headers.set("WWW-Authenticate", bearer_challenge("insufficient_scope"))
    if status == 503:
        headers.set("Retry-After", str(RETRY_AFTER_S))
    await exchange.respond(status, headers, body)
