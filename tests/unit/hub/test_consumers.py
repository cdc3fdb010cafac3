"""Consumers, as a server takes part in them; what clients see: tests/integration/client."""

from __future__ import annotations

import asyncio

import pytest

from longwire.base.errors import StoreError
from longwire.hub.consumers import Consumer
from longwire.hub.hub import Hub
from longwire.hub.publishing import Publish
from longwire.hub.sinks import Gap
from longwire.stores.memory import MemoryStore
from longwire.streams.entry import Entry, NewEntry
from longwire.streams.errors import StoreUnavailableError, StreamError
from longwire.streams.position import Position
from longwire.streams.store import Page
from longwire.streams.verdict import StartAt
from tests.unit.hub.collectors import settle


class Worker:
    """Takes everything, and remembers how it ended."""

    name = "w"
    window = 10
    ack_wait_s = 60.0
    can_take = True

    def __init__(self) -> None:
        self.delivered: asyncio.Queue[Entry] = asyncio.Queue()
        self.end: asyncio.Future[StreamError | Position] = asyncio.Future()

    def deliver(self, entry: Entry, attempt: int) -> None:
        self.delivered.put_nowait(entry)

    def lost(self, gap: Gap) -> None:
        raise AssertionError(gap)

    def closed(self, position: Position) -> None:
        self.end.set_result(position)

    def ended(self, error: StreamError) -> None:
        self.end.set_result(error)


async def joined(hub: Hub, worker: Worker) -> Consumer:
    """A consumer of the stream ``a`` that this worker works for."""
    consumer = hub.consumers.get("ann", "a", "w")
    await consumer.join(worker, StartAt.EARLIEST)
    return consumer


@pytest.mark.parametrize("way", ["forgotten", "closed"])
async def test_consumer_that_nobody_works_for_any_more_leaves_no_task(way: str) -> None:
    hub, worker = Hub(MemoryStore()), Worker()
    await hub.publish(Publish("a", (NewEntry(b"1"),)))
    before = asyncio.all_tasks()
    consumer = await joined(hub, worker)
    async with asyncio.timeout(60):
        entry = await worker.delivered.get()
        if way == "forgotten":
            await consumer.forget()
        else:
            await hub.publish(Publish("a", (), closes=True))
            await consumer.acknowledge("w", lambda position: position == str(entry.position))
        await worker.end
        # One that waits for ever is collected some time, and asyncio complains in the log.
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0)
    await hub.close()


async def test_worker_leaves_a_consumer_that_is_removed_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub, worker = Hub(MemoryStore()), Worker()
    await hub.publish(Publish("a", (NewEntry(b"1"),)))
    before = asyncio.all_tasks()
    consumer = await joined(hub, worker)
    async with asyncio.timeout(60):
        await worker.delivered.get()
        consumer.leave(worker)
        await consumer.forget()
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0)
    await settle()
    await hub.close()
    assert caplog.text == ""


class GatedStore(MemoryStore):
    """Lets a test stop, or fail, those who begin to watch a stream or read from it."""

    def __init__(self) -> None:
        super().__init__()
        self.watching: asyncio.Future[None] | None = None
        self.reading: asyncio.Future[None] | None = None
        self.is_asked = asyncio.Event()

    async def watch(self, stream: str) -> None:
        await self._pass(self.watching)

    async def read(self, stream: str, after: Position, *, entries_max: int, bytes_max: int) -> Page:
        page = await super().read(stream, after, entries_max=entries_max, bytes_max=bytes_max)
        await self._pass(self.reading)
        return page

    async def _pass(self, gate: asyncio.Future[None] | None) -> None:
        if gate is not None:
            self.is_asked.set()
            await asyncio.shield(gate)


