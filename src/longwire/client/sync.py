"""``longwire.SyncClient``: the reliable client for programs without an event loop.

A thread of its own runs the loop and the :class:`~longwire.client.client.Client` in it. Nothing is
connected before the first call. After a fork the child begins a thread and a connection of its own
with its first call; what the parent's outbox holds stays the parent's to send.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from longwire.client.client import Client, Event
from longwire.client.errors import ClientError
from longwire.client.events import Ack, History, Message, Start, State
from longwire.streams.position import Position

__all__ = ["SyncClient"]

T = TypeVar("T")

ANSWER_S = 30.0
"""For how long a call waits unless it says otherwise."""
CALL_MARGIN_S = 5.0
"""For how much longer than the server a call waits for its answer."""
FLUSH_S = 10.0
"""For how long the end of the program waits for what is not acknowledged yet."""


class _Engine:
    """The thread with the loop and the client in it."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._begun: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._stop: asyncio.Event
        self._flush_s = 0.0
        self.loop: asyncio.AbstractEventLoop
        self.client: Client
        self.thread = threading.Thread(target=self._run, name="longwire-client", daemon=True)

    def begin(self) -> None:
        """Start it. Raises what ``Client`` and ``start`` raise."""
        self.thread.start()
        self._begun.result()

    @property
    def is_over(self) -> bool:
        return not self.thread.is_alive() or self.client.state is State.CLOSED

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            if self._begun.done():
                raise
            self._begun.set_exception(error)

    async def _live(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.client = self._make()
        await self.client.start()
        self._begun.set_result(None)
        await self._stop.wait()
        await self.client.close(flush_s=self._flush_s)
        await self.client.wait_closed()  # or the next one could find the outbox still in use

    def end(self, flush_s: float) -> None:
        """Close the client and wait for the thread."""
        self._flush_s = flush_s
        try:
            self.loop.call_soon_threadsafe(self._stop.set)
        except RuntimeError:
            pass  # it has ended by itself
        self.thread.join()


class SyncClient:
    """A reliable client of one longwire server, for threads.

    ::

        live = longwire.SyncClient("https://live.example.com", token="…")   # connects nothing yet

        def order_paid(order):                       # a Celery task, a Django view
            live.publish(f"orders/{order.id}", {"paid": True})   # returns when it is stored

    Takes the arguments of :class:`longwire.Client`; token functions and listeners are called in
    its thread. One instance serves all threads of a process, and may be made before a fork. The
    end of the program waits up to 10 seconds for what is not acknowledged; ``close`` or ``with``
    decide about that themselves. A client that ended with an error (a refused token, say) begins
    anew with the next call.

    Calls wait at most ``timeout_s`` seconds, ``None``: for ever. A publish whose wait was over
    stays in the outbox and is still sent: the error's ``outcome`` is ``unknown``.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._make: Callable[[], Client] = partial(Client, url, **options)
        self._make()  # bad arguments are told where they stand
        self._lock = threading.Lock()
        self._engine: _Engine | None = None
        self._listeners: list[Callable[[Event], None]] = []
        self._inside = threading.local()
        """In the thread of an engine: its ``client``."""
        self._is_closed = False
        _all.add(self)

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(flush_s=FLUSH_S if error is None else 0.0)

    def close(self, *, flush_s: float = FLUSH_S) -> None:
        """End for good, after at most ``flush_s`` seconds for what is not acknowledged yet."""
        self._demand_outside()
        with self._lock:
            self._is_closed = True
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.end(flush_s)

    @property
    def pending(self) -> int:
        """Publishes whose outcome is not known yet."""
        engine = self._engine
        return 0 if engine is None else engine.client.pending

    def on_event(self, listener: Callable[[Event], None]) -> None:
        """Call ``listener``, in the client's thread, with everything that happens by itself."""
        if self._is_inside:
            self._listeners.append(listener)
            self._inside.client.on_event(listener)
            return
        with self._lock:
            self._listeners.append(listener)
            if self._engine is not None:
                self._engine.loop.call_soon_threadsafe(self._engine.client.on_event, listener)

    # -- publishing -----------------------------------------------------------------------------

    def publish(
        self, stream: str, data: Any, *, timeout_s: float | None = ANSWER_S, **options: Any
    ) -> Ack:
        """Publish one message; returns when it is stored. See ``Client.publish``."""
        return self._call(lambda client: client.publish(stream, data, **options), timeout_s)

    def publish_batch(
        self,
        stream: str,
        batch: Iterable[Any],
        *,
        timeout_s: float | None = ANSWER_S,
        **options: Any,
    ) -> Ack:
        """Publish several messages that are stored next to each other, all or none."""
        return self._call(lambda client: client.publish_batch(stream, batch, **options), timeout_s)

    def submit(
        self, stream: str, data: Any, *, timeout_s: float | None = ANSWER_S, **options: Any
    ) -> concurrent.futures.Future[Ack]:
        """Put one message into the outbox; the future that is returned is its outcome.

        With ``outbox_path`` it is on the disk when this returns.
        """
        outcome: concurrent.futures.Future[Ack] = concurrent.futures.Future()

        async def put(client: Client) -> None:
            waiter = await client.submit(stream, [data], **options)
            waiter.add_done_callback(lambda done: _pass_on(done, outcome))

        self._call(put, timeout_s)
        return outcome

    def flush(self, *, timeout_s: float | None = ANSWER_S) -> None:
        """Wait until the outcome of everything published so far is known."""
        self._call(lambda client: client.flush(), timeout_s)

    # -- reading --------------------------------------------------------------------------------

    def messages(
        self,
        stream: str,
        *,
        start: Start = "tail",
        position: Position | str | None = None,
        type: Any = None,
        timeout_s: float | None = None,
    ) -> Iterator[Message[Any]]:
        """Read a stream: ``for message in client.messages("orders", position=held)``.

        Ends when the stream is closed, or when nothing came for ``timeout_s`` seconds.
        """

        async def subscribe(client: Client) -> Any:
            return aiter(client.subscribe(stream, start=start, position=position, type=type))

        messages = self._call(subscribe, ANSWER_S)
        try:
            while True:
                future = self._submit(lambda client: _next(messages))
                try:
                    message = future.result(timeout_s)
                except TimeoutError:
                    if future.cancel():
                        return
                    message = future.result()
                if message is None:
                    return
                yield message
        finally:
            self._call(lambda client: messages.aclose(), ANSWER_S)

    def history(
        self, stream: str, *, timeout_s: float | None = ANSWER_S, **options: Any
    ) -> History:
        """Read a page of the past. See ``Client.history``."""
        return self._call(lambda client: client.history(stream, **options), timeout_s)

    def call(
        self, method: str, data: Any = None, *, timeout_s: float = ANSWER_S, type: Any = None
    ) -> Any:
        """Call a function of the application behind the server. See ``Client.call``."""
        # The server gives up first, and its answer says more.
        return self._call(
            lambda client: client.call(method, data, timeout_s=timeout_s, type=type),
            timeout_s + CALL_MARGIN_S,
        )

    # -- inside ---------------------------------------------------------------------------------

    def _call(self, make: Callable[[Client], Coroutine[Any, Any, T]], timeout_s: float | None) -> T:
        future = self._submit(make)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            if not future.cancel():
                return future.result()
            trouble = self._trouble()
            raise ClientError(
                "timeout",
                f"no answer within {timeout_s:g} s{trouble}; a publish stays in the outbox and is "
                "sent",
                retry=True,
                outcome="unknown",
            ) from None

    def _trouble(self) -> str:
        engine = self._engine
        trouble = "" if engine is None else engine.client.trouble
        return f", for there is no connection: {trouble}" if trouble else ""

    def _submit(
        self, make: Callable[[Client], Coroutine[Any, Any, T]]
    ) -> concurrent.futures.Future[T]:
        self._demand_outside()
        with self._lock:
            engine = self._running()
            # Before others can find that the engine is over, and end it.
            return asyncio.run_coroutine_threadsafe(make(engine.client), engine.loop)

    @property
    def _is_inside(self) -> bool:
        """Whether this is a listener's call, or a token function's. It must not wait for the lock:
        whoever has it may be waiting for this thread to begin or to end."""
        return hasattr(self._inside, "client")

    def _demand_outside(self) -> None:
        if self._is_inside:
            raise ClientError(
                "bad_use",
                "a listener of a SyncClient must neither wait for it nor close it: use "
                "`longwire.Client`",
            )

    def _running(self) -> _Engine:
        if self._is_closed:
            raise ClientError("closed", "the client was closed", outcome="not_stored")
        if self._engine is not None and self._engine.is_over:
            self._engine.end(0.0)
            self._engine = None
        if self._engine is None:
            engine = _Engine(self._make_heard)
            engine.begin()
            self._engine = engine
        return self._engine

    def _make_heard(self) -> Client:
        client = self._inside.client = self._make()
        for listener in self._listeners:
            client.on_event(listener)
        return client

    def _forked(self) -> None:
        """In a child: thread, connection and outbox are the parent's."""
        engine, self._engine = self._engine, None
        self._lock, self._inside = threading.Lock(), threading.local()
        if engine is not None:
            # Kept alive, or its end would close descriptors whose numbers are others' by then.
            _left_behind.append(engine)
            engine.client.abandon()


async def _next(messages: Any) -> Message[Any] | None:
    message: Message[Any] | None = await anext(messages, None)
    return message


def _pass_on(done: asyncio.Future[Ack], outcome: concurrent.futures.Future[Ack]) -> None:
    error = done.exception()
    if error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(done.result())


_all: weakref.WeakSet[SyncClient] = weakref.WeakSet()
_left_behind: list[_Engine] = []


def _after_fork() -> None:
    for client in list(_all):
        client._forked()


def _at_exit() -> None:
    for client in list(_all):
        client.close()


os.register_at_fork(after_in_child=_after_fork)
# What `atexit` calls comes too late: by then the executors that the loop works with are shut down.
_register: Callable[[Callable[[], None]], object] = getattr(
    threading, "_register_atexit", atexit.register
)
_register(_at_exit)
