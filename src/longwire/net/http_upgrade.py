"""From a request to the WebSocket that it asks for, on the link itself or on a stream of HTTP/2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from longwire.base.headers import HeadersLike
from longwire.net.callbacks import Callbacks
from longwire.net.endpoint import Endpoint
from longwire.net.link import Link
from longwire.net.open_endpoint import open_endpoint
from longwire.net.opening import Opening
from longwire.net.settings import WebSocketSettings
from longwire.net.stream_link import StreamLink
from longwire.websocket.connection import Role
from longwire.websocket.handshake import RequestHead, accept_extended_connect, accept_request

if TYPE_CHECKING:
    from longwire.net.http_exchange import HttpExchange

__all__ = ["upgrade_exchange"]


def upgrade_exchange(
    exchange: HttpExchange,
    link: Link,
    callbacks: Callbacks,
    settings: WebSocketSettings,
    *,
    subprotocols: Sequence[str],
    select_subprotocol: Callable[[Sequence[str]], str | None] | None,
    is_origin_allowed: Callable[[str | None], bool] | None,
    headers: HeadersLike,
) -> Endpoint:
    """Accept a handshake and give ``link`` to a WebSocket endpoint.

    ``link`` is what the connection's ``socket_link`` gave: over HTTP/2 a stream, whose handshake is
    an extended CONNECT (RFC 8441). Raises :exc:`HandshakeError`.
    """
    received, connection = exchange.request, exchange.connection
    request = RequestHead(received.method, received.target, received.version, received.headers)
    accept = accept_extended_connect if isinstance(link, StreamLink) else accept_request
    accepted = accept(
        request,
        subprotocols=subprotocols,
        select_subprotocol=select_subprotocol,
        is_origin_allowed=is_origin_allowed,
        deflate=settings.deflate,
        headers=headers,
    )
    has_ended = connection.has_ended(exchange)
    if isinstance(link, StreamLink):
        rest = connection.open_tunnel(exchange, link, accepted.response.headers)
    else:
        rest = connection.hand_over(exchange, accepted.response.headers)
    opening = Opening(request, accepted.response, accepted.subprotocol, accepted.deflate)
    endpoint = open_endpoint(
        link, Role.SERVER, settings, callbacks, opening, rest, connection.server.in_flight
    )
    if has_ended:
        # The connection was told, before there was a WebSocket, and nobody is told twice.
        endpoint.eof_received()
    return endpoint
