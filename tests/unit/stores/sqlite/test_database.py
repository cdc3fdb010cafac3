"""The file of the SQLite store: whose it is, what version it has, who holds it, how full it is."""

import asyncio
import contextlib
import sqlite3

import pytest

from longwire.base.errors import StoreError
from longwire.base.limits import SqliteStoreLimits
from longwire.hub.hub import Hub
from longwire.hub.publishing import Publish
from longwire.stores.sqlite import database
from longwire.stores.sqlite.backup import backup, restore
from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.entry import BYTES, Durability, NewEntry
from longwire.streams.errors import ProducerUnknownError, StoreFullError, StoreUnavailableError
from longwire.streams.position import START
from longwire.streams.store import StreamSettings
from longwire.streams.verdict import Reason
from tests.contracts.test_store import ALL, append, payloads, settings


@contextlib.asynccontextmanager
async def opened(path, **limits):
    store = SqliteStore(path, limits=SqliteStoreLimits(**limits))
    await store.start()
    try:
        yield store
    finally:
        await store.close()


async def test_everything_is_there_when_the_file_is_opened_again(tmp_path):
    path = tmp_path / "new" / "folder" / "streams.db"
    async with opened(path) as store:
        appended = await store.append(append(b"1", b"2", stamp=("p", 0, 0)))
        assert appended.durability is Durability.DISK
        await store.append(append(b"3", stamp=("p", 0, 1), application_sequence="7"))
        info = await store.info("s")
    async with opened(path) as store:
        assert await store.info("s") == info
        assert await payloads(store) == [b"1", b"2", b"3"]
        again = await store.append(append(b"1", b"2", stamp=("p", 0, 0)))
        assert (again.is_duplicate, again.first, again.last) == (
            True,
            appended.first,
            appended.last,
        )
        stored = await store.append(append(b"4", stamp=("p", 0, 2), application_sequence="8"))
        assert stored.first.offset == 4


async def test_ephemeral_streams_never_touch_the_file(tmp_path):
    create = StreamSettings(is_ephemeral=True)
    async with opened(tmp_path / "s.db") as store:
        appended = await store.append(append(b"typing", stream="t", create=create))
        assert appended.durability is Durability.MEMORY
        assert await payloads(store, stream="t") == [b"typing"]
        assert [name async for name in store.names()] == ["t"]
        await store.create("u", create)
        (outcome,) = await store.append_many([append(b"1", stream="u", create=None)])
        assert outcome.durability is Durability.MEMORY
    for file in tmp_path.iterdir():
        assert b"typing" not in file.read_bytes()
    async with opened(tmp_path / "s.db") as store:
        assert (await store.seek("t", appended.last)).reason is Reason.EPOCH


async def test_second_server_on_one_file_is_refused(tmp_path):
    path = tmp_path / "s.db"
    async with opened(path) as store:
        second = SqliteStore(path)
        with pytest.raises(StoreError, match="is in use by process"):
            await second.start()
        await second.close()
        await store.append(append(b"1"))
    async with opened(path) as store:
        assert await payloads(store) == [b"1"]


async def test_file_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "s.db"
    async with opened(path) as store:
        await store.append(append(b"1"))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {database.SCHEMA_VERSION + 1}")
    newer = SqliteStore(path)
    with pytest.raises(StoreError, match="newer longwire"):
        await newer.start()
    await newer.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {database.SCHEMA_VERSION}")
    async with opened(path) as store:
        assert await payloads(store) == [b"1"]


async def test_file_of_the_first_version_is_brought_up_to_date(tmp_path, monkeypatch):
    path = tmp_path / "s.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        monkeypatch.setattr(database, "_STEPS", database._STEPS[:1])
        monkeypatch.setattr(database, "SCHEMA_VERSION", 1)
        database.prepare_database(connection, path)
        monkeypatch.undo()
        connection.execute(
            "INSERT INTO streams (name, epoch, settings, created_ms, newest_ms, tail, tail_link,"
            " kept_entries, kept_bytes) VALUES ('s', 'abcdefgh', ?, 1, 9000000000000, 1,"
            " x'0102030405060708', 1, 2)",
            (b'{"content_type":"application/json","retention":{}}',),
        )
        connection.execute(
            "INSERT INTO entries VALUES (1, 1, x'0102030405060708', x'0000000000000000',"
            " 9000000000000, 0, '', x'3432')"
        )
    async with opened(path) as store:
        assert await payloads(store) == [b"42"]
        assert (await store.append(append(b"43", create=None))).first.offset == 2
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        assert version == database.SCHEMA_VERSION


@pytest.mark.parametrize("kind", ["text", "database", "folder"])
async def test_file_of_something_else_is_refused_and_left_alone(tmp_path, kind):
    path = tmp_path / "other"
    if kind == "text":
        path.write_text("Dear diary, " * 1000)
    elif kind == "folder":
        path.mkdir()
    else:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE diary (text TEXT)")
    before = None if kind == "folder" else path.read_bytes()
    store = SqliteStore(path)
    with pytest.raises(StoreError, match="other"):
        await store.start()
    await store.close()
    if before is not None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            if kind == "database":
                assert connection.execute("SELECT count(*) FROM diary").fetchone() == (0,)
            else:
                assert path.read_bytes() == before


