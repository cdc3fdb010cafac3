"""Streams on the network: the native protocol on /ws, Durable Streams and server-sent events on
/streams/…."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longwire.base.codes import CloseCode
from longwire.base.headers import Headers, HeadersLike
from longwire.gateways.durable.gateway import DurableGateway
from longwire.gateways.durable.request import StreamRequest
from longwire.gateways.event_stream import EVENT_STREAM
from longwire.gateways.events.gateway import EventsGateway
from longwire.gateways.native.formats.choice import choose_subprotocol
from longwire.gateways.native.gateway import NativeGateway
from longwire.http.events import RequestReceived
from longwire.http.negotiation import parse_accept
from longwire.hub.hub import Hub
from longwire.server.admission import Admission
from longwire.server.asgi_socket import AsgiHandshake
from longwire.server.credentials import leave_out_tokens
from longwire.server.errors import HttpError
from longwire.server.exchange import Exchange
from longwire.server.request import Request
from longwire.server.response import Response
from longwire.server.settings import Settings
from longwire.server.sockets import SocketEndpoints
from longwire.server.store_urls import producer_state_s

__all__ = ["StreamGateways"]

STREAMS_PATH = "/streams/"

# What pages of other origins may see of an answer, and may send (the CORS protocol, Fetch 3.2).
_EXPOSED = (
    "ETag, Location, Producer-Epoch, Producer-Expected-Seq, Producer-Received-Seq, Producer-Seq, "
    "Retry-After, Stream-Closed, Stream-Cursor, Stream-Expires-At, Stream-Next-Offset, "
    "Stream-SSE-Data-Encoding, Stream-TTL, Stream-Up-To-Date"
)
_ACCEPTED = (
    "Authorization, Content-Type, If-None-Match, Last-Event-ID, Producer-Epoch, Producer-Id, "
    "Producer-Seq, Stream-Closed, Stream-Expires-At, Stream-Fork-Offset, Stream-Fork-Sub-Offset, "
    "Stream-Forked-From, Stream-Seq, Stream-TTL"
)
_PREFLIGHT = (
    ("Allow", "DELETE, GET, HEAD, OPTIONS, POST, PUT"),
    ("Access-Control-Allow-Methods", "DELETE, GET, HEAD, POST, PUT"),
    ("Access-Control-Allow-Headers", _ACCEPTED),
    ("Access-Control-Max-Age", "600"),
    ("Vary", "Origin"),
)


class StreamGateways:
    """The gateways of one hub, and the requests that lead to them."""

    def __init__(
        self, hub: Hub, settings: Settings, sockets: SocketEndpoints, admission: Admission
    ) -> None:
        self._sockets = sockets
        self._admission = admission
        self.native = NativeGateway(
            hub,
            limits=settings.native,
            message_bytes_max=settings.websocket.message_bytes_max,
            producer_state_s=producer_state_s(settings),
        )
        self.events = EventsGateway(hub, limits=settings.events)
        self.durable = DurableGateway(
            hub,
            limits=settings.durable,
            long_poll_timeout_s=settings.server.long_poll_timeout_s,
            heartbeat_s=settings.events.heartbeat_s,
        )

    async def serve_native(self, request: Request, exchange: Any) -> None:
        """Serve ``/ws``. A token may come with the handshake, or later in ``connect``."""
        principal = await self._admission.identify(request)
        if isinstance(exchange, AsgiHandshake):
            socket = await self._sockets.open(
                request, exchange, select_subprotocol=_choose_subprotocol
            )
            remote = request.remote_address
            address = str(remote[0]) if isinstance(remote, tuple) else ""
            serving = self.native.serve(socket, socket.subprotocol, address, principal)
            await self._sockets.run(socket, serving, request)
        else:
            self._sockets.open_callbacks(
                request,
                exchange,
                self.native.callbacks(self._sockets.callbacks_closed, principal),
                select_subprotocol=_choose_subprotocol,
            )

    async def serve_stream(self, request: Request, exchange: Exchange) -> Response | None:
        """Serve ``/streams/{name…}``: as server-sent events for ``EventSource``, which asks for
        them and knows nothing of ``live``; else by the Durable Streams protocol."""
        origin = request.headers.get("Origin")
        if not self._sockets.origin_check(request)(origin):
            raise HttpError(403, f"pages of the origin {origin!r} may not use streams here")
        principal = await self._admission.identify(request)
        stream = request.path_parameters["name"]
        exchange = _WithHeaders(exchange, _cross_origin_fields(origin))
        if _wants_event_source(request):
            offset = request.query.get("offset")
            await self.events.serve(exchange, stream, principal=principal, offset=offset)
            return None
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
        )
        await self.durable.serve(exchange, asked)
        return None

    async def preflight(self, request: Request, exchange: Exchange) -> Response:
        """Answer OPTIONS: what a page of another origin may do, if it may do anything here."""
        answer = Response(204, _PREFLIGHT)
        origin = request.headers.get("Origin")
        if origin is not None and self._sockets.origin_check(request)(origin):
            answer.headers.add("Access-Control-Allow-Origin", origin)
        return answer

    async def drain(self) -> None:
        """Tell every client that the server goes away, and close. Cancelled, some are not told."""
        self.events.drain()
        self.durable.drain()
        await self.native.drain(CloseCode.GOING_AWAY, "the server goes away")

    def figures(self) -> dict[str, tuple[str, float, bool]]:
        """What the gateways count, for the metrics."""
        native, events, durable = self.native, self.events, self.durable
        return {
            "longwire_native_connections": (
                "Connections of the native protocol, now.",
                native.connection_count,
                False,
            ),
            "longwire_native_errors": (
                "Errors answered to clients of the native protocol.",
                sum(native.errors.values()),
                True,
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
            "longwire_durable_refused": (
                "Requests of the Durable Streams protocol that were refused.",
                durable.refused,
                True,
            ),
        }


def _choose_subprotocol(offered: Sequence[str]) -> str | None:
    return choose_subprotocol(leave_out_tokens(offered))


def _wants_event_source(request: Request) -> bool:
    """Whether a request is one of ``EventSource``."""
    if request.method not in ("GET", "HEAD") or "live" in request.query:
        return False
    accept = parse_accept(request.headers.joined("Accept") or "")
    return any(item.type == EVENT_STREAM and item.quality > 0 for item in accept)


def _cross_origin_fields(origin: str | None) -> list[tuple[str, str]]:
    """What lets a page of an allowed origin see the answer (the CORS protocol), and keeps caches
    from showing it to others."""
    fields = [("Vary", "Accept, Origin")]
    if origin is not None:
        fields += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", _EXPOSED),
        ]
    return fields


class _WithHeaders:
    """An exchange whose response has some headers more."""

    def __init__(self, exchange: Exchange, headers: list[tuple[str, str]]) -> None:
        self._exchange = exchange
        self._headers = headers

    @property
    def request(self) -> RequestReceived:
        return self._exchange.request

    @property
    def remote_address(self) -> Any:
        return self._exchange.remote_address

    @property
    def root_path(self) -> str:
        return self._exchange.root_path

    @property
    def held_bytes(self) -> int:
        return self._exchange.held_bytes

    @property
    def closed(self) -> bool:
        return self._exchange.closed

    @property
    def is_open_ended(self) -> bool:
        return self._exchange.is_open_ended

    @property
    def status(self) -> int | None:
        return self._exchange.status

    def abort(self) -> None:
        self._exchange.abort()

    async def read_body(self) -> bytes:
        return await self._exchange.read_body()

    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        await self._exchange.respond(status, [*Headers(headers), *self._headers], body)

    def start(self, status: int, headers: HeadersLike = ()) -> None:
        self._exchange.start(status, [*Headers(headers), *self._headers])

    def write(self, data: bytes) -> None:
        self._exchange.write(data)

    def finish(self) -> None:
        self._exchange.finish()

    async def drain(self) -> None:
        await self._exchange.drain()

    async def wait_shutdown(self) -> None:
        await self._exchange.wait_shutdown()
