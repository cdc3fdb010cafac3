"""What the parts of a client stand on: the connection, what lives on it, and who is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from longwire.client.backoff import Backoff
from longwire.client.connection import Timing
from longwire.client.consumer import Consumers
from longwire.client.disk_outbox import DiskJournal
from longwire.client.errors import ClientError, error_from_answer
from longwire.client.events import End, Gap, Recovered, State, StateChange, TransportChange
from longwire.client.link import ServerLink, Token
from longwire.client.outbox import Journal, Outbox
from longwire.client.pattern import PatternSubscription
from longwire.client.presence import Presence
from longwire.client.reading import Reading
from longwire.client.subscription import Subscription
from longwire.client.transports import Transports
from longwire.streams.position import Position

__all__ = ["ClientCore", "Event"]

logger = logging.getLogger("longwire.client")

Event: TypeAlias = StateChange | TransportChange | Recovered | Gap | End | ClientError
"""What happens by itself. Gaps and errors that no listener takes are logged."""


class ClientCore:
    """One client, without what a user calls: the link to the server tells it what happens, and its
    parts (``outbox``, ``reading``, ``consumers``, ``presence``) send through it."""

    def __init__(
        self,
        transports: Transports,
        *,
        token: Token | None,
        timing: Timing,
        backoff: Backoff,
        random: Callable[[], float],
        queue_messages_max: int,
    ) -> None:
        self.queue_messages_max = queue_messages_max
        self.outbox: Outbox
        self.reading = Reading(self)
        self.consumers = Consumers(self)
        self.presence = Presence(self)
        self.listeners: list[Callable[[Event], None]] = []
        self._has_ended = asyncio.Event()
        self._transports = transports
        self._token = token
        self._timing = timing
        self._backoff = backoff
        self._random = random
        self._link: ServerLink | None = None
        self._closed: ClientError | None = None

    # -- life -----------------------------------------------------------------------------------

    async def start(
        self, *, outbox_messages_max: int, outbox_bytes_max: int, outbox_path: Path | str | None
    ) -> None:
        """Begin to connect, once the outbox is open. Raises ``ClientError``."""
        if self._link is not None:
            raise ClientError("bad_use", "this client was started before")
        self.outbox = Outbox(
            self,
            messages_max=outbox_messages_max,
            bytes_max=outbox_bytes_max,
            journal=_make_journal(outbox_path),
        )
        await self.outbox.open()
        self._link = ServerLink(
            self,
            self._transports,
            token=self._token,
            timing=self._timing,
            backoff=self._backoff,
            random=self._random,
        )
        self._link.begin()

    @property
    def is_open(self) -> bool:
        """Whether it was started and has not ended."""
        return self._link is not None and self._closed is None

    def started(self) -> ServerLink:
        """Return the link; raises ``ClientError`` before the start and after the end."""
        if self._closed is not None:
            raise self._closed.with_outcome("not_stored")
        if self._link is None:
            raise ClientError(
                "bad_use", "this client was not started: use `async with` or `await start()`"
            )
        return self._link

    async def connected(self, timeout: float | None = None) -> None:
        """Wait until there is a connection. Raises ``ClientError`` when there never will be, and
        ``TimeoutError``."""
        async with asyncio.timeout(timeout):
            await self.started().opened()

    async def failed(self, error: ClientError) -> None:
        """The server does not want us back."""
        await self.finish(error)

    async def finish(self, error: ClientError) -> None:
        """End for good; everything that still waits is told ``error``. Cancelled, it waits for
        handlers no longer."""
        if self._closed is not None:
            return
        self._closed = error
        assert self._link is not None
        try:
            # Readers first: what has been dealt with is acknowledged while there is a connection.
            await self.reading.stop(error)
            await self.consumers.stop(error)
        finally:
            # Whoever waits for handlers no longer has ended the client all the same.
            self.presence.stop(error)
            try:
                await self._link.close(error)
            finally:
                try:
                    await self.outbox.close(error)
                finally:
                    self._has_ended.set()

    async def ended(self) -> None:
        """Wait until all of :meth:`finish` is done, whoever called it."""
        await self._has_ended.wait()

    def abandon(self) -> None:
        """Leave everything to the parent, in a child after a fork."""
        if self._link is not None:
            self.outbox.abandon()

    @property
    def state(self) -> State:
        """Where the client stands."""
        if self._closed is not None:
            return State.CLOSED
        return State.CONNECTING if self._link is None else self._link.state

    @property
    def trouble(self) -> str:
        """Why there is no connection, as far as is known."""
        return "" if self._link is None else self._link.trouble

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
        return 0 if self._link is None else self.outbox.size

    def wake(self) -> None:
        """Have doubts now: ask for a sign of life, or end the wait for a retry."""
        if self._link is not None:
            self._link.wake()

    # -- for its parts --------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether requests may be sent."""
        return self._link is not None and self._link.is_usable

    def limit(self, name: str) -> float:
        """A limit that the server named, or infinity."""
        return float("inf") if self._link is None else self._link.limit(name)

    async def ask(self, op: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request that is not repeated; return its answer. Waits for a connection."""
        return await self.started().ask(op, members)

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
        self.reading.forget(reader)

    def is_shared(self, stream: str) -> bool:
        """Whether several subscriptions of this client read a stream."""
        return len(self.reading.places_of(stream)) > 1

    def place_for(self, stream: str, held: Position) -> Position:
        """From where all readers of a stream have what they need: the server delivers it once."""
        places = self.reading.places_of(stream)
        places = [one for one in places if one.epoch == held.epoch or one.offset == 0]
        return min([held, *places], key=lambda place: place.offset)

    def moved(self, stream: str, reason: str, position: Position) -> None:
        """The server could not go on from where a stream was asked for: for none of its readers."""
        self.reading.moved(stream, reason, position)

    def restart(self, reason: str) -> None:
        """Give the connection up and take everything up again on another one."""
        assert self._link is not None
        self._link.restart(reason)

    def announce(self, event: Event) -> None:
        """Tell the listeners."""
        if not self.listeners and isinstance(event, (Gap, ClientError)):
            logger.warning("%s", event)
        for listener in list(self.listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %r", event)

    # -- from the link --------------------------------------------------------------------------

    def hello(self) -> dict[str, Any]:
        """Further members of ``connect``."""
        return self.reading.hello()

    def welcomed(self, hello: Mapping[str, Any]) -> None:
        """There is a connection: everything is asked and sent anew, in one go."""
        self.reading.connected(hello)
        self.consumers.connected()
        self.presence.connected()
        self.outbox.connected()

    def disconnected(self) -> None:
        """The connection is gone."""
        self.reading.disconnected()
        self.consumers.disconnected()
        self.presence.disconnected()
        self.outbox.disconnected()

    def received(self, message: Mapping[str, Any]) -> None:
        """The server sent something that is no answer."""
        op = message["op"]
        if op == "error":
            self.announce(error_from_answer(message))
        elif "consumer" in message:
            self.consumers.received(message)
        elif op == "presence":
            self.presence.received(message)
        else:
            self.reading.received(message)


def _make_journal(path: Path | str | None) -> Journal | None:
    return None if path is None else DiskJournal(Path(path))
