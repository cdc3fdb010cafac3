"""The coroutine style: ``send``, ``recv``, ``async for``, with back-pressure both ways."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Literal, TypeAlias, overload

from longwire.base.codes import CloseCode
from longwire.base.errors import LongwireError, ProtocolError
from longwire.base.headers import Headers, HeadersLike
from longwire.net.callbacks import Callbacks
from longwire.net.closed import Closed, ConnectionClosed, ConnectionClosedOK
from longwire.net.endpoint import Endpoint
from longwire.net.link import Address, Link
from longwire.net.receive_queue import ReceiveQueue
from longwire.net.settings import WebSocketSettings
from longwire.websocket.connection import State
from longwire.websocket.events import Fragment
from longwire.websocket.handshake import RequestHead, ResponseHead

__all__ = ["ConcurrencyError", "Connection", "MessageParts"]

BytesLike: TypeAlias = bytes | bytearray | memoryview
Message: TypeAlias = str | BytesLike


class ConcurrencyError(LongwireError):
    """Two tasks wanted to receive from one connection at the same time."""


class Connection(Callbacks):
    """One WebSocket connection for coroutines. Made by ``connect`` and ``serve``.

    Receiving: one task at a time; ``recv`` is cancel-safe. Sending: any task at any time. Pings,
    pongs and the peer's Close are answered whether or not anybody receives. Belongs to the event
    loop that it was made on. Attributes of your own may be set on it.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_assembly",
        "_closed_waiters",
        "_drain_waiters",
        "_endpoint",
        "_fragments_sender",
        "_id",
        "_is_paused",
        "_is_skipping",
        "_link",
        "_loop",
        "_parts",
        "_pings",
        "_queue",
        "_receiver",
        "_run",
        "_settings",
        "_waiter",
        "_write_limit",
        "opening_request",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: Link,
        settings: WebSocketSettings,
        run: Callable[[Connection], None] | None = None,
    ) -> None:
        limits = settings.limits
        self._loop = loop
        self._link = link
        self._settings = settings
        self._run = run
        self._endpoint: Endpoint | None = None
        self.opening_request: RequestHead | None = None
        self._id: uuid.UUID | None = None
        self._queue = ReceiveQueue(
            limits.read_queue_messages_max,
            limits.read_queue_bytes_max,
            settings.read_queue_messages_low,
        )
        self._write_limit = limits.write_buffer_bytes_max
        self._waiter: asyncio.Future[None] | None = None
        self._receiver: asyncio.Task[object] | None = None
        self._assembly: list[str | bytes] = []
        self._parts: MessageParts | None = None
        self._is_skipping = False
        self._is_paused = False
        self._drain_waiters: list[asyncio.Future[None]] = []
        self._closed_waiters: list[asyncio.Future[None]] = []
        self._pings: deque[tuple[bytes, float, asyncio.Future[float]]] = deque()
        self._fragments_sender: asyncio.Task[object] | None = None

    # -- facts ------------------------------------------------------------------------------

    @property
    def endpoint(self) -> Endpoint:
        """The same connection in callback style, for its facts and counters."""
        if self._endpoint is None:
            raise LongwireError("the opening handshake of this connection is not finished")
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
        self._start_message()
        while True:
            while self._queue:
                message = self._take_message()
                if message is not None:
                    return _converted(message, decode)
            await self._wait_for_input("recv")

    def recv_streaming(self, decode: bool | None = None) -> MessageParts:
        """Receive one message in parts, as they arrive: an asynchronous iterator.

        Text is cut between characters. ``decode`` is as for ``recv``. What is left of a message
        that was not received to its end is thrown away by the next ``recv`` or
        ``recv_streaming``.

        Cancel-safe: after a cancelled step the same iterator goes on without loss.
        """
        self._start_message()
        self.endpoint.engine.streaming = True
        parts = MessageParts(self, decode)
        self._parts = parts
        return parts

    def __aiter__(self) -> Connection:
        """Iterate over messages until the connection is closed in order.

        Ends silently on :exc:`ConnectionClosedOK`, raises :exc:`ConnectionClosedError`.
        """
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    def _start_message(self) -> None:
        if self._receiver is not None:
            raise self._concurrency_error("recv")
        if self._parts is not None:
            self._is_skipping = self._parts.is_begun and not self._parts.is_finished
            self._parts = None

    def _take_message(self) -> str | bytes | None:
        """Take one entry of the queue; return the message that it completes, if any."""
        item = self._take()
        if not isinstance(item, Fragment):
            return item
        if self._is_skipping and not item.first:
            self._is_skipping = not item.final
            return None
        self._is_skipping = False
        self._assembly.append(item.data)
        if not item.final:
            return None
        pieces, self._assembly = self._assembly, []
        if isinstance(item.data, str):
            return "".join(pieces)  # type: ignore[arg-type]
        return b"".join(pieces)  # type: ignore[arg-type]

    def _take(self) -> str | bytes | Fragment:
        item = self._queue.take()
        if self._is_paused and self._queue.is_low:
            self._is_paused = False
            self.endpoint.resume_reading()
        return item

    async def _next_part(self, parts: MessageParts) -> str | bytes:
        """Return the next part for ``parts``, and set its marks."""
        if self._receiver is not None:
            raise self._concurrency_error("recv_streaming")
        if self._parts is not parts:
            raise ConcurrencyError("this message was given up for another recv or recv_streaming")
        while True:
            while self._queue:
                item = self._take()
                if not isinstance(item, Fragment):
                    parts.is_begun = parts.is_finished = True
                    return item
                if self._is_skipping and not item.first:
                    self._is_skipping = not item.final
                    continue
                self._is_skipping = False
                parts.is_begun = True
                parts.is_finished = item.final
                # An empty end says nothing that the end of the iteration does not.
                if item.data or not item.final or item.first:
                    return item.data
                raise StopAsyncIteration
            await self._wait_for_input("recv_streaming")

    async def _wait_for_input(self, what: str) -> None:
        """Wait until there may be something in the queue; raise when nothing will come."""
        if self.endpoint.closed is not None:
            raise self.endpoint.error_now()
        if self._receiver is not None:
            raise self._concurrency_error(what)
        waiter = self._waiter = self._loop.create_future()
        self._receiver = asyncio.current_task()
        try:
            await waiter
        finally:
            self._waiter = self._receiver = None

    def _concurrency_error(self, what: str) -> ConcurrencyError:
        name = self._receiver.get_name() if self._receiver is not None else "?"
        return ConcurrencyError(
            f"{what}: the task {name!r} is already receiving from this connection;"
            " let one task receive, and hand messages on from there"
        )

    def _wake_receiver(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
            # The task runs in the next round of callbacks; what it sends leaves right behind.
            self._link.expect_writes()

    # -- sending ----------------------------------------------------------------------------

    async def send(
        self,
        message: Message | Iterable[Message] | AsyncIterable[Message],
        *,
        text: bool | None = None,
    ) -> None:
        """Send a message: ``str`` as text, bytes as binary; ``text`` overrules that.

        An iterable or asynchronous iterable is sent as the fragments of one message. Waits while
        more than the write limit is held back by a slow peer.

        Cancelled while it waits, a message has not been sent. A fragmented message that is
        cancelled, or whose iterable raises, cannot be finished: the connection is closed with
        1011. Raises :exc:`ConnectionClosed` when the connection is closing or closed.
        """
        if isinstance(message, (str, bytes, bytearray, memoryview)):
            if self._fragments_sender is not None or self._link.held_bytes > self._write_limit:
                await self._wait_for_turn()
            self.endpoint.send(message, text=text)
        elif isinstance(message, Mapping):
            raise TypeError("a mapping is no message; send its items, or its JSON text")
        elif isinstance(message, AsyncIterable):
            await self._send_fragments(aiter(message), text)
        elif isinstance(message, Iterable):
            await self._send_fragments(_asynchronous(message), text)
        else:
            raise TypeError(
                f"a message is str, bytes, or an iterable of these, not {type(message).__name__}"
            )

    async def _send_fragments(self, fragments: AsyncIterable[Message], text: bool | None) -> None:
        await self._wait_for_turn()
        self._fragments_sender = asyncio.current_task()
        kind: type | None = None
        try:
            async for fragment in fragments:
                fragment_kind = str if isinstance(fragment, str) else bytes
                if not isinstance(fragment, (str, bytes, bytearray, memoryview)):
                    raise TypeError(f"a fragment is str or bytes, not {type(fragment).__name__}")
                if kind is not None and fragment_kind is not kind:
                    raise TypeError("the fragments of one message are all str or all bytes")
                kind = fragment_kind
                while self._link.held_bytes > self._write_limit:
                    await self._wait_for_drain()
                self.endpoint.send_fragment(fragment, final=False, text=text)
            if kind is not None:
                self.endpoint.send_fragment(kind(), final=True, text=text)
        except ConnectionClosed:
            raise
        except BaseException:
            if kind is not None:
                self.endpoint.fail(
                    ProtocolError(
                        CloseCode.INTERNAL_ERROR, "a fragmented message was cut short", side="local"
                    )
                )
            raise
        finally:
            self._fragments_sender = None
            self._wake_senders()

    async def _wait_for_turn(self) -> None:
        while self._fragments_sender is not None or self._link.held_bytes > self._write_limit:
            if self._fragments_sender is asyncio.current_task():
                raise ConcurrencyError("send was called by the iterable that another send is at")
            await self._wait_for_drain()

    async def _wait_for_drain(self) -> None:
        if self.endpoint.closed is not None or self.endpoint.state is not State.OPEN:
            raise self.endpoint.error_now()
        waiter = self._loop.create_future()
        self._drain_waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._drain_waiters:
                self._drain_waiters.remove(waiter)

    async def drain(self) -> None:
        """Wait until no more than the write limit is held back. Cancel-safe."""
        while self._link.held_bytes > self._write_limit:
            await self._wait_for_drain()

    async def ping(self, payload: Message | None = None) -> float:
        """Send a ping, wait for its pong and return the round trip in seconds.

        Cancel-safe. Raises :exc:`ConnectionClosed` when the connection ends first.
        """
        data = payload.encode() if isinstance(payload, str) else payload
        sent = self.endpoint.ping(None if data is None else bytes(data))
        waiter: asyncio.Future[float] = self._loop.create_future()
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
        low = self._settings.write_buffer_bytes_low
        self._link.set_write_limits(
            self._write_limit, self._write_limit // 4 if low is None else low
        )
        if self._run is not None:
            self._run(self)

    def on_message(self, connection: Endpoint, message: str | bytes) -> None:
        self._put(connection, message)

    def on_fragment(self, connection: Endpoint, fragment: Fragment) -> None:
        self._put(connection, fragment)

    def _put(self, connection: Endpoint, item: str | bytes | Fragment) -> None:
        queue = self._queue
        if queue.is_over and connection.engine.state is not State.OPEN:
            # Past the limits while closing: reading on is needed to find the peer's Close frame.
            connection.messages_discarded += 1
            return
        queue.put(item)
        if queue.is_over and not self._is_paused:
            self._is_paused = True
            connection.pause_reading()
        self._wake_receiver()

    def on_pong(self, connection: Endpoint, payload: bytes, latency_s: float | None) -> None:
        if all(sent != payload for sent, _, _ in self._pings):
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
        self._wake_senders()

    def on_close(self, connection: Endpoint, error: ConnectionClosed) -> None:
        self._wake_receiver()
        self._wake_senders()
        waiters, self._closed_waiters = self._closed_waiters, []
        for closed_waiter in waiters:
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
        return self._queue.counts()

    def _wake_senders(self) -> None:
        waiters, self._drain_waiters = self._drain_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class MessageParts:
    """The parts of one message as they arrive; made by :meth:`Connection.recv_streaming`."""

    __slots__ = ("_connection", "_decode", "is_begun", "is_finished")

    def __init__(self, connection: Connection, decode: bool | None) -> None:
        self._connection = connection
        self._decode = decode
        self.is_begun = False
        self.is_finished = False

    def __aiter__(self) -> MessageParts:
        return self

    async def __anext__(self) -> str | bytes:
        if self.is_finished:
            raise StopAsyncIteration
        part = await self._connection._next_part(self)
        return _converted(part, self._decode)


def text_response(status: int, text: str, headers: HeadersLike = ()) -> ResponseHead:
    """Return a plain text response, for a server that refuses a handshake."""
    body = text.encode()
    fields = Headers(headers)
    if "Content-Type" not in fields:
        fields.add("Content-Type", "text/plain; charset=utf-8")
    fields.set("Content-Length", str(len(body)))
    return ResponseHead(status, HTTPStatus(status).phrase, fields, body)


def _converted(message: str | bytes, decode: bool | None) -> str | bytes:
    if decode is None:
        return message
    if decode:
        return message if isinstance(message, str) else message.decode()
    return message.encode() if isinstance(message, str) else message


async def _asynchronous(fragments: Iterable[Message]) -> AsyncIterable[Message]:
    for fragment in fragments:
        yield fragment


Handler: TypeAlias = Callable[[Connection], Awaitable[None]]
