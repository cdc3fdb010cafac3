# cython: annotation_typing=False, auto_pickle=False
"""Receiving in coroutine style: whole messages and streams of parts, one task at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from longwire.base.errors import LongwireError
from longwire.net.endpoint import Endpoint
from longwire.net.in_flight import COUNTED_BYTES_MIN
from longwire.net.receive_queue import ReceiveQueue
from longwire.net.waiter import Waiter
from longwire.websocket.connection import State
from longwire.websocket.events import Fragment

if TYPE_CHECKING:
    from longwire.net.settings import WebSocketSettings

_OPEN = State.OPEN
_COUNTED_BYTES_MIN = COUNTED_BYTES_MIN

__all__ = ["ConcurrencyError", "MessageParts", "Receiver", "converted"]


class ConcurrencyError(LongwireError):
    """Two tasks wanted to receive from one connection at the same time."""


class Receiver:
    """What arrived and was not received yet, and the task that waits for more.

    Nothing is taken from the queue but in the step that returns it, so a cancelled task has
    taken nothing; the parts of a message that is not complete are kept here and not in a task.
    """

    __slots__ = (
        "_assembly",
        "_endpoint",
        "_is_paused",
        "_is_skipping",
        "_loop",
        "_parts",
        "_queue",
        "_task",
        "_waiter",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: WebSocketSettings) -> None:
        limits = settings.limits
        self._loop = loop
        self._endpoint: Endpoint
        self._queue = ReceiveQueue(
            limits.read_queue_messages_max,
            limits.read_queue_bytes_max,
            settings.read_queue_messages_low,
        )
        # Made for the first task that has to wait; ``_task`` says whether one does.
        self._waiter: Waiter | None = None
        self._task: asyncio.Task[Any] | None = None
        self._assembly: list[str | bytes] | None = None
        self._parts: MessageParts | None = None
        self._is_skipping = False
        self._is_paused = False

    def opened(self, endpoint: Endpoint) -> None:
        """The handshake is done; ``endpoint`` is where messages come from."""
        self._endpoint = endpoint

    def unread(self) -> tuple[int, int]:
        """Return (messages, bytes) that arrived and were not received."""
        return self._queue.counts()

    # -- from the wire ----------------------------------------------------------------------

    def on_message(self, connection: Endpoint, message: str | bytes) -> None:
        """``put``, as the endpoint calls it."""
        self.put(message)

    def put(self, item: str | bytes | Fragment) -> None:
        """Take what arrived; pause reading when it is too much."""
        queue, endpoint = self._queue, self._endpoint
        if self._is_paused and queue.is_over() and endpoint.engine.state is not _OPEN:
            # Past the limits while closing: reading on is needed to find the peer's Close frame.
            endpoint.messages_discarded += 1
            return
        queue.put(item)
        if not self._is_paused and queue.is_over():
            self._is_paused = True
            endpoint.pause_reading()
        if queue._bytes >= _COUNTED_BYTES_MIN:
            endpoint.count_in_flight()
        if self._task is not None and self._waiter is not None:
            self._endpoint.go_on_after_burst(self._waiter)

    def wake(self) -> None:
        """Let the waiting task look again."""
        if self._task is not None and self._waiter is not None:
            self._waiter.go_on_soon()

    # -- to the application -----------------------------------------------------------------

    async def recv(self) -> str | bytes:
        """Return the next whole message."""
        self.begin_message("recv")
        message = self.take_message()
        while message is None:
            await self._wait("recv")
            message = self.take_message()
        return message

    def stream(self, decode: bool | None) -> MessageParts:
        """Return an iterator over the parts of the next message."""
        self.begin_message("recv_streaming")
        self._endpoint.engine.streaming = True
        self._parts = MessageParts(self, decode)
        return self._parts

    async def next_part(self, parts: MessageParts) -> str | bytes:
        """Return the next part for ``parts``, and set its marks."""
        if self._task is not None:
            raise self._concurrency_error("recv_streaming")
        if self._parts is not parts:
            raise ConcurrencyError("this message was given up for another recv or recv_streaming")
        while True:
            while len(self._queue) > 0:
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
            await self._wait("recv_streaming")

    def begin_message(self, what: str) -> None:
        """The next that is taken begins a message; ``what`` names the caller for an error."""
        if self._task is not None:
            raise self._concurrency_error(what)
        if self._parts is not None:
            self._is_skipping = self._parts.is_begun and not self._parts.is_finished
            self._parts = None

    def take_message(self) -> str | bytes | None:
        """Take the next whole message from the queue, if there is one."""
        while len(self._queue) > 0:
            item = self._take()
            if type(item) is bytes or type(item) is str:
                return item
            message = self._take_part(item)  # type: ignore[arg-type]
            if message is not None:
                return message
        return None

    def _take_part(self, part: Fragment) -> str | bytes | None:
        """Keep a part; return the message that it completes, if it does."""
        if self._is_skipping and not part.first:
            self._is_skipping = not part.final
            return None
        self._is_skipping = False
        if self._assembly is None:
            self._assembly = []
        self._assembly.append(part.data)
        if not part.final:
            return None
        pieces, self._assembly = self._assembly, None
        if isinstance(part.data, str):
            return "".join(pieces)  # type: ignore[arg-type]
        return b"".join(pieces)  # type: ignore[arg-type]

    def _take(self) -> str | bytes | Fragment:
        item = self._queue.take()
        if self._is_paused and self._queue.is_low():
            self._is_paused = False
            self._endpoint.resume_reading()
        return item

    async def _wait(self, what: str) -> None:
        """Wait until there may be something in the queue; raise when nothing will come."""
        waiter = self.begin_wait(what)
        try:
            await waiter
        finally:
            self.end_wait()

    def begin_wait(self, what: str) -> Waiter:
        """Return what goes on when there may be something in the queue, for the calling task."""
        if self._endpoint.closed is not None:
            raise self._endpoint.error_now()
        if self._task is not None:
            raise self._concurrency_error(what)
        if self._waiter is None:
            self._waiter = Waiter(self._loop)
        self._waiter.begin()
        self._task = asyncio.current_task(self._loop)
        return self._waiter

    def waits_here(self) -> bool:
        """Whether it is the calling task that began to wait."""
        return self._task is not None and self._task is asyncio.current_task(self._loop)

    def end_wait(self) -> None:
        """The task that waited goes on, or was cancelled."""
        self._task = None

    def _concurrency_error(self, what: str) -> ConcurrencyError:
        name = "?" if self._task is None else self._task.get_name()
        return ConcurrencyError(
            f"{what}: the task {name!r} is already receiving from this connection;"
            " let one task receive, and hand messages on from there"
        )


class MessageParts:
    """The parts of one message as they arrive; made by :meth:`Connection.recv_streaming`."""

    __slots__ = ("_decode", "_receiver", "is_begun", "is_finished")

    def __init__(self, receiver: Receiver, decode: bool | None) -> None:
        self._receiver = receiver
        self._decode = decode
        self.is_begun = False
        self.is_finished = False

    def __aiter__(self) -> MessageParts:
        return self

    async def __anext__(self) -> str | bytes:
        if self.is_finished:
            raise StopAsyncIteration
        return converted(await self._receiver.next_part(self), self._decode)


def converted(message: str | bytes, decode: bool | None) -> str | bytes:
    """Return a message with the type that ``decode`` asks for."""
    if decode is None:
        return message
    if decode:
        return message if isinstance(message, str) else message.decode()
    return message.encode() if isinstance(message, str) else message
