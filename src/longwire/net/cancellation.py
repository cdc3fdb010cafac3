"""For whom a ``CancelledError`` is: the task that runs, or what it waited for.

What an application is asked may wait for a task or future that is cancelled: then the answer does
not come, and the task that asked is not meant to end. Who lets it pass up leaves whatever waits for
that task waiting.
"""

from __future__ import annotations

import asyncio

__all__ = ["is_cancelled_itself"]


def is_cancelled_itself() -> bool:
    """Whether the task that runs has been cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
