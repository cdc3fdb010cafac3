"""All clients come back at once, each behind: how long until everybody has everything.

    python bench/bench_recovery_storm.py [--clients 5000] [--behind 100] [--store memory]

Each client holds the position of a stream of its own and is gone; meanwhile as many entries as
``--behind`` says were published to each. Then all connect at once and subscribe with their
positions. Every entry is checked: in order, none missing, none twice. For comparison the same
volume is delivered live, to the same clients connected before. Server and clients have a process
each.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.integration.server.running import RunningServer

from longwire.client.client import Client
from longwire.client.events import Gap, Message
from longwire.streams.position import START

STREAMS_AT_A_TIME = 200
BATCH = 50


class Reader:
    """One client, and the check of what it gets."""

    def __init__(self, url: str, number: int, behind: int) -> None:
        self.stream = f"storm/{number}"
        self.client = Client(url, websocket_options={"compression": None})
        self.client.on_event(self._happened)
        self.position: object = None
        self.expected = 0
        self.done = asyncio.Event()
        self._behind = behind

    def _happened(self, event: object) -> None:
        if isinstance(event, Gap):
            raise AssertionError(event)

    def handle(self, message: Message[int]) -> None:
        assert message.data == self.expected, f"{self.stream}: {message.data}, not {self.expected}"
        self.expected += 1
        if self.expected % self._behind == 0:
            self.done.set()


async def publish_all(url: str, readers: list[Reader], first: int, behind: int) -> None:
    """Publish the next entries of all streams."""
    async with Client(url, outbox_messages_max=100_000) as client:
        for start in range(0, len(readers), STREAMS_AT_A_TIME):
            waiters = []
            for reader in readers[start : start + STREAMS_AT_A_TIME]:
                for at in range(first, first + behind, BATCH):
                    batch = range(at, min(at + BATCH, first + behind))
                    waiters.append(await client.submit(reader.stream, batch))
            await asyncio.gather(*waiters)


async def storm(url: str, clients: int, behind: int) -> tuple[float, float]:
    readers = [Reader(url, number, behind) for number in range(clients)]
    await publish_all(url, readers, 0, behind)

    async def come_back(reader: Reader) -> None:
        await reader.client.start()
        reader.client.subscribe(reader.stream, reader.handle, position=START)
        await reader.done.wait()

    started = time.perf_counter()
    await asyncio.gather(*map(come_back, readers))
    storm_s = time.perf_counter() - started
    for reader in readers:
        reader.done.clear()
    started = time.perf_counter()
    publishing = asyncio.create_task(publish_all(url, readers, behind, behind))
    await asyncio.gather(*(reader.done.wait() for reader in readers))
    live_s = time.perf_counter() - started
    await publishing
    await asyncio.gather(*(reader.client.close() for reader in readers))
    return storm_s, live_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=5_000)
    parser.add_argument("--behind", type=int, default=100)
    parser.add_argument("--store", default="memory")
    arguments = parser.parse_args()
    files = 3 * arguments.clients + 1000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard), hard))
    with tempfile.TemporaryDirectory() as folder:
        store = arguments.store
        if store == "sqlite":
            store = f"sqlite:{folder}/streams.db"
        with RunningServer(Path(folder), "--dev", "--store", store) as server:
            run = storm(server.url, arguments.clients, arguments.behind)
            storm_s, live_s = asyncio.run(run)
    total = arguments.clients * arguments.behind
    print(
        f"{arguments.store}: {arguments.clients} clients, each {arguments.behind} behind: all "
        f"caught up in {storm_s:.1f} s ({total / storm_s:,.0f} entries/s), none lost or doubled; "
        f"the same volume live: {live_s:.1f} s ({total / live_s:,.0f} entries/s)"
    )


if __name__ == "__main__":
    main()
