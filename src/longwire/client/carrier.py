"""What carries the messages of a connection: a WebSocket, or requests of HTTP that look like one.

A carrier takes what the client says and brings what the server says, in order, until it is lost;
then it is not used again. What it loses is asked for again on another one.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Protocol, TypeAlias

import msgspec

from longwire.net.callbacks import Callbacks
from longwire.net.client import connect
from longwire.net.closed import ConnectionClosed
from longwire.net.endpoint import Endpoint
from longwire.net.retry import is_retryable
from longwire.websocket.connection import State
from longwire.websocket.handshake import HandshakeError

__all__ = ["Carrier", "CarrierOwner", "Doubt", "MakeCarrier", "WebSocketCarrier", "doubt_of"]

SUBPROTOCOL = "longwire.v1.json"

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Doubt(IntEnum):
    """What a failure says against the transport, and not against the network or the server."""

    NONE = 0
    SOME = 1
    """Something on the way may not let it through."""
    CERTAIN = 2
    """It does not work here."""


class CarrierOwner(Protocol):
    """What a carrier tells."""

    def received(self, message: dict[str, Any]) -> None:
        """The server said something."""

    def heard(self) -> None:
        """The server gave a sign of life that says nothing more."""

    def lost(
        self,
        code: int,
        reason: str,
        *,
        can_reconnect: bool = True,
        after_s: tuple[float, float] | None = None,
        doubt: Doubt = Doubt.NONE,
    ) -> None:
        """It is over. The last call."""


class Carrier(Protocol):
    """Carries messages. ``open`` comes first; nothing but that waits."""

    @property
    def received_bytes(self) -> int:
        """What has come so far, whole messages or not; 0 where that is not known."""

    async def open(self) -> None:
        """Get ready to send. Raises what failed; cancelled, it leaves nothing open."""

    def send(self, op: str, text: bytes) -> None:
        """Send a message; ``op`` is what stands in it. Dropped when there is no way any more."""

    def close(self, code: int, reason: str) -> None:
        """End it in order; its owner is told nothing more."""

    async def finish(self) -> None:
        """After ``close``: wait until what was said has left, for a moment at most."""

    def abort(self) -> None:
        """End it at once."""


MakeCarrier: TypeAlias = Callable[[CarrierOwner], Carrier]


def doubt_of(error: Exception) -> Doubt:
    """What a failed attempt says against the transport."""
    if isinstance(error, HandshakeError):
        if error.status in (429, 503):
            return Doubt.NONE
        return Doubt.SOME if is_retryable(error) else Doubt.CERTAIN
    if isinstance(error, (ConnectionRefusedError, socket.gaierror)):
        return Doubt.NONE
    return Doubt.SOME if is_retryable(error) else Doubt.NONE


class WebSocketCarrier(Callbacks):
    """One WebSocket. ``options`` are further arguments of :func:`longwire.connect`."""

    def __init__(self, owner: CarrierOwner, url: str, options: Mapping[str, Any]) -> None:
        self._owner = owner
        self._url = url
        self._options = options
        self._endpoint: Endpoint | None = None
        self._is_over = False

    @property
    def received_bytes(self) -> int:
        return 0 if self._endpoint is None else self._endpoint.engine.bytes_received

    async def open(self) -> None:
        attempt = connect(
            self._url,
            subprotocols=[SUBPROTOCOL],
            open_timeout=None,
            ping_interval=None,  # heartbeats are data (docs/protocol.md, 8)
            max_size=None,
            **self._options,
        )
        await attempt.with_callbacks(self)

    def send(self, op: str, text: bytes) -> None:
        endpoint = self._endpoint
        if endpoint is not None and endpoint.state is State.OPEN:
            endpoint.send(text, text=True)

    def close(self, code: int, reason: str) -> None:
        self._is_over = True
        if self._endpoint is not None:
            self._endpoint.close(code, reason)

    async def finish(self) -> None:
        """It has been handed to the kernel, or will be."""

    def abort(self) -> None:
        self._is_over = True
        if self._endpoint is not None:
            self._endpoint.abort()

    # -- from the WebSocket ---------------------------------------------------------------------

    def on_open(self, connection: Endpoint) -> None:
        self._endpoint = connection
        if self._is_over:
            connection.abort()

    def on_message(self, connection: Endpoint, message: str | bytes) -> None:
        if self._is_over:
            return
        try:
            decoded = _decode(message)
            op = decoded["op"]
        except (msgspec.DecodeError, KeyError):
            reason = f"the server sent no message of the protocol: {message[:80]!r}"
            self._owner.lost(1002, reason)
            return
        if op == "ping":
            self.send("pong", b'{"op":"pong"}')
            self._owner.heard()
        else:
            self._owner.received(decoded)

    def on_close(self, connection: Endpoint, error: ConnectionClosed) -> None:
        if not self._is_over:
            code = 1006 if error.code is None else error.code
            self._owner.lost(code, str(error), can_reconnect=allows_reconnect(code))


_NO_RECONNECT = frozenset({1000, 1002, 1003, 1007, 1008, 1009, 1010})


def allows_reconnect(code: int) -> bool:
    """Whether to come back after this close code (docs/protocol.md, 10.2)."""
    return not (code in _NO_RECONNECT or 3500 <= code <= 3999 or 4500 <= code <= 4999)