async def test_full_file_refuses_appends_and_goes_on_when_there_is_room(tmp_path):
    limit = 400_000
    async with opened(tmp_path / "s.db", file_bytes_max=limit) as store:
        stored = 0
        with pytest.raises(StoreFullError):
            while True:
                await store.append(append(b"x" * 10_000, stamp=("p", 0, stored)))
                stored += 1
        assert stored > 10
        assert (tmp_path / "s.db").stat().st_size <= limit
        assert "full" in store.health()
        assert len(await payloads(store)) == stored
        with pytest.raises(StoreFullError):
            await store.append(append(b"x" * 10_000, stamp=("p", 0, stored)))
        await store.create("other", settings())
        await store.delete("other")
        await store.delete("s")
        while True:  # the room is given back piece by piece
            try:
                appended = await store.append(append(b"x" * 100_000))
                break
            except StoreFullError:
                continue
        assert appended.first.offset == 1
        assert store.health() is None


async def test_publishers_are_told_that_the_file_is_full_and_nothing_was_stored(tmp_path):
    async with opened(tmp_path / "s.db", file_bytes_max=400_000) as store:
        hub = Hub(store)
        stored = 0
        with pytest.raises(StoreFullError, match="nothing was stored"):
            while True:
                await hub.publish(Publish("s", (NewEntry(b"x" * 10_000),), BYTES))
                stored += 1
        assert len(await payloads(store)) == stored > 10


async def test_streams_are_limited_in_number(tmp_path):
    async with opened(tmp_path / "s.db", streams_max=2) as store:
        await store.append(append(b"1", stream="a"))
        await store.append(append(b"1", stream="b"))
        with pytest.raises(StoreFullError, match="2 streams"):
            await store.append(append(b"1", stream="c"))
        await store.delete("a")
        await store.append(append(b"1", stream="c"))


async def test_what_waits_for_the_disk_is_limited(tmp_path):
    async with opened(tmp_path / "s.db", queued_bytes_max=5_000) as store:
        requests = [append(b"x" * 1_000, stream=f"s{number}") for number in range(9)]
        outcomes = await asyncio.gather(*map(store.append, requests), return_exceptions=True)
        refused = [o for o in outcomes if isinstance(o, StoreFullError)]
        assert 0 < len(refused) < 9
        assert len([name async for name in store.names()]) == 9 - len(refused)
        await store.append(append(b"x" * 9_000))  # alone it may be larger than that


async def test_producers_are_limited_in_number(tmp_path):
    async with opened(tmp_path / "s.db", producers_max=3, producers_forgotten_max=2) as store:
        for number in range(6):
            await store.append(append(b"1", stamp=(f"p{number}", 0, 0)))
        for number in (3, 4, 5):
            assert (await store.append(append(b"1", stamp=(f"p{number}", 0, 0)))).is_duplicate
        for number in (1, 2):
            with pytest.raises(ProducerUnknownError):
                await store.append(append(b"1", stamp=(f"p{number}", 0, 0)))
        assert not (await store.append(append(b"1", stamp=("p0", 0, 0)))).is_duplicate


async def test_store_that_is_not_open_says_so(tmp_path):
    store = SqliteStore(tmp_path / "s.db")
    with pytest.raises(StoreUnavailableError):
        await store.read("s", START, **ALL)
    await store.close()


# -- backup and restore -------------------------------------------------------------------------


async def test_backup_is_taken_while_the_file_is_written(tmp_path):
    path, copy = tmp_path / "s.db", tmp_path / "copy.db"
    async with opened(path) as store:
        for number in range(5):
            await store.append(append(b"%d" % number))
        assert backup(path, copy) > 0
        await store.append(append(b"5"))
        with pytest.raises(StoreError, match="overwrites nothing"):
            backup(path, copy)
        with pytest.raises(StoreError, match="in use"):
            restore(copy, path)
        tail = (await store.info("s")).tail
    restore(copy, path)
    async with opened(path) as store:
        assert len(await payloads(store)) == 5
        assert (await store.seek("s", tail)).reason is Reason.AHEAD
        await store.append(append(b"another"))
        assert (await store.seek("s", tail)).reason is Reason.DIVERGED


async def test_what_is_no_backup_is_not_restored(tmp_path):
    path = tmp_path / "s.db"
    async with opened(path) as store:
        await store.append(append(b"1"))
    with contextlib.closing(sqlite3.connect(tmp_path / "diary")) as connection:
        connection.execute("CREATE TABLE diary (text TEXT)")
    damaged = tmp_path / "damaged.db"
    backup(path, damaged)
    pages = bytearray(damaged.read_bytes())
    pages[8192:] = bytes(len(pages) - 8192)
    damaged.write_bytes(pages)
    for wrong, match in [
        ("missing", "does not exist"),
        ("diary", "no backup"),
        ("damaged.db", "."),
    ]:
        with pytest.raises(StoreError, match=match):
            restore(tmp_path / wrong, path)
    with pytest.raises(StoreError, match="nothing to copy"):
        backup(tmp_path / "missing", tmp_path / "copy")
    async with opened(path) as store:
        assert await payloads(store) == [b"1"]
    assert not list(tmp_path.glob("*.partial"))
