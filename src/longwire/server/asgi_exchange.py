"""An HTTP request that came through an ASGI server, as an exchange.

Writing never waits here, while ``send`` of ASGI does: what is written is queued, and a task hands
it on at the pace of the server.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from longwire.base.headers import Headers, HeadersLike
from longwire.http.events import RequestReceived
from longwire.net.http_exchange import ExchangeClosed, HttpExchange
from longwire.net.standing import GiveAgain
from longwire.server.asgi_paths import request_of_scope
from longwire.server.errors import HttpError

__all__ = ["AsgiExchange", "AsgiReceive", "AsgiSend", "Scope", "encode_headers"]

Scope: TypeAlias = MutableMapping[str, Any]
AsgiReceive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
AsgiSend: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HELD_BYTES_MAX = 64 * 1024
"""Bytes queued past which ``drain`` waits."""

# Framing is the server's business.
_CONNECTION_HEADERS = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade"})


def encode_headers(
    headers: HeadersLike, *, is_upgrade_kept: bool = False
) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI has them: names in lower case, bytes, without those of a hop."""
    dropped = _CONNECTION_HEADERS - {"upgrade"} if is_upgrade_kept else _CONNECTION_HEADERS
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in Headers(headers)
        if name.lower() not in dropped
    ]


class AsgiExchange:
    """What ``net.HttpExchange`` is for our own server. ``complete`` must be awaited at the end."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_body_bytes_max",
        "_changed",
        "_disconnected",
        "_is_body_complete",
        "_is_finished",
        "_pump",
        "_queue",
        "_receive",
        "_send",
        "_watch",
        "bare",
        "held_bytes",
        "is_aborted",
        "is_open_ended",
        "is_shutting_down",
        "remote_address",
        "request",
        "root_path",
        "status",
    )

    def __init__(
        self, scope: Scope, receive: AsgiReceive, send: AsgiSend, *, body_bytes_max: int | None
    ) -> None:
        self.request: RequestReceived = request_of_scope(scope)
        self.remote_address = tuple(scope["client"]) if scope.get("client") else None
        self.root_path: str = scope.get("root_path", "")
        self.status: int | None = None
        self.held_bytes = 0
        self.is_aborted = False
        self.bare: HttpExchange | None = None
        """None: the server is another one."""
        self.is_open_ended = False
        self.is_shutting_down = False
        self._receive = receive
        self._send = send
        self._body_bytes_max = body_bytes_max
        self._body: bytes | None = None
        self._body_bytes = 0
        self._is_body_complete = False
        self._queue: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._is_finished = False
        self._disconnected = False

    @property
    def closed(self) -> bool:
        """Whether the client is gone, or the response complete."""
        return self._is_finished or self._disconnected

    async def read(self) -> bytes:
        """Return the next piece of the body, nothing at its end. Cancelled, a piece is lost."""
        while not self._is_body_complete:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                self._disconnected = True
                raise ExchangeClosed("the client went away before its request was complete")
            self._is_body_complete = not event.get("more_body", False)
            piece: bytes = event.get("body", b"")
            self._body_bytes += len(piece)
            if self._body_bytes_max is not None and self._body_bytes > self._body_bytes_max:
                message = f"The body is longer than {self._body_bytes_max} bytes."
                raise HttpError(413, message)
            if piece:
                return piece
        return b""

    async def read_body(self) -> bytes:
        """Return the whole body, or what was not read yet. Cancelled, what was read is lost."""
        if self._body is None:
            pieces: list[bytes] = []
            while piece := await self.read():
                pieces.append(piece)
            self._body = b"".join(pieces)
        return self._body

    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Send a complete response."""
        self._check_open()
        fields = Headers(headers)
        # RFC 9110 section 8.6: never with 204; with 304 it would be that of the 200.
        if status not in (204, 304) and "Content-Length" not in fields:
            fields.set("Content-Length", str(len(body)))
        self.status = status
        self._is_finished = True
        await self._hand_over(
            {
                "type": "http.response.start",
                "status": status,
                "headers": encode_headers(fields, is_upgrade_kept=status == 426),
            },
            {"type": "http.response.body", "body": body},
        )

    def let_stand(self, again: GiveAgain) -> None:
        """Ignore it: the server that sends the response asks us about every request."""

    def respond_at_once(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> bool:
        """Send nothing: an ASGI server has to be waited for."""
        return False

    def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send the head of a response whose body comes in pieces."""
        self._check_open()
        self.status = status
        self.is_open_ended = "Content-Length" not in Headers(headers)
        head = {
            "type": "http.response.start",
            "status": status,
            "headers": encode_headers(headers),
        }
        self._pump = asyncio.create_task(self._send_pieces(head))
        self._begin_watch()

    def write(self, data: bytes) -> None:
        """Send a piece of the body. Never waits: see ``drain`` and ``held_bytes``."""
        self._check_open()
        if data:
            self._queue.append(data)
            self.held_bytes += len(data)
            self._changed.set()

    def finish(self, trailers: HeadersLike = ()) -> None:
        """The response is complete. ASGI has no trailers: they are left out."""
        self._check_open()
        self._is_finished = True
        self._changed.set()

    def abort(self) -> None:
        """Break the response off: ``complete`` will raise, which makes the server cut it."""
        if not self._is_finished:
            self.is_aborted = True
            self._disconnected = True
            self._changed.set()

    async def drain(self) -> None:
        """Wait until little is held, or the client is gone. Cancel-safe."""
        while self.held_bytes > HELD_BYTES_MAX and not self._disconnected:
            await self._wait_change()

    async def wait_closed(self) -> None:
        """Wait until the client is gone or the response complete. Cancel-safe."""
        while not self.closed:
            await self._wait_change()

    async def wait_shutdown(self) -> None:
        """Wait until the exchange is over; an ASGI server tells nobody that it is going.

        Call it when nobody reads the body any more.
        """
        self._begin_watch()
        while not self.closed and not self.is_shutting_down:
            await self._wait_change()

    async def complete(self) -> None:
        """Wait until all is handed to the server.

        Raises RuntimeError when the response was broken off, for the server to see.
        """
        try:
            if self._pump is not None:
                await self._pump
        finally:
            for task in (self._pump, self._watch):
                if task is not None:
                    task.cancel()
            if self._watch is not None:
                await asyncio.wait([self._watch])
        if self.is_aborted:
            raise RuntimeError("the response was broken off")

    # -- inside ---------------------------------------------------------------------------------

    async def _send_pieces(self, head: MutableMapping[str, Any]) -> None:
        try:
            await self._send_all(head)
        except Exception:
            # Nobody hears the rest; ``complete`` raises it for the server to see.
            self._disconnected = True
            self._changed.set()
            raise

    async def _send_all(self, head: MutableMapping[str, Any]) -> None:
        await self._hand_over(head)
        while not self._disconnected:
            if self._queue:
                piece = b"".join(self._queue)
                self._queue.clear()
                await self._hand_over(
                    {"type": "http.response.body", "body": piece, "more_body": True}
                )
                self.held_bytes -= len(piece)
                self._changed.set()
            elif self._is_finished:
                await self._hand_over({"type": "http.response.body", "body": b""})
                return
            else:
                await self._wait_change()

    async def _hand_over(self, *events: MutableMapping[str, Any]) -> None:
        try:
            for event in events:
                await self._send(event)
        except OSError:
            # ASGI 2.4: sending to a client that is gone raises a subclass of OSError.
            self._disconnected = True
            self._changed.set()

    def _begin_watch(self) -> None:
        if self._watch is None and not self.closed:
            self._watch = asyncio.create_task(self._wait_for_disconnect())

    async def _wait_for_disconnect(self) -> None:
        while True:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                self._disconnected = True
                self._changed.set()
                return

    async def _wait_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _check_open(self) -> None:
        if self._disconnected:
            raise ExchangeClosed("the client closed the connection")
        if self._is_finished:
            raise RuntimeError("the response is complete already")
