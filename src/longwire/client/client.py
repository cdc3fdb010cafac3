"""``longwire.Client``: one connection that comes back by itself, what it reads and publishes."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias, TypeVar, overload

from longwire.client.backoff import Backoff
from longwire.client.connection import (
    TOKEN_EXPIRED,
    UNAUTHORIZED,
    ClientConnection,
    Ending,
    Timing,
)
from longwire.client.disk_outbox import DiskJournal
from longwire.client.errors import ClientError, error_from_answer
from longwire.client.events import (
    Ack,
    End,
    Gap,
    History,
    Message,
    Recovered,
    Start,
    State,
    StateChange,
)
from longwire.client.outbox import Journal, Outbox
from longwire.client.payloads import decode_entry, encode_payload
from longwire.client.subscription import Handler, Subscription
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position, parse_position

__all__ = ["Client", "Event", "Token"]

logger = logging.getLogger("longwire.client")

T = TypeVar("T")

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""Who this is: a token, or a function that returns one, asked before each attempt."""

Event: TypeAlias = StateChange | Recovered | Gap | End | ClientError
"""What happens by itself. Gaps and errors that no listener takes are logged."""

LIVED_S = 5.0
"""A connection that was open for so long had lived: its loss is answered by a retry at once."""

RETRY_FIRST_S, RETRY_MAX_S = 0.5, 30.0
WAKE_CHECK_S = 5.0
"""How often to look whether the machine slept."""


