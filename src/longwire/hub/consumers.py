"""Consumers: positions that the server keeps, moved by acknowledgements (docs/protocol.md, 13).

A consumer's record is the last entry of a stream of its own, written by conditional appends: of
several servers that change it at a time one succeeds, and the others look again. What is delivered
has been written down before, so no entry is with two workers at a time, on any servers.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from longwire.base.errors import StoreError
from longwire.base.limits import ConsumerLimits, RetentionLimits
from longwire.hub.consumer_record import ConsumerRecord, Item
from longwire.hub.errors import ConsumerRemovedError
from longwire.hub.sinks import Gap
from longwire.streams.entry import Entry, NewEntry
from longwire.streams.errors import StoreUnavailableError, StreamError, TailMovedError
from longwire.streams.position import START, Position, parse_position
from longwire.streams.store import Append, StreamSettings
from longwire.streams.verdict import Start, StartAt

if TYPE_CHECKING:
    from longwire.hub.hub import Hub

__all__ = ["Consumer", "Consumers", "Standing", "Worker"]

logger = logging.getLogger("longwire.hub")

_SETTINGS = StreamSettings(retention=RetentionLimits(entries_max=1, age_max_s=None))
_PAGE_BYTES_MAX = 1 << 20
"""Payload bytes handed out in one round, but for the entry that goes over it; then workers are
asked again whether they can take more."""
_ROUNDS_MAX = 100
"""Times that a record is tried to be written which others write too."""
_RETRY_S = 1.0


class Standing(NamedTuple):
    """Where a consumer stands."""

    exists: bool
    position: Position
    tail: Position
    unread: int
    pending: int


class Worker(Protocol):
    """Who works for a consumer, on this server. No method waits."""

    name: str
    """No other worker has it, on any server."""
    window: int
    ack_wait_s: float

    @property
    def can_take(self) -> bool:
        """Whether its connection takes more now; when it does again, call ``Consumer.look``."""

    def deliver(self, entry: Entry, attempt: int) -> None:
        """Here is an entry."""

    def lost(self, gap: Gap) -> None:
        """These were lost before they were acknowledged."""

    def closed(self, position: Position) -> None:
        """The stream is closed, and everything is acknowledged. The last call."""

    def ended(self, error: StreamError) -> None:
        """There is nothing to work for any more. The last call."""


Change = Callable[[ConsumerRecord], bool]
"""Changes a record; ``False``: it has changed nothing. May be called several times, each time with
another record."""


class Consumers:
    """Those of one hub."""

    def __init__(self, hub: Hub, limits: ConsumerLimits) -> None:
        self.limits = limits
        self._hub = hub
        self._known: dict[str, Consumer] = {}

    def get(self, user: str, stream: str, name: str) -> Consumer:
        """The consumer of this name; nothing is written by that."""
        parts = b"\0".join(part.encode() for part in (user, name, stream))
        home = "$consumer/" + hashlib.sha256(parts).hexdigest()[:40]
        consumer = self._known.get(home)
        if consumer is None:
            consumer = self._known[home] = Consumer(self._hub, self, stream, home)
        return consumer

    def tidy(self, consumer: Consumer) -> None:
        """Forget one that nobody works for here; its record stays."""
        if consumer.is_idle and self._known.get(consumer.home) is consumer:
            del self._known[consumer.home]
            consumer.stop()

    def close(self) -> None:
        """Stop all of them."""
        for consumer in self._known.values():
            consumer.stop()
        self._known.clear()


@dataclass(slots=True)
class _Round:
    """What one round decided, to be told when it is written."""

    deliveries: list[tuple[Worker, Entry, int]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    payload_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the rest is left to the next round."""
        return self.payload_bytes >= _PAGE_BYTES_MAX

    def deliver(self, worker: Worker, entry: Entry, attempt: int) -> None:
        """Hand an entry to a worker."""
        self.deliveries.append((worker, entry, attempt))
        self.payload_bytes += len(entry.payload)


