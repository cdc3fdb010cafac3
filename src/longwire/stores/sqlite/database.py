"""The file: who may open it, what is in it, and how it gets from an older layout to this one."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from longwire.base.errors import StoreError

__all__ = [
    "APPLICATION_ID",
    "SCHEMA_VERSION",
    "FileLock",
    "open_database",
    "open_reader",
    "prepare_database",
]

APPLICATION_ID = 0x6C776972
"""Marks the file as longwire's (``PRAGMA application_id``): "lwir"."""

_LOG = """
-- AUTOINCREMENT: the number of a stream that is gone is not used again, as its rows go later.
CREATE TABLE streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    settings BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    newest_ms INTEGER NOT NULL,
    floor INTEGER NOT NULL DEFAULT 0,
    floor_link BLOB NOT NULL DEFAULT x'0000000000000000',
    tail INTEGER NOT NULL DEFAULT 0,
    tail_link BLOB NOT NULL DEFAULT x'0000000000000000',
    is_closed INTEGER NOT NULL DEFAULT 0,
    kept_entries INTEGER NOT NULL DEFAULT 0,
    kept_bytes INTEGER NOT NULL DEFAULT 0
);
-- kind: 0 an entry; 1 superseded, kept for its link; 2 erased.
CREATE TABLE entries (
    stream INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    link BLOB NOT NULL,
    previous_link BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    payload BLOB NOT NULL
);
-- Rows lie in the order in which they came, which costs half of what a tree by stream would.
CREATE UNIQUE INDEX entries_by_place ON entries (stream, offset);
-- Of streams that keep the latest: which entry it is.
CREATE TABLE latest (
    stream INTEGER NOT NULL,
    key TEXT NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (stream, key)
) WITHOUT ROWID;
CREATE TABLE producers (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    principal TEXT NOT NULL,
    producer TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL,
    used_ms INTEGER NOT NULL,
    is_forgotten INTEGER NOT NULL,
    results BLOB NOT NULL,
    UNIQUE (stream, principal, producer)
);
CREATE INDEX producers_by_use ON producers (stream, is_forgotten, used_ms);
"""

_LIVES = """
ALTER TABLE streams ADD COLUMN inherited BLOB NOT NULL DEFAULT '[]';
ALTER TABLE streams ADD COLUMN fork BLOB NOT NULL DEFAULT 'null';
ALTER TABLE streams ADD COLUMN fork_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN is_deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN application_sequence TEXT;
ALTER TABLE streams ADD COLUMN deadline_ms INTEGER;
CREATE INDEX streams_by_deadline ON streams (deadline_ms) WHERE deadline_ms IS NOT NULL;
-- Streams that are gone, whose rows are not yet.
CREATE TABLE doomed (stream INTEGER PRIMARY KEY);
"""

_STEPS = (_LOG, _LIVES)
"""Each step leads from one version to the next; what has been published is never changed."""

SCHEMA_VERSION = len(_STEPS)

_BUSY_TIMEOUT_S = 5.0
_JOURNAL_BYTES_MAX = 64 * 1024 * 1024
_CHECKPOINT_PAGES = 4_096
"""Pages in the write-ahead log before they are copied to the file: 16 MiB. Pages that change all
the time (heads, producers) are copied once for many commits."""


class FileLock:
    """Holds ``PATH.lock``, so that one process writes to a file: it keeps the tails in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises ``StoreError`` when another process holds it, or when it cannot be made."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be opened: {error}", retryable=False) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreError(
                f"{self._path.with_suffix('')} is in use by process {holder}; several servers share"
                " one set of streams over redis://, not over one file",
                retryable=True,
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others have it. The file stays: to remove it would let two hold it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def open_database(path: Path, *, pages_max: int | None = None) -> sqlite3.Connection:
    """Open the file for the one who writes. ``synchronous=FULL``: a commit is on the disk."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES_MAX}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if pages_max is not None:
            connection.execute(f"PRAGMA max_page_count = {pages_max}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the file for one who only reads."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def prepare_database(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or bring those of an older version up to date, in one transaction.

    Raises ``StoreError`` for a file of a newer version and for one that is not longwire's.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _check_version(connection, path)
        for step in _STEPS[version:]:
            for statement in _split(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        raise StoreError(f"{path} is a database of something else than longwire", retryable=False)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer longwire: its layout is version {version}, this one "
            f"knows {SCHEMA_VERSION}; upgrade longwire, or restore an older backup",
            retryable=False,
        )
    return int(version) if tables else 0


def _split(script: str) -> list[str]:
    """The statements of a script. ``executescript`` would commit in between."""
    lines = (line for line in script.splitlines() if not line.startswith("--"))
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]
