"""Durable publishes on Redis, beside a bare redis-py pipeline that sends the same script calls.

    python bench/bench_redis_store.py [--seconds 3] [--rounds 5] [--sync always|no]

50 publishers, 8 publishes of 128 bytes in flight each, go through a hub to a Redis that the program
starts itself. Every call of the script is kept; then Redis is emptied and redis-py sends the very
same calls in pipelines of the same mean length. Both columns are acknowledged publishes a second.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.redis_servers import RedisServer

from longwire.hub.hub import Hub
from longwire.hub.publishing import Publish
from longwire.stores.redis.scripts import APPEND
from longwire.stores.redis.store import RedisStore
from longwire.streams.entry import BYTES, NewEntry
from longwire.streams.producer import ProducerStamp

PUBLISHERS = 50
IN_FLIGHT = 8
PAYLOAD = b"x" * 128


async def publish_all(url: str, seconds: float, streams: int) -> dict[str, Any]:
    """Publish through a hub; return how much, how fast, and the calls that it made."""
    store = RedisStore(url)
    await store.start()
    hub = Hub(store)
    pipe = store._connections.writes
    calls: list[list[bytes]] = []
    call = pipe.call

    def keep(script: Any, keys: Any, arguments: Any) -> Any:
        if script is APPEND and not keys[0].startswith(b"longwire:{$canary"):
            calls.append([b"%d" % len(keys), *keys, *arguments])
        return call(script, keys, arguments)

    pipe.call = keep  # type: ignore[method-assign]
    writes = pipe.writes
    started = time.perf_counter()
    ends_at = started + seconds
    stored = 0

    async def publisher(number: int) -> None:
        nonlocal stored
        sequence = 0
        window = asyncio.Semaphore(IN_FLIGHT)
        stream = f"bench/{number % streams}"

        def done(outcome: object) -> None:
            nonlocal stored
            if isinstance(outcome, Exception):
                raise outcome
            stored += 1
            window.release()

        while time.perf_counter() < ends_at:
            await window.acquire()
            stamp = ProducerStamp(f"p{number}", 0, sequence)
            entries = (NewEntry(PAYLOAD),)
            hub.publisher.submit(
                Publish(stream, entries, BYTES, producer=stamp, is_checked=True), done
            )
            sequence += 1
        for _ in range(IN_FLIGHT):
            await window.acquire()

    await asyncio.gather(*(publisher(number) for number in range(PUBLISHERS)))
    taken_s = time.perf_counter() - started
    await hub.close()
    return {
        "rate": stored / taken_s,
        "stored": stored,
        "calls": calls,
        "calls_per_write": max(1, round(len(calls) / max(1, pipe.writes - writes))),
    }


def replay(url: str, calls: list[list[bytes]], calls_per_pipeline: int, stored: int) -> float:
    """Send the same calls by redis-py; return publishes a second."""
    with redis.Redis.from_url(url) as client:
        client.script_load(APPEND.source)
        sha = APPEND.sha.decode()
        started = time.perf_counter()
        for start in range(0, len(calls), calls_per_pipeline):
            pipeline = client.pipeline(transaction=False)
            for call in calls[start : start + calls_per_pipeline]:
                pipeline.execute_command("EVALSHA", sha, *call)
            pipeline.execute()
        return stored / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sync", choices=("always", "no"), default="always")
    arguments = parser.parse_args()
    settings = {"appendonly": "yes", "appendfsync": arguments.sync}
    print(f"{PUBLISHERS} publishers, {IN_FLIGHT} in flight each, {len(PAYLOAD)} B, {settings}")
    print(f"{'streams':>7} {'longwire/s':>11} {'redis-py/s':>11} {'ratio':>6} {'per call':>9}")
    for streams in (1, PUBLISHERS):
        ratios = []
        for _ in range(arguments.rounds):
            with (
                tempfile.TemporaryDirectory() as folder,
                RedisServer(Path(folder), **settings) as server,
            ):
                ours = asyncio.run(publish_all(server.url, arguments.seconds, streams))
                server.ask("FLUSHALL")
                bare = replay(server.url, ours["calls"], ours["calls_per_write"], ours["stored"])
            ratios.append(ours["rate"] / bare)
            per_call = ours["stored"] / len(ours["calls"])
            print(
                f"{streams:>7} {ours['rate']:>11,.0f} {bare:>11,.0f} {ratios[-1]:>6.2f} "
                f"{per_call:>9.1f}"
            )
        print(f"{streams:>7} median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
