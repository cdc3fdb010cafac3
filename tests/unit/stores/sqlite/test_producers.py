"""What is remembered of a producer lies in the file as it does in memory."""

import asyncio

from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.entry import JSON, NewEntry
from longwire.streams.producer import RESULTS_MAX, ProducerStamp
from longwire.streams.store import Append, StreamSettings


def publish(sequence):
    """One entry, or three: their results take different room."""
    batch = tuple(NewEntry(b"%d" % number) for number in range(3 if sequence % 5 == 0 else 1))
    stamp = ProducerStamp("p", 0, sequence)
    return Append("s", batch, JSON, producer=stamp, create=StreamSettings())


async def opened(path):
    store = SqliteStore(path)
    await store.start()
    return store


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
