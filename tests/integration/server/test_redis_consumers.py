"""Consumers whose workers are on several servers over one Redis."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from longwire import Client, ClientError
from tests.integration.server.running import RunningServer
from tests.redis_servers import RedisServer

pytestmark = pytest.mark.slow


async def clients(stack: AsyncExitStack, folder: Path, count: int) -> list[Client]:
    """Each of a server of its own, all on one Redis."""
    redis = stack.enter_context(RedisServer(folder / "redis"))
    made = []
    for _ in range(count):
        server = stack.enter_context(
            RunningServer(folder, "--dev", "--store", redis.url, "--port", "0")
        )
        made.append(await stack.enter_async_context(Client(server.url)))
    return made


async def test_worker_elsewhere_is_told_that_its_consumer_was_removed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one, two = await clients(stack, tmp_path, 2)
        consumer = two.consume("jobs", "workers")
        await consumer.ready()
        waiting = asyncio.ensure_future(anext(aiter(consumer)))
        await one.forget_consumer("jobs", "workers")
        with pytest.raises(ClientError) as ended:
            await asyncio.wait_for(waiting, 30)
        assert ended.value.code == "consumer_removed"


async def test_unread_count_is_the_same_on_every_server(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one, two, three = await clients(stack, tmp_path, 3)
        for number in range(10):
            await one.publish("jobs", number)
        done: list[int] = []

        async def handle(delivery) -> None:
            done.append(delivery.data)

        workers = [client.consume("jobs", "workers", handle, window=2) for client in (one, two)]
        for worker in workers:
            await worker.ready()
        async with asyncio.timeout(60):
            while (await three.consumer_state("jobs", "workers")).unread:
                await asyncio.sleep(0.02)
        assert sorted(done) == list(range(10))
