"""The opening handshake (RFC 6455 section 4): all of its names in one place.

The server's side is :mod:`~longwire.websocket.handshake_server`, the client's
:mod:`~longwire.websocket.handshake_client`, and the reader and writer of heads
:mod:`~longwire.websocket.head`.
"""

from __future__ import annotations

from longwire.websocket.handshake_client import ClientHandshake
from longwire.websocket.handshake_server import (
    Accepted,
    accept_extended_connect,
    accept_request,
    accept_value,
)
from longwire.websocket.head import (
    HandshakeError,
    HeadReader,
    RequestHead,
    ResponseHead,
    serialize_head,
)
from longwire.websocket.uri import UriError, WebSocketUri, parse_uri

__all__ = [
    "Accepted",
    "ClientHandshake",
    "HandshakeError",
    "HeadReader",
    "RequestHead",
    "ResponseHead",
    "UriError",
    "WebSocketUri",
    "accept_extended_connect",
    "accept_request",
    "accept_value",
    "parse_uri",
    "serialize_head",
]
