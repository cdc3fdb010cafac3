"""Entries packed into one statement: what lies in the file is what one by one would be there."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.stores.sqlite.database import open_database, prepare_database
from longwire.stores.sqlite.packing import PACKED_BYTES_MAX, PACKED_ENTRIES_MAX, PackedEntries
from longwire.streams.entry import BYTES, Entry
from longwire.streams.position import FIRST_LINK, Position, next_link

ROW = "stream, offset, link, previous_link, time_ms, kind, key, payload"

batches = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 9_000_000_000_000_000_000]),  # the stream
        st.integers(0, 2),  # how much later it is
        st.lists(st.tuples(st.binary(max_size=20), st.sampled_from(["", "k", "\0ü"])), max_size=4),
    ),
    max_size=12,
)


def chained(tail, pairs, time_ms):
    entries = []
    for payload, key in pairs:
        link = next_link(tail.link, payload)
        position = Position(tail.offset + 1, "epoch000", link)
        entries.append(Entry(position, tail, payload, time_ms, BYTES, key))
        tail = position
    return entries


def stored(connection):
    return connection.execute(f"SELECT {ROW} FROM entries ORDER BY rowid").fetchall()


def opened(path=":memory:"):
    connection = open_database(path)
    prepare_database(connection, path)
    return connection


@given(batches)
def test_rows_are_those_of_the_entries_in_order(batches):
    connection = opened()
    packed = PackedEntries(connection)
    tails = dict.fromkeys((1, 2, 9_000_000_000_000_000_000), Position(10, "epoch000", FIRST_LINK))
    time_ms, expected = 1_700_000_000_000, []
    for stream, later_ms, pairs in batches:
        time_ms += later_ms
        entries = chained(tails[stream], pairs, time_ms)
        packed.add(stream, entries)
        for entry in entries:
            tails[stream] = entry.position
            expected.append(
                (
                    stream,
                    entry.position.offset,
                    entry.position.link,
                    entry.previous.link,
                    entry.time_ms,
                    0,
                    entry.key,
                    entry.payload,
                )
            )
    packed.insert()
    assert stored(connection) == expected
    packed.insert()  # nothing is left
    assert len(stored(connection)) == len(expected)
    connection.close()


def test_what_is_cleared_is_not_inserted():
    connection = opened()
    packed = PackedEntries(connection)
    start = Position(0, "epoch000", FIRST_LINK)
    packed.add(1, chained(start, [(b"lost", "")], 1))
    packed.clear()
    packed.add(1, chained(start, [(b"kept", "")], 1))
    packed.insert()
    assert [row[-1] for row in stored(connection)] == [b"kept"]
    connection.close()


def test_payloads_are_inserted_when_they_are_many_bytes_and_not_before():
    connection = opened()
    packed = PackedEntries(connection)
    start = Position(0, "epoch000", FIRST_LINK)
    packed.add(1, chained(start, [(bytes(PACKED_BYTES_MAX - 1), "")], 1))
    packed.add(2, chained(start, [(b"1", "")], 1))
    assert stored(connection) == []
    packed.add(3, chained(start, [(b"2", "")], 1))
    assert [row[0] for row in stored(connection)] == [1, 2]
    packed.insert()
    assert [row[0] for row in stored(connection)] == [1, 2, 3]
    connection.close()


def test_entries_are_inserted_when_they_are_many_and_not_before():
    connection = opened()
    packed = PackedEntries(connection)
    start = Position(0, "epoch000", FIRST_LINK)
    entries = chained(start, [(b"%d" % number, "") for number in range(PACKED_ENTRIES_MAX + 1)], 1)
    packed.add(1, entries[:-1])
    assert stored(connection) == []
    packed.add(1, entries[-1:])
    assert len(stored(connection)) == PACKED_ENTRIES_MAX
    packed.insert()
    rows = stored(connection)
    assert [row[1] for row in rows] == [entry.position.offset for entry in entries]
    assert [row[3] for row in rows] == [entry.previous.link for entry in entries]
    assert [row[7] for row in rows] == [entry.payload for entry in entries]
    connection.close()


def test_an_entry_that_is_there_already_fails_the_whole_statement():
    connection = opened()
    packed = PackedEntries(connection)
    entries = chained(Position(0, "epoch000", FIRST_LINK), [(b"1", ""), (b"2", "")], 1)
    packed.add(1, entries[1:])
    packed.insert()
    packed.add(1, entries)
    with pytest.raises(sqlite3.IntegrityError):
        packed.insert()
    assert len(stored(connection)) == 1
    connection.close()
