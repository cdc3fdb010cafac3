"""Processes: whose code is running, what it has open, and what becomes of both when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from enum import Enum
from typing import TYPE_CHECKING

from longwire.simulation.errors import SimulationError

if TYPE_CHECKING:
    from longwire.simulation.host import SimHost
    from longwire.simulation.open_file import OpenFile

__all__ = ["CURRENT", "Life", "Process", "current_process", "process_of"]


class Life(Enum):
    """How a process stands."""

    RUNNING = "running"
    PAUSED = "paused"
    """Stopped as by SIGSTOP: its host's TCP goes on, its code does not."""
    DEAD = "dead"
    """Nothing of it runs again, not even what stands in its ``finally`` blocks."""


class Process:
    """What runs on a host: tasks and callbacks, and the descriptors they opened.

    Which process code belongs to is in its context, which asyncio hands on to every task, callback
    and transport that it makes.
    """

    def __init__(self, host: SimHost, name: str, number: int, *, is_shell: bool = False) -> None:
        self.host = host
        self.name = name
        self.number = number
        """What ``os.getpid`` says; another host may have the same."""
        self.is_shell = is_shell
        """Code of the test itself that stepped onto the host for a while; never killed."""
        self.life = Life.RUNNING
        self.files: dict[int, OpenFile] = {}
        """By descriptor."""
        self.held: list[asyncio.Handle] = []
        """Callbacks and timers that wait while it is paused."""
        self.signal_handlers: dict[int, Callable[[], object] | None] = {}
        """``None``: the signal is ignored."""
        self.send_signal: Callable[[int], None] = lambda number: None
        """What ``os.kill`` does to it; the shell takes no signals."""

    def __str__(self) -> str:
        return f"{self.host.name}/{self.name}"

    def __repr__(self) -> str:
        return f"<Process {self} {self.life.value}>"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let the code of this block belong to the process."""
        token = CURRENT.set(self)
        try:
            yield
        finally:
            CURRENT.reset(token)


CURRENT: ContextVar[Process | None] = ContextVar("longwire.simulation.process", default=None)


def current_process(call: str) -> Process:
    """Return whose code is running. Raises SimulationError for code that runs on no host."""
    process = CURRENT.get()
    if process is None:
        raise SimulationError(
            f"{call}: this code runs on no host; start it with host.start() or host.run(),"
            " or put it into a `with host:` block"
        )
    return process


def process_of(context: Context | None) -> Process | None:
    """Return the process to which a callback with this context belongs."""
    return CURRENT.get() if context is None else context.get(CURRENT)
