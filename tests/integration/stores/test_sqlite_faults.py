"""What happens to the process and the disk under the SQLite store: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longwire.stores.sqlite.backup import backup, restore
from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.errors import StoreFullError
from longwire.streams.position import START, Position, next_link
from longwire.streams.verdict import Reason
from tests.contracts.test_store import append, settings
from tests.needs import missing

pytestmark = pytest.mark.slow

ALL = {"entries_max": 1_000_000, "bytes_max": 1 << 30}
PRODUCERS = 8
KILLS = 8


class Acknowledged:
    """What publishers were told, over all their lives."""

    def __init__(self) -> None:
        self.offsets: dict[tuple[int, int], int] = {}

    def note(self, text: str) -> None:
        # The last line may be cut: what is not whole was not said.
        for line in text.splitlines(keepends=True):
            if line.endswith("\n") and line != "ready\n":
                producer, sequence, offset = map(int, line.split())
                known = self.offsets.setdefault((producer, sequence), offset)
                assert known == offset, "the same publish was stored in two places"

    def check(self, streams: dict[str, list[tuple[int, bytes]]]) -> None:
        stored: dict[tuple[int, int], int] = {}
        for entries in streams.values():
            last: dict[int, int] = {}
            for offset, payload in entries:
                producer, sequence = map(int, payload.split(b":"))
                assert sequence == last.get(producer, -1) + 1, "lost, doubled or out of order"
                last[producer] = sequence
                stored[producer, sequence] = offset
        for publish, offset in self.offsets.items():
            assert stored[publish] == offset


async def read_all(path: Path) -> dict[str, list[tuple[int, bytes]]]:
    store = SqliteStore(path)
    await store.start()
    streams = {}
    async for name in store.names():
        page = await store.read(name, START, **ALL)
        assert page.reason is None
        link, previous = START.link, START
        for entry in page.entries:
            link = next_link(link, entry.payload)
            assert (entry.position.link, entry.previous) == (link, previous)
            previous = entry.position
        assert page.tail == previous
        streams[name] = [(entry.position.offset, entry.payload) for entry in page.entries]
    await store.close()
    return streams


def publish_until_killed(path: Path, after_s: float) -> str:
    """Run a publisher and kill it; return what it said."""
    command = [sys.executable, "-m", "tests.integration.stores.sqlite_publisher"]
    arguments = [*command, str(path), str(PRODUCERS)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after_s)
        process.kill()
        return process.stdout.read()


async def test_killed_process_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "streams.db"
    source = random.Random(11)
    acknowledged = Acknowledged()
    for _ in range(KILLS):
        after_s = source.uniform(0.02, 0.4)
        acknowledged.note(await asyncio.to_thread(publish_until_killed, path, after_s))
        acknowledged.check(await read_all(path))
    assert len(acknowledged.offsets) > KILLS * PRODUCERS


async def test_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=True)
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1 << 20))
        store = SqliteStore(disk / "streams.db")
        await store.start()
        stored = await fill(store, 0)
        with pytest.raises(StoreFullError):
            await store.append(append(b"x" * 5_000, stamp=("p", 0, stored)))
        assert store.health() is not None
        page = await store.read("s", START, **ALL)
        assert len(page.entries) == stored
        ballast.unlink()
        assert await fill(store, stored) > stored
        page = await store.read("s", START, **ALL)
        await store.close()
        streams = await read_all(disk / "streams.db")
        assert len(streams["s"]) == len(page.entries)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


async def fill(store: SqliteStore, stored: int) -> int:
    """Append until the disk is full; return how many are stored in all."""
    while True:
        try:
            await store.append(append(b"x" * 5_000, stamp=("p", 0, stored)))
        except StoreFullError:
            return stored
        stored += 1


async def roll_back_once(folder: Path, source: random.Random) -> Reason:
    """Restore an older copy under load; return what a reader who had seen more was told.

    Whatever positions a reader held before is judged afterwards: honoured exactly when the log
    still has all that led to it.
    """
    path, copy = folder / "streams.db", folder / "copy.db"
    store = SqliteStore(path)
    await store.start()
    seen: list[Position] = []

    async def load(producer: str, count: int) -> None:
        for sequence in range(count):
            payload = b"%s:%d:%d" % (producer.encode(), sequence, source.getrandbits(30))
            appended = await store.append(append(payload, stamp=(producer, 0, sequence)))
            assert appended.last is not None
            seen.append(appended.last)

    writers = [asyncio.create_task(load(f"p{n}", 12)) for n in range(4)]
    await asyncio.sleep(source.uniform(0, 0.01))
    await asyncio.to_thread(backup, path, copy)
    await asyncio.gather(*writers)
    await store.append(append(b"the last one", stamp=("q", 0, 0)))
    tail = (await store.seek("s", START)).tail
    seen.append(tail)
    await store.close()
    restore(copy, path)

    again = SqliteStore(path)
    await again.start()
    rest = await again.seek("s", START)
    for number in range(source.randrange(3) * 30):
        await again.append(append(b"after %d" % number, stamp=("r", 0, number)))
    page = await again.read("s", START, **ALL)
    kept = {entry.position for entry in page.entries}
    for position in seen:
        verdict = await again.seek("s", position)
        assert (verdict.reason is None) == (position in kept), "a false recovered, or a false gap"
        if verdict.reason is not None:
            assert verdict.reason in (Reason.AHEAD, Reason.DIVERGED, Reason.EPOCH)
            assert verdict.tail == page.tail
            read = await again.read("s", position, **ALL)
            assert (read.entries, read.reason, read.tail) == ((), verdict.reason, page.tail)
    assert rest.tail.offset < tail.offset
    reason = (await again.seek("s", tail)).reason
    assert reason is not None
    await again.close()
    return reason


async def roll_back(tmp_path: Path, count: int) -> dict[Reason, int]:
    source = random.Random(5)
    told: dict[Reason, int] = {}
    for number in range(count):
        folder = tmp_path / str(number)
        folder.mkdir()
        await create_empty(folder / "streams.db")
        reason = await roll_back_once(folder, source)
        told[reason] = told.get(reason, 0) + 1
    return told


async def create_empty(path: Path) -> None:
    store = SqliteStore(path)
    await store.start()
    await store.create("s", settings())
    await store.close()


async def test_twenty_rollbacks_are_all_told(tmp_path: Path) -> None:
    told = await roll_back(tmp_path, 20)
    assert set(told) <= {Reason.AHEAD, Reason.DIVERGED}
    assert sum(told.values()) == 20
    assert len(told) == 2, "both kinds are among them"


@pytest.mark.long
@pytest.mark.timeout(3_600)
async def test_a_thousand_rollbacks_are_all_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = await roll_back(tmp_path, 1_000)
    with capsys.disabled():  # for docs/evidence
        counts = {reason.value: count for reason, count in told.items()}
        sys.stdout.write(f"\n1,000 rollbacks of SQLite, no false answer: {counts}\n")
    assert set(told) <= {Reason.AHEAD, Reason.DIVERGED}
    assert sum(told.values()) == 1_000


async def test_backup_comes_to_its_end_while_a_server_never_stops_writing(tmp_path: Path) -> None:
    path, copy = tmp_path / "streams.db", tmp_path / "copy.db"
    store = SqliteStore(path)
    await store.start()
    for n in range(50):  # more than is copied in one step
        before = await store.append(append(b"%d" % n + b"x" * (1 << 20)))
    copying = asyncio.create_task(asyncio.to_thread(backup, path, copy))
    deadline = time.monotonic() + 40
    while not copying.done() and time.monotonic() < deadline:
        after = await store.append(append(b"meanwhile"))
    came_to_its_end = copying.done()
    await copying
    await store.close()
    assert came_to_its_end
    (entries,) = (await read_all(copy)).values()
    assert before.last is not None
    assert after.last is not None
    assert before.last.offset <= entries[-1][0] <= after.last.offset
