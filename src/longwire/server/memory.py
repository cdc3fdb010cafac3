"""Memory that stands free after a rush is given back to the system.

What a rush of large messages took is freed when it is over, but freed to the allocator: glibc keeps
it between small blocks that live on, raises the size from which a block is a mapping of its own to
that of the largest that was freed (``M_MMAP_THRESHOLD``, up to 32 MiB), and lets twice as much
stand free at the heap's end (``M_TRIM_THRESHOLD``): mallopt(3). So a server would look as if every
rush had left something behind. malloc_trim(3) gives back all whole pages that are free, wherever
they lie.

How much that would be is what the process has for itself (proc_pid_statm(5)) less what is in use
(mallinfo(3)), compared with the least that this was since memory was last given back: the rest is
data of libraries, stacks and Python's own arenas, which trimming does not touch.

``longwire serve`` does this by itself (``server.memory_return_interval_s``). A process of your own
is left alone unless it asks for it, with what :func:`system_heap` returns::

    asyncio.create_task(MemoryReturn(heap).run(interval_s=5.0))

Nothing here loads a third-party package.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
from pathlib import Path

from longwire.base.limits import MIB

__all__ = ["SLACK_BYTES", "GlibcHeap", "MemoryReturn", "private_bytes", "system_heap"]

logger = logging.getLogger("longwire.server")

SLACK_BYTES = 4 * MIB
"""What may stand free without being given back: the next messages take it again at once."""

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class _Mallinfo2(ctypes.Structure):
    """``struct mallinfo2``: see mallinfo(3)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )
    hblkhd: int
    uordblks: int


class GlibcHeap:
    """The heap of this process: what the GNU C library's ``malloc`` manages.

    Raises :exc:`AttributeError` where ``library`` is not glibc 2.33 or newer.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._mallinfo2 = library.mallinfo2
        self._mallinfo2.restype = _Mallinfo2
        self._malloc_trim = library.malloc_trim
        self._malloc_trim.argtypes = (ctypes.c_size_t,)

    def in_use_bytes(self) -> int:
        """Blocks that are not free, of all arenas, and those that are mappings of their own."""
        figures: _Mallinfo2 = self._mallinfo2()
        return figures.uordblks + figures.hblkhd

    def trim(self) -> None:
        """Give all free pages back; other threads run on until they want memory themselves."""
        self._malloc_trim(0)


def system_heap() -> GlibcHeap | None:
    """Return the heap of this process; ``None`` where it cannot be trimmed.

    That is so without Linux, with another C library (musl) and with glibc before 2.33 (2021).
    """
    if not _STATM.exists():
        return None
    try:
        return GlibcHeap(ctypes.CDLL(None))
    except AttributeError:
        return None


def private_bytes() -> int:
    """Memory that this process has for itself: resident pages that are of no file, bytes."""
    _, resident, shared, *_ = _STATM.read_bytes().split()
    return (int(resident) - int(shared)) * _PAGE_BYTES


class MemoryReturn:
    """Gives back what stands free in ``heap`` once it is more than ``slack_bytes``."""

    def __init__(self, heap: GlibcHeap, slack_bytes: int = SLACK_BYTES) -> None:
        self._heap = heap
        self._slack_bytes = slack_bytes
        self._unused_bytes = self._rest_bytes = private_bytes() - heap.in_use_bytes()
        self._gave_much = False
        self.returned_bytes = 0
        """Given back so far."""

    async def run(self, interval_s: float) -> None:
        """Look every ``interval_s`` seconds, until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                if self.is_worth_it():
                    # A gigabyte takes a tenth of a second. In a thread, whoever wants no more than
                    # small objects goes on meanwhile: those are Python's own affair, not malloc's.
                    await asyncio.to_thread(self.give_back)
            except OSError as error:
                # There are no descriptors left to look with, say; later there are.
                logger.warning("free memory could not be looked for: %s", error)

    def is_worth_it(self) -> bool:
        """Whether more stands free than may."""
        # Blocks that were never touched are in use and have no memory: this may even be negative.
        self._unused_bytes = private_bytes() - self._heap.in_use_bytes()
        self._rest_bytes = min(self._rest_bytes, self._unused_bytes)
        return self._gave_much or self._unused_bytes - self._rest_bytes > self._slack_bytes

    def give_back(self) -> None:
        """Give back what is free; the rest of what was unused then is not the heap's to give."""
        before = private_bytes()
        self._heap.trim()
        given = max(0, before - private_bytes())
        self.returned_bytes += given
        # What others took meanwhile looks as if it had not been given. That can be much while much
        # is given, so after that it is done once more, however little stands free.
        self._rest_bytes = self._unused_bytes - given
        self._gave_much = given > self._slack_bytes
        logger.debug("gave %d KiB of free memory back", given // 1024)

    def figures(self) -> dict[str, tuple[str, float, bool]]:
        """What is counted, for the metrics."""
        return {
            "longwire_memory_returned_bytes": (
                "Memory that stood free after a rush and was given back to the system.",
                self.returned_bytes,
                True,
            )
        }
