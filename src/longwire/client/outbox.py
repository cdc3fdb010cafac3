"""What was published and is not acknowledged yet: bounded, in order, sent again when needed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from longwire.client.errors import ClientError
from longwire.client.events import Ack
from longwire.client.payloads import Payload
from longwire.client.producer import Pending, StreamProducer

__all__ = ["Journal", "Kept", "KeptProducer", "Outbox", "OutboxLink"]

IN_FLIGHT_MAX = 64
"""The server keeps the results of as many for each producer and stream."""

ENVELOPE_BYTES = 2_048
"""Room for what stands around the payloads: the stream's name, keys, and the numbers."""

Waiter = asyncio.Future[Ack]


@dataclass(frozen=True, slots=True)
class KeptProducer:
    """What a journal keeps of a stream's numbers."""

    stream: str
    epoch: int
    next_sequence: int
    accepted: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a journal held when it was opened."""

    producer_id: str
    producers: Sequence[KeptProducer]
    pending: Sequence[Pending]
    """In the order in which they were published."""


class Journal(Protocol):
    """Where an outbox is kept beyond the life of the process."""

    async def open(self) -> Kept:
        """Become the owner. Raises ``ClientError``, code ``outbox_in_use``."""

    def add(self, pending: Pending, producer: KeptProducer, done: Callable[[], None]) -> None:
        """Keep a publish; ``done`` is called when it is on the disk."""

    def renumber(
        self, changed: Sequence[Pending], producer: KeptProducer, done: Callable[[], None]
    ) -> None:
        """Keep other numbers; ``done`` is called when they are on the disk."""

    def remove(
        self, pending: Pending, producer: KeptProducer, done: Callable[[], None] | None
    ) -> None:
        """The outcome is known; ``done`` is called when it can never be sent again."""

    async def close(self) -> None:
        """Write what is left and let others own it."""

    def abandon(self) -> None:
        """In a child after a fork: it is the parent's."""


class OutboxLink(Protocol):
    """The way from the outbox to the server."""

    @property
    def is_usable(self) -> bool: ...
    def limit(self, name: str) -> float:
        """A limit that the server named, or infinity."""

    def request(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Callable[[dict[str, Any]], None],
        refused: Callable[[ClientError], None],
        raw: bytes,
    ) -> None: ...
    def retry_delay_s(self, error: ClientError, failures: int) -> float: ...
    def announce(self, event: ClientError) -> None:
        """Tell the application what nobody waits for."""


