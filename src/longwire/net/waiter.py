# cython: annotation_typing=False, auto_pickle=False
"""What a task that receives waits for: as much of a future as asyncio asks for, and no more.

A :class:`asyncio.Future` calls back in the next round of the event loop. That is an entry in the
loop's queue, a flush behind it and a future for each read of the socket, together more than it
costs to read eight short messages. Where the loop has called us and no task runs, the task that
waits can as well go on at once, like a callback.

The contract is that of a task with a future that is not asyncio's own: see
``asyncio.isfuture`` and, in CPython, ``task_step_handle_result_impl``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any

__all__ = ["Waiter"]


class Waiter:
    """One task waits for it at a time, again and again."""

    __slots__ = (
        "_asyncio_future_blocking",
        "_cancel_message",
        "_context",
        "_is_cancelled",
        "_is_done",
        "_loop",
        "_wake_up",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        self._is_done = True
        self._is_cancelled = False
        self._cancel_message: str | None = None
        self._wake_up: Callable[[Any], object] | None = None
        self._context: Context | None = None

    # -- who lets it go on ------------------------------------------------------------------

    def begin(self) -> None:
        """A task is about to wait; awaited next, or yielded by what is awaited."""
        self._is_done = self._is_cancelled = False
        self._asyncio_future_blocking = True
        self._wake_up = self._context = None

    def go_on(self) -> None:
        """Let the task go on: at once, unless another one runs."""
        if self._is_done:
            return
        wake_up, context = self._wake_up, self._context
        if wake_up is None or context is None or asyncio.current_task(self._loop) is not None:
            self.go_on_soon()
        else:
            self._is_done = True
            context.run(wake_up, self)

    def go_on_soon(self) -> None:
        """Let the task go on in the next round of the event loop."""
        if not self._is_done:
            self._is_done = True
            self._schedule()

    def _schedule(self) -> None:
        if self._wake_up is not None:
            self._loop.call_soon(self._wake_up, self, context=self._context)

    # -- what a task asks of a future -------------------------------------------------------

    def __await__(self) -> Generator[Any, None, None]:
        yield self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context) -> None:
        self._wake_up, self._context = callback, context
        if self._is_done:
            self._schedule()

    def done(self) -> bool:
        return self._is_done

    def result(self) -> None:
        if self._is_cancelled:
            raise asyncio.CancelledError(
                *() if self._cancel_message is None else (self._cancel_message,)
            )

    def cancel(self, msg: str | None = None) -> bool:
        if self._is_done:
            return False
        self._is_cancelled = True
        self._cancel_message = msg
        self.go_on_soon()
        return True
