"""An outbox in a file: what was published survives the process, in order and under its numbers.

One process owns the file at a time. Everything is written by one thread, many changes in one
transaction with ``synchronous=FULL``; a publish is sent only after its row is on the disk, so a
number that the server has seen is never given to another message.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from longwire.client.errors import ClientError
from longwire.client.outbox import Kept, KeptProducer
from longwire.client.payloads import Payload
from longwire.client.producer import Pending

__all__ = ["DiskJournal"]

logger = logging.getLogger("longwire.client")

_APPLICATION_ID = 0x6C776F62  # "lwob"
_VERSION = 1
_SCHEMA = """
CREATE TABLE owner (producer_id TEXT NOT NULL);
CREATE TABLE producers (
    stream TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL,
    accepted INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE pending (
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    options BLOB NOT NULL,
    batch BLOB NOT NULL
)
"""

_encode = msgspec.msgpack.Encoder().encode
_decode_batch = msgspec.msgpack.Decoder(tuple[Payload, ...]).decode
_decode_options = msgspec.msgpack.Decoder(dict[str, Any]).decode

Change = tuple[str, tuple[Any, ...]]


class DiskJournal:
    """A :class:`~longwire.client.outbox.Journal` in the SQLite file ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "longwire-outbox")
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._next_row = 1
        self._changes: list[Change] = []
        self._waiting: list[Callable[[], None]] = []
        self._writer: asyncio.Task[None] | None = None

    async def open(self) -> Kept:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._open_or_release)
        except (sqlite3.Error, OSError) as error:
            raise ClientError(
                "outbox_unusable", f"the outbox {self._path} cannot be used: {error}"
            ) from error

    def _open_or_release(self) -> Kept:
        try:
            return self._open()
        except BaseException:
            self._release()
            self._thread.shutdown(wait=False)
            raise

    def _open(self) -> Kept:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._acquire()
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._connection = connection
        connection.execute("PRAGMA synchronous = FULL")
        self._prepare(connection)  # first, so that a file of others is left as it is
        connection.execute("PRAGMA journal_mode = WAL")
        return self._read(connection)

    def _acquire(self) -> None:
        path = self._path.with_name(self._path.name + ".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise ClientError(
                "outbox_in_use",
                f"the outbox {self._path} is in use by another client: an outbox has one owner, or "
                "the order of what it sends would be lost",
                retry=True,
            ) from None
        self._lock = descriptor

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if not tables:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute("INSERT INTO owner VALUES (?)", (secrets.token_hex(16),))
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            elif application != _APPLICATION_ID:
                raise sqlite3.DatabaseError("it is no outbox of longwire")
            elif version != _VERSION:
                raise sqlite3.DatabaseError(f"its layout is version {version}, not {_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _read(self, connection: sqlite3.Connection) -> Kept:
        (producer_id,) = connection.execute("SELECT producer_id FROM owner").fetchone()
        producers = [
            KeptProducer(*row)
            for row in connection.execute(
                "SELECT stream, epoch, next_sequence, accepted FROM producers"
            )
        ]
        pending = []
        for row, stream, sequence, options, batch in connection.execute(
            "SELECT id, stream, sequence, options, batch FROM pending ORDER BY id"
        ):
            # Whether one with a number was sent is not known, and it may be stored.
            has_number = sequence >= 0
            pending.append(
                Pending(
                    stream,
                    _decode_batch(batch),
                    _decode_options(options),
                    row=row,
                    sequence=sequence if has_number else None,
                    is_uncertain=has_number,
                )
            )
            self._next_row = row + 1
        return Kept(producer_id, producers, pending)

    # -- changes --------------------------------------------------------------------------------

    def add(self, pending: Pending, producer: KeptProducer, done: Callable[[], None]) -> None:
        pending.row = self._next_row
        self._next_row += 1
        # One without a number gets it when it may be sent, which is kept then.
        sequence = -1 if pending.sequence is None else pending.sequence
        values = (pending.row, pending.stream, sequence)
        content = (_encode(dict(pending.options)), _encode(pending.batch))
        self._changes.append(("INSERT INTO pending VALUES (?, ?, ?, ?, ?)", values + content))
        self._keep(producer)
        self._write(done)

    def renumber(
        self, changed: Sequence[Pending], producer: KeptProducer, done: Callable[[], None]
    ) -> None:
        for pending in changed:
            values = (pending.sequence, pending.row)
            self._changes.append(("UPDATE pending SET sequence = ? WHERE id = ?", values))
        self._keep(producer)
        self._write(done)

    def remove(
        self, pending: Pending, producer: KeptProducer, done: Callable[[], None] | None
    ) -> None:
        self._changes.append(("DELETE FROM pending WHERE id = ?", (pending.row,)))
        self._keep(producer)
        self._write(done)

    def _keep(self, producer: KeptProducer) -> None:
        values = (producer.stream, producer.epoch, producer.next_sequence, producer.accepted)
        self._changes.append(("INSERT OR REPLACE INTO producers VALUES (?, ?, ?, ?)", values))

    def _write(self, done: Callable[[], None] | None) -> None:
        if done is not None:
            self._waiting.append(done)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._work_off())

    async def _work_off(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._changes:
                changes, self._changes = self._changes, []
                waiting, self._waiting = self._waiting, []
                if await loop.run_in_executor(self._thread, self._commit, changes):
                    for done in waiting:
                        done()
                else:
                    # Not kept, so not sent: tried again with what comes next, or in a while.
                    self._changes = changes + self._changes
                    self._waiting = waiting + self._waiting
                    await asyncio.sleep(1.0)
        finally:
            self._writer = None

    def _commit(self, changes: Sequence[Change]) -> bool:
        connection = self._connection
        assert connection is not None
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement, values in changes:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            logger.error("the outbox %s cannot be written: %s", self._path, error)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return False
        return True

    # -- the end --------------------------------------------------------------------------------

    async def close(self) -> None:
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=5.0)
            if self._writer is not None:
                self._writer.cancel()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._release)
        self._thread.shutdown()

    def abandon(self) -> None:
        # SQLite allows nothing to a connection that was carried over a fork, not even its closing.
        self._let_go()

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            # A child that was forked just now may not have closed its copy yet.
            with contextlib.suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_UN)
        self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = None
