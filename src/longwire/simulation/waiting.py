"""Who waits for what: the text of a deadlock."""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import Any

from longwire.simulation.open_file import OpenFile
from longwire.simulation.process import Life, Process

__all__ = ["describe_waiting"]

_SHOWN_MAX = 50


def describe_waiting(
    tasks: list[tuple[asyncio.Task[Any], Process | None]], files: list[OpenFile]
) -> str:
    """Return a line for each task, with where it waits, and for each open socket."""
    lines = ["nothing will ever happen: no packet is under way and no timer runs"]
    lines += [f"  {_place_of(*each)}" for each in tasks[:_SHOWN_MAX]]
    lines += [f"  {file.process} has open: {file.describe()}" for file in files[:_SHOWN_MAX]]
    left = max(0, len(tasks) - _SHOWN_MAX) + max(0, len(files) - _SHOWN_MAX)
    if left:
        lines.append(f"  and {left} more")
    return "\n".join(lines)


def _place_of(task: asyncio.Task[Any], process: Process | None) -> str:
    coroutine: Any = task.get_coro()
    names = []
    while isinstance(coroutine, CoroutineType):
        frame = coroutine.cr_frame
        if frame is not None:
            names.append(f"{coroutine.__qualname__} line {frame.f_lineno}")
        coroutine = coroutine.cr_await
    of = f" of {process}" if process is not None else ""
    state = f", {process.life.value}," if process and process.life is not Life.RUNNING else ""
    return f"task {task.get_name()}{of}{state} waits in {' > '.join(names) or 'nothing'}"
