"""A thread that lives in a network namespace: what it opens, belongs there."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

__all__ = ["NamespaceThread"]

_CLONE_NEWNET = 0x40000000

Result = TypeVar("Result")


class NamespaceThread:
    """Calls functions inside a namespace of ``ip netns``; the rest of the process stays outside."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, initializer=_enter, initargs=(name,))

    def call(self, function: Callable[[], Result]) -> Result:
        """Return what ``function`` returns there; raise what it raises."""
        return self._executor.submit(function).result()

    def set_sysctl(self, name: str, value: int) -> None:
        """Set ``net.…`` of the namespace."""
        path = Path("/proc/sys", *name.split("."))
        self.call(lambda: path.write_text(str(value)))

    def close(self) -> None:
        """End the thread; what it opened stays open."""
        self._executor.shutdown()


def _enter(name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"namespace {name}: {os.strerror(number)}")
    finally:
        os.close(descriptor)
