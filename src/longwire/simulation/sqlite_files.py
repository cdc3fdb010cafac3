"""What SQLite does to its files, told operation by operation.

SQLite reaches files through a table of functions, its VFS (https://sqlite.org/vfs.html). Here the
default one is copied and ``xOpen`` replaced: every file that it opens gets a copy of its own table
of methods, in which writing, truncating and syncing tell a watcher before they are done. The
library is the one that Python's ``sqlite3`` has loaded, so programs need not know; where Python was
built with SQLite inside and its symbols hidden, :func:`watched` refuses.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from typing import Any, Protocol

from longwire.simulation.errors import NotSimulatedError, SimulationError

__all__ = ["Watcher", "watched"]


class Watcher(Protocol):
    """Is told what is about to happen to a file. Exceptions become SQLITE_IOERR."""

    def on_write(self, path: str, offset: int, data: bytes) -> None:
        """Octets are about to be written."""

    def on_truncate(self, path: str, length: int) -> None:
        """The file is about to be cut."""

    def on_sync(self, path: str) -> None:
        """The file was synced: what was written before is certain."""


class _File(Structure):
    """``sqlite3_file``: the beginning of whatever a VFS keeps of a file."""

    _fields_ = [("methods", c_void_p)]


# The path stays an address: SQLite and the real VFS keep it as long as the file is open.
_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(_File), c_int, POINTER(c_int))
_Close = CFUNCTYPE(c_int, POINTER(_File))
_Write = CFUNCTYPE(c_int, POINTER(_File), c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, POINTER(_File), c_int64)
_Sync = CFUNCTYPE(c_int, POINTER(_File), c_int)


class _Methods(Structure):
    """``sqlite3_io_methods`` of version 3; those that are only copied are plain addresses."""

    _fields_ = [
        ("version", c_int),
        ("close", _Close),
        ("read", c_void_p),
        ("write", _Write),
        ("truncate", _Truncate),
        ("sync", _Sync),
        ("others", c_void_p * 13),
    ]


class _Vfs(Structure):
    """``sqlite3_vfs`` of version 3."""

    _fields_ = [
        ("version", c_int),
        ("file_octets", c_int),
        ("path_octets_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _Open),
        ("others", c_void_p * 14),
    ]


_OK = 0
_IOERR_WRITE = 778
_VFS_VERSION = 3
_NAME = b"longwire-watched"


class _Shim:
    """The VFS around the default one. Made once: files that it opened may outlive every world."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        self._library.sqlite3_vfs_register.argtypes = [POINTER(_Vfs), c_int]
        self._real = self._library.sqlite3_vfs_find(None)
        if not self._real or self._real.contents.version < _VFS_VERSION:
            raise _refusal("it has another kind of VFS")
        self.watcher: Watcher | None = None
        self._paths: dict[int, str] = {}
        self._tables: dict[int, tuple[_Methods, _Methods]] = {}
        self._vfs = _Vfs.from_buffer_copy(self._real.contents)
        self._vfs.name = _NAME
        self._vfs.next = None
        self._vfs.open = _Open(self._open)
        self._register(self._vfs, is_default=False)

    def _register(self, vfs: _Vfs, *, is_default: bool) -> None:
        self._library.sqlite3_vfs_register(ctypes.byref(vfs), int(is_default))

    def set_default(self, is_default: bool) -> None:
        """Have SQLite open files by this VFS, or by the one that was there before."""
        self._register(self._vfs if is_default else self._real.contents, is_default=True)

    def _open(self, vfs: int, name: int | None, file: Any, flags: int, out: Any) -> int:
        done: int = self._real.contents.open(
            ctypes.cast(self._real, c_void_p), name, file, flags, out
        )
        methods = file.contents.methods
        if done == _OK and methods and name:
            self._paths[_key(file)] = os.fsdecode(ctypes.string_at(name))
            file.contents.methods = ctypes.addressof(self._table_for(methods))
        return done

    def _table_for(self, address: int) -> _Methods:
        """Return the methods at ``address`` with ours in place of some."""
        if address not in self._tables:
            real = _Methods.from_address(address)
            ours = _Methods.from_buffer_copy(real)
            ours.close = _Close(lambda file: self._close(real, file))
            ours.write = _Write(lambda *given: self._write(real, *given))
            ours.truncate = _Truncate(lambda *given: self._truncate(real, *given))
            ours.sync = _Sync(lambda *given: self._sync(real, *given))
            self._tables[address] = (real, ours)
        return self._tables[address][1]

    def _close(self, real: _Methods, file: Any) -> int:
        self._paths.pop(_key(file), None)
        done: int = real.close(file)
        return done

    def _write(self, real: _Methods, file: Any, data: int, count: int, offset: int) -> int:
        if self.watcher is not None:
            octets = ctypes.string_at(data, count)
            if not self._tell(file, "on_write", offset, octets):
                return _IOERR_WRITE
        done: int = real.write(file, data, count, offset)
        return done

    def _truncate(self, real: _Methods, file: Any, length: int) -> int:
        if not self._tell(file, "on_truncate", length):
            return _IOERR_WRITE
        done: int = real.truncate(file, length)
        return done

    def _sync(self, real: _Methods, file: Any, flags: int) -> int:
        done: int = real.sync(file, flags)
        if done == _OK and not self._tell(file, "on_sync"):
            return _IOERR_WRITE
        return done

    def _tell(self, file: Any, call: str, *values: Any) -> bool:
        """Tell the watcher; false when it failed, since nothing can be raised through C."""
        path = self._paths.get(_key(file))
        if self.watcher is None or path is None:
            return True
        try:
            getattr(self.watcher, call)(path, *values)
        except Exception:
            return False
        return True


def _key(file: Any) -> int:
    return ctypes.addressof(file.contents)


def _refusal(why: str) -> NotSimulatedError:
    return NotSimulatedError(
        "watching SQLite's files", f"{why}; use a Python that loads SQLite as a shared library"
    )


_shims: list[_Shim] = []


def _shim() -> _Shim:
    if not _shims:
        library = ctypes.CDLL(_sqlite3.__file__)
        if not hasattr(library, "sqlite3_vfs_find"):
            raise _refusal("this Python hides the symbols of its SQLite")
        _shims.append(_Shim(library))
    return _shims[0]


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell ``watcher`` of all that SQLite does to files which are opened in this block.

    Raises NotSimulatedError where this Python does not let it, and SimulationError when another
    watches already.
    """
    shim = _shim()
    if shim.watcher is not None:
        raise SimulationError("somebody watches the files of SQLite already")
    shim.watcher = watcher
    shim.set_default(True)
    try:
        yield
    finally:
        shim.set_default(False)
        shim.watcher = None
