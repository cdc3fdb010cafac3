"""An outbox in a file: what it keeps, and whose it is."""

import asyncio
import os
import sqlite3

import pytest

from longwire.client.disk_outbox import DiskJournal
from longwire.client.errors import ClientError
from longwire.client.outbox import KeptProducer
from longwire.client.payloads import encode_payload
from longwire.client.producer import Pending


def pending(number, sequence=None, **options):
    batch = (encode_payload({"n": number}, "key"), encode_payload(bytes([number])))
    return Pending("s", batch, options, sequence=sequence)


async def add(journal, *items, next_sequence=0):
    written = asyncio.Event()
    for item in items:
        journal.add(item, KeptProducer("s", 0, next_sequence, 0), written.set)
    await asyncio.wait_for(written.wait(), 20)


async def opened(path):
    journal = DiskJournal(path)
    return journal, await journal.open()


async def test_what_was_added_is_there_again_in_order(tmp_path):
    path = tmp_path / "new" / "outbox.db"
    journal, kept = await opened(path)
    assert (kept.producers, kept.pending) == ([], [])
    items = [pending(number, number, if_tail="x") for number in range(5)]
    await add(journal, *items, next_sequence=5)
    journal.remove(items[0], KeptProducer("s", 0, 5, 1), None)
    await journal.close()
    journal, again = await opened(path)
    assert again.producer_id == kept.producer_id
    assert again.producers == [KeptProducer("s", 0, 5, 1)]
    assert [item.sequence for item in again.pending] == [1, 2, 3, 4]
    assert again.pending[0].batch == items[1].batch
    assert again.pending[0].options == {"if_tail": "x"}
    assert all(item.is_uncertain for item in again.pending)
    await add(journal, pending(5, 5))
    await journal.close()
    journal, last = await opened(path)
    assert [item.sequence for item in last.pending] == [1, 2, 3, 4, 5]
    await journal.close()


async def test_other_numbers_are_kept(tmp_path):
    path = tmp_path / "outbox.db"
    journal, _ = await opened(path)
    items = [pending(number, number) for number in range(2)]
    await add(journal, *items)
    written = asyncio.Event()
    items[1].sequence = 0
    journal.renumber([items[1]], KeptProducer("s", 1, 1, 0), written.set)
    journal.remove(items[0], KeptProducer("s", 1, 1, 0), None)
    await asyncio.wait_for(written.wait(), 20)
    await journal.close()
    journal, kept = await opened(path)
    assert [(item.sequence, item.batch) for item in kept.pending] == [(0, items[1].batch)]
    assert kept.producers == [KeptProducer("s", 1, 1, 0)]
    await journal.close()


async def test_what_had_no_number_was_not_sent(tmp_path):
    path = tmp_path / "outbox.db"
    journal, _ = await opened(path)
    await add(journal, pending(0, 0), pending(1), next_sequence=1)
    await journal.close()
    journal, kept = await opened(path)
    assert [(item.sequence, item.is_uncertain) for item in kept.pending] == [
        (0, True),
        (None, False),
    ]
    await journal.close()


async def test_file_has_one_owner_until_it_is_closed(tmp_path):
    path = tmp_path / "outbox.db"
    journal, _ = await opened(path)
    with pytest.raises(ClientError) as caught:
        await opened(path)
    assert (caught.value.code, caught.value.retry) == ("outbox_in_use", True)
    await journal.close()
    journal, _ = await opened(path)
    await journal.close()


async def test_file_that_is_something_else_is_left_alone(tmp_path):
    text, other, newer = tmp_path / "text", tmp_path / "other.db", tmp_path / "newer.db"
    text.write_text("no database at all, but long enough to be read as one" * 20)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE mine (x)")
    journal, _ = await opened(newer)
    await journal.close()
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 9")
    for path, says in ((text, "not a database"), (other, "no outbox"), (newer, "version 9")):
        before = path.read_bytes()
        with pytest.raises(ClientError, match=says) as caught:
            await opened(path)
        assert caught.value.code == "outbox_unusable"
        assert path.read_bytes() == before
    # And it is nobody's afterwards.
    with pytest.raises(ClientError, match="no outbox"):
        await opened(other)


async def test_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ClientError) as caught:
        await opened(tmp_path / "file" / "outbox.db")
    assert caught.value.code == "outbox_unusable"


async def test_what_cannot_be_written_now_is_written_later(tmp_path):
    path = tmp_path / "outbox.db"
    journal, _ = await opened(path)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    written = asyncio.Event()
    journal.add(pending(1, 0), KeptProducer("s", 0, 1, 0), written.set)
    await asyncio.sleep(0.1)
    assert not written.is_set()
    blocker.execute("COMMIT")
    blocker.close()
    await asyncio.wait_for(written.wait(), 30)
    await journal.close()


async def test_child_that_abandons_it_leaves_it_to_the_parent(tmp_path):
    path = tmp_path / "outbox.db"
    journal, _ = await opened(path)
    child = os.fork()
    if child == 0:
        journal.abandon()
        os._exit(0)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    with pytest.raises(ClientError, match="in use"):
        await opened(path)
    await add(journal, pending(1, 0))
    await journal.close()
