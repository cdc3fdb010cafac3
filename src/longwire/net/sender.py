# cython: annotation_typing=False, auto_pickle=False
"""Sending in coroutine style: messages and streams of fragments, with back-pressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from longwire.base.codes import CloseCode
from longwire.base.errors import ProtocolError
from longwire.base.limits import KIB
from longwire.net.closed import ConnectionClosed
from longwire.net.endpoint import Endpoint
from longwire.net.receiver import ConcurrencyError
from longwire.websocket.connection import State

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
        self._endpoint: Endpoint
        self._write_limit = settings.limits.write_buffer_bytes_max
        self._drain_waiters: list[asyncio.Future[None]] | None = None
        self._fragments_sender: asyncio.Task[object] | None = None
        self._turn_bytes = 0

    def opened(self, endpoint: Endpoint) -> None:
        """The handshake is done; ``endpoint`` is where messages go."""
        self._endpoint = endpoint

    async def send(self, message: Outgoing, text: bool | None) -> None:
        """See :meth:`longwire.Connection.send`."""
        if type(message) is bytes or type(message) is str or isinstance(message, _WHOLE):
            if self._turn_bytes > _TURN_BYTES_MAX:
                await self._let_others_run()
            if self._fragments_sender is not None or self._is_held_back():
                await self._wait_for_turn()
            self._turn_bytes += _MESSAGE_COST_BYTES + len(message)
            self._endpoint.send_one(message, text)
        elif isinstance(message, Mapping):
            raise TypeError("a mapping is no message; send its items, or its JSON text")
        elif isinstance(message, AsyncIterable):
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
