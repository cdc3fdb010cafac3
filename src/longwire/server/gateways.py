"""Streams on the network: the native protocol on /ws, Durable Streams and server-sent events on
/streams/…."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from longwire.base.codes import CloseCode
from longwire.gateways.durable.answer import Answer
from longwire.gateways.durable.gateway import DurableGateway
from longwire.gateways.durable.recent import Question, read_question
from longwire.gateways.durable.request import StreamRequest
from longwire.gateways.event_stream import EVENT_STREAM
from longwire.gateways.events.gateway import EventsGateway
from longwire.gateways.native.formats.choice import choose_subprotocol
from longwire.gateways.native.gateway import NativeGateway
from longwire.gateways.native.over_http.gateway import NativeHttp
from longwire.http.negotiation import parse_accept
from longwire.http.representation import Selector
from longwire.hub.hub import Hub
from longwire.identity.principal import Principal
from longwire.server.admission import Admission
from longwire.server.asgi_socket import AsgiHandshake
from longwire.server.credentials import leave_out_tokens
from longwire.server.cross_origin import CrossOrigin
from longwire.server.errors import HttpError
from longwire.server.exchange import Exchange
from longwire.server.figures import ByLabel, Figures
from longwire.server.request import Request
from longwire.server.response import Response, StandingResponse
from longwire.server.settings import Settings
from longwire.server.sockets import SocketEndpoints
from longwire.server.store_urls import producer_state_s
from longwire.server.visits import Visits

__all__ = ["StreamGateways"]

STREAMS_PATH = "/streams/"

StreamAnswer: TypeAlias = Response | Awaitable[Response | None]
"""What to send, now or when it has been waited for; ``None``: it has been sent."""


class StreamGateways:
    """The gateways of one hub, and the requests that lead to them."""

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        sockets: SocketEndpoints,
        admission: Admission,
        cross_origin: CrossOrigin,
        selector: Selector,
    ) -> None:
        self._sockets = sockets
        self._admission = admission
        self._cross_origin = cross_origin
        self._visits = Visits()
        # Made once: a bound method for each connection would stay as long as that.
        self._native_closed = sockets.callbacks_closed
        self.native = NativeGateway(
            hub,
            limits=settings.native,
            message_bytes_max=settings.websocket.message_bytes_max,
            producer_state_s=producer_state_s(settings),
            messages_per_address_max=settings.rates.messages_per_address_max,
        )
        self.native_http = NativeHttp(
            self.native, long_poll_timeout_s=settings.server.long_poll_timeout_s
        )
        self.events = EventsGateway(hub, limits=settings.events)
        self.durable = DurableGateway(
            hub,
            limits=settings.durable,
            long_poll_timeout_s=settings.server.long_poll_timeout_s,
            heartbeat_s=settings.events.heartbeat_s,
            selector=selector,
        )

    async def serve_native(self, request: Request, exchange: Any) -> None:
        """Serve ``/ws``. A token may come with the handshake, or later in ``connect``."""
        principal = await self._admission.identify(request)
        if isinstance(exchange, AsgiHandshake):
            socket = await self._sockets.open(
                request, exchange, select_subprotocol=_choose_subprotocol
            )
            address = _host_of(request)
            serving = self.native.serve(socket, socket.subprotocol, address, principal)
            await self._sockets.run(socket, serving, request)
        else:
            self._sockets.open_callbacks(
                request,
                exchange,
                self.native.callbacks(self._native_closed, principal),
                select_subprotocol=_choose_subprotocol,
            )

    async def serve_native_http(self, request: Request, exchange: Exchange) -> Response | None:
        """Serve ``POST /ws``: the native protocol where WebSocket does not work."""
        principal = await self._admission.identify(request)
        body = await exchange.read_body()
        await self.native_http.serve(exchange, body, _host_of(request), principal)
        return None

    def serve_stream(self, request: Request, exchange: Exchange) -> StreamAnswer:
        """Serve ``/streams/{name…}``: as server-sent events for ``EventSource``, which asks for
        them and knows nothing of ``live``; else by the Durable Streams protocol."""
        question = None
        if request.method == "GET":
            stream = request.path_parameters["name"]
            question = read_question(stream, request.query_text, request.headers)
        answer = None if question is None else self.durable.answer_at_once(question)
        if isinstance(answer, Answer):
            assert question is not None
            holds = partial(self.durable.holds, question, answer)
            return StandingResponse(answer.status, answer.headers, answer.body, holds)
        return self._admit(request, exchange, question, answer)

    async def _admit(
        self,
        request: Request,
        exchange: Exchange,
        question: Question | None,
        waiting: Awaitable[Answer | None] | None,
    ) -> Response | None:
        known = None if waiting is None else await waiting
        if known is not None:
            return Response(known.status, known.headers)
        if not self._cross_origin.may_use(request):
            origin = request.headers.get("Origin")
            raise HttpError(403, f"Pages of the origin {origin!r} may not use streams here.")
        principal = await self._admission.identify(request)
        with self._visits.receive(exchange, principal) as visit:
            await self._serve_stream(request, visit, principal, question)
        return None

    async def _serve_stream(
        self,
        request: Request,
        exchange: Exchange,
        principal: Principal,
        question: Question | None,
    ) -> None:
        stream = request.path_parameters["name"]
        if _wants_event_source(request):
            offset = request.query.get("offset")
            await self.events.serve(exchange, stream, principal=principal, offset=offset)
            return
        path = request.root_path + request.path
        authority = request.authority
        asked = StreamRequest(
            method=request.method,
            stream=stream,
            headers=request.headers,
            query=request.query.items(),
            principal=principal,
            mount=request.root_path + STREAMS_PATH,
            url=f"{request.scheme}://{authority}{path}" if authority else path,
            question=question,
        )
        await self.durable.serve(exchange, asked)

    def end_where(self, is_meant: Callable[[Principal], bool], reason: str) -> None:
        """End the connections and responses of those who are meant."""
        self._visits.end_where(is_meant)
        self.native.end_where(is_meant, reason)

    async def drain(self) -> None:
        """Tell every client that the server goes away, and close. Cancelled, some are not told."""
        self.events.drain()
        self.durable.drain()
        await self.native.drain(CloseCode.GOING_AWAY, "the server goes away")

    def figures(self) -> Figures:
        """What the gateways count, for the metrics."""
        native, events, durable = self.native, self.events, self.durable
        return {
            "longwire_native_connections": (
                "Connections of the native protocol, now.",
                native.connection_count,
                False,
            ),
            "longwire_native_errors": (
                "Errors answered to clients of the native protocol, by code.",
                ByLabel("code", native.errors),
                True,
            ),
            "longwire_native_closed": (
                "Connections of the native protocol that were closed with a word, by close code.",
                ByLabel("code", native.closed),
                True,
            ),
            "longwire_native_http_requests": (
                "Requests of the native protocol over plain HTTP.",
                self.native_http.requests_total,
                True,
            ),
            "longwire_native_http_events": (
                "Responses of events of the native protocol, now.",
                self.native_http.event_count,
                False,
            ),
            "longwire_native_http_polls": (
                "Other requests of the native protocol that are being answered, now.",
                self.native_http.poll_count,
                False,
            ),
            "longwire_event_streams": (
                "Streams of server-sent events, now.",
                events.response_count,
                False,
            ),
            "longwire_event_streams_opened": (
                "Streams of server-sent events begun.",
                events.responses_total,
                True,
            ),
            "longwire_durable_event_streams": (
                "Responses of live=sse, now.",
                durable.waiting.response_count,
                False,
            ),
            "longwire_durable_long_polls": (
                "Long-polls that wait, now.",
                durable.waiting.poll_count,
                False,
            ),
            "longwire_durable_page_cache_bytes": (
                "Pages of history that are kept, bytes.",
                durable.pages.size_bytes,
                False,
            ),
            "longwire_durable_page_hits": (
                "Pages of history that were not read again.",
                durable.pages.hits,
                True,
            ),
            "longwire_durable_refused": (
                "Requests of the Durable Streams protocol that were refused.",
                durable.refused,
                True,
            ),
        }


def _host_of(request: Request) -> str:
    remote = request.remote_address
    return str(remote[0]) if isinstance(remote, tuple) else ""


def _choose_subprotocol(offered: Sequence[str]) -> str | None:
    return choose_subprotocol(leave_out_tokens(offered))


def _wants_event_source(request: Request) -> bool:
    """Whether a request is one of ``EventSource``."""
    if request.method not in ("GET", "HEAD") or "live" in request.query:
        return False
    accept = parse_accept(request.headers.joined("Accept") or "")
    return any(item.type == EVENT_STREAM and item.quality > 0 for item in accept)
