"""What a descriptor stands for, and the table of descriptors.

As in a kernel, several descriptors may stand for one open file (``dup``), which is closed with the
last of them.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections.abc import Callable
from typing import Any, Protocol

from longwire.simulation.process import Life, Process

__all__ = ["DESCRIPTOR_FIRST", "DescriptorTable", "OpenFile", "number_of", "os_error"]

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE

DESCRIPTOR_FIRST = 1_000_000
"""Far above what a real process has, so that none is ever taken for the other."""


def os_error(number: int) -> OSError:
    """Return the exception that Python makes of an ``errno``."""
    return OSError(number, os.strerror(number))


def number_of(fileobj: Any) -> int:
    """Return the descriptor of an object that has one. Raises ValueError when it is closed."""
    number = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    if number < 0:
        raise ValueError(f"{fileobj!r} is closed")
    return number


class DescriptorWatcher(Protocol):
    """What watches descriptors besides the loop: an epoll."""

    def look_at(self, number: int) -> None:
        """The file of a descriptor has news."""

    def forget(self, number: int) -> None:
        """A descriptor was closed."""


class OpenFile:
    """A socket as the kernel sees it. Calls never wait: they raise BlockingIOError instead."""

    kind = "socket"

    def __init__(self, process: Process, family: int, type_: int, protocol: int) -> None:
        self.process = process
        self.host = process.host
        self.family = socket.AddressFamily(family)
        self.type = socket.SocketKind(type_)
        self.protocol = protocol
        self.descriptors: dict[int, None] = {}
        self.watchers: dict[DescriptorWatcher, None] = {}

    def events(self) -> int:
        """Return what would not wait now, as the ``selectors`` module has it."""
        raise NotImplementedError

    def is_broken(self) -> bool:
        """Return whether it failed, which ``epoll`` reports to who did not ask, too."""
        return False

    def release(self) -> None:
        """The last descriptor was closed."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return what it is, for people."""
        raise NotImplementedError

    def changed(self) -> None:
        """Have whoever waits for this look again."""
        self.host.world.descriptors.changed(self)


class DescriptorTable:
    """All descriptors of a world."""

    def __init__(self) -> None:
        self._next = DESCRIPTOR_FIRST
        self._files: dict[int, OpenFile] = {}
        self.on_change: Callable[[int], None] = lambda _: None
        """Called with each descriptor whose file has news."""
        self.on_close: Callable[[int], None] = lambda _: None

    def open(self, file: OpenFile) -> int:
        """Return a new descriptor. Raises OSError (EMFILE) when the process has too many."""
        process = file.process
        if len(process.files) >= process.host.descriptors_max:
            raise os_error(errno.EMFILE)
        number = self._next
        self._next += 1
        self._files[number] = process.files[number] = file
        file.descriptors[number] = None
        return number

    def get(self, number: int) -> OpenFile:
        """Return the file of a descriptor. Raises OSError (EBADF)."""
        try:
            return self._files[number]
        except KeyError:
            raise os_error(errno.EBADF) from None

    def files(self) -> list[OpenFile]:
        """Return all open files, the oldest first."""
        return list(dict.fromkeys(self._files.values()))

    def dup(self, number: int) -> int:
        """Return another descriptor of the same file. Raises OSError (EBADF, EMFILE)."""
        return self.open(self.get(number))

    def has(self, number: int) -> bool:
        """Whether ``number`` is one of ours and open."""
        return number in self._files

    def close(self, number: int) -> None:
        """Close a descriptor, and with the last one the file. Raises OSError (EBADF)."""
        file = self.get(number)
        self._drop(number, file)
        if not file.descriptors and file.process.life is not Life.DEAD:
            file.release()

    def close_all(self, process: Process, *, is_kernel_alive: bool) -> None:
        """Close what a process has open; a kernel that is gone as well tells nobody."""
        for number, file in list(process.files.items()):
            self._drop(number, file)
            if not file.descriptors and is_kernel_alive:
                file.release()

    def _drop(self, number: int, file: OpenFile) -> None:
        del self._files[number]
        file.process.files.pop(number, None)
        del file.descriptors[number]
        for watcher in list(file.watchers):
            watcher.forget(number)
        self.on_close(number)

    def changed(self, file: OpenFile) -> None:
        """Something happened to ``file``."""
        for number in file.descriptors:
            self.on_change(number)
            for watcher in file.watchers:
                watcher.look_at(number)
