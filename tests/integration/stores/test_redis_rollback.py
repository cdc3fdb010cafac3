"""Redis comes back with less than it had: every reader who saw what is gone is told so."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from longwire.lab.processes import free_port
from longwire.streams.errors import ProducerError, StoreUnavailableError
from longwire.streams.position import START, Position, next_link
from longwire.streams.verdict import Reason, StartAt
from tests.integration.stores.nodes import DEADLINE_S, Node, Proxy, nodes, until
from tests.redis_servers import RedisServer
from tests.unit.hub.collectors import StreamRecord

pytestmark = pytest.mark.slow

ALL = {"entries_max": 1_000_000, "bytes_max": 1 << 30}


class Load:
    """Publishes numbered entries without end; in memory durability some of them will be lost."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.stored = 0
        self._epoch = 0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        sequence = 0
        while True:
            try:
                payload = b"%d:%d:%d" % (self._epoch, sequence, self.stored)
                await self.node.publish(payload, stamp=("p", self._epoch, sequence))
            except StoreUnavailableError:
                await asyncio.sleep(0.002)
                continue
            except ProducerError:
                # What was acknowledged is gone with the end of the log: begin anew.
                self._epoch, sequence = self._epoch + 1, 0
                continue
            self.stored += 1
            sequence += 1
            await asyncio.sleep(0)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


class Witness:
    """A live subscriber, and the check that it was told what happened to it, and only that."""

    def __init__(self, record: StreamRecord) -> None:
        self.record = record
        self.gaps: list[str] = []
        self._believed: dict[int, bytes] = {}
        self._offset = 0
        self._checked = 0
        self.held_at_crash: tuple[Position, bytes] | None = None

    def note_crash(self) -> None:
        assert self.record.held is not None
        self.held_at_crash = self.record.held, self.record.payloads[-1]

    async def reach(self, tail: Position, node: Node) -> None:
        """Wait until it holds a position of this log, and one that is not before ``tail``."""
        deadline = asyncio.get_running_loop().time() + DEADLINE_S
        while True:
            held = self.record.held
            assert held is not None
            verdict = await node.store.seek("s", held)
            if verdict.reason is None and held.offset >= tail.offset:
                return
            assert asyncio.get_running_loop().time() < deadline, f"stays at {held}: {verdict}"
            await asyncio.sleep(0.002)

    def check(self, log: list[bytes]) -> None:
        """Compare what came since the last call with the log as it is now."""
        events = self.record.events
        for event in events[self._checked :]:
            if isinstance(event, bytes):
                self._offset += 1
                self._believed[self._offset] = event
                continue
            # Told so only if what it held last is gone; where to go on is where the log ended.
            assert not self._is_in(log, self._offset), f"{event}, but the log holds all it saw"
            is_ahead = event.upto.offset < event.after.offset
            assert event.reason == ("ahead" if is_ahead else "diverged"), event
            self.gaps.append(event.reason)
            self._believed.clear()
            self._offset = event.upto.offset
        self._checked = len(events)
        # Not told so: all that it has seen since the last gap is in the log.
        for offset, payload in self._believed.items():
            assert offset > len(log) or log[offset - 1] == payload

    def _is_in(self, log: list[bytes], offset: int) -> bool:
        return offset <= len(log) and log[offset - 1] == self._believed.get(offset)


def cut_tail(redis: RedisServer, random_source: random.Random) -> None:
    """Take a piece from the end of the append-only file, as a crash of the machine does."""
    path = redis.append_only_file
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(max(0, size - random_source.randrange(1, 20_000)))


async def read_log(node: Node) -> list[bytes]:
    """The whole log, which is one chain."""
    info = await node.store.info("s")
    assert info is not None
    page = await node.store.read("s", info.floor, **ALL)
    held = info.floor
    for entry in page.entries:
        assert entry.previous == held
        assert entry.position.link == next_link(held.link, entry.payload)
        held = entry.position
    return [entry.payload for entry in page.entries]


