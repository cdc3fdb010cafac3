"""What is remembered of a producer lies in the file as it does in memory."""

import asyncio
import sqlite3

import pytest

from longwire.base.limits import SqliteStoreLimits
from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.entry import JSON, NewEntry
from longwire.streams.errors import ProducerUnknownError
from longwire.streams.producer import RESULTS_MAX, ProducerStamp
from longwire.streams.store import Append, StreamSettings


def publish(sequence, producer="p"):
    """One entry, or three: their results take different room."""
    batch = tuple(NewEntry(b"%d" % number) for number in range(3 if sequence % 5 == 0 else 1))
    stamp = ProducerStamp(producer, 0, sequence)
    return Append("s", batch, JSON, producer=stamp, create=StreamSettings())


class Clock:
    """Unix time in milliseconds, as the test wants it."""

    def __init__(self):
        self.ms = 1_800_000_000_000

    def __call__(self):
        return self.ms


async def opened(path, clock_ms=None, **limits):
    arguments = {} if clock_ms is None else {"clock_ms": clock_ms}
    store = SqliteStore(path, limits=SqliteStoreLimits(**limits), **arguments)
    await store.start()
    return store


def used_ms_in(path):
    """When producers were used, as the file says."""
    connection = sqlite3.connect(path)
    try:
        return dict(connection.execute("SELECT producer, used_ms FROM producers"))
    finally:
        connection.close()


def test_last_results_of_every_size_outlive_the_store(tmp_path):
    async def check():
        count = RESULTS_MAX + 21
        store = await opened(tmp_path / "x.db")
        stored = [await store.append(publish(sequence)) for sequence in range(count - 7)]
        await store.close()
        store = await opened(tmp_path / "x.db")
        stored += [await store.append(publish(sequence)) for sequence in range(count - 7, count)]
        await store.close()
        store = await opened(tmp_path / "x.db")
        for sequence, before in enumerate(stored):
            again = await store.append(publish(sequence))
            assert again.is_duplicate
            is_remembered = sequence >= count - RESULTS_MAX
            wanted = (before.first, before.last) if is_remembered else (None, None)
            assert (again.first, again.last) == wanted
        await store.close()

    asyncio.run(check())


def test_time_of_use_in_the_file_is_at_most_a_minute_behind(tmp_path):
    async def check():
        path, clock = tmp_path / "x.db", Clock()
        store = await opened(path, clock)
        behind_ms = []
        for sequence in range(20):
            await store.append(publish(sequence))
            behind_ms.append(clock.ms - used_ms_in(path)["p"])
            clock.ms += 25_000
        assert 0 < max(behind_ms) < 60_000
        assert 0 in behind_ms[1:]
        await store.close()

    asyncio.run(check())


def test_closing_writes_the_exact_time_of_use(tmp_path):
    async def check():
        path, clock = tmp_path / "x.db", Clock()
        store = await opened(path, clock, producer_state_s=100.0)
        await store.append(publish(0))
        clock.ms += 30_000
        await store.append(publish(1))
        await store.close()
        assert used_ms_in(path) == {"p": clock.ms}
        clock.ms += 100_000
        store = await opened(path, clock, producer_state_s=100.0)
        assert (await store.append(publish(1))).is_duplicate
        clock.ms += 1
        with pytest.raises(ProducerUnknownError):
            await store.append(publish(1))
        await store.close()

    asyncio.run(check())


def test_those_silent_for_longest_are_forgotten_also_within_a_minute(tmp_path):
    async def check():
        clock = Clock()
        store = await opened(tmp_path / "x.db", clock, producers_max=2)
        for producer, sequence in (("a", 0), ("b", 0), ("a", 1), ("c", 0)):
            clock.ms += 10
            await store.append(publish(sequence, producer))
        assert (await store.append(publish(1, "a"))).is_duplicate
        with pytest.raises(ProducerUnknownError):
            await store.append(publish(0, "b"))
        await store.close()

    asyncio.run(check())


def test_busy_producers_keep_their_rows_and_what_the_others_are(tmp_path):
    async def check():
        path = tmp_path / "x.db"
        store = await opened(path, Clock())
        names = [f"p{number}" for number in range(300)]  # more than one statement takes
        for sequence in range(3):
            publishes = [publish(sequence, name) for name in names]
            outcomes = await store.append_many(publishes)
            assert not any(isinstance(outcome, Exception) for outcome in outcomes)
        await store.close()
        connection = sqlite3.connect(path)
        rows = connection.execute(
            "SELECT stream, principal, producer, epoch, next_sequence, is_forgotten FROM producers"
            " ORDER BY id"
        ).fetchall()
        connection.close()
        assert rows == [(1, "", name, 0, 3, 0) for name in names]

    asyncio.run(check())


def test_expiry_sees_a_use_that_is_not_in_the_file(tmp_path):
    async def check():
        clock = Clock()
        store = await opened(tmp_path / "x.db", clock, producer_state_s=100.0)
        await store.append(publish(0))
        clock.ms += 50_000
        await store.append(publish(1))
        clock.ms += 70_000
        await store.expire()
        assert (await store.append(publish(1))).is_duplicate
        await store.close()

    asyncio.run(check())
