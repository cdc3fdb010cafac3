"""``longwire.Client``: one connection that comes back by itself, what it reads and publishes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias, TypeVar, overload

from longwire.client.backoff import Backoff
from longwire.client.connection import Timing
from longwire.client.consumer import (
    Consumer,
    Consumers,
    ConsumerState,
    Delivery,
    parse_consumer_state,
)
from longwire.client.delivery import Handler
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
    TransportChange,
)
from longwire.client.link import ServerLink, Token
from longwire.client.outbox import Journal, Outbox
from longwire.client.pattern import PatternSubscription
from longwire.client.payloads import convert_data, encode_batch, make_message
from longwire.client.presence import Member, Presence, PresenceHandler, Watch, parse_members
from longwire.client.reading import Reading
from longwire.client.subscription import Subscription
from longwire.client.transports import TRANSPORTS, Transports
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position, parse_position

__all__ = ["Client", "Event", "Token"]

logger = logging.getLogger("longwire.client")

T = TypeVar("T")

Event: TypeAlias = StateChange | TransportChange | Recovered | Gap | End | ClientError
"""What happens by itself. Gaps and errors that no listener takes are logged."""

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
        self.url = _websocket_url(url)
        self.queue_messages_max = queue_messages_max
        self._token = token
        self._timing = timing or Timing()
        self._transports = Transports(
            self.url, transports, dict(websocket_options or {}), self._timing, transport
        )
        self._backoff = Backoff(retry_first_s, retry_max_s, random)
        self._random = random
        self._outbox_settings = (outbox_messages_max, outbox_bytes_max, outbox_path)
        self._link: ServerLink | None = None
        self._outbox: Outbox
        self._reading = Reading(self)
        self._consumers = Consumers(self)
        self._presence = Presence(self)
        self._listeners: list[Callable[[Event], None]] = []
        self._closed: ClientError | None = None

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect. Returns at once; ``async with`` does it too.

        Raises ``ClientError`` when the outbox on disk cannot be used.
        """
        if self._link is not None:
            raise ClientError("bad_use", "this client was started before")
        messages_max, bytes_max, path = self._outbox_settings
        self._outbox = Outbox(
            self, messages_max=messages_max, bytes_max=bytes_max, journal=_make_journal(path)
        )
        await self._outbox.open()
        self._link = ServerLink(
            self,
            self._transports,
            token=self._token,
            timing=self._timing,
            backoff=self._backoff,
            random=self._random,
        )
        self._link.begin()

    async def connected(self, timeout: float | None = None) -> None:
        """Wait until the client is connected. Raises ``ClientError`` when it never will be, and
        ``TimeoutError``."""
        async with asyncio.timeout(timeout):
            await self._started().opened()

    async def close(self, *, flush_s: float = 0.0) -> None:
        """End for good, after at most ``flush_s`` for what is not acknowledged yet."""
        if self._link is None or self._closed is not None:
            return
        if flush_s > 0:
            try:
                await asyncio.wait_for(self._outbox.flush(), flush_s)
            except TimeoutError:
                pass
        await self._finish(ClientError("closed", "the client was closed"))

    async def failed(self, error: ClientError) -> None:
        """The server does not want us back."""
        await self._finish(error)

    async def _finish(self, error: ClientError) -> None:
        if self._closed is not None:
            return
        self._closed = error
        # Readers first: what has been dealt with is acknowledged while there is a connection.
        await self._reading.stop(error)
        await self._consumers.stop(error)
        self._presence.stop(error)
        assert self._link is not None
        await self._link.close(error)
        await self._outbox.close(error)

    def abandon(self) -> None:
        """In a child after a fork: leave everything to the parent, without a word to the server."""
        if self._link is not None:
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
        if self._closed is not None:
            return State.CLOSED
        return State.CONNECTING if self._link is None else self._link.state

    @property
    def user(self) -> str | None:
        """Whom the server takes this client for; ``None``: anonymous, or not known yet."""
        return None if self._link is None else self._link.user

    @property
    def transport(self) -> str | None:
        """What carries the connection now, or did last; ``None`` before the first one."""
        return None if self._link is None else self._link.transport

    @property
    def pending(self) -> int:
        """Publishes whose outcome is not known yet."""
        return 0 if self._link is None else self._outbox.size

    def on_event(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` with everything that happens by itself; returns what stops that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def wake(self) -> None:
        """Have doubts now: ask for a sign of life, or end the wait for a retry."""
        if self._link is not None:
            self._link.wake()

    async def authenticate(self, token: Token | None = None) -> None:
        """Use another token, without another connection.

        Without an argument, the token function is asked anew; this happens by itself when three
        quarters of a token's life have passed. Raises :exc:`ClientError` (``unauthorized``,
        ``foreign_token``): the connection goes on with the token that it had.
        """
        await self._started().authenticate(token)

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
        self._started()
        check_stream_name(stream)
        payloads = encode_batch(batch, key)
        options = {
            name: str(value) if isinstance(value, Position) else value
            for name, value in options.items()
            if value is not None
        }
        return await self._outbox.publish(stream, payloads, options, may_wait=wait_for_room)

    async def flush(self) -> None:
        """Wait until the outcome of everything published so far is known."""
        self._started()
        await self._outbox.flush()

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

        Raises :exc:`ClientError` (``already_subscribed``) and the errors of names and positions.
        """
        self._started()
        check_stream_name(stream, is_reserved_allowed=True)
        subscription: Subscription[Any] = Subscription(
            self,
            stream,
            start=start,
            position=_position(position),
            data_type=type,
            handler=handler,
        )
        self._reading.add(subscription)
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
        self._started()
        held = {stream: _position(position) for stream, position in (positions or {}).items()}
        subscription: PatternSubscription[Any] = PatternSubscription(
            self,
            pattern,
            start=start,
            positions={stream: one for stream, one in held.items() if one is not None},
            data_type=type,
            handler=handler,
        )
        self._reading.add_pattern(subscription)
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
        self._started()
        subscription: Subscription[Any] = Subscription(
            self, "", position=_position(position), data_type=type, handler=handler
        )
        self._reading.add_inbox(subscription)
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
        self._started()
        check_stream_name(stream, is_reserved_allowed=True)
        worker: Consumer[Any] = Consumer(
            self._consumers,
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
        self._consumers.add(worker)
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
        await self._presence.enter(stream, members)

    async def leave(self, stream: str) -> None:
        """Be no member of a stream any more."""
        await self._presence.leave(stream)

    async def members(self, stream: str) -> list[Member]:
        """Who is there now."""
        return parse_members(await self.ask("members", {"stream": stream}))

    def watch(self, stream: str, handler: PresenceHandler | None = None) -> Watch:
        """Follow who is there: ``handler`` is called with each change, ``members`` of what is
        returned is kept up to date."""
        self._started()
        return self._presence.watch(stream, handler)

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
        link = self._started()
        limit_s = link.limit("call_timeout_s")
        patience_s = timeout_s or (limit_s if limit_s < CALL_S else CALL_S)
        answer = await link.ask("call", members, patience_s)
        return convert_data(answer.get("data"), type, f"the result of {method}")

    async def ask(self, op: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request that is not repeated; return its answer. Waits for a connection.

        Raises :exc:`ClientError`: what the server answered, or ``connection_lost`` when the
        connection ended before the answer, so that it may or may not have taken effect.
        """
        return await self._started().ask(op, members)

    # -- for what lives in it -------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether requests may be sent."""
        return self._link is not None and self._link.is_usable

    def limit(self, name: str) -> float:
        """A limit that the server named, or infinity."""
        return float("inf") if self._link is None else self._link.limit(name)

    def request(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Callable[[dict[str, Any]], None],
        refused: Callable[[ClientError], None],
        raw: bytes = b"",
    ) -> None:
        """Send a request on the connection that there is."""
        assert self._link is not None
        self._link.request(op, members, answered, refused, raw)

    def tell(self, op: str, members: Mapping[str, Any]) -> None:
        """Send what has no answer on the connection that there is."""
        assert self._link is not None
        self._link.tell(op, members)

    def retry_delay_s(self, error: ClientError, failures: int) -> float:
        """How long to wait before what was refused is tried again."""
        assert self._link is not None
        return self._link.retry_delay_s(error, failures)

    def forget(self, reader: Subscription[Any] | PatternSubscription[Any]) -> None:
        """A subscription has ended."""
        self._reading.forget(reader)

    def is_shared(self, stream: str) -> bool:
        """Whether several subscriptions of this client read a stream."""
        return len(self._reading.places_of(stream)) > 1

    def place_for(self, stream: str, held: Position) -> Position:
        """From where all readers of a stream have what they need: the server delivers it once."""
        places = [one for one in self._reading.places_of(stream) if one.epoch == held.epoch]
        return min([held, *places], key=lambda place: place.offset)

    def restart(self, reason: str) -> None:
        """Give the connection up and take everything up again on another one."""
        assert self._link is not None
        self._link.restart(reason)

    def announce(self, event: Event) -> None:
        """Tell the listeners."""
        if not self._listeners and isinstance(event, (Gap, ClientError)):
            logger.warning("%s", event)
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %r", event)

    # -- from the link --------------------------------------------------------------------------

    def hello(self) -> dict[str, Any]:
        """Further members of ``connect``."""
        return self._reading.hello()

    def welcomed(self, hello: Mapping[str, Any]) -> None:
        """There is a connection: everything is asked and sent anew, in one go."""
        self._reading.connected(hello)
        self._consumers.connected()
        self._presence.connected()
        self._outbox.connected()

    def disconnected(self) -> None:
        """The connection is gone."""
        self._reading.disconnected()
        self._consumers.disconnected()
        self._presence.disconnected()
        self._outbox.disconnected()

    def received(self, message: Mapping[str, Any]) -> None:
        """The server sent something that is no answer."""
        op = message["op"]
        if op == "error":
            self.announce(error_from_answer(message))
        elif "consumer" in message:
            self._consumers.received(message)
        elif op == "presence":
            self._presence.received(message)
        else:
            self._reading.received(message)

    def _started(self) -> ServerLink:
        if self._closed is not None:
            raise self._closed.with_outcome("not_stored")
        if self._link is None:
            raise ClientError(
                "bad_use", "this client was not started: use `async with` or `await start()`"
            )
        return self._link


def _position(position: Position | str | None) -> Position | None:
    return parse_position(position) if isinstance(position, str) else position


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
