"""Durable publishes on SQLite, beside bare sqlite3 that writes the same rows in equal batches.

    python bench/bench_sqlite_store.py [--seconds 3] [--rounds 5] [--folder DIR]

50 publishers, 8 publishes of 128 bytes in flight each, go through a hub to a new file and are
acknowledged at ``disk``; the collector of garbage is set as ``longwire serve`` sets it. What is
written is kept; then sqlite3 alone, with the same schema and settings (WAL, ``synchronous=FULL``),
writes it again in the same transactions: once every row (entries, states of producers, heads of
streams), once the entries only. All columns are publishes a second on the disk; the ratios are
longwire's to each of the two.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longwire.cli.serve import spare_the_collector
from longwire.hub.hub import Hub
from longwire.hub.publishing import Publish
from longwire.stores.sqlite import bulk, producers, writer
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

    all_done = asyncio.get_running_loop().create_future()
    running = PUBLISHERS * IN_FLIGHT

    def begin(number: int) -> None:
        stream = f"bench/{number % streams}"
        sequences = itertools.count()
        batch = (NewEntry(PAYLOAD),)

        def publish() -> None:
            stamp = ProducerStamp(f"p{number}", 0, next(sequences))
            hub.publisher.submit(
                Publish(stream, batch, BYTES, producer=stamp, is_checked=True), done
            )

        def done(outcome: object) -> None:
            nonlocal stored, running
            if isinstance(outcome, Exception):
                raise outcome
            stored += 1
            if time.perf_counter() < ends_at:
                publish()
                return
            running -= 1
            if running == 0:
                all_done.set_result(None)

        for _ in range(IN_FLIGHT):
            publish()

    for number in range(PUBLISHERS):
        begin(number)
    await all_done
    taken_s = time.perf_counter() - started
    commits = int(store.figures()["sqlite_commits"][1] - commits)
    await hub.close()
    return stored, commits, stored / taken_s


Written = list[tuple[str, list[tuple[Any, ...]]]]
"""One transaction: statements, and the rows that each is executed with."""


class Recorder:
    """Keeps what the store writes, transaction by transaction."""

    def __init__(self) -> None:
        self.transactions: list[Written] = [[]]
        self._put, self._update, self._do = bulk.put_rows, bulk.update_rows, SqliteStore._do
        producers.put_rows = self._put_rows
        producers.update_rows = writer.update_rows = self._update_rows
        recorder, do = self, SqliteStore._do

        def record(store: SqliteStore, jobs: Any) -> list[Any]:
            results = do(store, jobs)
            recorder._end_transaction(results)
            return results

        SqliteStore._do = record  # type: ignore[method-assign]
        self._numbers: dict[str, int] = {}

    def _put_rows(self, connection: Any, table: str, columns: Any, rows: list[Any]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            names = ", ".join(f"{name} = excluded.{name}" for name in columns)
            statement = (
                f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {names}"
            )
            kept = [tuple(map(_freeze, row)) for row in rows]
            self.transactions[-1].append((statement, kept))
        self._put(connection, table, columns, rows)

    def _update_rows(self, connection: Any, table: str, columns: Any, rows: list[Any]) -> None:
        if rows:
            names = ", ".join(f"{name} = ?{at}" for at, name in enumerate(columns, 2))
            kept = [tuple(map(_freeze, row)) for row in rows]
            self.transactions[-1].append((f"UPDATE {table} SET {names} WHERE id = ?1", kept))
        self._update(connection, table, columns, rows)

    def _end_transaction(self, results: list[Any]) -> None:
        rows = []
        for outcomes in results:
            for appended in outcomes if isinstance(outcomes, list) else ():
                for entry in getattr(appended, "entries", ()):
                    # The epoch tells one stream from another.
                    number = self._numbers.setdefault(entry.position.epoch, len(self._numbers) + 1)
                    links = (entry.position.link, entry.previous.link)
                    rest = (entry.time_ms, 0, entry.key, entry.payload)
                    rows.append((number, entry.position.offset, *links, *rest))
        if rows:
            written = (f"INSERT INTO entries VALUES ({', '.join('?' * 8)})", rows)
            self.transactions[-1].insert(0, written)
        self.transactions.append([])

    def stop(self) -> list[Written]:
        producers.put_rows = self._put
        producers.update_rows = writer.update_rows = self._update
        SqliteStore._do = self._do  # type: ignore[method-assign]
        return [transaction for transaction in self.transactions if transaction]


def _freeze(value: object) -> object:
    """The value as it is now: results of producers are bytes that grow."""
    return bytes(value) if isinstance(value, bytearray) else value


def write_bare(
    path: Path, transactions: list[Written], *, first: Sequence[Written] = (), only: str = ""
) -> float:
    """Write the same rows by sqlite3 alone; return seconds.

    ``first`` is there before the clock starts, ``only`` names one table.
    """
    connection = open_database(path)
    prepare_database(connection, path)
    _write(connection, first, "")
    started = time.perf_counter()
    _write(connection, transactions, only)
    taken_s = time.perf_counter() - started
    connection.close()
    return taken_s


def _write(connection: sqlite3.Connection, transactions: Sequence[Written], only: str) -> None:
    for transaction in transactions:
        connection.execute("BEGIN IMMEDIATE")
        for statement, rows in transaction:
            if f" {only}" in statement:
                connection.executemany(statement, rows)
        connection.execute("COMMIT")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where the files are made")
    arguments = parser.parse_args()
    spare_the_collector()
    python = sys.version.split()[0]
    print(f"{PUBLISHERS} publishers, {IN_FLIGHT} in flight, {len(PAYLOAD)} B, Python {python}")
    print(f"{'streams':>7} {'longwire/s':>11} {'all rows/s':>11} {'entries/s':>11} {'ratios':>11}")
    for streams in (1, PUBLISHERS):
        ratios = []
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                recorder = Recorder()
                place = Path(folder)
                stored, _, _ = asyncio.run(publish_all(place / "kept.db", 1.0, streams))
                kept = recorder.stop()
                seconds = arguments.seconds
                _, _, ours = asyncio.run(publish_all(place / "ours.db", seconds, streams))
                every = stored / write_bare(place / "bare.db", kept)
                some = stored / write_bare(place / "entries.db", kept, only="entries ")
            ratios.append((ours / every, ours / some))
            figures = f"{ours:>11,.0f} {every:>11,.0f} {some:>11,.0f}"
            print(f"{streams:>7} {figures} {ratios[-1][0]:>6.2f} {ratios[-1][1]:>6.2f}")
        all_rows, only_entries = (statistics.median(column) for column in zip(*ratios, strict=True))
        print(f"{streams:>7} median ratios {all_rows:.2f} and {only_entries:.2f}")


if __name__ == "__main__":
    main()