async def check_returning(node: Node, witnesses: list[Witness], log: list[bytes]) -> dict[str, int]:
    """Come back with what each held at the crash: honoured if, and only if, it is all there."""
    verdicts: dict[str, int] = {}
    for witness in witnesses:
        assert witness.held_at_crash is not None
        position, payload = witness.held_at_crash
        verdict = await node.store.seek("s", position)
        is_whole = position.offset <= len(log) and log[position.offset - 1] == payload
        if is_whole:
            assert verdict.reason is None
        else:
            expected = Reason.DIVERGED if position.offset <= verdict.tail.offset else Reason.AHEAD
            assert verdict.reason is expected
            assert verdict.resume == verdict.tail
        name = "honoured" if verdict.reason is None else verdict.reason.value
        verdicts[name] = verdicts.get(name, 0) + 1
    return verdicts


async def crash_and_go_on(
    redis: RedisServer, load: Load, witnesses: list[Witness], source: random.Random
) -> list[bytes]:
    """Let Redis come back with less than it had; return the log some entries later."""
    goal = load.stored + 60
    await until(lambda: load.stored > goal, "under load")
    redis.kill()
    for witness in witnesses:
        witness.note_crash()
    cut_tail(redis, source)
    redis.start()
    goal = load.stored + source.randrange(1, 40)
    await until(lambda: load.stored > goal, "going on")
    tail = (await load.node.store.seek("s", StartAt.TAIL)).tail
    for witness in witnesses:
        await witness.reach(tail, load.node)
    return await read_log(load.node)


async def roll_back(folder: Path, rounds: int, seed: int) -> dict[str, int]:
    source = random.Random(seed)
    told: dict[str, int] = {}
    settings = {"appendonly": "yes", "appendfsync": "no", "aof_load_truncated": "yes"}
    with RedisServer(folder, **settings) as redis:
        async with nodes(2, redis.url) as (writer, reader):
            await writer.publish(b"first")
            witnesses = [Witness(await node.subscribe(START)) for node in (writer, reader)]
            load = Load(writer)
            try:
                for _ in range(rounds):
                    log = await crash_and_go_on(redis, load, witnesses, source)
                    for reason, count in (await check_returning(reader, witnesses, log)).items():
                        told[reason] = told.get(reason, 0) + count
                    for witness in witnesses:
                        witness.check(log)
            finally:
                await load.stop()
    for witness in witnesses:
        for reason in witness.gaps:
            told[f"live {reason}"] = told.get(f"live {reason}", 0) + 1
    return told


async def test_what_a_cut_transaction_left_in_the_file_does_not_come_back(tmp_path: Path) -> None:
    """Redis leaves the beginning of a cut transaction in its file, for the next start to run."""
    settings = {"appendonly": "yes", "appendfsync": "no", "aof_load_truncated": "yes"}
    with RedisServer(tmp_path, **settings) as redis:
        async with nodes(1, redis.url) as (node,):
            for n in range(3):
                await node.publish(b"old %d" % n)
            redis.kill()
            path = redis.append_only_file
            content = path.read_bytes()
            entry_end = content.index(b"\r\n", content.rindex(b"old 2")) + 2
            path.write_bytes(content[: entry_end + 20])  # into the command behind the entry
            redis.start()
            await until_published(node, b"new 2")
            assert await read_log(node) == [b"old 0", b"old 1", b"new 2"]
            redis.kill()
            redis.start()
            await until_published(node, b"new 3")
            assert await read_log(node) == [b"old 0", b"old 1", b"new 2", b"new 3"]


async def test_entry_behind_the_end_of_a_log_is_not_in_the_way(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as redis:
        async with nodes(1, redis.url) as (node,):
            for n in range(3):
                await node.publish(b"%d" % n)
            for offset in (4, 5):
                id_ = f"{offset}-0"
                assert redis.ask("XADD", "longwire:{s}:l", id_, "e", "came back") == id_
            await node.publish(b"3")
            await node.publish(b"4")
            assert await read_log(node) == [b"0", b"1", b"2", b"3", b"4"]


async def until_published(node: Node, payload: bytes) -> None:
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while True:
        try:
            await node.publish(payload)
            return
        except StoreUnavailableError:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)


