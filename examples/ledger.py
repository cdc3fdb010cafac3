"""Payments: published once, booked once, whoever is killed when.

Run it:  longwire serve --dev
Then:    python ledger.py pay 250     # from an outbox on disk; returns when it is stored
         python ledger.py book        # books until it is stopped; kill it as often as you like
         python ledger.py total

LEDGER_URL is the server (http://127.0.0.1:8080), LEDGER_FOLDER where the files are (here).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

import longwire

URL = os.environ.get("LEDGER_URL", "http://127.0.0.1:8080")
FOLDER = Path(os.environ.get("LEDGER_FOLDER", "."))


def pay(cents: int) -> None:
    """What a web application would do in a view."""
    with longwire.SyncClient(URL, outbox_path=FOLDER / "payments.outbox") as client:
        ack = client.publish("payments", {"cents": cents})
        print(f"stored at {ack.position}, safe from: {ack.durability}")


def open_ledger() -> sqlite3.Connection:
    database = sqlite3.connect(FOLDER / "ledger.db", isolation_level=None)
    database.execute("CREATE TABLE IF NOT EXISTS bookings (cents INTEGER)")
    database.execute("CREATE TABLE IF NOT EXISTS place (position TEXT)")
    return database


async def book() -> None:
    """Effect and position in one transaction: each payment is booked once."""
    database = open_ledger()
    place = database.execute("SELECT position FROM place").fetchone()

    def handle(message) -> None:
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO bookings VALUES (?)", (message.data["cents"],))
            database.execute("DELETE FROM place")
            database.execute("INSERT INTO place VALUES (?)", (str(message.position),))
        print("booked", message.data["cents"], flush=True)

    async with longwire.Client(URL) as client:
        client.on_event(lambda event: print(event, file=sys.stderr))  # gaps are never silent
        position = place[0] if place else None
        client.subscribe("payments", handle, start="earliest", position=position)
        await asyncio.Event().wait()


def total() -> None:
    (cents,) = open_ledger().execute("SELECT coalesce(sum(cents), 0) FROM bookings").fetchone()
    print(cents)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pay", amount]:
            pay(int(amount))
        case ["book"]:
            asyncio.run(book())
        case ["total"]:
            total()
        case _:
            sys.exit("say one of: pay CENTS, book, total")
