"""``select.epoll`` over simulated descriptors, itself a descriptor that a loop can watch."""

from __future__ import annotations

import errno
import socket
from typing import Any

from longwire.simulation.errors import NotSimulatedError
from longwire.simulation.open_file import (
    READ,
    WRITE,
    DescriptorTable,
    OpenFile,
    number_of,
    os_error,
)
from longwire.simulation.process import current_process

__all__ = ["SimEpoll"]

_EVENTS_MAX = 1_023  # FD_SETSIZE - 1, as CPython has it

# sys/epoll.h; the constants of ``select`` are missing where there is no epoll.
_IN, _OUT = 0x001, 0x004
_ERR, _HUP = 0x008, 0x010
_LEVEL = _IN | _OUT | _ERR | _HUP | 0x2000  # and EPOLLRDHUP, which says no more than the next read


class _EpollFile(OpenFile):
    """The open file: readable while something that it watches is ready."""

    kind = "epoll"

    def __init__(self, table: DescriptorTable) -> None:
        super().__init__(current_process("select.epoll"), socket.AF_UNSPEC, socket.SOCK_RAW, 0)
        self._table = table
        self._interest: dict[int, int] = {}
        # Those that may be ready: with news, or ready last time.
        self._candidates: dict[int, None] = {}

    def set(self, number: int, mask: int) -> None:
        if mask & ~_LEVEL:
            raise NotSimulatedError(f"epoll flags {mask:#x}", "it is level-triggered")
        self._table.get(number).watchers[self] = None
        self._interest[number] = mask
        self._candidates[number] = None
        self.changed()

    def knows(self, number: int) -> bool:
        return number in self._interest

    def look_at(self, number: int) -> None:
        """A file that may be watched has news."""
        if number in self._interest:
            self._candidates[number] = None
            self.changed()

    def forget(self, number: int) -> None:
        """Watch a descriptor no more, as when it was closed."""
        self._interest.pop(number, None)
        self._candidates.pop(number, None)

    def ready(self, count_max: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for number in list(self._candidates):
            events = self._events_of(number)
            if not events:
                del self._candidates[number]
            elif len(found) < count_max:
                found.append((number, events))
                # Behind the others, so that everybody has a turn.
                del self._candidates[number]
                self._candidates[number] = None
        return found

    def _events_of(self, number: int) -> int:
        file = self._table.get(number)
        ready = file.events()
        events = (_IN if ready & READ else 0) | (_OUT if ready & WRITE else 0)
        # epoll_ctl(2): EPOLLERR and EPOLLHUP are reported whether one asked or not.
        return events & self._interest[number] | (_ERR | _HUP if file.is_broken() else 0)

    def events(self) -> int:
        return READ if any(self._events_of(number) for number in self._candidates) else 0

    def release(self) -> None:
        for number in self._interest:
            self._table.get(number).watchers.pop(self, None)
        self._interest.clear()
        self._candidates.clear()

    def describe(self) -> str:
        return f"epoll of {len(self._interest)} descriptors"


class SimEpoll:
    """Level-triggered; it does not wait."""

    def __init__(self, table: DescriptorTable) -> None:
        self._table = table
        self._file = _EpollFile(table)
        self._number = table.open(self._file)

    def fileno(self) -> int:
        """Return its descriptor. Raises ValueError once it is closed."""
        if self._number < 0:
            raise ValueError("I/O operation on closed epoll object")
        return self._number

    def register(self, fd: Any, eventmask: int = _IN | _OUT) -> None:
        """Watch a descriptor. Raises OSError (EEXIST, EBADF)."""
        number = number_of(fd)
        if self._file.knows(number):
            raise os_error(errno.EEXIST)
        self._file.set(number, eventmask)

    def modify(self, fd: Any, eventmask: int) -> None:
        """Watch for something else. Raises OSError (ENOENT)."""
        self._file.set(self._known(fd), eventmask)

    def unregister(self, fd: Any) -> None:
        """Watch no more. Raises OSError (ENOENT)."""
        self._file.forget(self._known(fd))

    def _known(self, fd: Any) -> int:
        number = number_of(fd)
        if not self._file.knows(number):
            raise os_error(errno.ENOENT)
        return number

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """Return what is ready. Raises NotSimulatedError when it had to wait."""
        found = self._file.ready(maxevents if maxevents > 0 else _EVENTS_MAX)
        if not found and timeout != 0:
            raise NotSimulatedError("epoll.poll() that waits", "watch its descriptor with the loop")
        return found

    def close(self) -> None:
        """Close it; once is enough."""
        number, self._number = self._number, -1
        if number >= 0 and self._table.has(number):
            self._table.close(number)
