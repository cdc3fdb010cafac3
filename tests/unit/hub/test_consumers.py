"""Consumers, as a server takes part in them; what clients see: tests/integration/client."""

from __future__ import annotations

import asyncio

import pytest

from longwire.hub.consumers import Consumer
from longwire.hub.hub import Hub
from longwire.hub.publishing import Publish
from longwire.hub.sinks import Gap
from longwire.stores.memory import MemoryStore
from longwire.streams.entry import Entry, NewEntry
from longwire.streams.errors import StreamError
from longwire.streams.position import Position
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
