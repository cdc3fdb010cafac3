"""A WebSocket that came through an ASGI server: the handshake as an exchange, then a connection."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from longwire.base.headers import Headers, HeadersLike
from longwire.net.closed import Closed, ConnectionClosedOK
from longwire.net.evidence import Evidence
from longwire.net.settings import WebSocketSettings
from longwire.net.verdict import Ending
from longwire.server.asgi_exchange import AsgiReceive, AsgiSend, Scope, encode_headers
from longwire.server.asgi_paths import request_of_scope
from longwire.websocket.closing import Close
from longwire.websocket.handshake import HandshakeError

__all__ = ["AsgiHandshake", "AsgiWebSocket"]


class AsgiHandshake:
    """The opening request: refused with ``respond``, or accepted with ``upgrade_websocket``."""

    def __init__(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        self.request = request_of_scope(scope)
        self.remote_address = tuple(scope["client"]) if scope.get("client") else None
        self.root_path: str = scope.get("root_path", "")
        self.status: int | None = None
        self.held_bytes = 0
        self.is_open_ended = False
        self._offered: list[str] = list(scope.get("subprotocols", []))
        self._can_answer = "websocket.http.response" in scope.get("extensions", {})
        self._receive = receive
        self._send = send
        self._socket: AsgiWebSocket | None = None

    @property
    def closed(self) -> bool:
        """Whether the handshake has been answered."""
        return self.status is not None

    async def read(self) -> bytes:
        """A handshake has no body."""
        return b""

    async def read_body(self) -> bytes:
        """A handshake has no body."""
        return b""

    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Refuse; servers without the extension for it answer 403, whatever the status."""
        self.status = status
        if not self._can_answer:
            await self._send({"type": "websocket.close", "code": 1000})
            return
        fields = Headers(headers)
        fields.set("Content-Length", str(len(body)))
        await self._send(
            {
                "type": "websocket.http.response.start",
                "status": status,
                "headers": encode_headers(fields),
            }
        )
        await self._send({"type": "websocket.http.response.body", "body": body})

    def abort(self) -> None:
        """Nothing to break off."""

    async def upgrade_websocket(
        self,
        *,
        settings: WebSocketSettings | None = None,
        subprotocols: Sequence[str] = (),
        select_subprotocol: Callable[[Sequence[str]], str | None] | None = None,
        is_origin_allowed: Callable[[str | None], bool] | None = None,
        headers: HeadersLike = (),
    ) -> AsgiWebSocket:
        """Accept the handshake. The rest of ``settings`` is the ASGI server's business.

        Raises :exc:`HandshakeError` when the Origin is not allowed.
        """
        origin = self.request.headers.get("Origin")
        if is_origin_allowed is not None and not is_origin_allowed(origin):
            raise HandshakeError(403, f"the Origin {origin} is not allowed to connect here")
        if select_subprotocol is not None:
            subprotocol = select_subprotocol(self._offered)
        else:
            subprotocol = next((name for name in subprotocols if name in self._offered), None)
        event = await self._receive()
        if event["type"] != "websocket.connect":
            raise HandshakeError(400, "the client went away before the handshake")
        await self._send(
            {
                "type": "websocket.accept",
                "subprotocol": subprotocol,
                "headers": encode_headers(headers),
            }
        )
        self.status = 101
        self._socket = AsgiWebSocket(self, subprotocol, self._receive, self._send)
        return self._socket

    async def complete(self) -> None:
        """Close the connection if nobody has."""
        if self._socket is not None:
            await self._socket.close()


@dataclass(slots=True)
class _Counters:
    messages_received: int = 0
    messages_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0


class AsgiWebSocket:
    """An open WebSocket with the methods of ``longwire.Connection`` that handlers use.

    Receiving: one task at a time; ``recv`` is as cancel-safe as the server's ``receive``.
    Sending: any task at any time; how much is held for a slow client is the server's business.
    """

    def __init__(
        self,
        handshake: AsgiHandshake,
        subprotocol: str | None,
        receive: AsgiReceive,
        send: AsgiSend,
    ) -> None:
        self.id = uuid.uuid4()
        self.request = handshake.request
        self.remote_address = handshake.remote_address
        self.subprotocol = subprotocol
        self.engine = _Counters()
        self.held_bytes = 0
        self.closed: Closed | None = None
        self._receive = receive
        self._send = send
        self._close_sent: Close | None = None

    @property
    def endpoint(self) -> AsgiWebSocket:
        """What is counted: this object itself."""
        return self

    async def recv(self) -> str | bytes:
        """Return the next message; raise :exc:`ConnectionClosed` when there will be none."""
        while self.closed is None:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                self._end(Close(event.get("code") or 1005, event.get("reason") or ""))
            elif event["type"] == "websocket.receive":
                text = event.get("text")
                message: str | bytes = event["bytes"] if text is None else text
                self.engine.messages_received += 1
                self.engine.bytes_received += len(message)
                return message
        raise self.closed.error()

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[str | bytes]:
        try:
            while True:
                yield await self.recv()
        except ConnectionClosedOK:
            return

    async def send(self, message: str | bytes) -> None:
        """Send a message; return when the server took it. Raises :exc:`ConnectionClosed`.

        Cancelled, the message may or may not have been sent.
        """
        if self._close_sent is not None and self.closed is None:
            self._end(None)
        if self.closed is not None:
            raise self.closed.error()
        kind = "text" if isinstance(message, str) else "bytes"
        self.held_bytes += len(message)
        try:
            await self._hand_over({"type": "websocket.send", kind: message})
        finally:
            self.held_bytes -= len(message)
        if self.closed is not None:
            raise self.closed.error()
        self.engine.messages_sent += 1
        self.engine.bytes_sent += len(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection. Does nothing when it is closed or closing already."""
        if self.closed is None and self._close_sent is None:
            self._close_sent = Close(code, reason)
            await self._hand_over({"type": "websocket.close", "code": code, "reason": reason})
            self._end(None)

    # -- inside ---------------------------------------------------------------------------------

    async def _hand_over(self, event: MutableMapping[str, Any]) -> None:
        try:
            await self._send(event)
        except (OSError, RuntimeError):
            # ASGI 2.4 raises an OSError when the client is gone, servers of before a RuntimeError.
            self._end(None)

    def _end(self, received: Close | None) -> None:
        if self.closed is not None:
            return
        sent = self._close_sent
        initiator: Literal["local", "remote"] = "remote"
        if sent is not None:
            # Whether the client answered our Close only the server knows.
            received, initiator = sent, "local"
        elif received is not None and received.code != 1006:
            sent = received  # the server answered for us
        else:
            received = None
        self.closed = Closed.from_evidence(
            Ending(received=received, sent=sent, initiator=initiator, failure=None),
            Evidence(
                link_end="eof" if initiator == "remote" else "closed_by_us",
                messages_received=self.engine.messages_received,
                messages_sent=self.engine.messages_sent,
                bytes_unsent=self.held_bytes,
            ),
        )
