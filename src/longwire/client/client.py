"""``longwire.Client``: one connection that comes back by itself, what it reads and publishes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, overload

from longwire.client.arguments import check_name, read_position, websocket_url
from longwire.client.backoff import Backoff
from longwire.client.connection import Timing
from longwire.client.consumer import (
    Consumer,
    ConsumerState,
    Delivery,
    parse_consumer_state,
)
from longwire.client.core import ClientCore, Event
from longwire.client.delivery import Handler
from longwire.client.errors import ClientError
from longwire.client.events import (
    Ack,
    History,
    Message,
    Start,
    State,
)
from longwire.client.link import Token
from longwire.client.pattern import PatternSubscription
from longwire.client.payloads import convert_data, encode_batch, make_message
from longwire.client.presence import Member, PresenceHandler, Watch, parse_members
from longwire.client.subscription import Subscription
from longwire.client.transports import TRANSPORTS, Transports
from longwire.streams.position import Position, parse_position

__all__ = ["Client", "Event", "Token"]

T = TypeVar("T")

RETRY_FIRST_S, RETRY_MAX_S = 0.5, 30.0
CALL_S = 30.0
"""For how long a call may take when neither it nor the server says so."""


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
    * ``transports``: what may carry the connection, the best first. The first that works is used;
      from another one than the first, better ones are tried again from time to time.
    * ``transport``: what worked before, to begin with: the attribute ``transport`` of a client.
    * ``websocket_options``: further arguments of :func:`longwire.connect`. Those about TCP, TLS and
      header fields hold for all transports.

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
        transports: Sequence[str] = TRANSPORTS,
        transport: str | None = None,
        retry_first_s: float = RETRY_FIRST_S,
        retry_max_s: float = RETRY_MAX_S,
        websocket_options: Mapping[str, Any] | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.url = websocket_url(url)
        self._timing = timing or Timing()
        options = dict(websocket_options or {})
        self._core = ClientCore(
            Transports(self.url, transports, options, self._timing, transport),
            token=token,
            timing=self._timing,
            backoff=Backoff(retry_first_s, retry_max_s, random),
            random=random,
            queue_messages_max=queue_messages_max,
        )
        self._outbox_settings = (outbox_messages_max, outbox_bytes_max, outbox_path)

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect. Returns at once; ``async with`` does it too.

        Raises ``ClientError`` when the outbox on disk cannot be used.
        """
        messages_max, bytes_max, path = self._outbox_settings
        await self._core.start(
            outbox_messages_max=messages_max, outbox_bytes_max=bytes_max, outbox_path=path
        )

    async def connected(self, timeout: float | None = None) -> None:
        """Wait until the client is connected. Raises ``ClientError`` when it never will be, and
        ``TimeoutError``."""
        await self._core.connected(timeout)

    async def close(self, *, flush_s: float = 0.0) -> None:
        """End for good, after at most ``flush_s`` for what is not acknowledged yet."""
        if not self._core.is_open:
            return
        if flush_s > 0:
            try:
                await asyncio.wait_for(self._core.outbox.flush(), flush_s)
            except TimeoutError:
                pass
        await self._core.finish(ClientError("closed", "the client was closed"))

    async def wait_closed(self) -> None:
        """Wait until the client has ended, by ``close`` or by an error, and all it held is free.

        ``close`` returns at once while another end is under way.
        """
        await self._core.ended()

    def abandon(self) -> None:
        """In a child after a fork: leave everything to the parent, without a word to the server."""
        self._core.abandon()

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
        return self._core.state

    @property
    def trouble(self) -> str:
        """Why there is no connection: how the last one, or the last attempt, ended. Empty while
        there is one, and until the first attempt has ended."""
        return self._core.trouble

    @property
    def user(self) -> str | None:
        """Whom the server takes this client for; ``None``: anonymous, or not known yet."""
        return self._core.user

    @property
    def transport(self) -> str | None:
        """What carries the connection now, or did last; ``None`` before the first one."""
        return self._core.transport

    @property
    def pending(self) -> int:
        """Publishes whose outcome is not known yet."""
        return self._core.pending

    def on_event(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` with everything that happens by itself; returns what stops that."""
        self._core.listeners.append(listener)
        return lambda: self._core.listeners.remove(listener)

    def wake(self) -> None:
        """Have doubts now: ask for a sign of life, or end the wait for a retry."""
        self._core.wake()

    async def authenticate(self, token: Token | None = None) -> None:
        """Use another token, without another connection.

        Without an argument, the token function is asked anew; this happens by itself when three
        quarters of a token's life have passed. Raises :exc:`ClientError` (``unauthorized``,
        ``foreign_token``): the connection goes on with the token that it had.
        """
        await self._core.started().authenticate(token)

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
        """Put a publish of several messages, or of one, into the outbox.

        The future that is returned is its outcome.

        With ``outbox_path`` it is on the disk when this returns, and will be sent by the next
        client with this outbox if this one does not come to it.
        """
        self._core.started()
        check_name(stream, outcome="not_stored")
        payloads = encode_batch(batch, key)
        options = {
            name: str(value) if isinstance(value, Position) else value
            for name, value in options.items()
            if value is not None
        }
        return await self._core.outbox.publish(stream, payloads, options, may_wait=wait_for_room)

    async def flush(self) -> None:
        """Wait until the outcome of everything published so far is known."""
        self._core.started()
        await self._core.outbox.flush()

    # -- reading --------------------------------------------------------------------------------

    @overload
    def subscribe(
        self,
        stream: str,
        handler: Handler[Message[Any]] | None = None,
        *,
        start: Start = "tail",
        position: Position | str | None = None,
    ) -> Subscription[Any]: ...
    @overload
    def subscribe(
        self,
        stream: str,
        handler: Handler[Message[T]] | None = None,
        *,
        start: Start = "tail",
        position: Position | str | None = None,
        type: type[T],
    ) -> Subscription[T]: ...
    def subscribe(
        self,
        stream: str,
        handler: Handler[Message[Any]] | None = None,
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

        Raises :exc:`ClientError`: ``already_subscribed``, ``bad_stream_name``, ``bad_position``.
        """
        self._core.started()
        check_name(stream, is_reserved_allowed=True)
        subscription: Subscription[Any] = Subscription(
            self._core,
            stream,
            start=start,
            position=read_position(position),
            data_type=type,
            handler=handler,
        )
        self._core.reading.add(subscription)
        return subscription

    def subscribe_pattern(
        self,
        pattern: str,
        handler: Handler[Message[Any]] | None = None,
        *,
        start: Start = "tail",
        positions: Mapping[str, Position | str] | None = None,
        type: Any = None,
    ) -> PatternSubscription[Any]:
        """Read every stream whose name matches, also those that are created later.

        ``*`` stands for one segment or a piece of one, ``**`` for one or more segments.
        ``positions`` of an earlier subscription go on where it had come to; ``start`` is for
        streams that are not among them. Otherwise as :meth:`subscribe`.
        """
        self._core.started()
        held = {stream: read_position(position) for stream, position in (positions or {}).items()}
        subscription: PatternSubscription[Any] = PatternSubscription(
            self._core,
            pattern,
            start=start,
            positions={stream: one for stream, one in held.items() if one is not None},
            data_type=type,
            handler=handler,
        )
        self._core.reading.add_pattern(subscription)
        return subscription

    def inbox(
        self,
        handler: Handler[Message[Any]] | None = None,
        *,
        position: Position | str | None = None,
        type: Any = None,
    ) -> Subscription[Any]:
        """Read what is sent to this user, wherever he is connected.

        The name of the stream is known once the server has answered. Without inboxes on the server
        it ends with ``no_inbox``. Otherwise as :meth:`subscribe`.
        """
        self._core.started()
        subscription: Subscription[Any] = Subscription(
            self._core, "", position=read_position(position), data_type=type, handler=handler
        )
        self._core.reading.add_inbox(subscription)
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
        messages = [
            make_message(stream, entry, parse_position(entry["position"]), None)
            for entry in answer["entries"]
        ]
        return History(messages, bool(answer["more"]), parse_position(answer["tail"]))

    # -- working for a consumer -----------------------------------------------------------------

    def consume(
        self,
        stream: str,
        consumer: str,
        handler: Handler[Delivery[Any]] | None = None,
        *,
        start: Start = "earliest",
        window: int = 100,
        ack_wait_s: float = 30.0,
        retry_after_s: float = 1.0,
        is_manual: bool = False,
        type: Any = None,
    ) -> Consumer[Any]:
        """Work for a consumer: a position in a stream that the server keeps.

        Deliveries go to ``handler``, or to the loop over what is returned, at most ``window`` of
        them without an acknowledgement. One whose handler has returned is acknowledged; one whose
        handler failed comes again after ``retry_after_s``, one that was not acknowledged within
        ``ack_wait_s`` too, maybe to another worker. ``start`` is where a consumer begins that
        does not exist yet. ``is_manual`` leaves acknowledging to the application.
        """
        self._core.started()
        check_name(stream, is_reserved_allowed=True)
        worker: Consumer[Any] = Consumer(
            self._core.consumers,
            stream,
            consumer,
            start=start,
            window=window,
            ack_wait_s=ack_wait_s,
            retry_after_s=retry_after_s,
            is_manual=is_manual,
            data_type=type,
            handler=handler,
        )
        self._core.consumers.add(worker)
        return worker

    async def consumer_state(self, stream: str, consumer: str) -> ConsumerState:
        """Where a consumer stands, its unread count among it, without working for it."""
        answer = await self.ask("consumer", {"stream": stream, "consumer": consumer})
        return parse_consumer_state(answer)

    async def forget_consumer(self, stream: str, consumer: str) -> None:
        """Remove a consumer with its position."""
        await self.ask("release", {"stream": stream, "consumer": consumer, "forget": True})

    # -- presence -------------------------------------------------------------------------------

    async def enter(self, stream: str, data: Any = None) -> None:
        """Be a member of a stream, or change the ``data`` (JSON) that is shown of this user.

        Lasts over reconnects, until ``leave`` or the end of the client.
        """
        members = {"stream": stream} if data is None else {"stream": stream, "data": data}
        await self._core.presence.enter(stream, members)

    async def leave(self, stream: str) -> None:
        """Be no member of a stream any more."""
        await self._core.presence.leave(stream)

    async def members(self, stream: str) -> list[Member]:
        """Who is there now."""
        return parse_members(await self.ask("members", {"stream": stream}))

    def watch(self, stream: str, handler: PresenceHandler | None = None) -> Watch:
        """Follow who is there: ``handler`` is called with each change, ``members`` of what is
        returned is kept up to date."""
        self._core.started()
        return self._core.presence.watch(stream, handler)

    # -- calls ----------------------------------------------------------------------------------

    async def call(
        self, method: str, data: Any = None, *, timeout_s: float | None = None, type: Any = None
    ) -> Any:
        """Call a function of the application behind the server; return its result.

        ``type`` is what the result is converted to. Not repeated: raises :exc:`ClientError`
        (``connection_lost``) when the connection ended before the answer, so that it may or may
        not have taken effect; what must happen once is a publish, or carries a key of its own.
        """
        members: dict[str, Any] = {"method": method}
        if data is not None:
            members["data"] = data
        if timeout_s is not None:
            members["timeout_s"] = timeout_s
        link = self._core.started()
        limit_s = link.limit("call_timeout_s")
        patience_s = timeout_s or (limit_s if limit_s < CALL_S else CALL_S)
        answer = await link.ask("call", members, patience_s)
        return convert_data(answer.get("data"), type, f"the result of {method}")

    async def ask(self, op: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request that is not repeated; return its answer. Waits for a connection.

        Raises :exc:`ClientError`: what the server answered, or ``connection_lost`` when the
        connection ended before the answer, so that it may or may not have taken effect.
        """
        return await self._core.ask(op, members)

    # -- the connection -------------------------------------------------------------------------

    def limit(self, name: str) -> float:
        """A limit that the server named, or infinity."""
        return self._core.limit(name)

    def restart(self, reason: str) -> None:
        """Give the connection up and take everything up again on another one."""
        self._core.restart(reason)
