# cython: annotation_typing=False, auto_pickle=False
# mypy: disable-error-code="unreachable"
"""``async for`` over the messages of a connection, without a coroutine for each of them.

A coroutine for one message costs more than to read, unmask and queue that message. Since one task
receives at a time, a single object can be the iterator, the awaitable of every step and the
iterator that PEP 492 asks an awaitable for; what a step waits for stands in the receiver.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from longwire.net.closed import ConnectionClosedOK
from longwire.net.receiver import Receiver

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

if cython.compiled:
    from cython.cimports.cpython.exc import PyErr_SetObject

__all__ = ["MessageIterator"]


class MessageIterator:
    """Whole messages until the connection is closed; awaited, it gives the next one.

    Cancel-safe as ``recv`` is. Ends on :exc:`ConnectionClosedOK`, raises what else closed it.
    """

    __slots__ = ("_is_waiting", "_receiver")

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._is_waiting = False

    def __aiter__(self) -> MessageIterator:
        return self

    def __anext__(self) -> Any:
        return self if cython.compiled else self._next_message()

    async def _next_message(self) -> str | bytes:
        """A step where nothing is compiled: the interpreter's own coroutine is cheaper there."""
        try:
            return await self._receiver.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    # -- a step -----------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, Any, str | bytes]:
        return self  # type: ignore[return-value]  # as much of one as ``await`` needs

    def __iter__(self) -> MessageIterator:
        return self

    def __next__(self) -> Any:
        """Begin a step, or go on with it: its message is the value of StopIteration."""
        receiver = self._receiver
        if self._is_waiting and receiver.waits_here():
            self._end_wait()
        receiver.begin_message("recv")
        message = receiver.take_message()
        if message is None:
            return self._wait()
        if cython.compiled:
            # The value alone; the interpreter makes no exception of it where nobody looks at one.
            PyErr_SetObject(StopIteration, message)
            raise StopIteration
        raise StopIteration(message)

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        """Raise ``error`` where a task waits: it was cancelled."""
        self.close()
        raise error if value is None else value

    def close(self) -> None:
        """The task that waits here goes away."""
        if self._is_waiting:
            self._end_wait()

    def _wait(self) -> Any:
        try:
            waiter = self._receiver.begin_wait("recv")
        except ConnectionClosedOK:
            raise StopAsyncIteration from None
        self._is_waiting = True
        return waiter

    def _end_wait(self) -> None:
        self._is_waiting = False
        self._receiver.end_wait()
