"""Streams on the network: the native protocol on /ws, server-sent events on /streams/…."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longwire.base.codes import CloseCode
from longwire.base.headers import Headers, HeadersLike
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

EVENT_STREAM = "text/event-stream"


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

    async def serve_events(self, request: Request, exchange: Exchange) -> Response | None:
        """Serve ``/streams/{name…}`` as server-sent events."""
        origin = request.headers.get("Origin")
        if not self._sockets.origin_check(request)(origin):
            raise HttpError(403, f"pages of the origin {origin!r} may not read streams here")
        accept = request.headers.joined("Accept") or ""
        if not any(item.type == EVENT_STREAM and item.quality > 0 for item in parse_accept(accept)):
            raise HttpError(
                406,
                f"A stream is sent as {EVENT_STREAM} only: ask with Accept: {EVENT_STREAM}, as "
                "EventSource does.",
                {"Vary": "Accept"},
            )
        principal = await self._admission.identify(request)
        offset = request.query.get("offset")
        name = request.path_parameters["name"]
        if origin is not None:
            # A page of an allowed origin may read what it asked for (the CORS protocol).
            exchange = _WithHeaders(
                exchange, [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
            )
        await self.events.serve(exchange, name, principal=principal, offset=offset)
        return None

    async def drain(self) -> None:
        """Tell every client that the server goes away, and close. Cancelled, some are not told."""
        self.events.drain()
        await self.native.drain(CloseCode.GOING_AWAY, "the server goes away")

    def figures(self) -> dict[str, tuple[str, float, bool]]:
        """What the gateways count, for the metrics."""
        native, events = self.native, self.events
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
        }


def _choose_subprotocol(offered: Sequence[str]) -> str | None:
    return choose_subprotocol(leave_out_tokens(offered))


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