class Client:
    """A reliable client of one longwire server.

    ::

        async with longwire.Client("ws://localhost:8080", token="…") as client:
            ack = await client.publish("chat/room", {"text": "hello"})   # returns when stored
            async for message in client.subscribe("chat/room"):
                print(message.data, message.position)

    ``url`` is that of the server (``http``, ``https``, ``ws``, ``wss``; the path is ``/ws`` unless
    it has one). Times are seconds, sizes bytes.

    * ``token``: who this is; a function is asked before each attempt.
    * ``outbox_messages_max``, ``outbox_bytes_max``: publishes that may wait for their
      acknowledgement. ``outbox_path``: keep them in this file, so that they survive the process.
    * ``queue_messages_max``: messages that may wait for one subscription's handler.
    * ``timing``: see :class:`~longwire.client.connection.Timing`.
    * ``retry_first_s``, ``retry_max_s``: the bounds of the random wait between attempts.
    * ``websocket_options``: further arguments of :func:`longwire.connect`.

    Belongs to one event loop. ``on_event`` registers listeners for what happens by itself.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        outbox_messages_max: int = 10_000,
        outbox_bytes_max: int = 16 * 1024 * 1024,
        outbox_path: Path | str | None = None,
        queue_messages_max: int = 1_000,
        timing: Timing | None = None,
        retry_first_s: float = RETRY_FIRST_S,
        retry_max_s: float = RETRY_MAX_S,
        websocket_options: Mapping[str, Any] | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.url = _websocket_url(url)
        self.queue_messages_max = queue_messages_max
        self.user: str | None = None
        """Whom the server takes this client for; ``None``: anonymous, or not known yet."""
        self._token = token
        self._timing = timing or Timing()
        self._options = dict(websocket_options or {})
        self._backoff = Backoff(retry_first_s, retry_max_s, random)
        self._random = random
        self._outbox_settings = (outbox_messages_max, outbox_bytes_max, outbox_path)
        self._outbox: Outbox
        self._subscriptions: dict[str, Subscription[Any]] = {}
        self._listeners: list[Callable[[Event], None]] = []
        self._connection: ClientConnection | None = None
        self._limits: Mapping[str, Any] = {}
        self._state = State.CONNECTING
        self._opened: asyncio.Future[None]
        self._attempt: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._wake_timer: asyncio.TimerHandle | None = None
        self._closed: ClientError | None = None
        self._is_started = False

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect. Returns at once; ``async with`` does it too.

        Raises ``ClientError`` when the outbox on disk cannot be used.
        """
        if self._is_started:
            raise ClientError("bad_use", "this client was started before")
        self._is_started = True
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.create_future()
        self._opened.add_done_callback(lambda done: done.cancelled() or done.exception())
        messages_max, bytes_max, path = self._outbox_settings
        self._outbox = Outbox(
            self, messages_max=messages_max, bytes_max=bytes_max, journal=_make_journal(path)
        )
        await self._outbox.open()
        self._begin_attempt()
        self._watch_sleep(time.time(), self._loop.time())

    async def connected(self, timeout: float | None = None) -> None:
        """Wait until the client is connected. Raises ``ClientError`` when it never will be, and
        ``TimeoutError``."""
        async with asyncio.timeout(timeout):
            while self._state is not State.OPEN:
                if self._closed is not None:
                    raise self._closed
                await asyncio.shield(self._opened)

    async def close(self, *, flush_s: float = 0.0) -> None:
        """End for good, after at most ``flush_s`` for what is not acknowledged yet."""
        if not self._is_started or self._closed is not None:
            return
        if flush_s > 0:
            try:
                await asyncio.wait_for(self._outbox.flush(), flush_s)
            except TimeoutError:
                pass
        if self._connection is not None:
            self._connection.close(1000, "")
        await self._finish(ClientError("closed", "the client was closed"))

    def abandon(self) -> None:
        """In a child after a fork: leave everything to the parent, without a word to the server."""
        if self._is_started:
            self._outbox.abandon()

    async def __aenter__(self) -> Client:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close(flush_s=self._timing.answer_s if error is None else 0.0)

    @property
    def state(self) -> State:
        """Where the client stands."""
        return self._state

    @property
    def pending(self) -> int:
        """Publishes whose outcome is not known yet."""
        return self._outbox.size

    def on_event(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` with everything that happens by itself; returns what stops that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def wake(self) -> None:
        """Have doubts now: ask for a sign of life, or end the wait for a retry."""
        if self._state is State.OPEN and self._connection is not None:
            self._connection.probe()
        elif self._state is State.WAITING:
            self._begin_attempt()

    # -- publishing -----------------------------------------------------------------------------

    async def publish(
        self,
        stream: str,
        data: Any,
        *,
        key: str = "",
        wait_for_room: bool = True,
        **options: Any,
    ) -> Ack:
        """Publish one message; returns when it is stored, once, however often it had to be sent.

        ``data``: bytes, or anything JSON. ``key`` counts in streams that keep the latest of each.
        ``options`` are further members of the request (``durability``, ``if_tail``). With
        ``wait_for_room`` a full outbox is waited for, else it is the error ``outbox_full``.

        Raises :exc:`ClientError`; its ``outcome`` says whether it may be stored all the same.
        Cancelled, it is still sent.
        """
        return await self.publish_batch(
            stream, [data], key=key, wait_for_room=wait_for_room, **options
        )

    async def publish_batch(
        self,
        stream: str,
        batch: Iterable[Any],
        *,
        key: str = "",
        wait_for_room: bool = True,
        **options: Any,
    ) -> Ack:
        """Publish several messages that are stored next to each other, all or none."""
        waiter = await self.submit(stream, batch, key=key, wait_for_room=wait_for_room, **options)
        return await asyncio.shield(waiter)

    async def submit(
        self,
        stream: str,
        batch: Iterable[Any],
        *,
        key: str = "",
        wait_for_room: bool = True,
        **options: Any,
    ) -> asyncio.Future[Ack]:
        """Put a publish into the outbox; the future that is returned is its outcome.

        With ``outbox_path`` it is on the disk when this returns, and will be sent by the next
        client with this outbox if this one does not come to it.
        """
        self._check_started()
        check_stream_name(stream)
        payloads = tuple([encode_payload(data, key) for data in batch])
        if not payloads:
            raise ClientError("bad_data", "there is nothing to publish", outcome="not_stored")
        if len({payload.is_json for payload in payloads}) > 1:
            raise ClientError(
                "bad_data", "a batch holds bytes or JSON, not both", outcome="not_stored"
            )
        options = {
            name: str(value) if isinstance(value, Position) else value
            for name, value in options.items()
            if value is not None
        }
        return await self._outbox.publish(stream, payloads, options, may_wait=wait_for_room)

    async def flush(self) -> None:
        """Wait until the outcome of everything published so far is known."""
        self._check_started()
        await self._outbox.flush()

    # -- reading --------------------------------------------------------------------------------

    @overload
    def subscribe(
        self,
        stream: str,
        handler: Handler[Any] | None = None,
        *,
        start: Start = "tail",
        position: Position | str | None = None,
    ) -> Subscription[Any]: ...
    @overload
    def subscribe(
        self,
        stream: str,
        handler: Handler[T] | None = None,
        *,
        start: Start = "tail",
        position: Position | str | None = None,
        type: type[T],
    ) -> Subscription[T]: ...
    def subscribe(
        self,
        stream: str,
        handler: Handler[Any] | None = None,
        *,
        start: Start = "tail",
        position: Position | str | None = None,
        type: Any = None,
    ) -> Subscription[Any]:
        """Read a stream: its messages go to ``handler``, or to the loop over what is returned.

        ``position`` goes on where another subscription, maybe of another process, had come to;
        without one ``start`` says where to begin. ``type`` is what ``data`` is converted to
        (msgspec: a Struct, a dataclass, ``dict[str, int]`` …); a message that does not fit is
        skipped with an error event. It goes on over reconnects: nothing lost, nothing twice, in
        order; what the server cannot give any more is named by a ``Gap`` event.

        Raises :exc:`ClientError` (``already_subscribed``) and the errors of names and positions.
        """
        self._check_started()
        check_stream_name(stream, is_reserved_allowed=True)
        if stream in self._subscriptions:
            raise ClientError(
                "already_subscribed",
                f"this client reads {stream} already; use that subscription, or a second client",
            )
        held = parse_position(position) if isinstance(position, str) else position
        subscription: Subscription[Any] = Subscription(
            self, stream, start=start, position=held, data_type=type, handler=handler
        )
        self._subscriptions[stream] = subscription
        subscription.connected()
        return subscription

    async def history(
        self,
        stream: str,
        *,
        after: Position | str | None = None,
        before: Position | str | None = None,
        limit: int | None = None,
    ) -> History:
        """Read a page of the past: what follows ``after``, or the latest before ``before``, or the
        latest of all. Raises :exc:`ClientError` (``position_refused`` with a reason)."""
        members: dict[str, Any] = {"stream": stream}
        for name, value in (("after", after), ("before", before)):
            if value is not None:
                members[name] = str(value)
        if limit is not None:
            members["limit"] = limit
        answer = await self.ask("history", members)
        messages = []
        for entry in answer["entries"]:
            data, is_erased = decode_entry(entry)
            messages.append(
                Message(
                    stream,
                    data,
                    parse_position(entry["position"]),
                    int(entry.get("time", 0)),
                    entry.get("key", ""),
                    is_erased,
                )
            )
        return History(messages, bool(answer["more"]), parse_position(answer["tail"]))

    async def ask(self, op: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request that is not repeated; return its answer. Waits for a connection.

        Raises :exc:`ClientError`: what the server answered, or ``connection_lost`` when the
        connection ended before the answer, so that it may or may not have taken effect.
        """
        await self.connected()
        connection = self._connection
        assert connection is not None
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()

        def answered(message: dict[str, Any]) -> None:
            if not answer.done():
                answer.set_result(message)

        def refused(error: ClientError) -> None:
            if not answer.done():
                answer.set_exception(error)

        connection.request(op, members, answered, refused, lost=refused)
        return await answer

    # -- for outbox and subscriptions -----------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether requests may be sent."""
        return self._connection is not None and self._connection.is_usable

    def limit(self, name: str) -> float:
        """A limit that the server named, or infinity."""
        value = self._limits.get(name)
        return float("inf") if value is None else float(value)

    def request(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Callable[[dict[str, Any]], None],
        refused: Callable[[ClientError], None],
        raw: bytes = b"",
    ) -> None:
        """Send a request on the connection that there is."""
        if self._connection is not None:
            self._connection.request(op, members, answered, refused, raw)

    def retry_delay_s(self, error: ClientError, failures: int) -> float:
        """How long to wait before what was refused is tried again."""
        after_s = error.details.get("after_s")
        if isinstance(after_s, (int, float)):
            return self._backoff.within(after_s, after_s * 1.5)
        bound_s = min(10.0, 0.2 * 2.0**failures)
        return bound_s / 2 + self._random() * bound_s / 2

    def forget(self, subscription: Subscription[Any]) -> None:
        """The subscription has ended."""
        if self._subscriptions.get(subscription.stream) is subscription:
            del self._subscriptions[subscription.stream]

    def announce(self, event: Event) -> None:
        """Tell the listeners."""
        if not self._listeners and isinstance(event, (Gap, ClientError)):
            logger.warning("%s", event)
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %r", event)

    # -- one attempt after the other ------------------------------------------------------------

    def _begin_attempt(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._closed is None and (self._attempt is None or self._attempt.done()):
            self._change(State.CONNECTING)
            self._attempt = self._loop.create_task(self._try_once())

    async def _try_once(self) -> None:
        connection = ClientConnection(self, self._timing, self._options)
        hello: dict[str, Any] = {}
        try:
            token = self._token() if callable(self._token) else self._token
            if inspect.isawaitable(token):
                token = await token
        except Exception as error:
            reason = f"the token function failed: {error!r}"
            self.ended(Ending(0, reason, True))
            return
        if token is not None:
            hello["token"] = token
        self._connection = connection
        await connection.open(self.url, hello)

    def welcomed(self, hello: Mapping[str, Any]) -> None:
        self._limits = hello.get("limits", {})
        self.user = hello.get("user")
        self._change(State.OPEN)
        if not self._opened.done():
            self._opened.set_result(None)
        for subscription in list(self._subscriptions.values()):
            subscription.connected()
        self._outbox.connected()

    def received(self, message: Mapping[str, Any]) -> None:
        op = message["op"]
        if op == "error":
            self.announce(error_from_answer(message))
            return
        subscription = self._subscriptions.get(str(message.get("stream")))
        if subscription is None:
            return
        if op == "entry":
            subscription.entry(dict(message))
        elif op == "gap":
            subscription.gap(message)
        elif op == "closed":
            subscription.closed(message)
        elif op == "ended":
            subscription.ended(message, error_from_answer(message))

    def ended(self, ending: Ending) -> None:
        self._connection = None
        for subscription in list(self._subscriptions.values()):
            subscription.disconnected()
        self._outbox.disconnected()
        if self._closed is not None:
            return
        # With a function there may be a better token; with a fixed one there is none.
        has_other_token = callable(self._token) and ending.code in (UNAUTHORIZED, TOKEN_EXPIRED)
        if not ending.can_reconnect and not has_other_token:
            error = ending.error or ClientError("connection_closed", ending.reason)
            self.announce(error)
            self._loop.create_task(self._finish(error, ending))
            return
        delay_s = self._delay_s(ending)
        self._change(State.WAITING, ending, delay_s)
        self._retry = self._loop.call_later(delay_s, self._begin_attempt)

    def _delay_s(self, ending: Ending) -> float:
        now_s = self._loop.time()
        if ending.lived_s >= LIVED_S:
            self._backoff.lived(now_s)
        if ending.after_s is not None:
            return self._backoff.within(*ending.after_s)
        if ending.lived_s >= LIVED_S:
            return 0.0
        return self._backoff.next(now_s)

    def _change(
        self, state: State, ending: Ending | None = None, delay_s: float | None = None
    ) -> None:
        if state is self._state and ending is None:
            return
        previous, self._state = self._state, state
        if previous is State.OPEN and self._opened.done():
            self._opened = self._loop.create_future()
            self._opened.add_done_callback(lambda done: done.cancelled() or done.exception())
        reason, code = ("", 0) if ending is None else (ending.reason, ending.code)
        self.announce(StateChange(state, previous, reason, code, delay_s, self._backoff.failures))

    async def _finish(self, error: ClientError, ending: Ending | None = None) -> None:
        if self._closed is not None:
            return
        self._closed = error
        self._connection = None
        for timer in (self._retry, self._wake_timer):
            if timer is not None:
                timer.cancel()
        attempt = self._attempt
        if attempt is not None and not attempt.done() and attempt is not asyncio.current_task():
            attempt.cancel()
            await asyncio.wait([attempt])
        self._change(State.CLOSED, ending)
        if not self._opened.done():
            self._opened.set_exception(error)
        for subscription in list(self._subscriptions.values()):
            if ending is not None:
                subscription.end(error)
            await subscription.stop()
        await self._outbox.close(error)

    # -- sleep ----------------------------------------------------------------------------------

    def _watch_sleep(self, wall_s: float, loop_s: float) -> None:
        """Doubt the connection when the machine slept: the wall clock went on, the loop's did not,
        or the timer itself came much too late."""

        def look() -> None:
            now_s, loop_now_s = time.time(), self._loop.time()
            slept_s = max((now_s - wall_s), (loop_now_s - loop_s)) - WAKE_CHECK_S
            if slept_s > WAKE_CHECK_S:
                self.wake()
            self._watch_sleep(now_s, loop_now_s)

        self._wake_timer = self._loop.call_later(WAKE_CHECK_S, look)

    def _check_started(self) -> None:
        if self._closed is not None:
            raise self._closed.with_outcome("not_stored")
        if not self._is_started:
            raise ClientError(
                "bad_use", "this client was not started: use `async with` or `await start()`"
            )


def _make_journal(path: Path | str | None) -> Journal | None:
    return None if path is None else DiskJournal(Path(path))


def _websocket_url(url: str) -> str:
    """The URL of the WebSocket that belongs to a server's URL."""
    scheme, separator, rest = url.partition("://")
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if not separator or scheme not in schemes:
        raise ClientError(
            "bad_use", f'"{url}" is no URL of a server: write http://, https://, ws:// or wss://'
        )
    authority, slash, path = rest.partition("/")
    target = f"{slash}{path}" if path else "/ws"
    return f"{schemes[scheme]}://{authority}{target}"
