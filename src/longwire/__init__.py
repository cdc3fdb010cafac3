"""longwire: the realtime stack for people who write Python.

``import longwire`` loads nothing but the standard library and longwire itself.
"""

from longwire.base.errors import ConfigError, LimitError, LongwireError, ProtocolError, StoreError
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

__all__ = [
    "Callbacks",
    "Close",
    "ConcurrencyError",
    "ConfigError",
    "Connection",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "DeflateOptions",
    "Endpoint",
    "Evidence",
    "HandshakeError",
    "LimitError",
    "LongwireError",
    "ProtocolError",
    "Server",
    "State",
    "StoreError",
    "Verdict",
    "broadcast",
    "connect",
    "serve",
    "unix_connect",
    "unix_serve",
]

__version__ = "0.1.0"
