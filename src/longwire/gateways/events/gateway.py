"""Reading a stream with ``EventSource``: one response that does not end."""

from __future__ import annotations

from collections.abc import Sequence

from longwire.base.limits import EventsLimits
from longwire.gateways.event_stream import (
    EVENT_STREAM,
    EventExchange,
    EventResponse,
    EventResponses,
    ResponseFanOut,
)
from longwire.gateways.events.encoding import (
    EVENTS,
    EventEncoder,
    encode_event,
    payload_encoding,
)
from longwire.http.challenge import bearer_challenge
from longwire.http.events import RequestReceived
from longwire.http.pages import error_page
from longwire.hub.hub import Hub
from longwire.hub.policy import demand
from longwire.hub.sinks import FanOut
from longwire.hub.subscription import Subscription
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.net.http_exchange import ExchangeClosed
from longwire.streams.errors import StreamError
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position, parse_position
from longwire.streams.store import StreamInfo
from longwire.streams.verdict import Start, StartAt

__all__ = ["EventsGateway"]

RETRY_AFTER_S = 5

_HEADERS = (
    ("Content-Type", EVENT_STREAM),
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
    "backend_failed": 502,
    "backend_timeout": 504,
    "store_unavailable": 503,
    "store_full": 503,
}


class EventsGateway:
    """Serves streams as server-sent events on one hub. Belongs to one event loop."""

    def __init__(self, hub: Hub, *, limits: EventsLimits | None = None) -> None:
        self._hub = hub
        self._limits = limits or EventsLimits()
        self._responses = EventResponses(self._limits.heartbeat_s)

    @property
    def response_count(self) -> int:
        """Responses that are open now."""
        return len(self._responses)

    @property
    def responses_total(self) -> int:
        """Responses begun."""
        return self._responses.total

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
        sink = _EventSink(exchange, self._hub.limits.held_bytes_max)
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
            self._responses.discard(sink)

    async def _run(
        self,
        exchange: EventExchange,
        sink: _EventSink,
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
        self._responses.add(sink)
        subscription.on_closed = sink.end
        subscription.begin()
        await sink.wait(None)

    def drain(self) -> None:
        """End all responses; browsers come back by themselves, with their position."""
        self._responses.end_all()


class _EventSink(EventResponse):
    """One response, as the hub sees it: the shared text goes out as it is."""

    __slots__ = ()

    encoder: EventEncoder = EVENTS

    def send_bytes(self, buffer: bytes, messages: int) -> int:
        return self.write(buffer)

    @classmethod
    def fan_out(cls, sinks: Sequence[_EventSink]) -> FanOut:
        return ResponseFanOut(sinks)


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
