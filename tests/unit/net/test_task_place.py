"""The log line for a stuck handler shows the way to where it waits."""

from __future__ import annotations

import asyncio

from longwire.net.task_place import place_of


async def inner() -> None:
    await asyncio.Event().wait()


async def outer() -> None:
    await inner()


async def test_place_lists_the_coroutines_from_the_outside_in() -> None:
    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    place = place_of(task)
    names = [part.split(" ")[0] for part in place.split(" > ")]
    assert names[:2] == ["outer", "inner"]
    assert "test_task_place.py:" in place
    task.cancel()
    await asyncio.wait([task])
    assert place_of(task) == "an unknown place"
