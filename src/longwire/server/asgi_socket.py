"""A WebSocket that came through an ASGI server: the handshake as an exchange, then a connection."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
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

SEND_HELD_BYTES_MAX = 64 * 1024
"""Bytes queued past which ``send`` waits."""


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
        """Wait until all is handed to the server."""
        if self._socket is not None:
            await self._socket.complete()


@dataclass(slots=True)
class _Counters:
    messages_received: int = 0
    messages_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0


class AsgiWebSocket:
    """An open WebSocket with the methods of ``longwire.Connection`` that handlers use.

    ``write`` queues a message and never waits; a task hands messages on at the pace of the server.
    Receiving: one task at a time. ``recv`` is as cancel-safe as the server's ``receive``.
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
        self.on_drain: Callable[[], None] | None = None
        """Called when ``held_bytes`` has fallen to nothing."""
        self._receive = receive
        self._send = send
        self._queue: deque[MutableMapping[str, Any]] = deque()
        self._changed = asyncio.Event()
        self._close_sent: Close | None = None
        self._pump = asyncio.create_task(self._send_queued())

    @property
    def endpoint(self) -> AsgiWebSocket:
        """What is counted: this object itself."""
        return self

    async def recv(self) -> str | bytes:
        """Return the next message; raise :exc:`ConnectionClosed` when there will be none."""
        while self.closed is None:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                code = event.get("code") or 1005
                self._end(Close(code, event.get("reason") or ""))
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

    def write(self, message: str | bytes) -> int:
        """Queue a message; return the bytes that are held now. Dropped when closing."""
        if self.closed is None and self._close_sent is None:
            kind = "text" if isinstance(message, str) else "bytes"
            self._queue.append({"type": "websocket.send", kind: message})
            self.held_bytes += len(message)
            self.engine.messages_sent += 1
            self.engine.bytes_sent += len(message)
            self._changed.set()
        return self.held_bytes

    async def send(self, message: str | bytes) -> None:
        """Send a message; wait while much is held. Raises :exc:`ConnectionClosed`."""
        if self.closed is not None:
            raise self.closed.error()
        self.write(message)
        while self.held_bytes > SEND_HELD_BYTES_MAX and self.closed is None:
            await self._wait_change()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close after what was written has left. Does nothing when closing already."""
        if self.closed is None and self._close_sent is None:
            self._close_sent = Close(code, reason)
            self._queue.append({"type": "websocket.close", "code": code, "reason": reason})
            self._changed.set()
        await self.complete()

    async def complete(self) -> None:
        """Wait until all that was written has been handed to the server."""
        if self.closed is None and self._close_sent is None:
            await self.close()
        await asyncio.wait([self._pump])

    # -- inside ---------------------------------------------------------------------------------

    async def _send_queued(self) -> None:
        while self.closed is None:
            if not self._queue:
                await self._wait_change()
                continue
            event = self._queue.popleft()
            try:
                await self._send(event)
            except (OSError, RuntimeError):
                # ASGI 2.4 raises OSError when the client is gone; servers before it raise this
                # and that.
                self._end(None)
                return
            if event["type"] == "websocket.close":
                self._end(None)
                return
            message = event.get("text")
            self.held_bytes -= len(event["bytes"] if message is None else message)
            self._changed.set()
            if self.held_bytes == 0 and self.on_drain is not None:
                self.on_drain()

    def _end(self, received: Close | None) -> None:
        if self.closed is None:
            sent = self._close_sent
            initiator: Literal["local", "remote"] = "remote" if sent is None else "local"
            if received is not None and sent is None and received.code != 1006:
                sent = received  # the server has answered for us
            if received is not None and received.code == 1006:
                received = None
            ending = Ending(received=received, sent=sent, initiator=initiator, failure=None)
            evidence = Evidence(
                link_end="closed_by_us" if initiator == "local" else "eof",
                messages_received=self.engine.messages_received,
                messages_sent=self.engine.messages_sent,
                bytes_unsent=self.held_bytes,
            )
            self.closed = Closed.from_evidence(ending, evidence)
            self._changed.set()

    async def _wait_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