async def test_worker_hears_of_new_entries_though_another_one_left_while_joining() -> None:
    store = GatedStore()
    hub = Hub(store)
    store.watching = asyncio.Future()
    consumer = hub.consumers.get("ann", "a", "w")
    worker, other = Worker(), Worker()
    other.name = "other"
    async with asyncio.timeout(60):
        leaving = asyncio.create_task(consumer.join(other, StartAt.EARLIEST))
        await store.is_asked.wait()
        joining = asyncio.create_task(consumer.join(worker, StartAt.EARLIEST))
        await settle()
        leaving.cancel()
        await asyncio.wait([leaving])
        store.watching.set_result(None)
        await joining
        await settle()
        await hub.publish(Publish("a", (NewEntry(b"1"),)))
        assert (await worker.delivered.get()).payload == b"1"
    await hub.close()


async def test_worker_can_join_after_following_the_record_of_others_has_failed() -> None:
    store = GatedStore()
    store.is_shared = True
    hub = Hub(store)
    consumer = hub.consumers.get("ann", "a", "w")
    refused = {consumer.home}

    async def watch(stream: str) -> None:
        if stream in refused:
            refused.clear()
            await asyncio.sleep(0)
            raise StoreUnavailableError("not watched in time")

    store.watch = watch
    worker, other = Worker(), Worker()
    other.name = "other"
    async with asyncio.timeout(60):
        joins = [consumer.join(each, StartAt.EARLIEST) for each in (other, worker)]
        outcomes = await asyncio.gather(*joins, return_exceptions=True)
        assert isinstance(outcomes[0], StoreUnavailableError)
        assert not isinstance(outcomes[1], BaseException)
        await consumer.join(other, StartAt.EARLIEST)
    await hub.close()


async def test_entries_go_to_a_worker_with_room_though_the_freest_one_has_parted() -> None:
    store = GatedStore()
    hub = Hub(store)
    worker, other = Worker(), Worker()
    worker.name, worker.window = "v", 1
    consumer = await joined(hub, other)
    await consumer.join(worker, StartAt.EARLIEST)
    async with asyncio.timeout(60):
        await settle()
        store.is_asked.clear()
        store.reading = asyncio.Future()
        published = asyncio.create_task(hub.publish(Publish("a", (NewEntry(b"1"),))))
        await store.is_asked.wait()
        consumer.part(other)
        store.reading.set_result(None)
        await published
        assert (await worker.delivered.get()).payload == b"1"
    await hub.close()


async def test_acknowledgement_is_answered_when_the_store_fails_and_the_work_goes_on() -> None:
    store = MemoryStore()
    hub, worker = Hub(store), Worker()
    await hub.publish(Publish("a", (NewEntry(b"1"),)))
    consumer = await joined(hub, worker)
    read_back = store.read_back

    async def fail(*arguments: object, **more: object) -> Page:
        store.read_back = read_back
        raise StoreError("it is out of order", retryable=True)

    async with asyncio.timeout(30):
        await worker.delivered.get()
        store.read_back = fail
        with pytest.raises(StoreUnavailableError, match="out of order"):
            await consumer.acknowledge("w", lambda position: True)
        assert (await consumer.acknowledge("w", lambda position: True)).pending == 0
    await hub.close()


async def test_acknowledgement_after_the_last_worker_has_parted_is_answered() -> None:
    hub, worker = Hub(MemoryStore()), Worker()
    await hub.publish(Publish("a", (NewEntry(b"1"),)))
    consumer = await joined(hub, worker)
    async with asyncio.timeout(30):
        await worker.delivered.get()
        for _ in range(2):  # with something to wait for, and with nothing
            assert (await consumer.acknowledge("w", lambda position: True)).pending == 0
            await settle()
            consumer.part(worker)
    await hub.close()


async def test_consumer_that_something_comes_for_as_the_hub_closes_ends_with_it() -> None:
    hub, worker = Hub(MemoryStore()), Worker()
    await hub.publish(Publish("a", (NewEntry(b"1"),)))
    before = asyncio.all_tasks()
    await joined(hub, worker)
    async with asyncio.timeout(30):
        await worker.delivered.get()
        await settle()
        hub.publisher.submit(Publish("a", (NewEntry(b"2"),)), lambda outcome: None)
        await hub.close()
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0)
    assert not worker.end.done()  # it is not removed, only this server is
