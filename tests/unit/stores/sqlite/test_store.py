"""The SQLite store, where the contract of all stores says nothing."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from longwire.stores.sqlite.reader import Moment
from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.entry import NewEntry
from longwire.streams.errors import StoreUnavailableError
from longwire.streams.position import START
from longwire.streams.store import Append, StreamInfo, StreamSettings
from longwire.streams.verdict import StartAt

APPEND = Append("s", (NewEntry(b"1"),), create=StreamSettings())


async def started(folder: Path) -> SqliteStore:
    """A store that holds one entry."""
    store = SqliteStore(folder / "a.sqlite")
    await store.start()
    await store.append(APPEND)
    return store


async def test_store_that_is_being_closed_takes_nothing_more(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.sqlite")
    await store.start()
    stored = await store.append(APPEND)
    closing = asyncio.create_task(store.close())
    # One who never pauses does not keep it open, nor is anything stored once it is.
    with pytest.raises(StoreUnavailableError, match="the store is closed"):
        while True:
            stored = await store.append(APPEND)
    await closing
    # The file is not held open behind the back of the next process.
    assert not (tmp_path / "a.sqlite-wal").exists()
    again = SqliteStore(tmp_path / "a.sqlite")
    await again.start()
    info = await again.info("s")
    assert info is not None
    assert info.tail == stored.last
    await again.close()


async def test_who_reads_when_the_store_is_closed_gets_an_answer(tmp_path: Path) -> None:
    store = await started(tmp_path)
    begun, gate = threading.Event(), threading.Event()

    def wait_and_look(moment: Moment) -> StreamInfo | None:
        begun.set()
        gate.wait(30)
        return Moment(moment._connection, "s", 0).info()

    reading = asyncio.create_task(store._look("s", wait_and_look))
    await asyncio.to_thread(begun.wait, 30)
    closing = asyncio.create_task(store.close())
    await asyncio.wait([closing], timeout=0.2)  # it would close what is read from by then
    gate.set()
    info, _ = await reading
    assert info is not None and info.tail.offset == 1
    await closing


async def test_store_that_is_closed_is_not_read_from(tmp_path: Path) -> None:
    store = await started(tmp_path)
    names = store.names()
    assert await anext(names) == "s"
    await store.close()
    for asked in (
        store.info("s"),
        store.seek("s", StartAt.TAIL),
        store.read("s", START, entries_max=1, bytes_max=1),
        store.read_back("s", None, entries_max=1, bytes_max=1),
        anext(names),
        anext(store.names()),
    ):
        with pytest.raises(StoreUnavailableError, match="closed"):
            await asked
