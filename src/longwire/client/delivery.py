"""Between the wire and the application: what was received and is not dealt with yet.

A handler, or a loop over it, takes one message after the other. Events stand in the queue between
the messages, so that their turn comes in order.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from longwire.client.errors import ClientError

__all__ = ["Deliveries", "DeliveryOwner", "Handler"]

Item = TypeVar("Item")
Taken = TypeVar("Taken", contravariant=True)

Handler: TypeAlias = Callable[[Item], Awaitable[None] | None]
"""Called for each message, one after the other. The position advances when it has returned."""

STOP_S = 10.0
"""For how long the end waits for a handler that is running; then it is cancelled."""


class DeliveryOwner(Protocol[Taken]):
    """Whose queue it is."""

    def taken(self) -> None:
        """A message was taken: there is room for another."""

    def dealt_with(self, message: Taken) -> None:
        """The handler has returned, or the loop has asked for the next one."""

    def failed(self, message: Taken, error: BaseException) -> None:
        """The handler has failed."""

    def turn(self, event: Any) -> None:
        """It is an event's turn."""

    def left(self) -> None:
        """The loop was left: nothing more is wanted."""


class _Event:
    __slots__ = ("event",)

    def __init__(self, event: Any) -> None:
        self.event = event


class Deliveries(Generic[Item]):
    """A queue and who works it off: a handler, or whoever iterates."""

    def __init__(self, owner: DeliveryOwner[Item], name: str, handler: Handler[Item] | None):
        self.messages = 0
        """Messages that wait."""
        self._owner = owner
        self._name = name
        self._handler = handler
        self._queue: deque[Item | _Event] = deque()
        self._has_more = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._is_finished = False
        self._error: ClientError | None = None

    @property
    def is_empty(self) -> bool:
        """Whether all turns have come."""
        return not self._queue

    def put(self, message: Item) -> None:
        """Add a message."""
        self._queue.append(message)
        self.messages += 1
        self._proceed()

    def put_event(self, event: Any) -> None:
        """Add what is not for the handler; ``turn`` is called when everything before it was."""
        self._queue.append(_Event(event))
        self._proceed()

    def clear(self) -> None:
        """Drop what was not taken."""
        self._queue.clear()
        self.messages = 0

    def finish(self, error: ClientError | None) -> None:
        """Nothing follows; the error is raised at the end of the loop."""
        self._is_finished = True
        self._error = error
        self._has_more.set()

    async def stop(self) -> None:
        """Drop what was not taken, and wait for the handler that is running."""
        self.clear()
        worker = self._worker
        if worker is not None and worker is not asyncio.current_task():
            _, running = await asyncio.wait([worker], timeout=STOP_S)
            for task in running:
                task.cancel()

    async def iterate(self) -> AsyncIterator[Item]:
        """Take one message after the other; each is dealt with when the next is asked for."""
        if self._handler is not None:
            raise ClientError("bad_use", f"{self._name} has a handler: it gets the messages")
        try:
            while True:
                message = self._take()
                if message is None:
                    if self._is_finished:
                        break
                    self._has_more.clear()
                    await self._has_more.wait()
                    continue
                yield message
                self._owner.dealt_with(message)
        finally:
            self._owner.left()
        if self._error is not None:
            raise self._error

    # -- working off ----------------------------------------------------------------------------

    def _proceed(self) -> None:
        if self._handler is None:
            self._has_more.set()
        elif self._worker is None:
            self._work_off(self._handler)

    def _work_off(self, handler: Handler[Item]) -> None:
        """Call the handler as long as it returns at once; go on in a task when it waits."""
        while (message := self._take()) is not None:
            try:
                waiting = handler(message)
            except (Exception, asyncio.CancelledError) as error:
                self._owner.failed(message, error)
                continue
            if inspect.isawaitable(waiting):
                loop = asyncio.get_running_loop()
                self._worker = loop.create_task(self._go_on(handler, message, waiting))
                return
            self._owner.dealt_with(message)

    async def _go_on(self, handler: Handler[Item], message: Item, waiting: Awaitable[None]) -> None:
        current: Item | None = message
        result: Awaitable[None] | None = waiting
        try:
            while current is not None:
                try:
                    if result is None:
                        result = handler(current)
                    if result is not None:
                        await result
                    self._owner.dealt_with(current)
                except Exception as error:
                    self._owner.failed(current, error)
                except asyncio.CancelledError as error:
                    # What the handler waited for was cancelled, or this is.
                    task = asyncio.current_task()
                    if task is not None and task.cancelling():
                        raise
                    self._owner.failed(current, error)
                result, current = None, self._take()
        finally:
            self._worker = None

    def _take(self) -> Item | None:
        """The next message; the turn of events before it comes on the way."""
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, _Event):
                self._owner.turn(item.event)
                continue
            self.messages -= 1
            self._owner.taken()
            return item
        return None
