"""Durable publishes on SQLite, beside bare sqlite3 that writes the same rows in equal batches.

    python bench/bench_sqlite_store.py [--seconds 3] [--rounds 5] [--folder DIR]

50 publishers, 8 publishes of 128 bytes in flight each, go through a hub to a new file and are
acknowledged at ``disk``. Then sqlite3 alone, with the same schema and settings (WAL,
``synchronous=FULL``), inserts as many rows in as many transactions of equal size. Both columns are
rows a second on the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from longwire.hub.hub import Hub
from longwire.hub.publishing import Publish
from longwire.stores.sqlite.database import open_database, prepare_database
from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.entry import BYTES, NewEntry
from longwire.streams.producer import ProducerStamp

PUBLISHERS = 50
IN_FLIGHT = 8
PAYLOAD = b"x" * 128


async def publish_all(path: Path, seconds: float, streams: int) -> tuple[int, int, float]:
    """Publish through a hub; return how many, in how many commits, and how many a second."""
    store = SqliteStore(path)
    await store.start()
    hub = Hub(store)
    stored = 0
    commits = store.figures()["sqlite_commits"][1]
    started = time.perf_counter()
    ends_at = started + seconds

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
            hub.submit(Publish(stream, entries, BYTES, producer=stamp, is_checked=True), done)
            sequence += 1
        for _ in range(IN_FLIGHT):
            await window.acquire()

    await asyncio.gather(*(publisher(number) for number in range(PUBLISHERS)))
    taken_s = time.perf_counter() - started
    commits = int(store.figures()["sqlite_commits"][1] - commits)
    await hub.close()
    return stored, commits, stored / taken_s


def write_bare(path: Path, rows: int, commits: int, streams: int) -> float:
    """Insert the same rows by sqlite3 alone; return rows a second."""
    connection = open_database(path)
    prepare_database(connection, path)
    per_commit = max(1, round(rows / commits))
    started = time.perf_counter()
    for start in range(0, rows, per_commit):
        batch = [
            (n % streams, n // streams, b"12345678", b"12345678", 1_700_000_000_000, 0, "", PAYLOAD)
            for n in range(start, min(rows, start + per_commit))
        ]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", batch)
        connection.execute("COMMIT")
    rate = rows / (time.perf_counter() - started)
    connection.close()
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where the files are made")
    arguments = parser.parse_args()
    python = sys.version.split()[0]
    print(f"{PUBLISHERS} publishers, {IN_FLIGHT} in flight, {len(PAYLOAD)} B, Python {python}")
    print(f"{'streams':>7} {'longwire/s':>11} {'sqlite3/s':>11} {'ratio':>6} {'per commit':>10}")
    for streams in (1, PUBLISHERS):
        ratios = []
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                path = Path(folder) / "ours.db"
                stored, commits, ours = asyncio.run(publish_all(path, arguments.seconds, streams))
                bare = write_bare(Path(folder) / "bare.db", stored, commits, streams)
            ratios.append(ours / bare)
            figures = f"{ours:>11,.0f} {bare:>11,.0f} {ratios[-1]:>6.2f} {stored / commits:>10.1f}"
            print(f"{streams:>7} {figures}")
        print(f"{streams:>7} median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
