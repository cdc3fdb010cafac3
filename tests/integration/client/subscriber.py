"""Reads a stream and keeps effect and position in one transaction, until it is killed.

Arguments: URL, transport, database file, stream. The effect is one row for each message.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys

from longwire.client.client import Client
from longwire.client.events import Message


async def main(url: str, transport: str, path: str, stream: str) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE IF NOT EXISTS effects (number INTEGER)")
    database.execute("CREATE TABLE IF NOT EXISTS place (position TEXT)")
    row = database.execute("SELECT position FROM place").fetchone()

    def handle(message: Message[int]) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO effects VALUES (?)", (message.data,))
        database.execute("DELETE FROM place")
        database.execute("INSERT INTO place VALUES (?)", (str(message.position),))
        database.execute("COMMIT")

    async with Client(url, transports=[transport]) as client:
        position = None if row is None else row[0]
        client.subscribe(stream, handle, start="earliest", position=position)
        os.write(1, b"ready\n")
        await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
