"""Publishes into an SQLite file until it is killed, and says what was acknowledged.

Arguments: the file, how many producers. Each line on standard output is written at once:
``PRODUCER SEQUENCE OFFSET``. A producer begins with the sequence after the last one that is stored.
"""

from __future__ import annotations

import asyncio
import os
import sys

from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.entry import Durability, NewEntry
from longwire.streams.position import START
from longwire.streams.producer import ProducerStamp
from longwire.streams.store import Append, StreamSettings

SETTINGS = StreamSettings()


async def publish(store: SqliteStore, producer: int, sequence: int) -> None:
    while True:
        payload = b"%d:%d" % (producer, sequence)
        appended = await store.append(
            Append(
                f"s{producer % 3}",
                [NewEntry(payload)],
                producer=ProducerStamp(f"p{producer}", 0, sequence),
                create=SETTINGS,
            )
        )
        assert appended.durability is Durability.DISK
        assert appended.last is not None
        os.write(1, b"%d %d %d\n" % (producer, sequence, appended.last.offset))
        sequence += 1


async def main(path: str, producers: int) -> None:
    store = SqliteStore(path)
    await store.start()
    begin = [0] * producers
    for number in range(3):
        page = await store.read(f"s{number}", START, entries_max=10**6, bytes_max=1 << 30)
        for entry in page.entries:
            producer, sequence = map(int, entry.payload.split(b":"))
            begin[producer] = sequence + 1
    os.write(1, b"ready\n")
    # The first one again: whether it was stored is asked, not known, as after a lost answer.
    await asyncio.gather(
        *(publish(store, number, max(0, at - 1)) for number, at in enumerate(begin))
    )


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