async def test_rolled_back_log_is_told_to_all_who_saw_more(tmp_path: Path) -> None:
    told = await roll_back(tmp_path, rounds=20, seed=1)
    assert told.get("diverged", 0) + told.get("ahead", 0) > 0
    assert told.get("live diverged", 0) + told.get("live ahead", 0) > 0


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_rolled_back_log_is_told_a_thousand_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: dict[str, int] = {}
    for seed in range(20):
        for reason, count in (await roll_back(tmp_path / str(seed), rounds=50, seed=seed)).items():
            told[reason] = told.get(reason, 0) + count
    with capsys.disabled():  # for docs/evidence
        sys.stdout.write(f"\n1,000 rollbacks, two live readers, no false answer: {told}\n")
    assert told["live diverged"] > 100 and told["live ahead"] > 100


async def test_quiet_subscribers_are_told_at_once_not_with_the_next_entry(tmp_path: Path) -> None:
    settings = {"appendonly": "yes", "appendfsync": "no"}
    with RedisServer(tmp_path, **settings) as redis:
        async with nodes(2, redis.url) as (writer, reader):
            for n in range(50):
                await writer.publish(b"%d" % n)
            record = await reader.subscribe(START)
            await until(lambda: len(record.payloads) == 50, "live")
            redis.kill()
            path = redis.append_only_file
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)
            redis.start()
            # Nobody publishes.
            await until(lambda: record.gaps, "told")
            info = await reader.store.info("s")
            assert info is not None
            (gap,) = record.gaps
            assert (gap.reason, gap.upto) == ("ahead", info.tail)
            assert gap.after.offset == 50 > gap.upto.offset
            await writer.publish(b"new")
            await until(lambda: record.payloads[-1] == b"new", "going on")


async def test_failover_to_a_replica_that_lags_is_told(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "old", repl_diskless_sync_delay="0") as old:
        async with Proxy(old.port) as replication, Proxy(old.port) as way:
            replica = RedisServer(
                tmp_path / "new", port=free_port(), replicaof=f"127.0.0.1 {replication.port}"
            )
            with replica as new:
                async with nodes(2, way.url) as (writer, reader):
                    for n in range(20):
                        await writer.publish(b"%d" % n)
                    record = await reader.subscribe(START)
                    await until(lambda: len(record.payloads) == 20, "live")
                    await until(lambda: "slave_repl_offset" in new.ask("INFO"), "replicating")
                    await until(lambda: new.ask("XLEN", "longwire:{s}:l") == "20", "in step")
                    replication.is_silent = True
                    for n in range(20, 30):
                        await writer.publish(b"%d" % n)
                    await until(lambda: len(record.payloads) == 30, "live")
                    held = record.held
                    assert held is not None
                    # The old master stays alive: connections to it must not be used on.
                    new.ask("REPLICAOF", "NO", "ONE")
                    way.target = new.port
                    way.cut()
                    await until(lambda: record.gaps, "told")
                    (gap,) = record.gaps
                    assert (gap.reason, gap.after, gap.upto.offset) == ("ahead", held, 20)
                    for n in range(15):
                        await writer.publish(b"new %d" % n)
                    await until(lambda: record.payloads[-1] == b"new 14", "going on")
                    assert (await reader.store.seek("s", held)).reason is Reason.DIVERGED


async def test_master_that_becomes_a_replica_is_left(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "one") as one, RedisServer(tmp_path / "two") as two:
        async with Proxy(one.port) as way, nodes(1, way.url) as (server,):
            await server.publish(b"1")
            # As a failover does it, with the address moved and the connections left standing.
            way.target = two.port
            one.ask("REPLICAOF", "127.0.0.1", str(two.port))
            with pytest.raises(StoreUnavailableError):
                await server.publish(b"2")
            await until(lambda: server.store.health() is None, "healthy again")
            assert (await server.publish(b"2")).last.offset == 1
