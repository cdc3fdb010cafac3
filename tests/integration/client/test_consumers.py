"""Workers of one consumer on several servers, of which some are killed: nothing is left undone."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

import pytest

from longwire.client.client import Client
from longwire.lab.processes import free_port
from tests.integration.server.running import RunningServer
from tests.redis_servers import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

COUNT = 200


async def test_work_is_done_though_a_server_is_killed(tmp_path: Path) -> None:
    done: Counter[int] = Counter()
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(RedisServer(tmp_path / "redis"))
        servers = [
            stack.enter_context(RunningServer(tmp_path, "--dev", "--store", redis.url))
            for _ in range(2)
        ]
        async with contextlib.AsyncExitStack() as clients:
            publisher = await clients.enter_async_context(Client(servers[0].url))

            async def handle(delivery) -> None:
                await asyncio.sleep(0.002)
                done[delivery.data] += 1

            for server in [*servers, servers[0]]:
                client = await clients.enter_async_context(Client(server.url))
                client.consume("jobs", "workers", handle, window=10, ack_wait_s=2.0)
            for number in range(COUNT):
                await publisher.publish("jobs", number)
                if number == COUNT // 2:
                    servers[1].process.kill()
            async with asyncio.timeout(60):
                while len(done) < COUNT:
                    await asyncio.sleep(0.05)
                state = await publisher.consumer_state("jobs", "workers")
                while state.unread:
                    await asyncio.sleep(0.05)
                    state = await publisher.consumer_state("jobs", "workers")
    # At least once: twice is only what the killed server's worker had and could not acknowledge.
    assert set(done) == set(range(COUNT))
    assert sum(done.values()) - COUNT <= 20


async def test_consumer_goes_on_after_its_server_was_killed(tmp_path: Path) -> None:
    flags = ("--dev", "--store", f"sqlite:{tmp_path}/streams.db", "--port", str(free_port()))
    done: list[int] = []
    with RunningServer(tmp_path, *flags) as first:
        async with Client(first.url) as client:
            client.consume("jobs", "worker", lambda delivery: done.append(delivery.data))
            for number in range(20):
                await client.publish("jobs", number)
            async with asyncio.timeout(30):
                state = await client.consumer_state("jobs", "worker")
                while not state.exists or state.unread:
                    await asyncio.sleep(0.02)
                    state = await client.consumer_state("jobs", "worker")
            first.process.kill()
            first.process.wait()
            with RunningServer(tmp_path, *flags):
                await client.publish("jobs", 20)
                async with asyncio.timeout(30):
                    while 20 not in done:
                        await asyncio.sleep(0.02)
    assert done == list(range(21))
