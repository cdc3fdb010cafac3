"""Subscribers that read a hundred times too slowly: no queue, no cost to others, no silent loss."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import longwire
from longwire.client.client import Client
from longwire.client.events import Message
from tests.integration.native.raw_reader import RawReader
from tests.integration.server.running import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.alone]

NORMAL, SLOW = 500, 100
MEASURED = 20
"""Of the normal ones: so few that their own work is not what the latency shows."""
ENTRY_BYTES, ENTRIES_PER_S = 1024, 100
SLOW_BYTES_PER_S = 1024
GROWTH_BYTES_MAX = 64 * 1024
RETAINED_ENTRIES = 500


def memory_bytes(server: RunningServer) -> int:
    """What the server's process holds (its resident set without shared files)."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


class Publisher:
    """A hundred entries a second, each with the time of its sending."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.stored = 0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        padding = "x" * (ENTRY_BYTES - 40)
        begun_s, count = time.monotonic(), 0
        while True:
            count += 1
            await asyncio.sleep(max(0.0, begun_s + count / ENTRIES_PER_S - time.monotonic()))
            waiter = await self._client.submit("busy", [[time.monotonic(), padding]])
            waiter.add_done_callback(self._stored)

    def _stored(self, done: object) -> None:
        self.stored += 1

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._client.flush()


class Latencies:
    """How long entries took to the normal subscribers, by phase."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def handle(self, message: Message[list[float]]) -> None:
        self.seconds.append(time.monotonic() - message.data[0])

    async def median_over(self, seconds: float) -> float:
        self.seconds.clear()
        await asyncio.sleep(seconds)
        return statistics.median(self.seconds)


class Taker(longwire.Callbacks):
    """A subscriber that takes what comes, and lives."""

    def on_open(self, connection: longwire.Endpoint) -> None:
        connection.send('{"op":"connect","id":1,"version":1}')
        connection.send('{"op":"subscribe","id":2,"stream":"busy"}')

    def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
        if message == '{"op":"ping"}':
            connection.send('{"op":"pong"}')


@asynccontextmanager
async def normal_clients(url: str, latencies: Latencies) -> AsyncIterator[None]:
    clients = [Client(url) for _ in range(MEASURED)]
    takers = []
    address = url.replace("http", "ws", 1) + "/ws"
    try:
        for client in clients:
            await client.start()
            await client.subscribe("busy", latencies.handle).ready()
        for _ in range(NORMAL - MEASURED):
            attempt = longwire.connect(
                address, subprotocols=["longwire.v1.json"], compression=None, max_size=None
            )
            takers.append(await attempt.with_callbacks(Taker()))
        yield
        assert all(taker.closed is None for taker in takers)
    finally:
        for taker in takers:
            taker.abort()
        await asyncio.gather(*(client.close() for client in clients))


def crawl(readers: list[RawReader], seconds: float) -> None:
    """Read at 1 KiB/s each: every one of them takes its share every second."""
    begun_s = time.monotonic()
    for step in range(round(seconds * SLOW)):
        readers[step % SLOW].read(SLOW_BYTES_PER_S)
        time.sleep(max(0.0, begun_s + (step + 1) / SLOW - time.monotonic()))


def catch_up(readers: list[RawReader], offset: int) -> None:
    """Read as fast as possible up to an offset, in turns."""
    behind = readers
    while behind := [reader for reader in behind if int(reader.held[:16]) < offset]:
        for reader in behind:
            assert reader.read(1 << 16), "the server hung up"


def read_slowly(port: int, parent: Connection) -> None:
    """All of them, in a process that does nothing else: their own work must not be what the
    latency of the others shows. It does one thing after the other as the parent says."""
    readers = [RawReader(port, "busy") for _ in range(SLOW)]
    parent.send("subscribed")
    crawl(readers, parent.recv())
    parent.send("crawled")
    catch_up(readers, parent.recv())
    parent.send([Covered(reader.offsets, reader.gaps) for reader in readers])


@dataclass
class Covered:
    """What one of them got, and what it was told that it would not get."""

    offsets: list[int]
    gaps: list[tuple[int, int, str]]


