"""The SQLite store, where the contract of all stores says nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.entry import NewEntry
from longwire.streams.errors import StoreUnavailableError
from longwire.streams.store import Append, StreamSettings


async def test_store_that_is_being_closed_takes_nothing_more(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.sqlite")
    await store.start()
    append = Append("s", (NewEntry(b"1"),), create=StreamSettings())
    stored = await store.append(append)
    closing = asyncio.create_task(store.close())
    # One who never pauses does not keep it open, nor is anything stored once it is.
    with pytest.raises(StoreUnavailableError, match="the store is closed"):
        while True:
            stored = await store.append(append)
    await closing
    # The file is not held open behind the back of the next process.
    assert not (tmp_path / "a.sqlite-wal").exists()
    again = SqliteStore(tmp_path / "a.sqlite")
    await again.start()
    info = await again.info("s")
    assert info is not None
    assert info.tail == stored.last
    await again.close()
