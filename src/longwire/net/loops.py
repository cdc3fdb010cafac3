"""Which event loop to run on: uvloop when it is installed, asyncio's own otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

__all__ = ["LoopName", "loop_factory", "run"]

LoopName = Literal["auto", "asyncio", "uvloop"]

Result = TypeVar("Result")


def loop_factory(name: LoopName = "auto") -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes an event loop; ``auto`` takes uvloop when it is installed.

    Raises :exc:`ImportError` when ``uvloop`` is asked for by name and missing.
    """
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        if name == "uvloop":
            raise ImportError(
                "the event loop uvloop is not installed; install longwire[uvloop]"
            ) from None
        return asyncio.new_event_loop
    make_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make_loop


def run(main: Coroutine[Any, Any, Result], *, loop: LoopName = "auto") -> Result:
    """Run ``main`` to its end on a new event loop."""
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        return runner.run(main)
