"""What happens to Redis and to the way there: nothing acknowledged is lost, no reader starves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path

import pytest

from longwire.base.errors import StoreError
from longwire.base.limits import RedisStoreLimits
from longwire.lab.processes import free_port
from longwire.stores.redis.keys import meta_key
from longwire.stores.redis.store import RedisStore
from longwire.stores.redis.wire import pack
from longwire.streams.errors import StoreFullError, StoreUnavailableError, StreamError
from longwire.streams.position import START
from longwire.streams.store import Append, Appended, StreamSettings
from longwire.streams.verdict import Reason
from tests.integration.stores.nodes import QUICK, Node, Proxy, nodes, request, until
from tests.redis_servers import RedisServer

pytestmark = pytest.mark.slow

INTERVAL_S = QUICK.canary_interval_s


async def keep_publishing(node: Node, payloads: list[bytes], stop: asyncio.Event) -> None:
    """Publish numbered entries until told to stop, each over again until it is stored."""
    sequence = 0
    while not stop.is_set():
        payload = b"%d" % sequence
        try:
            await node.publish(payload, stamp=("p", 0, sequence))
        except StoreUnavailableError:
            await asyncio.sleep(0.01)
            continue
        payloads.append(payload)
        sequence += 1
        await asyncio.sleep(0.002)


async def test_deaf_subscription_is_noticed_within_two_intervals_and_nothing_is_lost(
    redis: RedisServer,
) -> None:
    async with Proxy(redis.port) as proxy, nodes(1, redis.url) as (writer,):
        reader = Node(proxy.url)
        await reader.store.start()
        live = proxy.connections - 1  # the live path is opened last
        stop, stored = asyncio.Event(), []
        record = await reader.subscribe()
        load = asyncio.create_task(keep_publishing(writer, stored, stop))
        await until(lambda: len(record.payloads) > 20 and reader.store.health() is None, "live")
        proxy.swallow(live)
        figures = reader.store.figures
        probes = figures()["redis_canary_probes"][1]
        await until(lambda: figures()["redis_deaf"][1] == 1, "noticed")
        # One probe is sent each interval and has less than one to come back. Another is sent as
        # soon as the connection is new.
        assert figures()["redis_canary_probes"][1] - probes <= 2
        await until(lambda: reader.store.health() is None, "healthy again")
        stop.set()
        await load
        await until(lambda: len(record.payloads) == len(stored), "all that was published")
        assert (record.payloads, record.gaps) == (stored, [])
        await reader.hub.close()


async def test_live_path_that_is_made_anew_slowly_is_not_taken_for_deaf(
    redis: RedisServer,
) -> None:
    async with Proxy(redis.port) as proxy, nodes(1, proxy.url) as (server,):
        figures = server.store.figures
        await until(lambda: figures()["redis_canary_probes"][1] >= 1, "probed")
        # Longer than what lies between a probe that is given up and the next.
        proxy.delay_s = INTERVAL_S / 2
        proxy.swallow(proxy.connections - 1)  # the live path is opened last
        await until(lambda: figures()["redis_deaf"][1] == 1, "noticed")
        # What is sent before all is watched again cannot come back, and is no news of the new path.
        await until(lambda: server.store.health() is None, "healthy again")


async def test_probe_that_is_stored_after_it_was_given_up_is_no_rollback(
    redis: RedisServer,
) -> None:
    async with nodes(1, redis.url) as (server,):
        figures = server.store.figures
        await until(lambda: figures()["redis_canary_probes"][1] > 1, "has a place in its log")
        misses = figures()["redis_canary_misses"][1]
        redis.ask("CLIENT", "PAUSE", "60000", "WRITE")
        await until(lambda: figures()["redis_canary_misses"][1] > misses, "missed")
        redis.ask("CLIENT", "UNPAUSE")
        probes = figures()["redis_canary_probes"][1]
        await until(lambda: figures()["redis_canary_probes"][1] > probes + 1, "probed again")
        await until(lambda: server.store.health() is None, "healthy again")
        assert figures()["redis_rollbacks"][1] == 0


async def test_silence_while_the_append_only_file_is_written_anew_ends(tmp_path: Path) -> None:
    limits = replace(QUICK, call_timeout_s=1.0)
    with RedisServer(tmp_path, appendonly="yes") as redis:
        async with Proxy(redis.port) as proxy, nodes(1, proxy.url, limits) as (server,):
            writes = server.store._connections.writes
            proxy.lost = pack(b"INFO", b"persistence")
            writes.drop_connection("for the test")
            await until(lambda: proxy.lost is None, "asked")
            await until(lambda: server.store.health() is None, "healthy again")
            await server.publish(b"1")


async def test_redis_that_answers_slowly_is_reached_again_under_load(redis: RedisServer) -> None:
    limits = replace(QUICK, call_timeout_s=1.0, connect_timeout_s=10.0, canary_interval_s=60.0)
    stored: list[Appended] = []

    async def publish(node: Node) -> None:
        with contextlib.suppress(StoreUnavailableError):
            stored.append(await node.store.append(request(b"1")))

    async with Proxy(redis.port) as proxy, nodes(1, proxy.url, limits) as (server,):
        # To connect takes longer than a call may, and an answer longer than until the next look at
        # what is too old. Calls come at any time, so some are always old when it is connected.
        proxy.latency_s = 0.25
        proxy.cut()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 30
        async with asyncio.TaskGroup() as calls:
            while len(stored) < 100:
                assert loop.time() < deadline
                calls.create_task(publish(server))
                await asyncio.sleep(0.02)


async def test_refused_wait_for_replicas_ends_the_calls_before_it(redis: RedisServer) -> None:
    limits = replace(QUICK, replicas_min=1, canary_interval_s=60)
    async with nodes(1, redis.url, limits) as (server,):
        redis.ask("ACL", "SETUSER", "default", "-wait")
        async with asyncio.timeout(30):
            with pytest.raises(StoreUnavailableError):
                await server.publish(b"1")


async def test_stream_whose_watching_is_not_confirmed_is_watched_by_a_new_connection(
    redis: RedisServer,
) -> None:
    def watching(stream: str) -> bytes:
        return pack(b"SSUBSCRIBE", meta_key(b"longwire:", stream))

    limits = replace(QUICK, call_timeout_s=1.0, canary_interval_s=60.0)  # it helps here by chance
    async with Proxy(redis.port) as proxy, nodes(1, redis.url) as (writer,):
        reader = Node(proxy.url, limits)
        await reader.store.start()
        record = await reader.subscribe()
        live = reader.store._connections.live
        # Lost while everything is watched again: the canary would be heard, one stream would not.
        connects = live.connects
        proxy.lost = watching("s")
        live.drop_connection("for the test")
        await until(lambda: live.connects >= connects + 2, "connected anew once more")
        await until(lambda: reader.store.health() is None, "healthy again")
        await writer.publish(b"heard")
        await until(lambda: record.payloads == [b"heard"], "what is published then")
        # Lost later: the one who asked is told, and the next finds it watched.
        proxy.lost = watching("t")
        with pytest.raises(StoreUnavailableError, match="did not confirm that 't' is watched"):
            await live.watch("t")
        await live.watch("t")
        await until(lambda: reader.store.health() is None, "healthy again")
        assert live.connects >= connects + 3
        assert record.gaps == []
        await reader.hub.close()


async def test_black_hole_before_redis_ends_every_wait(redis: RedisServer) -> None:
    limits = RedisStoreLimits(
        call_timeout_s=0.4, connect_timeout_s=0.4, reconnect_max_s=0.1, canary_interval_s=0.5
    )
    async with Proxy(redis.port) as proxy, nodes(1, proxy.url, limits) as (server,):
        await server.publish(b"1")
        proxy.is_silent = True
        started = time.monotonic()
        calls = [server.publish(b"2", stream="other"), server.store.read("s", START, **PAGE)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailableError] * 2
        with pytest.raises(StoreUnavailableError):
            await server.subscribe(stream="third")
        assert time.monotonic() - started < 10
        assert server.store.health() is not None
        proxy.is_silent = False
        await until(lambda: server.store.health() is None, "healthy again")
        record = await server.subscribe(START)
        await until(lambda: record.payloads == [b"1"], "read")


PAGE = {"entries_max": 1000, "bytes_max": 1 << 20}


async def test_killed_redis_that_syncs_always_has_lost_nothing_acknowledged(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path, appendonly="yes", appendfsync="always") as redis:
        async with nodes(2, redis.url) as (writer, reader):
            stop, stored = asyncio.Event(), []
            record = await reader.subscribe()
            load = asyncio.create_task(keep_publishing(writer, stored, stop))
            for _ in range(3):
                before = len(stored)
                await until(lambda before=before: len(stored) > before + 30, "under load")
                redis.kill()
                await asyncio.sleep(0.05)
                redis.start()
            before = len(stored)
            await until(lambda: len(stored) > before + 30, "going on")
            stop.set()
            await load
            await until(lambda: len(record.payloads) == len(stored), "all that was published")
            assert (record.payloads, record.gaps) == (stored, [])
            page = await writer.store.read("s", START, entries_max=100_000, bytes_max=1 << 30)
            assert [entry.payload for entry in page.entries] == stored


async def test_connections_that_break_lose_and_double_nothing(redis: RedisServer) -> None:
    async with Proxy(redis.port) as proxy, nodes(2, proxy.url) as (writer, reader):
        stop, stored = asyncio.Event(), []
        record = await reader.subscribe()
        load = asyncio.create_task(keep_publishing(writer, stored, stop))
        for _ in range(15):
            await asyncio.sleep(0.05)
            proxy.cut()
        before = len(stored)
        await until(lambda: len(stored) > before + 10, "going on")
        stop.set()
        await load
        await until(lambda: len(record.payloads) == len(stored), "all that was published")
        assert (record.payloads, record.gaps) == (stored, [])


async def test_append_cut_at_every_byte_is_stored_once(redis: RedisServer) -> None:
    limits = RedisStoreLimits(reconnect_first_s=0.001, reconnect_max_s=0.002, canary_interval_s=600)
    async with Proxy(redis.port) as proxy, nodes(1, proxy.url, limits) as (server,):
        await until(lambda: server.store.health() is None, "ready")
        await server.store.create("s", StreamSettings())
        sequence = 0
        outcomes = {"lost": 0, "answered": 0}
        for cut_at in range(1, 5000):
            proxy.bytes_left = cut_at
            append = request(b"%d" % sequence, stamp=("p", 0, sequence))
            try:
                first = await server.store.append(append)
            except StoreUnavailableError:
                outcomes["lost"] += 1
                again = await append_until_stored(server, append)
            else:
                # All of question and answer have passed: from here on there is nothing to cut.
                assert not first.is_duplicate
                outcomes["answered"] += 1
                again = await append_until_stored(server, append)
                assert again.is_duplicate
            assert again.first.offset == again.last.offset == sequence + 1
            sequence += 1
            if outcomes["answered"] == 3:
                break
        assert outcomes["lost"] > 400, outcomes
        page = await server.store.read("s", START, entries_max=10_000, bytes_max=1 << 30)
        assert [entry.payload for entry in page.entries] == [b"%d" % n for n in range(sequence)]


async def append_until_stored(node: Node, append: Append) -> Appended:
    while True:
        try:
            return await node.store.append(append)
        except StoreUnavailableError:
            await asyncio.sleep(0.001)


async def test_forgotten_scripts_are_sent_again(redis: RedisServer) -> None:
    async with nodes(1, redis.url) as (server,):
        await server.publish(b"1")
        redis.ask("SCRIPT", "FLUSH")
        await asyncio.gather(*(server.publish(b"%d" % n) for n in range(2, 6)))
        redis.ask("SCRIPT", "FLUSH")
        page = await server.store.read("s", START, **PAGE)
        assert [entry.payload for entry in page.entries] == [b"1", b"2", b"3", b"4", b"5"]


async def test_emptied_redis_is_noticed_though_no_connection_breaks(redis: RedisServer) -> None:
    async with nodes(2, redis.url) as (writer, reader):
        await writer.publish(b"1")
        record = await reader.subscribe(START)
        await until(lambda: record.payloads and reader.store.health() is None, "live")
        figures = reader.store.figures
        await until(lambda: figures()["redis_canary_probes"][1] > 1, "has a place in its log")
        redis.ask("FLUSHALL")
        await until(lambda: record.gaps, "told of a gap")
        assert record.gaps[0].reason == "epoch"
        await writer.publish(b"new")
        await until(lambda: record.payloads == [b"1", b"new"], "the next life")


async def test_log_that_redis_evicted_is_a_named_gap(redis: RedisServer) -> None:
    async with nodes(1, redis.url) as (server,):
        for n in range(5):
            last = await server.publish(b"%d" % n)
        redis.ask("DEL", "longwire:{s}:l")
        page = await server.store.read("s", START, **PAGE)
        assert (page.reason, page.entries, page.upto) == (Reason.TRIMMED, (), last.last)
        appended = await server.publish(b"5")
        assert appended.last.offset == 6
        page = await server.store.read("s", last.last, **PAGE)
        assert [entry.payload for entry in page.entries] == [b"5"]


async def test_redis_without_room_refuses_and_stores_nothing(redis: RedisServer) -> None:
    async with nodes(1, redis.url) as (server,):
        await server.publish(b"1", stamp=("p", 0, 0))
        redis.ask("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(StoreFullError):
            await server.publish(b"2", stamp=("p", 0, 1))
        redis.ask("CONFIG", "SET", "maxmemory", "0")
        assert not (await server.publish(b"2", stamp=("p", 0, 1))).is_duplicate


async def test_calls_past_the_limit_of_what_may_wait_are_refused(redis: RedisServer) -> None:
    limits = RedisStoreLimits(queued_bytes_max=5000, canary_interval_s=60)
    async with nodes(1, redis.url, limits) as (server,):
        requests = [request(b"x" * 1000, stream=f"s{n}") for n in range(10)]
        outcomes = await server.store.append_many(requests)
        refused = [outcome for outcome in outcomes if isinstance(outcome, StreamError)]
        assert 0 < len(refused) < 10
        assert "does not keep up" in str(refused[0])


async def test_publish_is_replicated_only_when_replicas_have_it(tmp_path: Path) -> None:
    limits = RedisStoreLimits(call_timeout_s=2.0, canary_interval_s=60, replicas_min=1)
    with RedisServer(tmp_path / "master", repl_diskless_sync_delay="0") as master:
        async with Proxy(master.port) as replication, nodes(1, master.url, limits) as (server,):
            with pytest.raises(StoreUnavailableError, match="0 replicas have it, 1 are wanted"):
                await server.publish(b"0")
            follows = f"127.0.0.1 {replication.port}"
            with RedisServer(tmp_path / "replica", replicaof=follows) as replica:
                await until(lambda: "link_status:up" in replica.ask("INFO"), "in step")
                for n in range(20):
                    if n == 10:
                        master.ask("SCRIPT", "FLUSH")
                    appended = await server.publish(b"%d" % n, stamp=("p", 0, n))
                    assert appended.durability.value == "replicated"
                    assert int(replica.ask("XLEN", "longwire:{s}:l")) == n + 1
                replication.is_silent = True
                for _ in range(2):  # stored on the master, and no duplicate is called replicated
                    with pytest.raises(StoreUnavailableError, match="0 replicas"):
                        await server.publish(b"20", stamp=("p", 0, 20))
                replication.is_silent = False
                replication.cut()
                await until(lambda: replica.ask("XLEN", "longwire:{s}:l") == "21", "in step")
                again = await server.publish(b"20", stamp=("p", 0, 20))
                assert (again.is_duplicate, again.durability.value) == (True, "replicated")


async def test_store_says_why_it_cannot_start(redis: RedisServer) -> None:
    port = free_port()
    with pytest.raises(StoreError, match=f"Redis at 127.0.0.1:{port}: Error 111"):
        await RedisStore(f"redis://127.0.0.1:{port}").start()
    async with Proxy(redis.port) as proxy:
        proxy.lost = pack(b"INFO", b"server")
        limits = replace(QUICK, connect_timeout_s=1.0)
        with pytest.raises(StoreError, match="took the connection and did not answer in time"):
            await RedisStore(proxy.url, limits=limits).start()
    redis.ask("SET", "longwire:layout", "3")
    with pytest.raises(StoreError, match="layout 3 and this longwire writes 2"):
        await RedisStore(redis.url).start()
    redis.ask("DEL", "longwire:layout")
    redis.ask("CONFIG", "SET", "requirepass", "secret")
    with pytest.raises(StoreError, match="uthentication"):
        await RedisStore(redis.url).start()
    url = redis.url.replace("//", "//:secret@")
    store = RedisStore(url)
    await store.start()
    await store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        await store.append(request(b"1"))
