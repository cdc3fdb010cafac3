"""Three servers on one Redis, killed one after the other under load: what was acknowledged is there
once, in order, and subscribers who come back to another server miss nothing."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException

from longwire.lab.processes import free_port
from tests.integration.server.native_client import native_client
from tests.integration.server.running import RunningServer, run_longwire
from tests.integration.stores.nodes import Proxy
from tests.needs import ROOT
from tests.redis_servers import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

STREAM = "load"
LOST = (OSError, WebSocketException, TimeoutError)


class Servers:
    """Three of them; clients take any, as behind a load balancer."""

    def __init__(self, folder: Path, redis: RedisServer) -> None:
        self.folder = folder
        self.redis = redis
        self.ports = [free_port() for _ in range(3)]
        self.running: list[RunningServer | None] = [None] * 3
        self._next = itertools.cycle(range(3))

    def start(self, index: int) -> None:
        arguments = ["--dev", "--store", self.redis.url, "--port", str(self.ports[index])]
        server = RunningServer(self.folder, *arguments, "--set", "redis_store.canary_interval_s=2")
        server.__enter__()
        self.running[index] = server

    def kill(self, index: int) -> None:
        server, self.running[index] = self.running[index], None
        assert server is not None
        server.__exit__(None, None, None)  # SIGKILL

    def any_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[next(self._next)]}"

    def close(self) -> None:
        for index, server in enumerate(self.running):
            if server is not None:
                self.kill(index)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        settings = {"appendonly": "yes", "appendfsync": "always"}
        redis = stack.enter_context(RedisServer(tmp_path / "redis", **settings))
        made = Servers(tmp_path, redis)
        stack.callback(made.close)
        for index in range(3):
            made.start(index)
        yield made


class Publisher:
    """Publishes numbered messages one after the other, each until it is acknowledged."""

    def __init__(self, name: str, servers: Servers) -> None:
        self.name = name
        self.servers = servers
        self.journal: list[str] = []
        self.duplicates = 0
        self.is_stopped = False

    async def run(self) -> None:
        while not self.is_stopped:
            try:
                async with native_client(self.servers.any_url()) as client:
                    while not self.is_stopped:
                        await self._publish(client)
            except LOST:
                await asyncio.sleep(0.02)

    async def _publish(self, client) -> None:
        sequence = len(self.journal)
        data = f"{self.name}:{sequence}"
        stamp = {"producer": self.name, "epoch": 0, "sequence": sequence}
        answer = await client.ask("publish", stream=STREAM, data=data, **stamp)
        if answer["op"] == "error":
            assert answer["retry"], answer
            await asyncio.sleep(0.02)
            return
        assert answer["durability"] == "disk"
        self.duplicates += answer["duplicate"]
        self.journal.append(data)


class Subscriber:
    """Reads from the start, and comes back to another server with its position."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.messages: list[str] = []
        self.returns = 0
        self._position: str | None = None

    async def run(self) -> None:
        while True:
            try:
                async with native_client(self.servers.any_url()) as client:
                    await self._follow(client)
            except LOST:
                await asyncio.sleep(0.02)

    async def _follow(self, client) -> None:
        start = {"position": self._position} if self._position else {"start": "earliest"}
        answer = await client.ask("subscribe", stream=STREAM, **start)
        if answer["op"] == "error":
            assert answer["retry"], answer
            await asyncio.sleep(0.02)
            return
        if self._position is not None:
            assert answer["recovered"], answer
            self.returns += 1
        self._position = answer["position"]
        while True:
            entry = await client.receive_op("entry")
            assert entry["after"] == self._position
            self._position = entry["position"]
            self.messages.append(entry["data"])


