"""kill -9 of server, publishers and subscribers: each effect once, in order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from longwire.client.client import Client
from longwire.client.errors import ClientError
from longwire.lab.processes import free_port
from tests.integration.server.running import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

STREAMS = 3
LIVES = 6
CATCH_UP_S = 60.0
"""For the effects that are missing in the end: each is synced to disk."""
HERE = "tests.integration.client"


def start(module: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"{HERE}.{module}", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def publish_until_killed(arguments: Sequence[str], after_s: float) -> int:
    """Run a publisher for a while; return the last number that all streams were handed."""
    with start("publisher", *arguments) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(after_s)
        process.kill()
        lines = [first, *process.stdout.read().splitlines(keepends=True)]
    return max(int(line) for line in lines if line.endswith("\n"))


async def read_all(client: Client, stream: str, upto: int) -> list[int]:
    """Read a stream from its start until ``upto`` is there, and what follows at once."""
    seen: list[int] = []
    async with asyncio.timeout(60):
        async for message in client.subscribe(stream, start="earliest"):
            seen.append(message.data)
            if message.data >= upto:
                break
    return seen


async def test_killed_publisher_goes_on_from_its_outbox(tmp_path: Path) -> None:
    source = random.Random(3)
    outbox = tmp_path / "outbox.db"
    with RunningServer(tmp_path, "--dev") as server:
        last = -1
        for _ in range(LIVES):
            arguments = [server.url, str(outbox), str(STREAMS), str(last + 1)]
            last = await asyncio.to_thread(
                publish_until_killed, arguments, source.uniform(0.05, 0.5)
            )
        # One that only empties the outbox, as the next start of the program would.
        async with Client(server.url, outbox_path=outbox) as client:
            async with asyncio.timeout(60):
                await client.flush()
            for stream in range(STREAMS):
                seen = await read_all(client, f"kill/{stream}", last)
                # A number that was handed to some streams when it was killed is handed over
                # again by the next life: that is the program's doing, at most once a life.
                assert seen == sorted(seen), "out of order"
                assert set(range(last + 1)) <= set(seen), "lost"
                assert len(seen) - len(set(seen)) <= LIVES


@pytest.mark.parametrize(
    "transport",
    [
        "websocket",
        pytest.param("sse", marks=pytest.mark.long),
        pytest.param("long-poll", marks=pytest.mark.long),
    ],
)
async def test_killed_subscriber_has_each_effect_once(tmp_path: Path, transport: str) -> None:
    source = random.Random(4)
    path = tmp_path / "effects.db"
    stop = asyncio.Event()
    published = 0

    async def publish(client: Client) -> None:
        nonlocal published
        while not stop.is_set():
            await client.publish("effects", published)
            published += 1

    def live(url: str, live_on: Callable[[], None]) -> None:
        with start("subscriber", url, transport, str(path), "effects") as process:
            assert process.stdout is not None
            process.stdout.readline()
            live_on()
            process.kill()

    def effects() -> list[int]:
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows = database.execute("SELECT number FROM effects ORDER BY rowid")
            return [number for (number,) in rows]

    def catch_up() -> None:
        deadline = time.monotonic() + CATCH_UP_S
        while len(effects()) < published and time.monotonic() < deadline:
            time.sleep(0.05)

    with RunningServer(tmp_path, "--dev") as server:
        async with Client(server.url, transports=[transport]) as client:
            publishing = asyncio.create_task(publish(client))
            for _ in range(LIVES):
                pause = functools.partial(time.sleep, source.uniform(0.05, 0.4))
                await asyncio.to_thread(live, server.url, pause)
            stop.set()
            await publishing
        await asyncio.to_thread(live, server.url, catch_up)
    assert published > LIVES
    assert effects() == list(range(published))


async def test_killed_server_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    flags = ("--dev", "--store", f"sqlite:{tmp_path}/streams.db", "--port", str(free_port()))
    source = random.Random(5)
    acknowledged: list[int] = []
    with RunningServer(tmp_path, *flags) as first:
        client = Client(first.url)
        await client.start()
        seen: list[int] = []
        client.subscribe("server", lambda message: seen.append(message.data))
        await client.connected(30)

        async def publish() -> None:
            number = 0
            while True:
                ack = await client.publish("server", number)
                assert ack.durability == "disk"
                acknowledged.append(number)
                number += 1

        publishing = asyncio.create_task(publish())
        await asyncio.sleep(0.5)
        first.process.kill()
        first.process.wait()
    for _ in range(LIVES):
        with RunningServer(tmp_path, *flags) as server:
            goal = len(acknowledged) + source.randrange(1, 200)
            async with asyncio.timeout(60):
                while len(acknowledged) < goal:
                    await asyncio.sleep(0.01)
            server.process.kill()
            server.process.wait()
    with RunningServer(tmp_path, *flags):
        async with asyncio.timeout(60):
            await client.flush()
            publishing.cancel()
            await asyncio.wait([publishing])
            while not acknowledged or len(seen) <= acknowledged[-1]:
                await asyncio.sleep(0.01)
        assert acknowledged == list(range(len(acknowledged)))
        assert seen == list(range(len(seen)))
        await client.close()


async def test_outbox_has_one_owner(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.db"
    with RunningServer(tmp_path, "--dev") as server:
        async with Client(server.url, outbox_path=outbox):
            second = Client(server.url, outbox_path=outbox)
            with pytest.raises(ClientError) as caught:
                await second.start()
            assert caught.value.code == "outbox_in_use"
        async with Client(server.url, outbox_path=outbox) as third:
            assert (await third.publish("s", 1)).position is not None
