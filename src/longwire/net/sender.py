# cython: annotation_typing=False, auto_pickle=False
"""Sending in coroutine style: messages and streams of fragments, with back-pressure."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterable, Coroutine, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from longwire.base.codes import CloseCode
from longwire.base.errors import LongwireError, ProtocolError
from longwire.base.limits import KIB
from longwire.net.closed import ConnectionClosed
from longwire.net.endpoint import Endpoint
from longwire.net.receiver import ConcurrencyError
from longwire.websocket.connection import State

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

if TYPE_CHECKING:
    from longwire.net.settings import WebSocketSettings

__all__ = ["BytesLike", "Message", "Outgoing", "Sender"]

TURN_BYTES_MAX = 256 * KIB
"""What may be sent to a connection before its sender lets the event loop turn."""

MESSAGE_COST_BYTES = KIB
"""What a message counts for in that besides its payload."""

BytesLike: TypeAlias = bytes | bytearray | memoryview
Message: TypeAlias = str | BytesLike
Outgoing: TypeAlias = Message | Iterable[Message] | AsyncIterable[Message]

_OPEN = State.OPEN
_WHOLE = (str, bytes, bytearray, memoryview)
_TURN_BYTES_MAX, _MESSAGE_COST_BYTES = TURN_BYTES_MAX, MESSAGE_COST_BYTES


class Sender:
    """The tasks that send on one connection, and when they have to wait."""

    __slots__ = (
        "_drain_waiters",
        "_endpoint",
        "_fragments_sender",
        "_loop",
        "_turn_bytes",
        "_write_limit",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: WebSocketSettings) -> None:
        self._loop = loop
        self._endpoint: Endpoint = None  # type: ignore[assignment]  # until opened
        self._write_limit = settings.limits.write_buffer_bytes_max
        self._drain_waiters: list[asyncio.Future[None]] | None = None
        self._fragments_sender: asyncio.Task[object] | None = None
        self._turn_bytes = 0

    def opened(self, endpoint: Endpoint) -> None:
        """The handshake is done; ``endpoint`` is where messages go."""
        self._endpoint = endpoint

    def send(self, message: Outgoing, text: bool | None) -> Coroutine[Any, Any, None]:
        """See :meth:`longwire.Connection.send`."""
        if self._endpoint is None:
            raise LongwireError("the opening handshake of this connection is not finished")
        if type(message) is bytes or type(message) is str or isinstance(message, _WHOLE):
            if not cython.compiled:
                return self._send_in_turn(message, text)  # the interpreter's own is cheaper there
            return Sending(self, message, text)
        return self._send_parts(message, text)

    def begin(self, message: Message, text: bool | None) -> Coroutine[Any, Any, None] | None:
        """Send at once where nothing is in the way; else return what sends when that is gone."""
        if (
            self._turn_bytes > _TURN_BYTES_MAX
            or self._fragments_sender is not None
            or self._is_held_back()
        ):
            return self._send_in_turn(message, text)
        self._send_whole(message, text)
        return None

    async def _send_in_turn(self, message: Message, text: bool | None) -> None:
        if self._turn_bytes > _TURN_BYTES_MAX:
            await self._let_others_run()
        if self._fragments_sender is not None or self._is_held_back():
            await self._wait_for_turn()
        self._send_whole(message, text)

    def _send_whole(self, message: Message, text: bool | None) -> None:
        self._turn_bytes += _MESSAGE_COST_BYTES + len(message)
        self._endpoint.send_one(message, text)

    async def _send_parts(
        self, message: Iterable[Message] | AsyncIterable[Message], text: bool | None
    ) -> None:
        if isinstance(message, Mapping):
            raise TypeError("a mapping is no message; send its items, or its JSON text")
        if isinstance(message, AsyncIterable):
            await self._send_fragments(aiter(message), text)
        elif isinstance(message, Iterable):
            await self._send_fragments(_Steps(iter(message)), text)
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
                if not isinstance(fragment, _WHOLE):
                    raise TypeError(f"a fragment is str or bytes, not {type(fragment).__name__}")
                if kind is not None and fragment_kind is not kind:
                    raise TypeError("the fragments of one message are all str or all bytes")
                kind = fragment_kind
                if self._turn_bytes > _TURN_BYTES_MAX:
                    await self._let_others_run()
                self._turn_bytes += _MESSAGE_COST_BYTES + len(fragment)
                while self._is_held_back():
                    await self._wait_for_drain()
                self._endpoint.send_fragment(fragment, final=False, text=text)
            if kind is not None:
                self._endpoint.send_fragment(kind(), final=True, text=text)
        except ConnectionClosed:
            raise
        except BaseException:
            if kind is not None:
                self._endpoint.fail(
                    ProtocolError(
                        CloseCode.INTERNAL_ERROR, "a fragmented message was cut short", side="local"
                    )
                )
            raise
        finally:
            self._fragments_sender = None
            self.wake()

    async def _let_others_run(self) -> None:
        """Suspend a task that sends and sends while the kernel takes everything.

        Nothing else would: not another task, not a keepalive, not the flush of what it sent.
        """
        self._turn_bytes = 0
        await asyncio.sleep(0)

    async def _wait_for_turn(self) -> None:
        while self._fragments_sender is not None or self._is_held_back():
            if self._fragments_sender is asyncio.current_task():
                raise ConcurrencyError("send was called by the iterable that another send is at")
            await self._wait_for_drain()

    async def _wait_for_drain(self) -> None:
        if self._endpoint.closed is not None or self._endpoint.state is not _OPEN:
            raise self._endpoint.error_now()
        waiter = self._loop.create_future()
        if self._drain_waiters is None:
            self._drain_waiters = []
        self._drain_waiters.append(waiter)
        try:
            await waiter
        finally:
            if self._drain_waiters is not None and waiter in self._drain_waiters:
                self._drain_waiters.remove(waiter)

    async def drain(self) -> None:
        """Wait until no more than the write limit is held back. Cancel-safe."""
        while self._is_held_back():
            await self._wait_for_drain()

    def wake(self) -> None:
        """Let the waiting tasks look again."""
        waiters, self._drain_waiters = self._drain_waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def _is_held_back(self) -> bool:
        return self._endpoint.held() > self._write_limit


class Sending:
    """A whole message that is sent when this is awaited: a coroutine in all but its cost.

    Nearly every message leaves without waiting; a coroutine for that costs more than the rest.
    """

    __slots__ = ("_message", "_sender", "_text", "_waiting")

    def __init__(self, sender: Sender, message: Message, text: bool | None) -> None:
        self._sender: Sender | None = sender
        self._message = message
        self._text = text
        self._waiting: Coroutine[Any, Any, None] | None = None

    def __await__(self) -> Sending:
        return self

    def __iter__(self) -> Sending:
        return self

    def __next__(self) -> Any:
        if self._waiting is None:
            sender, self._sender = self._sender, None
            if sender is None:
                raise RuntimeError("cannot reuse already awaited coroutine")
            self._waiting = sender.begin(self._message, self._text)
            if self._waiting is None:
                raise StopIteration
        return self._waiting.send(None)

    def send(self, value: Any) -> Any:
        """Go on, as a coroutine that is stepped by hand."""
        return next(self) if self._waiting is None else self._waiting.send(value)

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        """Raise ``error`` where a task waits: it was cancelled."""
        self._sender = None
        thrown = error if value is None else value
        if self._waiting is None:
            raise thrown
        return self._waiting.throw(thrown)

    def close(self) -> None:
        """Give up what was not sent."""
        self._sender = None
        if self._waiting is not None:
            self._waiting.close()

    def __del__(self) -> None:
        if self._sender is not None:
            warnings.warn(
                "coroutine 'Connection.send' was never awaited", RuntimeWarning, stacklevel=1
            )


class _Steps:
    """An iterable as an asynchronous one."""

    __slots__ = ("_iterator",)

    def __init__(self, iterator: Iterator[Message]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> _Steps:
        return self

    async def __anext__(self) -> Message:
        for fragment in self._iterator:
            return fragment
        raise StopAsyncIteration
