"""A task that sends and sends, while the kernel takes everything, starved its whole event loop."""

from __future__ import annotations

import asyncio

import pytest

import longwire
from tests.integration.net.local import serving

COUNT = 2_000


@pytest.mark.parametrize("is_fragmented", [False, True])
async def test_sender_lets_the_loop_turn(is_fragmented: bool) -> None:
    """Few enough bytes that the write limit never makes the sender wait."""

    async def ignore(connection: longwire.Connection) -> None:
        async for _ in connection:
            pass

    turns = 0
    is_sending = True

    async def count_turns() -> None:
        nonlocal turns
        while is_sending:
            turns += 1
            await asyncio.sleep(0)

    async with serving(ignore) as (_, uri), longwire.connect(uri) as ws:
        counting = asyncio.create_task(count_turns())
        if is_fragmented:
            await ws.send(["small"] * COUNT)
        else:
            for _ in range(COUNT):
                await ws.send("small")
        is_sending = False
        seen = turns
        await counting
    assert seen >= 5
