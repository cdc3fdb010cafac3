"""Clients of the Durable Streams protocol that others wrote, beside the native protocol: npm's
``@durable-streams/client`` and PyPI's ``durable-streams``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from durable_streams import (
    AsyncDurableStream,
    DurableStreamError,
    RetentionGoneError,
    SeqConflictError,
    astream,
)

import longwire
from tests.integration.browser.driving import DevelopmentServer
from tests.interop.node import run_node

pytestmark = pytest.mark.slow

NPM_CLIENT = """
import { DurableStream, IdempotentProducer, stream } from '@durable-streams/client';
const [base] = process.argv.slice(1);
const url = `${base}/streams/npm/json`;
const report = {};
const handle = await DurableStream.create({ url, contentType: 'application/json' });
await handle.append(JSON.stringify({ n: 0 }), { seq: '0001' });
const again = handle.append(JSON.stringify({}), { seq: '0001' });
report.conflict = await again.then(() => 'none', (error) => error.status);
report.first = await (await handle.stream({ live: false })).json();

// Live readers of both kinds, from the start, while a producer appends with five batches under way.
const readers = ['sse', 'long-poll'].map(async (live) => {
  const items = [], response = await stream({ url, live, offset: '-1' });
  await new Promise((resolve) => response.subscribeJson(async (batch) => {
    items.push(...batch.items.map((item) => item.n));
    if (items.includes('last')) resolve();
  }));
  return items;
});
const failures = [];
const producer = new IdempotentProducer(handle, 'writer', {
  autoClaim: true, maxBatchBytes: 64, onError: (error) => failures.push(String(error)),
});
for (let n = 1; n <= 200; n += 1) producer.append(JSON.stringify({ n }));
await producer.flush();
await handle.append(JSON.stringify({ n: 'last' }));
report.failures = failures;
report.live = await Promise.all(readers);

const image = `${base}/streams/npm/image`;
const binary = await DurableStream.create({ url: image, contentType: 'image/png' });
const bytes = new Uint8Array(3000).map((_, index) => index);
await binary.append(bytes);
await binary.close();
const chunks = [], events = await stream({ url: binary.url, live: 'sse', offset: '-1' });
for await (const chunk of events.bodyStream()) chunks.push(chunk);
report.bytes = Buffer.concat(chunks).equals(Buffer.from(bytes));
report.closed = events.streamClosed;
const head = await handle.head();
report.tail = head.offset;
await DurableStream.delete({ url: image });
report.exists = (await DurableStream.head({ url: image })).exists;
console.log(JSON.stringify(report));
process.exit(0);
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DevelopmentServer]:
    running = DevelopmentServer(tmp_path / "server.log")
    await asyncio.to_thread(running.start)
    try:
        yield running
    finally:
        running.ensure_ended()


def address(server: DevelopmentServer) -> str:
    return f"http://127.0.0.1:{server.port}"


async def test_npm_client_reads_appends_and_tails(server: DevelopmentServer) -> None:
    line = await run_node(
        NPM_CLIENT,
        address(server),
        packages=("@durable-streams/client", "@durable-streams/server-conformance-tests"),
    )
    report = json.loads(line)
    assert report["conflict"] == 409
    assert report["first"] == [{"n": 0}]
    assert report["failures"] == []
    for items in report["live"]:
        assert items == [*range(201), "last"]
    assert (report["bytes"], report["closed"], report["exists"]) == (True, True, False)
    async with longwire.Client(f"ws://127.0.0.1:{server.port}/ws") as client:
        seen = []
        async for message in client.subscribe("npm/json", start="earliest"):
            seen.append(message.data["n"])
            if seen[-1] == "last":
                break
        assert seen == [*range(201), "last"]
        assert str(message.position) == report["tail"]


async def test_pypi_client_reads_appends_and_tails(server: DevelopmentServer) -> None:
    url = f"{address(server)}/streams/pypi/json"
    handle = await AsyncDurableStream.create(url, content_type="application/json")
    async with handle, longwire.Client(f"ws://127.0.0.1:{server.port}/ws") as client:
        await handle.append({"n": 0}, seq="0001")
        with pytest.raises(SeqConflictError):
            await handle.append({"n": 0}, seq="0001")

        async def tail(live: str) -> list[object]:
            items: list[object] = []
            async with astream(url, offset="-1", live=live) as response:
                async for item in response.iter_json():
                    items.append(item["n"])
                    if item["n"] == "last":
                        break
            return items

        readers = [asyncio.create_task(tail(live)) for live in ("sse", "long-poll")]
        # What was appended together may be sent together; both faces take their turns.
        await asyncio.gather(*(handle.append({"n": n}) for n in range(1, 50)))
        for n in range(50, 60):
            await client.publish("pypi/json", {"n": n})
        await handle.append({"n": "last"})
        for reader in readers:
            assert await asyncio.wait_for(reader, 30) == [*range(60), "last"]
        async with astream(url, live=False) as response:
            assert len(await response.read_json()) == 61
        ahead = (await handle.head()).offset.replace("0000000000000061", "0000000000000062")
        with pytest.raises(RetentionGoneError):
            async with astream(url, offset=ahead, live=False) as response:
                await response.read_json()
        await handle.delete()
    with pytest.raises(DurableStreamError):
        async with astream(url, live=False) as response:
            await response.read_json()
