"""Connections are cut at random bytes again and again: both directions complete, in order, once."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from longwire.client.client import Client, Event
from longwire.client.errors import ClientError
from longwire.client.events import Gap
from tests.integration.client.cutting import CuttingProxy, Direction
from tests.integration.server.running import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

STREAMS = [f"cuts/{number}" for number in range(3)]
MESSAGES_MIN, CUTS_MIN = 200, 10
"""How long it goes on: a busy machine moves more between two cuts than an idle one."""


@pytest.mark.parametrize("outbox", ["memory", "disk"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_everything_published_is_read_once_in_order(
    tmp_path: Path, seed: int, outbox: str
) -> None:
    source = random.Random(seed)
    seen: dict[str, list[int]] = {stream: [] for stream in STREAMS}
    by_pattern: dict[str, list[int]] = {stream: [] for stream in STREAMS}
    events: list[Event] = []

    async def read_slowly(message: Any) -> None:
        await asyncio.sleep(0)
        by_pattern[message.stream].append(message.data)

    with RunningServer(tmp_path, "--dev", "--store", "memory") as server:
        async with CuttingProxy(server.port) as proxy:
            # Each connection ends after a while, wherever that is in what it says.
            proxy.plans = lambda: (
                source.choice(list(Direction)),
                int(source.expovariate(1 / 4_000)),
            )
            # What is cut is the WebSocket: two cut handshakes would make it give way to HTTP.
            options: dict[str, Any] = {
                "retry_first_s": 0.02,
                "retry_max_s": 0.05,
                "transports": ["websocket"],
            }
            writer = Client(
                proxy.url,
                outbox_path=tmp_path / "outbox.db" if outbox == "disk" else None,
                **options,
            )
            # Both go the same way, so that what one loses the other one may have got.
            reader = Client(proxy.url, queue_messages_max=20, **options)
            pattern = Client(proxy.url, queue_messages_max=20, **options)
            for client in (writer, reader, pattern):
                client.on_event(events.append)
                await client.start()
            for stream in STREAMS:
                reader.subscribe(
                    stream,
                    lambda message: seen[message.stream].append(message.data),
                    start="earliest",
                )
            pattern.subscribe_pattern("cuts/*", read_slowly, start="earliest")
            outcomes, published = [], 0
            async with asyncio.timeout(120):
                while published < MESSAGES_MIN or proxy.cuts <= CUTS_MIN:
                    outcomes += [await writer.submit(stream, [published]) for stream in STREAMS]
                    published += 1
                    await asyncio.sleep(0.002)
                acks = await asyncio.gather(*outcomes)
                complete = {stream: list(range(published)) for stream in STREAMS}
                while any(len(got) < published for got in [*seen.values(), *by_pattern.values()]):
                    await asyncio.sleep(0.02)
            proxy.plans = None
            for client in (writer, reader, pattern):
                await client.close()
    assert seen == complete
    assert by_pattern == complete
    positions = [ack.position.offset for ack in acks if ack.position is not None]
    assert sorted(positions) == sorted(list(range(1, published + 1)) * len(STREAMS))
    assert not [event for event in events if isinstance(event, (Gap, ClientError))]
