"""What a rush took comes back: the memory of ``longwire serve``, as the kernel sees it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

from longwire.base.limits import MIB
from longwire.server.memory import system_heap
from tests.integration.net.hostile_websockets import (
    bomb,
    close_code,
    masked,
    send_until_closed,
    upgrade,
)
from tests.integration.server.running import RunningServer

pytestmark = pytest.mark.skipif(
    system_heap() is None, reason="the C library is not glibc 2.33 or newer"
)

INTERVAL = ("--set", "server.memory_return_interval_s=0.2")
BOUND_BYTES = 8 * MIB
"""How far above its start memory may stay: what may stand free, and as much for all else."""

WAVES = 3
PEERS = 12
UNFINISHED_BYTES = 3 * MIB

Rush = Callable[[int, list[ClientConnection]], Awaitable[None]]


def memory_bytes(server: RunningServer) -> int:
    """What the process has for itself; pages of files count for whoever else maps them, too."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


async def falls_below(server: RunningServer, bound_bytes: int) -> None:
    try:
        async with asyncio.timeout(30):
            while memory_bytes(server) > bound_bytes:
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"{memory_bytes(server)} bytes stay, and not {bound_bytes} at most")


def returned_bytes(server: RunningServer) -> float:
    found = re.search(
        r"^longwire_memory_returned_bytes_total (\S+)$",
        server.request("/metrics").text,
        re.MULTILINE,
    )
    assert found is not None
    return float(found[1])


# -- rushes ---------------------------------------------------------------------------------


async def bombs(port: int, guests: list[ClientConnection]) -> None:
    """Compressed messages of 64 MiB, all at once; each is refused past 16 MiB."""
    offer = upgrade("Sec-WebSocket-Extensions: permessage-deflate")
    pieces = [offer, masked(0xC2, bomb(64))]
    async with asyncio.TaskGroup() as group:
        ends = [group.create_task(send_until_closed(port, pieces)) for _ in range(PEERS)]
    assert {close_code(end.result()) for end in ends} == {1009}


async def unfinished(port: int, guests: list[ClientConnection]) -> None:
    """Messages that never come whole; between one and the next somebody comes who stays."""
    peers = []
    for _ in range(PEERS):
        _, peer = await asyncio.open_connection("127.0.0.1", port)
        peer.write(upgrade() + masked(0x82, bytes(UNFINISHED_BYTES))[:-1])
        await peer.drain()
        guest = await connect(f"ws://127.0.0.1:{port}/echo", proxy=None)
        await guest.send("hello")
        await guest.recv()
        guests.append(guest)
        peers.append(peer)
    for peer in peers:
        peer.close()
        await peer.wait_closed()


@pytest.mark.parametrize("rush", [bombs, unfinished])
async def test_memory_comes_back_after_each_rush(rush: Rush, tmp_path: Path) -> None:
    """However it comes back: what a bomb took is often a mapping, which goes when it is freed."""
    guests: list[ClientConnection] = []
    with RunningServer(tmp_path, "--dev", "--store", "memory", *INTERVAL) as server:
        before = memory_bytes(server)
        for _ in range(WAVES):
            await rush(server.port, guests)
            # Below the bound that holds for the first: waves do not add up.
            await falls_below(server, before + BOUND_BYTES)
        for guest in guests:
            await guest.send("still there")
            assert await guest.recv() == "still there"
            await guest.close()


async def test_what_stands_free_between_blocks_that_stay_is_given_back_and_counted(
    tmp_path: Path,
) -> None:
    with RunningServer(tmp_path, "--dev", "--store", "memory", *INTERVAL) as server:
        guests: list[ClientConnection] = []
        # What the first one took are mappings; where they ended, malloc takes from its heap.
        await unfinished(server.port, guests)
        await unfinished(server.port, guests)
        async with asyncio.timeout(30):
            while returned_bytes(server) < UNFINISHED_BYTES:
                await asyncio.sleep(0.05)
        for guest in guests:
            await guest.close()


async def test_memory_is_left_to_the_allocator_where_that_is_set(tmp_path: Path) -> None:
    setting = "server.memory_return_interval_s=none"
    with RunningServer(tmp_path, "--dev", "--store", "memory", "--set", setting) as server:
        await unfinished(server.port, [])
        assert "longwire_memory_returned_bytes" not in server.request("/metrics").text
