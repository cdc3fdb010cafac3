"""The coroutine style: ``send``, ``recv``, ``async for``, with back-pressure both ways."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, overload

from longwire.base.codes import CloseCode
from longwire.base.errors import LongwireError
from longwire.base.headers import Headers, HeadersLike
from longwire.net.callbacks import Callbacks
from longwire.net.closed import Closed, ConnectionClosed
from longwire.net.endpoint import Endpoint
from longwire.net.link import Address, Link
from longwire.net.message_iterator import MessageIterator
from longwire.net.receiver import ConcurrencyError, MessageParts, Receiver, converted
from longwire.net.sender import Message, Sender
from longwire.net.settings import WebSocketSettings
from longwire.websocket.connection import State
from longwire.websocket.events import Fragment
from longwire.websocket.handshake import RequestHead, ResponseHead

__all__ = ["ConcurrencyError", "Connection", "MessageParts"]


class Connection(Callbacks):
    """One WebSocket connection for coroutines. Made by ``connect`` and ``serve``.

    Receiving: one task at a time; ``recv`` is cancel-safe. Sending: any task at any time. Pings,
    pongs and the peer's Close are answered whether or not anybody receives. Belongs to the event
    loop that it was made on. Attributes of your own may be set on it.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_closed_waiters",
        "_endpoint",
        "_id",
        "_link",
        "_loop",
        "_pings",
        "_receiver",
        "_run",
        "_sender",
        "opening_request",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: Link,
        settings: WebSocketSettings,
        run: Callable[[Connection], None] | None = None,
    ) -> None:
        self._loop = loop
        self._link = link
        self._run = run
        self._endpoint: Endpoint | None = None
        self.opening_request: RequestHead | None = None
        self._id: uuid.UUID | None = None
        self._receiver = Receiver(loop, settings)
        self._sender = Sender(loop, settings)
        # Made when they are needed: most connections are idle most of the time.
        self._closed_waiters: list[asyncio.Future[None]] | None = None
        self._pings: deque[tuple[bytes, float, asyncio.Future[float]]] | None = None

    # -- facts ------------------------------------------------------------------------------

    @property
    def endpoint(self) -> Endpoint:
        """The same connection in callback style, for its facts and counters."""
        if self._endpoint is None:
            raise _unopened()
        return self._endpoint

    @property
    def id(self) -> uuid.UUID:
        """A random name for this connection, for logs."""
        if self._id is None:
            self._id = uuid.uuid4()
        return self._id

    @property
    def local_address(self) -> Address:
        return self._link.local_address

    @property
    def remote_address(self) -> Address:
        return self._link.remote_address

    @property
    def link(self) -> Link:
        """The transport: ``held_bytes``, ``tls``, ``tcp_info()``."""
        return self._link

    @property
    def request(self) -> RequestHead:
        """The request of the opening handshake."""
        if self._endpoint is None and self.opening_request is not None:
            return self.opening_request
        return self.endpoint.opening.request

    @property
    def response(self) -> ResponseHead:
        """The response of the opening handshake."""
        return self.endpoint.opening.response

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed, or ``None``."""
        return self.endpoint.opening.subprotocol

    @property
    def state(self) -> State:
        return self.endpoint.state

    @property
    def latency(self) -> float:
        """Round trip of the latest ping that was answered, seconds; 0 before the first."""
        return self.endpoint.engine.latency_s or 0.0

    @property
    def closed(self) -> Closed | None:
        """How the connection ended, with verdict and evidence; ``None`` while it lives."""
        return self.endpoint.closed

    @property
    def close_code(self) -> int | None:
        """The peer's close code, 1006 if none came; ``None`` while the connection lives."""
        closed = self.endpoint.closed
        return None if closed is None else closed.error().code

    @property
    def close_reason(self) -> str | None:
        """The peer's close reason; ``None`` while the connection lives."""
        closed = self.endpoint.closed
        return None if closed is None else closed.error().reason

    def respond(self, status: int, text: str, headers: HeadersLike = ()) -> ResponseHead:
        """Make a plain text response for ``process_request`` to return (servers)."""
        return text_response(status, text, headers)

    def __repr__(self) -> str:
        state = "OPENING" if self._endpoint is None else self._endpoint.state.name
        return f"<Connection {state} {self.local_address} - {self.remote_address}>"

    # -- receiving --------------------------------------------------------------------------

    @overload
    async def recv(self, decode: Literal[True]) -> str: ...
    @overload
    async def recv(self, decode: Literal[False]) -> bytes: ...
    @overload
    async def recv(self, decode: bool | None = None) -> str | bytes: ...

    async def recv(self, decode: bool | None = None) -> str | bytes:
        """Return the next message: ``str`` for text, ``bytes`` for binary.

        ``decode=True`` gives ``str`` for both, ``decode=False`` gives ``bytes`` for both.

        Cancel-safe: a message is taken from the queue only when it is returned, so a time-out
        loses none. Raises :exc:`ConnectionClosed` when the connection is closed and every message
        that arrived before has been received, and :exc:`ConcurrencyError` when another task is
        receiving.
        """
        return converted(await self._receiver.recv(), decode)

    def recv_streaming(self, decode: bool | None = None) -> MessageParts:
        """Receive one message in parts, as they arrive: an asynchronous iterator.

        Text is cut between characters. ``decode`` is as for ``recv``. What is left of a message
        that was not received to its end is thrown away by the next ``recv`` or
        ``recv_streaming``.

        Cancel-safe: after a cancelled step the same iterator goes on without loss.
        """
        self.endpoint  # noqa: B018 - raises before the handshake is done
        return self._receiver.stream(decode)

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Iterate over messages until the connection is closed in order.

        Ends silently on :exc:`ConnectionClosedOK`, raises :exc:`ConnectionClosedError`.
        """
        return MessageIterator(self._receiver)

    async def __anext__(self) -> str | bytes:
        return await MessageIterator(self._receiver)

    # -- sending ----------------------------------------------------------------------------

    def send(
        self,
        message: Message | Iterable[Message] | AsyncIterable[Message],
        text: bool | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Send a message: ``str`` as text, bytes as binary; ``text`` overrules that.

        An iterable or asynchronous iterable is sent as the fragments of one message. Waits while
        more than the write limit is held back by a slow peer.

        Cancelled while it waits, a message has not been sent. A fragmented message that is
        cancelled, or whose iterable raises, cannot be finished: the connection is closed with
        1011. Raises :exc:`ConnectionClosed` when the connection is closing or closed.
        """
        return self._sender.send(message, text)

    async def drain(self) -> None:
        """Wait until no more than the write limit is held back. Cancel-safe."""
        await self._sender.drain()

    async def ping(self, payload: Message | None = None) -> float:
        """Send a ping, wait for its pong and return the round trip in seconds.

        Cancel-safe. Raises :exc:`ConnectionClosed` when the connection ends first.
        """
        data = payload.encode() if isinstance(payload, str) else payload
        sent = self.endpoint.ping(None if data is None else bytes(data))
        waiter: asyncio.Future[float] = self._loop.create_future()
        if self._pings is None:
            self._pings = deque()
        self._pings.append((sent, self._link.now(), waiter))
        return await waiter

    async def pong(self, payload: Message = b"") -> None:
        """Send a pong that nobody asked for: a one-way sign of life."""
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        self.endpoint.pong(data)

    # -- closing ----------------------------------------------------------------------------

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close with a closing handshake and wait until the connection is gone.

        Takes at most the close timeout twice: for the peer's Close frame and for the end of TCP.
        Does nothing on a closed connection. Cancelled, the closing goes on by itself.
        """
        self.endpoint.close(code, reason)
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Wait until the connection is gone, whoever closes it. Cancel-safe."""
        if self.endpoint.closed is None:
            waiter = self._loop.create_future()
            if self._closed_waiters is None:
                self._closed_waiters = []
            self._closed_waiters.append(waiter)
            await waiter

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None or issubclass(exc_type, ConnectionClosed):
            await self.close()
        else:
            await self.close(CloseCode.INTERNAL_ERROR)

    # -- callbacks --------------------------------------------------------------------------

    def on_open(self, connection: Endpoint) -> None:
        self._endpoint = connection
        self._receiver.opened(connection)
        self._sender.opened(connection)
        if self._run is not None:
            self._run(self)

    @property
    def on_message(self) -> Callable[[Endpoint, str | bytes], None]:
        # Looked up once for each read: the messages go to the compiled receiver without a detour.
        return self._receiver.on_message

    def on_fragment(self, connection: Endpoint, fragment: Fragment) -> None:
        self._receiver.put(fragment)

    def on_pong(self, connection: Endpoint, payload: bytes, latency_s: float | None) -> None:
        if self._pings is None or all(sent != payload for sent, _, _ in self._pings):
            return
        # RFC 6455 section 5.5.3: a pong may answer the most recent of several pings only.
        now = self._link.now()
        while self._pings:
            sent, sent_s, waiter = self._pings.popleft()
            if not waiter.done():
                waiter.set_result(now - sent_s)
            if sent == payload:
                break

    def on_drain(self, connection: Endpoint) -> None:
        self._sender.wake()

    def on_close(self, connection: Endpoint, error: ConnectionClosed) -> None:
        self._receiver.wake()
        self._sender.wake()
        waiters, self._closed_waiters = self._closed_waiters, None
        for closed_waiter in waiters or ():
            if not closed_waiter.done():
                closed_waiter.set_result(None)
        while self._pings:
            ping_waiter = self._pings.popleft()[2]
            if not ping_waiter.done():
                ping_waiter.set_exception(connection.error_now())
                # A ping whose task was cancelled meanwhile has nobody to hear of it.
                ping_waiter.exception()

    def unread(self) -> tuple[int, int]:
        """Return (messages, bytes) that arrived and were not received."""
        return self._receiver.unread()


def _unopened() -> LongwireError:
    return LongwireError("the opening handshake of this connection is not finished")


def text_response(status: int, text: str, headers: HeadersLike = ()) -> ResponseHead:
    """Return a plain text response, for a server that refuses a handshake."""
    body = text.encode()
    fields = Headers(headers)
    if "Content-Type" not in fields:
        fields.add("Content-Type", "text/plain; charset=utf-8")
    fields.set("Content-Length", str(len(body)))
    return ResponseHead(status, HTTPStatus(status).phrase, fields, body)
