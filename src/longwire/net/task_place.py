"""Where a task waits, for the log line that names a handler which does not end."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["place_of"]


def place_of(task: asyncio.Task[Any]) -> str:
    """Return the coroutines that ``task`` is inside of, outermost first, with file and line."""
    waiting: Any = task.get_coro()
    places = []
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        code = frame.f_code
        places.append(f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})")
        waiting = getattr(waiting, "cr_await", None)
    return " > ".join(places) or "an unknown place"