class Outbox:
    """One for each client; it has one producer identifier, and a producer for each stream."""

    def __init__(
        self, link: OutboxLink, *, messages_max: int, bytes_max: int, journal: Journal | None
    ) -> None:
        self.producer_id = secrets.token_hex(16)
        self._link = link
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._journal = journal
        self._producers: dict[str, StreamProducer] = {}
        self._waiters: dict[Pending, Waiter] = {}
        self._keeping: set[asyncio.Future[None]] = set()
        """Done when the journal has what is being published."""
        self._messages = 0
        self._bytes = 0
        self._in_flight = 0
        self._room = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._room.set()
        self._closed: ClientError | None = None
        self._pauses: set[asyncio.TimerHandle] = set()
        self._is_pumping = False

    @property
    def size(self) -> int:
        """Publishes whose outcome is not known yet."""
        return self._messages

    # -- from the application -------------------------------------------------------------------

    async def open(self) -> None:
        """Take over what an earlier process left."""
        if self._journal is None:
            return
        kept = await self._journal.open()
        self.producer_id = kept.producer_id
        for known in kept.producers:
            self._producers[known.stream] = StreamProducer(
                self,
                known.stream,
                epoch=known.epoch,
                next_sequence=known.next_sequence,
                accepted=known.accepted,
            )
        numbered: dict[StreamProducer, list[Pending]] = {}
        for pending in kept.pending:
            self._count(pending)
            producer = self._producer(pending.stream)
            if pending.sequence is None:
                numbered.setdefault(producer, []).append(pending)
            producer.add(pending)
        for producer, changed in numbered.items():
            self.numbered(producer, changed)

    async def publish(
        self,
        stream: str,
        batch: tuple[Payload, ...],
        options: Mapping[str, Any],
        *,
        may_wait: bool,
    ) -> Waiter:
        """Take a publish when there is room for it; the future is its outcome.

        With a journal it is on the disk when this returns. ``may_wait`` waits for room instead of
        raising ``outbox_full``. Cancelled, it may have been taken.
        """
        pending = Pending(stream, batch, options)
        self._check_size(pending)
        while not self._has_room(pending):
            self._check_open()
            if not may_wait:
                raise self._full()
            self._room.clear()
            await self._room.wait()
        self._check_open()
        self._count(pending)
        waiter: Waiter = asyncio.get_running_loop().create_future()
        # Nobody may be waiting for it: whoever left it to the outbox hears of it by an event.
        waiter.add_done_callback(_look_at)
        self._waiters[pending] = waiter
        producer = self._producer(stream)
        pending.is_ready = self._journal is None
        producer.add(pending)
        if self._journal is None:
            self._pump_soon()
            return waiter
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeping.add(kept)
        kept.add_done_callback(self._keeping.discard)
        make_ready = self._when_kept(producer, [pending])

        def done() -> None:
            if not kept.done():  # whoever published may be gone
                kept.set_result(None)
            make_ready()

        self._journal.add(pending, _keep(producer), done)
        await kept
        return waiter

    async def flush(self) -> None:
        """Wait until the outcome of everything is known."""
        await self._empty.wait()

    async def close(self, error: ClientError) -> None:
        """Send nothing more. What a journal keeps is sent by its next owner."""
        self._closed = error
        self._room.set()
        self._end_pauses()
        for producer in self._producers.values():
            for pending in producer.pending:
                _resolve(self._waiters.pop(pending, None), self._close_outcome(pending, error))
        self._empty.set()
        if self._journal is not None:
            await self._journal.close()
        # What could not be written: publishes, and refusals.
        for kept in self._keeping:
            if not kept.done():
                kept.set_exception(error.with_outcome("unknown"))
        for waiter in self._waiters.values():
            _resolve(waiter, error.with_outcome("unknown"))
        self._waiters.clear()

    def _close_outcome(self, pending: Pending, error: ClientError) -> ClientError:
        if self._journal is not None:
            return error.with_outcome("kept")
        is_open = pending.is_in_flight or pending.is_uncertain
        return error.with_outcome("unknown" if is_open else "not_stored")

    def abandon(self) -> None:
        """In a child after a fork: what is in it is the parent's to send."""
        if self._journal is not None:
            self._journal.abandon()

    # -- from the client ------------------------------------------------------------------------

    def connected(self) -> None:
        """There is a connection: send everything again, in order."""
        for producer in list(self._producers.values()):
            self._refuse_too_large(producer)
        self._send_all()

    def disconnected(self) -> None:
        """The connection is gone."""
        self._in_flight = 0
        self._end_pauses()
        for producer in self._producers.values():
            producer.disconnected()

    # -- for the producers ----------------------------------------------------------------------

    def may_send(self) -> bool:
        return self._link.is_usable and self._in_flight < self._link.limit("in_flight")

    def in_flight_max(self) -> int:
        return int(min(IN_FLIGHT_MAX, self._link.limit("producer_in_flight")))

    def send(self, producer: StreamProducer, pending: Pending) -> None:
        self._in_flight += 1
        members = {
            "stream": producer.stream,
            "producer": self.producer_id,
            "epoch": producer.epoch,
            "sequence": pending.sequence,
            **pending.options,
        }

        def answered(answer: dict[str, Any]) -> None:
            self._answered()
            producer.accepted(pending, answer)

        def refused(error: ClientError) -> None:
            self._answered()
            producer.refused(pending, error)

        self._link.request("publish", members, answered, refused, _encode_batch(pending.batch))

    def pause(self, producer: StreamProducer, error: ClientError, failures: int) -> None:
        def go_on() -> None:
            self._pauses.discard(handle)
            producer.go_on()

        delay_s = self._link.retry_delay_s(error, failures)
        handle = asyncio.get_running_loop().call_later(delay_s, go_on)
        self._pauses.add(handle)

    def _end_pauses(self) -> None:
        for handle in self._pauses:
            handle.cancel()
        self._pauses.clear()

    def numbered(self, producer: StreamProducer, changed: list[Pending]) -> None:
        if self._journal is None:
            return
        for pending in changed:
            pending.is_ready = False
        done = self._when_kept(producer, changed)
        self._journal.renumber(changed, _keep(producer), done)

    def _when_kept(self, producer: StreamProducer, kept: Sequence[Pending]) -> Callable[[], None]:
        """What makes these ready, once the journal has the numbers that they have now."""
        numbers = [pending.sequence for pending in kept]

        def done() -> None:
            for pending, number in zip(kept, numbers, strict=True):
                # It may have got another number meanwhile, which is yet to be kept.
                pending.is_ready |= pending.sequence == number
            producer.send()

        return done

    def settled(self, pending: Pending, outcome: Ack | ClientError) -> None:
        if self._journal is None:
            self._tell(pending, outcome)
            return
        # Should the process end in between, the next one sends it again. That does no harm to what
        # is stored; what is refused is not said to be so before it can never be sent again.
        is_refused = isinstance(outcome, ClientError)
        if not is_refused:
            self._tell(pending, outcome)
        self._journal.remove(
            pending,
            _keep(self._producers[pending.stream]),
            (lambda: self._tell(pending, outcome)) if is_refused else None,
        )

    # -- inside ---------------------------------------------------------------------------------

    def _tell(self, pending: Pending, outcome: Ack | ClientError) -> None:
        self._messages -= 1
        self._bytes -= pending.size
        waiter = self._waiters.pop(pending, None)
        if waiter is None and isinstance(outcome, ClientError):
            # Published by an earlier process.
            self._link.announce(outcome.with_details(stream=pending.stream))
        _resolve(waiter, outcome)
        self._room.set()
        if self._messages == 0:
            self._empty.set()

    def _producer(self, stream: str) -> StreamProducer:
        producer = self._producers.get(stream)
        if producer is None:
            producer = self._producers[stream] = StreamProducer(self, stream)
        return producer

    def _pump_soon(self) -> None:
        """What one turn of the loop publishes leaves together."""
        if not self._is_pumping:
            self._is_pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._is_pumping = False
        if self._closed is None:
            self._send_all()

    def _send_all(self) -> None:
        for producer in list(self._producers.values()):
            producer.send()

    def _answered(self) -> None:
        was_full = not self.may_send()
        self._in_flight -= 1
        if was_full:
            self._pump_soon()

    def _count(self, pending: Pending) -> None:
        self._messages += 1
        self._bytes += pending.size
        self._empty.clear()

    def _has_room(self, pending: Pending) -> bool:
        if self._messages == 0:
            return True
        return self._messages < self._messages_max and self._bytes + pending.size <= self._bytes_max

    def _full(self) -> ClientError:
        return ClientError(
            "outbox_full",
            f"{self._messages} publishes ({self._bytes} bytes) wait to be acknowledged, and at most"
            f" {self._messages_max} ({self._bytes_max} bytes) may",
            retry=True,
            outcome="not_stored",
            details={"messages_max": self._messages_max, "bytes_max": self._bytes_max},
        )

    def _check_open(self) -> None:
        if self._closed is not None:
            raise self._closed.with_outcome("not_stored")

    def _refuse_too_large(self, producer: StreamProducer) -> None:
        """Refuse what was published before the server named its limits: sent all the same, it would
        end each connection, and that for good."""
        refused = []
        for pending in producer.pending:
            try:
                self._check_size(pending)
            except ClientError as error:
                refused.append((pending, error))
        if refused:
            producer.withdraw(refused)

    def _check_size(self, pending: Pending) -> None:
        limit = self._link.limit("message_bytes") - ENVELOPE_BYTES
        size = len(_encode_batch(pending.batch))
        entry_limit = self._link.limit("entry_bytes")
        longest = max(len(payload.content) for payload in pending.batch)
        if longest > entry_limit:
            size, limit = longest, entry_limit
        elif size <= limit:
            return
        raise ClientError(
            "entry_too_large",
            f"a publish to {pending.stream} has {size} bytes; the server takes at most {limit:g}",
            outcome="not_stored",
            details={"limit": limit},
        )


def _encode_batch(batch: tuple[Payload, ...]) -> bytes:
    if len(batch) == 1:
        return batch[0].member
    return b'"batch":[' + b",".join([b"{" + payload.member + b"}" for payload in batch]) + b"]"


def _keep(producer: StreamProducer) -> KeptProducer:
    return KeptProducer(
        producer.stream, producer.epoch, producer.next_sequence, producer.accepted_sequence
    )


def _resolve(waiter: Waiter | None, outcome: Ack | ClientError) -> None:
    if waiter is None or waiter.done():
        return
    if isinstance(outcome, ClientError):
        waiter.set_exception(outcome)
    else:
        waiter.set_result(outcome)


def _look_at(waiter: Waiter) -> None:
    if not waiter.cancelled():
        waiter.exception()
