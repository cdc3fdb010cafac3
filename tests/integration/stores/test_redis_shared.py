"""Several servers on one Redis serve one set of streams."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from longwire.base.limits import RedisStoreLimits, RetentionLimits
from longwire.stores.redis.store import RedisStore
from longwire.streams.entry import NewEntry
from longwire.streams.errors import ProducerFencedError, SequenceGapError
from longwire.streams.position import START
from longwire.streams.store import Append, Fork, StreamSettings
from longwire.streams.verdict import StartAt
from tests.contracts.stores import Clock
from tests.integration.stores.nodes import QUICK, nodes, request, until
from tests.redis_servers import RedisServer
from tests.unit.hub.collectors import EntrySink, subscribe

pytestmark = pytest.mark.slow


async def test_subscribers_of_every_server_get_what_is_published_on_any(redis: RedisServer) -> None:
    count = 150
    # Who takes the live path for deaf, as after a pause of this process, reads the log.
    limits = replace(QUICK, canary_interval_s=60.0)
    async with nodes(3, redis.url, limits) as servers:
        records = [await server.subscribe() for server in servers]

        async def publish_all(number: int) -> None:
            for n in range(count):
                await servers[number].publish(b'"%d-%d"' % (number, n))

        await asyncio.gather(*(publish_all(number) for number in range(3)))
        await until(
            lambda: all(len(record.payloads) == 3 * count for record in records),
            "all entries with all subscribers",
        )
        # The records check that each entry follows the one before; the order is one for all.
        assert records[0].payloads == records[1].payloads == records[2].payloads
        for number in range(3):
            own = [p for p in records[0].payloads if p.startswith(b'"%d-' % number)]
            assert own == [b'"%d-%d"' % (number, n) for n in range(count)]
        assert [record.gaps for record in records] == [[], [], []]
        # One live path brought them all: nobody had to read the log.
        assert [server.hub.counters.pages_read for server in servers] == [0, 0, 0]


async def test_producer_goes_on_at_another_server(redis: RedisServer) -> None:
    async with nodes(2, redis.url) as (first, second):
        stored = await first.publish(b"1", stamp=("p", 4, 0))
        again = await second.publish(b"1", stamp=("p", 4, 0))
        assert (again.is_duplicate, again.last) == (True, stored.last)
        await second.publish(b"2", stamp=("p", 4, 1))
        with pytest.raises(SequenceGapError):
            await first.publish(b"4", stamp=("p", 4, 3))
        await first.publish(b"3", stamp=("p", 4, 2))
        with pytest.raises(ProducerFencedError):
            await second.publish(b"x", stamp=("p", 3, 0))
        record = await second.subscribe(START)
        await until(lambda: len(record.payloads) == 3, "all entries")
        assert record.payloads == [b"1", b"2", b"3"]


async def test_reader_comes_back_to_another_server(redis: RedisServer) -> None:
    async with nodes(2, redis.url) as (first, second):
        await first.publish(b"1")
        record = await first.subscribe(START)
        await until(lambda: record.payloads == [b"1"], "the first entry")
        await first.publish(b"2", b"3")
        await until(lambda: len(record.payloads) == 3, "all")
        held = record.held
        assert held is not None
        await second.publish(b"4")
        sink = EntrySink()
        await subscribe(second.hub, sink, held)
        assert sink.of().verdict.reason is None
        await until(lambda: sink.of().payloads, "what was missed")
        assert sink.of().payloads == [b"4"]


async def test_closing_and_deleting_reach_the_subscribers_of_other_servers(
    redis: RedisServer,
) -> None:
    async with nodes(2, redis.url) as (first, second):
        await first.publish(b"1", stream="ends")
        await first.publish(b"1", stream="goes")
        ends = await second.subscribe(stream="ends")
        goes = await second.subscribe(stream="goes")
        await first.publish(b"2", stream="ends")
        info = await first.hub.close_stream("ends")
        await until(lambda: ends.closed_at, "told of the end")
        assert (ends.payloads, ends.closed_at) == ([b"2"], info.tail)
        await first.hub.delete_stream("goes")
        await until(lambda: goes.gaps, "told of a gap")
        assert goes.gaps[0].reason == "epoch"
        await first.publish(b"new", stream="goes")
        await until(lambda: goes.payloads, "the next life")
        assert goes.payloads == [b"new"]


async def test_entries_too_large_for_the_live_path_are_read_from_the_log(
    redis: RedisServer,
) -> None:
    limits = RedisStoreLimits(live_bytes_max=1000)
    async with nodes(2, redis.url, limits) as (first, second):
        record = await second.subscribe()
        await first.publish(b"small")
        await first.publish(b"x" * 2000)
        await first.publish(b"small again")
        await until(lambda: len(record.payloads) == 3, "all entries")
        assert [len(payload) for payload in record.payloads] == [5, 2000, 11]
        assert record.gaps == []


async def test_streams_that_nobody_subscribes_to_are_not_told(redis: RedisServer) -> None:
    async with nodes(2, redis.url) as (first, second):
        sink = EntrySink()
        subscription = await subscribe(second.hub, sink, StartAt.TAIL)
        await first.publish(b"1")
        await until(lambda: sink.of().payloads, "told")
        subscription.end()
        watched = second.store.figures()["redis_streams_watched"][1]
        assert watched == 1  # the canary's own
        heard = second.store.figures()["redis_live_messages"][1]
        probes = second.store.figures()["redis_canary_probes"][1]
        for _ in range(20):
            await first.publish(b"2")
        assert second.store.figures()["redis_live_messages"][1] - heard <= (
            second.store.figures()["redis_canary_probes"][1] - probes + 1
        )


async def test_watching_and_leaving_over_and_over_misses_nothing(redis: RedisServer) -> None:
    async with nodes(2, redis.url) as (first, second):
        for n in range(30):
            sink = EntrySink()
            subscription = await subscribe(second.hub, sink, StartAt.TAIL)
            await first.publish(b"%d" % n)
            await until(lambda sink=sink: sink.of().payloads, "told")
            assert sink.of().payloads == [b"%d" % n]
            subscription.end()


async def test_one_server_expires_what_is_old_for_all(redis: RedisServer) -> None:
    async with nodes(2, redis.url) as (first, second):
        retention = RetentionLimits(age_max_s=0.05)
        for name in ("a", "b}c", "d{e"):
            await first.store.create(name, StreamSettings(retention=retention))
            await first.publish(b"1", stream=name)
        await asyncio.sleep(0.1)
        await asyncio.gather(first.store.expire(), second.store.expire())
        for tag in ("a", "b%7Dc", "d%7Be"):
            assert redis.ask("XLEN", f"longwire:{{{tag}}}:l") == "0"
        assert 0 < int(redis.ask("PTTL", "longwire:expiry")) <= 50_000
        await first.publish(b"2", stream="a")
        await asyncio.sleep(0.1)
        await second.store.expire()  # too soon after the last time
        assert redis.ask("XLEN", "longwire:{a}:l") == "1"


async def test_appends_are_disk_only_where_redis_syncs_always(redis: RedisServer) -> None:
    async with nodes(1, redis.url) as (server,):
        assert (await server.publish(b"1")).durability.value == "memory"
        redis.ask("CONFIG", "SET", "appendonly", "yes")
        redis.ask("CONFIG", "SET", "appendfsync", "everysec")
        await asyncio.sleep(2 * QUICK.canary_interval_s)
        assert (await server.publish(b"2")).durability.value == "memory"
        redis.ask("CONFIG", "SET", "appendfsync", "always")
        appended = await server.publish(b"3")
        for _ in range(100):
            appended = await server.publish(b"3")
            if appended.durability.value == "disk":
                break
            await asyncio.sleep(QUICK.canary_interval_s / 4)
        assert appended.durability.value == "disk"
        redis.ask("CONFIG", "SET", "appendonly", "no")
        for _ in range(100):
            appended = await server.publish(b"4")
            if appended.durability.value == "memory":
                break
            await asyncio.sleep(QUICK.canary_interval_s / 4)
        assert appended.durability.value == "memory"


async def test_long_keys_and_content_types_come_back_whole(redis: RedisServer) -> None:
    async with nodes(2, redis.url) as (first, second):
        content_type = "text/plain;note=" + "x" * 400
        latest = StreamSettings(content_type=content_type, is_keep_latest=True)
        await first.store.create("s", latest)
        record = await second.subscribe()
        key = "é" * 40_000
        await first.store.append(Append("s", [NewEntry(b"1", key)]))
        await until(lambda: record.payloads == [b"1"], "told")
        (entry,) = (await second.store.read("s", START, entries_max=9, bytes_max=99)).entries
        assert (entry.key, entry.content_type, entry.payload) == (key, content_type, b"1")


async def test_reference_to_a_fork_that_was_never_made_is_forgotten(redis: RedisServer) -> None:
    clock = Clock()
    store = RedisStore(redis.url, clock_ms=clock)
    await store.start()
    await store.append(Append("s", [NewEntry(b"1")], create=StreamSettings()))
    # Who makes a fork refers to it first, and may die before it is there.
    assert await store._refer("s", b"+", "never made")
    await store.delete("s")
    info = await store.info("s")
    assert info is not None and info.is_deleted
    await store.expire()
    assert await store.info("s") is not None, "it may still be made"
    clock.advance(61)
    redis.ask("DEL", "longwire:expiry")
    await store.expire()
    assert await store.info("s") is None
    await store.close()


async def test_fork_is_copied_in_pieces_and_seen_when_it_is_whole(redis: RedisServer) -> None:
    store = RedisStore(redis.url)
    await store.start()
    batch = [NewEntry(b"%d" % number) for number in range(1000)]
    for _ in range(3):
        await store.append(Append("s", batch, create=StreamSettings()))
    info, is_new = await store.create("f", StreamSettings(), fork=Fork("s"))
    assert is_new and info.tail.offset == 3000
    page = await store.read("f", START, entries_max=10_000, bytes_max=1 << 30)
    assert [entry.payload for entry in page.entries] == [entry.payload for entry in batch * 3]
    await store.close()


async def test_looking_at_all_streams_takes_few_round_trips(redis: RedisServer) -> None:
    async with nodes(1, redis.url) as (server,):
        wanted = {f"s{n}" for n in range(1000)}
        await server.store.append_many([request(b"1", stream=name) for name in wanted])
        pipelines = server.store.figures()["redis_pipelines"][1]
        assert {name async for name in server.store.names()} == wanted
        await server.store.expire()
        assert server.store.figures()["redis_pipelines"][1] - pipelines < 100
