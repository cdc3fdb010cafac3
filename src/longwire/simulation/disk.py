"""A disk that loses power: files as a crash leaves them.

Only what was synced is certain. What was written since may be on the disk or not, each write for
itself, a part of it (whole sectors), or with an octet that is wrong. Names of files are certain:
creating and deleting one is not undone. Memory that processes share through a file, which SQLite
keeps in ``-shm``, is gone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from longwire.simulation.sqlite_files import watched
from longwire.tcpip.randomness import RandomStream

__all__ = ["Disk"]

SECTOR_OCTETS = 512
_GONE = "-shm"


@dataclass(frozen=True, slots=True)
class _Change:
    """A write, or with ``data`` ``None`` a cut to ``offset``; and what was there before."""

    offset: int
    data: bytes | None
    before: bytes
    length_before: int


class Disk:
    """Watches what SQLite writes, and tells what a loss of power would leave of it.

    ``stream`` decides over what was not synced. ::

        disk = Disk(world.stream("disk"))
        with disk.watched():
            world.run(main())        # main copies with disk.crash_copy(folder, another)
    """

    def __init__(self, stream: RandomStream) -> None:
        self._stream = stream
        self._unsynced: dict[str, list[_Change]] = {}
        self._crash: tuple[int, Callable[[], object]] | None = None
        self.operations = 0
        """Writes, cuts and syncs so far."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the files that SQLite opens in this block. Raises NotSimulatedError."""
        with watched(self):
            yield

    def unsynced(self, path: Path) -> int:
        """Return how many writes to a file no sync has covered."""
        return len(self._unsynced.get(str(path), ()))

    def crash_after(self, operations: int, call: Callable[[], object]) -> None:
        """Call ``call`` in the middle of SQLite's work: before that operation, counted from now.

        It is to copy the files as a crash leaves them, and to see to it that the process runs no
        further, as ``world.at(0, host.crash)`` does. Raises ValueError below 1.
        """
        if operations < 1:
            raise ValueError(f"a crash comes before operation 1 or later, not {operations}")
        self._crash = (self.operations + operations, call)

    def cancel_crash(self) -> None:
        """Do not call what :meth:`crash_after` was given, if it was not called yet."""
        self._crash = None

    def crash_copy(self, source: Path, target: Path) -> None:
        """Copy a folder's files to ``target`` as a crash at this moment leaves them."""
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.iterdir()):
            if path.is_dir():
                self.crash_copy(path, target / path.name)
            elif not path.name.endswith(_GONE):
                shutil.copyfile(path, target / path.name)
                changes = self._unsynced.get(str(path))
                if changes:
                    (target / path.name).write_bytes(self._damaged(path.read_bytes(), changes))

    # What SQLite does

    def on_write(self, path: str, offset: int, data: bytes) -> None:
        self._count()
        self._add(path, offset, data, len(data))

    def on_truncate(self, path: str, length: int) -> None:
        self._count()
        self._add(path, length, None, max(0, _length(path) - length))

    def on_sync(self, path: str) -> None:
        self._count()
        self._unsynced.pop(path, None)

    def _count(self) -> None:
        self.operations += 1
        if self._crash is not None and self.operations >= self._crash[0]:
            call, self._crash = self._crash[1], None
            call()

    def _add(self, path: str, offset: int, data: bytes | None, count: int) -> None:
        with open(path, "rb") as file:
            file.seek(offset)
            before = file.read(count)
        change = _Change(offset, data, before, _length(path))
        self._unsynced.setdefault(path, []).append(change)

    # What a crash does

    def _damaged(self, content: bytes, changes: list[_Change]) -> bytes:
        """Return the content as of the last sync, with some of what was written since."""
        image = bytearray(content)
        for change in reversed(changes):
            _undo(image, change)
        for change in changes:
            self._redo_in_part(image, change)
        return bytes(image)

    def _redo_in_part(self, image: bytearray, change: _Change) -> None:
        fate = self._stream.below(4)
        if fate == 0:
            return
        if change.data is None:
            del image[change.offset :]
            return
        data = bytearray(change.data)
        if fate == 1:
            sectors = -(-len(data) // SECTOR_OCTETS)
            del data[self._stream.below(sectors + 1) * SECTOR_OCTETS :]
        elif fate == 2 and data:
            data[self._stream.below(len(data))] ^= 1 << self._stream.below(8)
        _put(image, change.offset, data)


def _length(path: str) -> int:
    return os.stat(path).st_size


def _put(image: bytearray, offset: int, data: bytes | bytearray) -> None:
    if data and len(image) < offset:
        image += bytes(offset - len(image))
    image[offset : offset + len(data)] = data


def _undo(image: bytearray, change: _Change) -> None:
    if change.data is None:
        _put(image, change.offset, change.before)
        return
    _put(image, change.offset, change.before)
    del image[change.length_before :]
