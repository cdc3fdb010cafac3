"""Copies of the file: one taken while it is in use, and one put in its place."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from longwire.base.errors import StoreError
from longwire.stores.sqlite.database import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    FileLock,
    open_reader,
)

__all__ = ["backup", "restore"]

_PAGES_PER_STEP = 4_096


def backup(path: Path, destination: Path) -> int:
    """Copy the streams in ``path`` to a new file, also while a server writes them; return its size.

    The copy is of one moment and has everything that was acknowledged before. It is on the disk
    when this returns. Raises ``StoreError``.
    """
    if not path.exists():
        raise StoreError(f"{path} does not exist: there is nothing to copy", retryable=False)
    if destination.exists():
        raise StoreError(f"{destination} exists: a backup overwrites nothing", retryable=False)
    partial = destination.with_name(destination.name + ".partial")
    try:
        _copy(path, partial)
        os.rename(partial, destination)
        _sync(destination.parent)
    except (sqlite3.Error, OSError) as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise StoreError(
            f"{path} cannot be copied to {destination}: {error}", retryable=True
        ) from None
    return destination.stat().st_size


def restore(copy: Path, path: Path) -> None:
    """Put the streams of a backup in the place of those in ``path``.

    The file must not be in use. What it held before is lost; readers and producers that have seen
    more than the backup holds are told so when they come back. Raises ``StoreError``.
    """
    if not copy.exists():
        raise StoreError(f"{copy} does not exist", retryable=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    lock.acquire()
    partial = path.with_name(path.name + ".partial")
    try:
        _check(copy)
        _copy(copy, partial)
        # What belongs to the old file would be taken for the new one's.
        for ending in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + ending).unlink()
        os.rename(partial, path)
        _sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{copy} cannot be restored to {path}: {error}", retryable=False) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
        lock.release()


def _copy(source: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        target.unlink()
    with (
        contextlib.closing(open_reader(source)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
    ):
        # One moment is held from here on: a step that found the file changed since the one before
        # would begin anew, and never come to the end while a server writes.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        reading.backup(writing, pages=_PAGES_PER_STEP)
        # The copy is one file, whoever looks at it first.
        writing.execute("PRAGMA journal_mode = DELETE")
    _sync(target)


def _check(copy: Path) -> None:
    with contextlib.closing(open_reader(copy)) as reading:
        (application,) = reading.execute("PRAGMA application_id").fetchone()
        (version,) = reading.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise StoreError(f"{copy} is no backup of longwire's streams", retryable=False)
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{copy} was made by a newer longwire: its layout is version {version}, this one "
                f"knows {SCHEMA_VERSION}",
                retryable=False,
            )
        (verdict,) = reading.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StoreError(f"{copy} is damaged: {verdict}", retryable=False)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