class SlowReaders:
    """The process of :func:`read_slowly`."""

    def __init__(self, port: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=read_slowly, args=(port, theirs), daemon=True)
        self._process.start()
        theirs.close()

    async def answer(self) -> Any:
        """What the process says next. Raises ``EOFError`` when it has failed."""
        return await asyncio.to_thread(self._pipe.recv)

    def tell(self, what: object) -> None:
        self._pipe.send(what)

    async def __aenter__(self) -> SlowReaders:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await asyncio.to_thread(self._process.join)


async def run(tmp_path: Path, seconds: float) -> dict[str, float]:
    retention = ("--set", f"retention.entries_max={RETAINED_ENTRIES}")
    latencies = Latencies()
    with RunningServer(tmp_path, "--dev", "--store", "memory", *retention) as server:
        async with Client(server.url) as client, normal_clients(server.url, latencies):
            publisher = Publisher(client)
            # The log is as long as it gets, and what the process needs at all is there.
            while publisher.stored < RETAINED_ENTRIES * 1.2:
                await asyncio.sleep(0.1)
            before_s = await latencies.median_over(seconds / 2)
            async with SlowReaders(server.port) as slow:
                assert await slow.answer() == "subscribed"
                memory = [memory_bytes(server)]
                slow.tell(seconds)
                with_slow_s = await latencies.median_over(seconds / 2)
                memory.append(memory_bytes(server))
                assert await slow.answer() == "crawled"
                memory.append(memory_bytes(server))
                await publisher.stop()
                history = await client.history("busy", limit=1)
                slow.tell(history.tail.offset)
                check_intervals(await slow.answer(), history.tail.offset)
            publisher = Publisher(client)
            await asyncio.sleep(1.0)
            after_s = await latencies.median_over(seconds / 2)
            await publisher.stop()
    return {
        "growth": (max(memory[1:]) - memory[0]) / SLOW,
        "growth_later": (memory[2] - memory[1]) / SLOW,
        "latency": with_slow_s / statistics.mean([before_s, after_s]),
        "median_ms": with_slow_s * 1000,
    }


def check_intervals(slow: list[Covered], tail: int) -> None:
    """Each has everything from the beginning of its subscription, or the interval that is lost."""
    for reader in slow:
        assert len(reader.gaps) >= 1, "it read everything: it was not slow"
        covered = reader.offsets[0] - 1
        gaps = {after: upto for after, upto, _ in reader.gaps}
        for offset in reader.offsets:
            while covered in gaps:
                covered = gaps[covered]
            assert offset == covered + 1
            covered = offset
        assert covered == tail
        assert {reason for _, _, reason in reader.gaps} == {"trimmed"}
        # All that is retained: the last gap ends where the log begins.
        assert reader.offsets[-RETAINED_ENTRIES:] == list(
            range(tail - RETAINED_ENTRIES + 1, tail + 1)
        )


@pytest.mark.timeout(240)
async def test_slow_readers_cost_little_and_are_told_exactly_what_they_missed(
    tmp_path: Path,
) -> None:
    figures = await run(tmp_path, 16)
    assert figures["growth"] <= GROWTH_BYTES_MAX
    assert figures["growth_later"] <= GROWTH_BYTES_MAX / 4
    # One phase after the other on a machine that may be busy with other things. Those who were held
    # up by slow readers would wait for seconds; what else these may cost, the long test asks: 1.1.
    assert figures["latency"] < 5


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_slow_readers_for_a_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = await run(tmp_path, 60)
    with capsys.disabled():  # for docs/evidence
        growth, later = figures["growth"] / 1024, figures["growth_later"] / 1024
        sys.stdout.write(
            f"\n{SLOW} slow readers beside {NORMAL}: {growth:.1f} KiB each, then {later:.1f} KiB "
            f"more; median latency {figures['median_ms']:.2f} ms, {figures['latency']:.3f} times "
            "that without them\n"
        )
    assert figures["growth"] <= GROWTH_BYTES_MAX
    assert figures["growth_later"] <= GROWTH_BYTES_MAX / 16
    assert figures["latency"] <= 1.1
