"""longwire: the realtime stack for people who write Python.

``import longwire`` loads nothing but the standard library and longwire itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longwire.base.errors import ConfigError, LimitError, LongwireError, ProtocolError, StoreError
from longwire.base.limits import ConnectionLimits
from longwire.base.version import __version__
from longwire.net.broadcast import broadcast
from longwire.net.callbacks import Callbacks
from longwire.net.client import connect, unix_connect
from longwire.net.closed import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from longwire.net.connection import ConcurrencyError, Connection
from longwire.net.endpoint import Endpoint
from longwire.net.evidence import Evidence
from longwire.net.server import Server, serve, unix_serve
from longwire.net.verdict import Verdict
from longwire.websocket.closing import Close, State
from longwire.websocket.deflate import DeflateOptions
from longwire.websocket.handshake import HandshakeError

if TYPE_CHECKING:
    from longwire.client.client import Client
    from longwire.client.errors import ClientError
    from longwire.client.sync import SyncClient
    from longwire.hub.errors import CallRefused, PublishRefused
    from longwire.server.app import App
    from longwire.server.calls import Call
    from longwire.server.errors import HttpError
    from longwire.server.permissions import Access
    from longwire.server.publication import Publication
    from longwire.server.request import Request
    from longwire.server.response import Response

__all__ = [
    "Access",
    "App",
    "Call",
    "CallRefused",
    "Callbacks",
    "Client",
    "ClientError",
    "Close",
    "ConcurrencyError",
    "ConfigError",
    "Connection",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "ConnectionLimits",
    "DeflateOptions",
    "Endpoint",
    "Evidence",
    "HandshakeError",
    "HttpError",
    "LimitError",
    "LongwireError",
    "ProtocolError",
    "Publication",
    "PublishRefused",
    "Request",
    "Response",
    "Server",
    "State",
    "StoreError",
    "SyncClient",
    "Verdict",
    "__version__",
    "broadcast",
    "connect",
    "serve",
    "unix_connect",
    "unix_serve",
]


# What a server is written with loads third-party packages, so it is loaded when it is asked for.
_LOADED_LATER = {
    "Access": "longwire.server.permissions",
    "App": "longwire.server.app",
    "Client": "longwire.client.client",
    "ClientError": "longwire.client.errors",
    "HttpError": "longwire.server.errors",
    "Publication": "longwire.server.publication",
    "Call": "longwire.server.calls",
    "CallRefused": "longwire.hub.errors",
    "PublishRefused": "longwire.hub.errors",
    "Request": "longwire.server.request",
    "Response": "longwire.server.response",
    "SyncClient": "longwire.client.sync",
}


def __getattr__(name: str) -> Any:
    if name not in _LOADED_LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_LOADED_LATER[name]), name)
    return value