class Consumer:
    """One consumer, as this server takes part in it."""

    def __init__(self, hub: Hub, consumers: Consumers, stream: str, home: str) -> None:
        self.stream = stream
        self.home = home
        self._hub = hub
        self._consumers = consumers
        self._workers: dict[str, Worker] = {}
        self._changes: list[tuple[Change, asyncio.Future[Standing]]] = []
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._attachment = hub.attach(self)
        self._following = asyncio.Lock()
        self._users = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody here needs it."""
        return not self._workers and not self._users and not self._changes

    # -- for workers ----------------------------------------------------------------------------

    async def join(
        self, worker: Worker, start: Start, held: Collection[str] | None = None
    ) -> Standing:
        """Work for it from now on; one that does not exist begins at ``start``.

        With ``held`` the worker goes on with the work of one of its name that has parted: it still
        has these positions, and what else that one had is delivered again. Deliveries may come
        before this returns. Raises ``StoreUnavailableError``.
        """
        self._users += 1
        try:
            await self._begin_at(start)
            await self._follow()
            if held is not None:
                await self._go_on_with(worker.name, held)
            standing = await self.standing()
            self._workers[worker.name] = worker
        finally:
            self._users -= 1
            self._consumers.tidy(self)
        self.look()
        return standing

    def leave(self, worker: Worker) -> None:
        """Work for it no longer: what is not acknowledged goes to others at once."""
        if self._take(worker):
            now_ms = _now_ms()
            give = self._change(
                lambda record: record.give_back(worker.name, lambda position: True, now_ms)
            )
            give.add_done_callback(self._left)

    def part(self, worker: Worker) -> None:
        """Work for it no longer; until its time is up, what is not acknowledged is left to one of
        the same name, here or elsewhere."""
        if self._take(worker):
            self._consumers.tidy(self)

    def _take(self, worker: Worker) -> bool:
        """Take a worker out, unless another one of its name has taken its place."""
        is_here = self._workers.get(worker.name) is worker
        if is_here:
            del self._workers[worker.name]
        return is_here

    async def _go_on_with(self, name: str, held: Collection[str]) -> None:
        self._workers.pop(name, None)
        now_ms = _now_ms()
        await self._change(
            lambda record: record.give_back(name, lambda position: position not in held, now_ms)
        )

    def _left(self, done: asyncio.Future[Standing]) -> None:
        error = None if done.cancelled() else done.exception()
        # Of a consumer that is removed nothing comes again.
        if error is not None and not isinstance(error, ConsumerRemovedError):
            logger.warning("a worker's entries come again after their time: %s", error)
        self._consumers.tidy(self)

    def acknowledge(self, worker: str, matches: Callable[[str], bool]) -> asyncio.Future[Standing]:
        """Entries of the worker of this name are dealt with; the future is done when that is
        stored."""
        return self._change(lambda record: record.acknowledge(worker, matches))

    def give_back(
        self, worker: str, matches: Callable[[str], bool], after_s: float
    ) -> asyncio.Future[Standing]:
        """Entries of the worker of this name are to be delivered again."""
        due_ms = _now_ms() + round(after_s * 1000)
        return self._change(lambda record: record.give_back(worker, matches, due_ms))

    async def standing(self) -> Standing:
        """Tell where it stands. Raises ``StoreUnavailableError``."""
        verdict = await self._hub.store.seek(self.stream, StartAt.TAIL)
        loaded = await self._load()
        if loaded is None:
            return Standing(False, START, verdict.tail, verdict.tail.offset, 0)
        return _stand(loaded[0], verdict.tail)

    async def forget(self) -> None:
        """Remove it, with its position."""
        await self._hub.store.delete(self.home)
        self.look()

    # -- the record -----------------------------------------------------------------------------

    async def _load(self) -> tuple[ConsumerRecord, Position] | None:
        page = await self._hub.store.read_back(
            self.home, None, entries_max=1, bytes_max=_PAGE_BYTES_MAX
        )
        if not page.entries:
            return None
        return ConsumerRecord.parse(page.entries[0].payload), page.tail

    async def _begin_at(self, start: Start) -> None:
        if await self._load() is not None:
            return
        verdict = await self._hub.store.seek(self.stream, start)
        try:
            await self._save(ConsumerRecord.begin(verdict.resume), START)
        except TailMovedError:
            return  # somebody else has begun it

    async def _save(self, record: ConsumerRecord, tail: Position) -> None:
        entry = NewEntry(record.encode())
        await self._hub.store.append(Append(self.home, (entry,), if_tail=tail, create=_SETTINGS))

    # -- the work -------------------------------------------------------------------------------

    def _change(self, change: Change) -> asyncio.Future[Standing]:
        done: asyncio.Future[Standing] = asyncio.get_running_loop().create_future()
        self._changes.append((change, done))
        self.look()
        return done

    def look(self) -> None:
        """Something may have changed."""
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._workers or self._changes:
            self._wake.clear()
            try:
                due_ms = await self._go_round()
            except (StreamError, StoreError, OSError) as error:
                logger.warning("the consumer of %r waits for the store: %s", self.stream, error)
                self._fail_changes(StoreUnavailableError(f"the store failed: {error}"))
                due_ms = _now_ms() + round(_RETRY_S * 1000)
            if not (self._workers or self._changes):
                return  # this round was the last; nobody may be left who wakes us
            wait_s = None if due_ms is None else max(0.0, (due_ms - _now_ms()) / 1000)
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _fail_changes(self, error: StreamError) -> None:
        changes, self._changes = self._changes, []
        for _, done in changes:
            if not done.done():
                done.set_exception(error)

    async def _go_round(self) -> int | None:
        """Apply what is asked for, hand out what may be, write that down, then tell; return when
        to look again."""
        for _ in range(_ROUNDS_MAX):
            loaded = await self._load()
            if loaded is None:
                self._end(ConsumerRemovedError(self.stream))
                return None
            record, tail = loaded
            before = record.encode()
            changes = list(self._changes)
            for change, _ in changes:
                change(record)
            now_ms = _now_ms()
            record.reclaim(now_ms)
            decided = _Round()
            page_tail, is_closed = await self._assign(record, decided, now_ms)
            if record.encode() != before:
                try:
                    await self._save(record, tail)
                except TailMovedError:
                    continue
            del self._changes[: len(changes)]
            self._tell(record, decided, changes, page_tail, is_closed)
            if decided.is_full:
                self._wake.set()
            return record.next_due_ms(now_ms)
        raise StoreUnavailableError("others write this consumer's record all the time")

    def _end(self, error: StreamError) -> None:
        """Nobody works for it here any more, and all are told why."""
        self._fail_changes(error)
        workers, self._workers = self._workers, {}
        for worker in workers.values():
            worker.ended(error)
        self._consumers.tidy(self)

    def _tell(
        self,
        record: ConsumerRecord,
        decided: _Round,
        changes: Sequence[tuple[Change, asyncio.Future[Standing]]],
        tail: Position,
        is_closed: bool,
    ) -> None:
        for worker, entry, attempt in decided.deliveries:
            if self._workers.get(worker.name) is worker:
                worker.deliver(entry, attempt)
        standing = _stand(record, tail)
        for _, done in changes:
            if not done.done():
                done.set_result(standing)
        workers = list(self._workers.values())
        for gap in decided.gaps:
            if workers:
                workers[0].lost(gap)
        if is_closed and not record.items and record.position == str(tail):
            for worker in workers:
                del self._workers[worker.name]
                worker.closed(tail)
            self._consumers.tidy(self)

    async def _assign(
        self, record: ConsumerRecord, decided: _Round, now_ms: int
    ) -> tuple[Position, bool]:
        """Hand out entries as long as there are workers with room; return the tail, and whether
        the stream is closed."""
        room = {
            name: worker.window - record.held_by(name)
            for name, worker in self._workers.items()
            if worker.can_take
        }
        for item in record.waiting(now_ms):
            worker = self._freest(room)
            if worker is None or decided.is_full:
                break
            entry = await self._read_again(record, item, decided)
            if entry is not None:
                due_ms = _now_ms() + round(worker.ack_wait_s * 1000)
                record.hand_out(item, worker.name, due_ms)
                room[worker.name] -= 1
                decided.deliver(worker, entry, item.attempt)
        return await self._take_new(record, decided, room)

    async def _take_new(
        self, record: ConsumerRecord, decided: _Round, room: dict[str, int]
    ) -> tuple[Position, bool]:
        while True:
            has_room = not (record.is_full or decided.is_full)
            wanted = sum(max(0, left) for left in room.values()) if has_room else 0
            cursor = parse_position(record.cursor)
            page = await self._hub.store.read(
                self.stream, cursor, entries_max=max(1, wanted), bytes_max=_PAGE_BYTES_MAX
            )
            if page.reason is not None:
                if not room:
                    return page.tail, page.is_closed
                decided.gaps.append(Gap(cursor, page.upto, page.reason.value))
                record.jump(page.upto)
                continue
            for entry in page.entries:
                worker = self._freest(room) if wanted else None
                if worker is None:
                    return page.tail, page.is_closed
                due_ms = _now_ms() + round(worker.ack_wait_s * 1000)
                record.take(entry.previous, entry.position, worker.name, due_ms)
                room[worker.name] -= 1
                decided.deliver(worker, entry, 1)
            if wanted and not page.has_more and parse_position(record.cursor) != page.upto:
                record.pass_to(page.upto)
            if not page.has_more or not wanted:
                return page.tail, page.is_closed

    def _freest(self, room: dict[str, int]) -> Worker | None:
        """The worker with the most room, if one has any. Some may have left meanwhile."""
        here = [name for name, left in room.items() if left > 0 and name in self._workers]
        name = max(here, key=room.__getitem__, default=None)
        return None if name is None else self._workers[name]

    async def _read_again(
        self, record: ConsumerRecord, item: Item, decided: _Round
    ) -> Entry | None:
        """The entry of an item; ``None`` when it is not in the stream any more."""
        after = parse_position(item.after)
        page = await self._hub.store.read(self.stream, after, entries_max=1, bytes_max=1)
        if page.entries and str(page.entries[0].position) == item.position:
            return page.entries[0]
        record.drop([item])
        if page.reason is not None:
            upto = parse_position(item.position)
            decided.gaps.append(Gap(after, upto, page.reason.value))
        return None

    # -- what wakes it: a sink of the hub on the stream and on its record ----------------------

    async def _follow(self) -> None:
        followed = (self.stream, self.home) if self._hub.store.is_shared else (self.stream,)
        # One at a time: who is first may fail, or be gone before it is done.
        async with self._following:
            for stream in followed:
                if self._attachment.find(stream) is None:
                    opened = await self._attachment.open(
                        stream, StartAt.TAIL, is_reserved_allowed=True
                    )
                    opened.begin()

    def send_entries(self, stream: str, entries: Sequence[Entry]) -> int:
        if self._workers:
            self.look()
        return 0

    def send_gap(self, stream: str, gap: Gap) -> int:
        return self.send_entries(stream, ())

    def send_closed(self, stream: str, position: Position) -> int:
        return self.send_entries(stream, ())

    def stop(self) -> None:
        """Follow nothing more."""
        self._attachment.detach()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            self._task = None  # what is asked for before it has ended needs another


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _stand(record: ConsumerRecord, tail: Position) -> Standing:
    position = parse_position(record.position)
    return Standing(True, position, tail, record.unread(tail), record.pending)
