"""What the memory store promises beyond the contract: its bounds."""

import pytest

from longwire.base.limits import MemoryStoreLimits, RetentionLimits
from longwire.stores.memory import MemoryStore
from longwire.stores.memory_stream import ENTRY_OVERHEAD_BYTES
from longwire.streams.entry import NewEntry
from longwire.streams.errors import ProducerUnknownError, StoreFullError
from longwire.streams.position import START
from longwire.streams.producer import ProducerStamp
from longwire.streams.store import Append, StreamSettings

KEEP_ALL = StreamSettings(
    retention=RetentionLimits(entries_max=None, bytes_max=None, age_max_s=None)
)


def append(stream, payload=b"x", stamp=None, create=KEEP_ALL):
    producer = ProducerStamp(*stamp) if stamp else None
    return Append(stream, [NewEntry(payload)], producer=producer, create=create)


async def kept(store, stream):
    info = await store.info(stream)
    page = await store.read(stream, info.floor, entries_max=1000, bytes_max=1 << 20)
    return [entry.payload for entry in page.entries]


async def test_store_refuses_one_stream_too_many():
    store = MemoryStore(limits=MemoryStoreLimits(streams_max=2))
    await store.append(append("a"))
    await store.create("b", KEEP_ALL)
    with pytest.raises(StoreFullError):
        await store.append(append("c"))
    with pytest.raises(StoreFullError):
        await store.create("c", KEEP_ALL)
    await store.append(append("a"))
    await store.delete("b")
    await store.append(append("c"))
    assert store.stream_count == 2


async def test_store_over_its_bytes_takes_the_oldest_from_streams_untouched_for_longest():
    room = 4 * (ENTRY_OVERHEAD_BYTES + 10)
    store = MemoryStore(limits=MemoryStoreLimits(bytes_max=room))
    for stream, payload in [("a", b"a" * 10), ("b", b"b" * 10), ("a", b"A" * 10), ("b", b"B" * 10)]:
        await store.append(append(stream, payload))
    assert store.cost_bytes == room
    await store.append(append("c", b"c" * 10))
    assert await kept(store, "a") == [b"A" * 10]
    assert await kept(store, "b") == [b"b" * 10, b"B" * 10]
    await store.append(append("a", b"1" * 10))  # now b is untouched for longest
    assert await kept(store, "b") == [b"B" * 10]
    await store.append(append("d", b"d" * (room - ENTRY_OVERHEAD_BYTES)))
    for stream in "abc":
        assert await kept(store, stream) == []
        assert (await store.info(stream)).tail != START
    assert store.cost_bytes == room


async def test_cost_follows_everything_that_frees_memory():
    now = [0]
    store = MemoryStore(clock_ms=lambda: now[0])
    short = StreamSettings(retention=RetentionLimits(age_max_s=1))
    for stream in ("a", "b", "c"):
        await store.append(append(stream, create=short))
    assert store.cost_bytes == 3 * (ENTRY_OVERHEAD_BYTES + 1)
    await store.delete("a")
    assert store.cost_bytes == 2 * (ENTRY_OVERHEAD_BYTES + 1)
    now[0] = 5_000
    await store.info("b")
    assert store.cost_bytes == ENTRY_OVERHEAD_BYTES + 1
    await store.expire()
    assert store.cost_bytes == 0


async def test_one_producer_too_many_makes_the_longest_silent_forgotten():
    store = MemoryStore(limits=MemoryStoreLimits(producers_max=2, producers_forgotten_max=1))
    await store.append(append("s", stamp=("a", 0, 0)))
    await store.append(append("s", stamp=("b", 0, 0)))
    await store.append(append("s", stamp=("a", 0, 1)))
    await store.append(append("s", stamp=("c", 0, 0)))
    assert (await store.append(append("s", stamp=("a", 0, 1)))).is_duplicate
    assert (await store.append(append("s", stamp=("c", 0, 0)))).is_duplicate
    with pytest.raises(ProducerUnknownError):
        await store.append(append("s", stamp=("b", 0, 0)))
    await store.append(append("s", stamp=("d", 0, 0)))  # a is forgotten, and b altogether
    with pytest.raises(ProducerUnknownError):
        await store.append(append("s", stamp=("a", 0, 1)))
    assert not (await store.append(append("s", stamp=("b", 0, 0)))).is_duplicate


async def test_ephemeral_stream_keeps_the_latest_of_each_key():
    store = MemoryStore()
    create = StreamSettings(is_ephemeral=True)
    for payload in (b"1", b"2"):
        await store.append(Append("s", [NewEntry(payload, "k")], create=create))
    assert await kept(store, "s") == [b"2"]


async def test_closed_store_has_given_everything_back():
    store = MemoryStore()
    await store.append(append("s"))
    await store.close()
    assert (store.stream_count, store.cost_bytes) == (0, 0)