async def follow_load(servers: Servers, kills: int, pause_s: float) -> None:
    publishers = [Publisher(f"p{number}", servers) for number in range(6)]
    subscribers = [Subscriber(servers) for _ in range(3)]
    loads = [asyncio.create_task(publisher.run()) for publisher in publishers]
    readers = [asyncio.create_task(subscriber.run()) for subscriber in subscribers]
    for number in range(kills):
        before = [len(publisher.journal) for publisher in publishers]
        index = number % 3
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(servers.kill, index)
        await asyncio.to_thread(servers.start, index)
        async with asyncio.timeout(30):
            while any(len(p.journal) <= n + 5 for p, n in zip(publishers, before, strict=True)):
                await asyncio.sleep(0.01)
    for publisher in publishers:
        publisher.is_stopped = True
    await asyncio.gather(*loads)
    total = sum(len(publisher.journal) for publisher in publishers)
    async with asyncio.timeout(60):
        while any(len(subscriber.messages) < total for subscriber in subscribers):
            for reader in readers:
                assert not reader.done(), reader.exception()
            await asyncio.sleep(0.01)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    for subscriber in subscribers:
        assert len(subscriber.messages) == total
        for publisher in publishers:
            own = [m for m in subscriber.messages if m.startswith(publisher.name + ":")]
            assert own == publisher.journal
    assert sum(subscriber.returns for subscriber in subscribers) > 0


async def test_three_servers_killed_in_turn_lose_and_double_nothing(servers: Servers) -> None:
    await follow_load(servers, kills=3, pause_s=1.0)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_three_servers_killed_every_ten_seconds_for_three_minutes(servers: Servers) -> None:
    await follow_load(servers, kills=18, pause_s=10.0)


async def until_status(server: RunningServer, status: int) -> str:
    """Ask /readyz until it answers with ``status``; return its words."""
    async with asyncio.timeout(30):
        while True:
            answer = await asyncio.to_thread(server.request, "/readyz")
            if answer.status == status:
                return answer.text
            await asyncio.sleep(0.005)


async def test_readiness_follows_redis(servers: Servers) -> None:
    server = servers.running[0]
    assert server is not None

    await until_status(server, 200)
    servers.redis.kill()
    assert "the store cannot be used: " in await until_status(server, 503)
    metrics = await asyncio.to_thread(server.request, "/metrics")
    assert "longwire_ready 0.0" in metrics.text
    servers.redis.start()
    await until_status(server, 200)
    metrics = await asyncio.to_thread(server.request, "/metrics")
    assert "longwire_ready 1.0" in metrics.text
    page = (ROOT / "docs" / "stores.md").read_text()
    named = re.findall(r"`(longwire_redis_\w+)`", page)
    assert len(named) > 6
    assert [name for name in named if name not in metrics.text] == []


def test_server_that_cannot_reach_redis_says_so_and_ends(tmp_path: Path) -> None:
    port = free_port()
    finished = run_longwire(
        "serve", "--port", "0", "--store", f"redis://:pw@127.0.0.1:{port}", folder=tmp_path
    )
    assert finished.returncode == 69
    assert f"longwire: Redis at 127.0.0.1:{port}: Error 111" in finished.stderr
    assert "Traceback" not in finished.stderr and "pw@" not in finished.stderr


async def test_readiness_turns_red_while_the_live_path_is_deaf(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        async with Proxy(redis.port) as proxy:
            arguments = ["--dev", "--store", proxy.url, "--set", "redis_store.canary_interval_s=2"]
            server = RunningServer(tmp_path, *arguments)
            await asyncio.to_thread(server.__enter__)
            try:
                live = proxy.connections - 1  # it is opened last
                async with native_client(server.url) as reader, native_client(server.url) as writer:
                    await reader.ask("subscribe", stream="s")
                    await writer.ask("publish", stream="s", data=1)
                    assert (await reader.receive_op("entry"))["data"] == 1
                    proxy.target = free_port()  # no way to recover, yet
                    proxy.swallow(live)
                    await writer.ask("publish", stream="s", data=2)
                    answer = await until_status(server, 503)
                    assert "a probe did not come back within 2 s" in answer
                    proxy.target = redis.port
                    assert (await reader.receive_op("entry"))["data"] == 2
                    await until_status(server, 200)
                    await writer.ask("publish", stream="s", data=3)
                    assert (await reader.receive_op("entry"))["data"] == 3
            finally:
                await asyncio.to_thread(server.__exit__, None, None, None)
