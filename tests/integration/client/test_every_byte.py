"""The connection is cut at every byte of a publish exchange: exactly one entry each time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from longwire.client.client import Client
from tests.integration.client.cutting import CuttingProxy, Direction
from tests.integration.server.running import RunningServer
from tests.redis_servers import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningServer]:
    if request.param == "redis":
        with (
            RedisServer(tmp_path / "redis") as redis,
            RunningServer(tmp_path, "--dev", "--store", redis.url) as server,
        ):
            yield server
        return
    url = "memory" if request.param == "memory" else f"sqlite:{tmp_path}/streams.db"
    with RunningServer(tmp_path, "--dev", "--store", url) as server:
        yield server


async def publish_through(proxy: CuttingProxy, stream: str, transport: str = "websocket") -> bool:
    """Publish once, however often it takes; return whether it had been stored before."""
    client = Client(proxy.url, transports=[transport], random=lambda: 0.0)
    await client.start()
    try:
        async with asyncio.timeout(30):
            ack = await client.publish(stream, {"text": "once"})
    finally:
        await client.close()
    assert ack.position is not None and ack.position.offset == 1
    return ack.is_duplicate


async def cut_everywhere(
    server: RunningServer, transport: str, *, spared_connections: int = 0
) -> None:
    """Cut at every byte that a publish takes, but those of the first connections."""
    async with (
        CuttingProxy(server.port) as proxy,
        Client(server.url, websocket_options={"compression": None}) as reader,
    ):
        await publish_through(proxy, "whole", transport)
        sizes = proxy.forwarded
        cuts = duplicates = 0
        for direction in Direction:
            first = sum(size[direction] for size in sizes[:spared_connections])
            for cut in range(first, sum(size[direction] for size in sizes)):
                stream = f"{direction.name}/{cut}"
                proxy.cut_after(direction, cut)
                duplicates += await publish_through(proxy, stream, transport)
                assert proxy.is_cut, f"nothing was cut {direction.value} at byte {cut}"
                cuts += 1
                history = await reader.history(stream)
                assert [message.data for message in history.messages] == [{"text": "once"}], stream
        # Some of them had been stored when the answer was lost: those are the point.
        assert 0 < duplicates < cuts


async def test_cut_at_every_byte_leaves_exactly_one_entry(server: RunningServer) -> None:
    await cut_everywhere(server, "websocket")


async def test_cut_at_every_byte_of_a_post_leaves_exactly_one_entry(tmp_path: Path) -> None:
    """Both transports over HTTP post alike."""
    with RunningServer(tmp_path, "--dev", "--store", "memory") as server:
        await cut_everywhere(server, "sse", spared_connections=1)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("transport", ["sse", "long-poll"])
async def test_cut_at_every_byte_over_http_leaves_exactly_one_entry(
    server: RunningServer, transport: str
) -> None:
    await cut_everywhere(server, transport)
