"""The three formats of the native protocol: bytes on the wire and server CPU for each delivery.

    python bench/bench_formats.py [--subscribers 100] [--entries 2000] [--rounds 3]

For each format a server of its own, subscribers that speak it, and one publisher. The payloads are
a small JSON object, and the same number of arbitrary bytes. Entries come one at a time, so each
is a delivery of its own, and in bursts of 32. The figures are medians of interleaved rounds; the
bytes are those of whole WebSocket frames, the CPU time is that of the server's process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.integration.server.running import RunningServer
from tests.unit.gateways.native.translating import TRANSLATIONS, Translation

import longwire
from longwire.client.client import Client

STREAM = "bench/formats"
WARM_ENTRIES = 50
BURST = 32


class Counter(longwire.Callbacks):
    """Subscribers in callback style: count messages and the bytes of their frames."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.expected = 0
        self.reached = asyncio.Event()

    def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
        self.messages += 1
        self.bytes += len(message) + (2 if len(message) < 126 else 4)
        if self.messages >= self.expected:
            self.reached.set()

    async def count(self, messages: int) -> None:
        """Wait for so many more."""
        self.messages, self.bytes, self.expected = 0, 0, messages
        self.reached.clear()
        await self.reached.wait()


def payload(number: int, kind: str) -> Any:
    if kind == "bytes":
        return number.to_bytes(4, "big") * 24
    return {
        "number": number,
        "text": "a short message of a chat room, as people write them",
        "x": 0.5,
    }


async def subscribe(url: str, translation: Translation, counter: Counter) -> longwire.Endpoint:
    address = url.replace("http", "ws", 1) + "/ws"
    options: dict[str, Any] = {"compression": None, "subprotocols": [translation.subprotocol]}
    endpoint = await longwire.connect(address, **options).with_callbacks(counter)
    waiting = asyncio.create_task(counter.count(2))
    await asyncio.sleep(0)
    for message in (
        {"op": "connect", "id": 1, "version": 1},
        {"op": "subscribe", "id": 2, "stream": STREAM},
    ):
        endpoint.send(translation.write(message))
    await waiting
    return endpoint


async def publish(client: Client, kind: str, entries: int, burst: int) -> None:
    for first in range(0, entries, burst):
        waiters = [
            await client.submit(STREAM, [payload(number, kind)])
            for number in range(first, min(first + burst, entries))
        ]
        await asyncio.gather(*waiters)


def cpu_s(server: RunningServer) -> float:
    tasks = Path(f"/proc/{server.process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


async def measure(name: str, kind: str, burst: int, arguments: argparse.Namespace) -> list[float]:
    """Return (bytes, CPU µs) for each delivery."""
    entries, subscribers = arguments.entries, arguments.subscribers
    type_ = ("--set", "native.messages_per_s_max=none")
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningServer(Path(folder), "--dev", "--store", "memory", *type_) as server,
    ):
        counter, translation = Counter(), TRANSLATIONS[name]
        async with Client(server.url) as client:
            await publish(client, kind, 1, 1)  # creates the stream with its content type
            endpoints = [
                await subscribe(server.url, translation, counter) for _ in range(subscribers)
            ]
            for count in (WARM_ENTRIES, entries):
                before_s = cpu_s(server)
                counting = asyncio.create_task(counter.count(count * subscribers))
                await asyncio.sleep(0)
                await publish(client, kind, count, burst)
                await counting
            used_s = cpu_s(server) - before_s
            deliveries = entries * subscribers
            for endpoint in endpoints:
                endpoint.abort()
        return [counter.bytes / deliveries, used_s / deliveries * 1e6]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--entries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(
        f"{arguments.subscribers} subscribers, {arguments.entries} entries, medians of "
        f"{arguments.rounds} rounds; Python {sys.version.split()[0]}"
    )
    cells = [(kind, burst) for kind in ("json", "bytes") for burst in (1, BURST)]
    found: dict[tuple[str, str, int], list[list[float]]] = {}
    for _ in range(arguments.rounds):
        for kind, burst in cells:
            for name in TRANSLATIONS:
                figures = asyncio.run(measure(name, kind, burst, arguments))
                found.setdefault((name, kind, burst), []).append(figures)
    print(f"{'payload':8} {'in flight':>9} {'format':10} {'bytes':>8} {'CPU us':>8} {'to JSON':>8}")
    for kind, burst in cells:
        reference = 0.0
        for name in TRANSLATIONS:
            rounds = found[name, kind, burst]
            size, used = (statistics.median(column) for column in zip(*rounds, strict=True))
            reference = reference or used
            ratio = used / reference
            print(f"{kind:8} {burst:9} {name:10} {size:8.1f} {used:8.3f} {ratio:8.2f}")


if __name__ == "__main__":
    main()
