"""What a receiving task waits for, with both kinds of tasks that CPython has."""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import tasks
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from longwire.net.waiter import Waiter

Start = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


@pytest.fixture(params=["_CTask", "_PyTask"])
def start(request: pytest.FixtureRequest) -> Start:
    kind = getattr(tasks, request.param)
    return lambda coroutine: kind(coroutine, loop=asyncio.get_running_loop())


@pytest.fixture
def waiter() -> Generator[Waiter, None, None]:
    loop = asyncio.new_event_loop()
    yield Waiter(loop)
    loop.close()


async def turn() -> None:
    """Let the event loop call what it has."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def wait(waiter: Waiter, steps: list[str], name: str = "went on") -> None:
    waiter.begin()
    await waiter
    steps.append(name)


async def from_the_loop(function: Callable[[], object]) -> None:
    """Call where no task runs, as a transport does."""
    called = asyncio.Event()

    def call() -> None:
        function()
        called.set()

    asyncio.get_running_loop().call_soon(call)
    await called.wait()


async def test_a_task_goes_on_at_once_where_no_other_runs(start: Start) -> None:
    waiter = Waiter(asyncio.get_running_loop())
    steps: list[str] = []
    task = start(wait(waiter, steps))
    await turn()
    assert steps == []

    def let_go_on() -> None:
        waiter.go_on()
        steps.append("returned")

    await from_the_loop(let_go_on)
    assert steps == ["went on", "returned"]
    await task


async def test_a_task_goes_on_later_while_another_runs(start: Start) -> None:
    waiter = Waiter(asyncio.get_running_loop())
    steps: list[str] = []
    task = start(wait(waiter, steps))
    await turn()
    waiter.go_on()
    assert steps == []
    await task
    assert steps == ["went on"]


async def test_one_waiter_serves_again_and_again(start: Start) -> None:
    waiter = Waiter(asyncio.get_running_loop())
    steps: list[str] = []

    async def wait_thrice() -> None:
        for number in range(3):
            await wait(waiter, steps, str(number))

    task = start(wait_thrice())
    await turn()
    await from_the_loop(waiter.go_on)
    waiter.go_on_soon()
    waiter.go_on_soon()  # once is enough
    await turn()
    await from_the_loop(waiter.go_on)
    await task
    assert steps == ["0", "1", "2"]


async def test_what_comes_before_the_task_waits_is_not_lost(start: Start) -> None:
    waiter = Waiter(asyncio.get_running_loop())

    async def begin() -> None:
        waiter.begin()
        waiter.go_on()
        await waiter

    await asyncio.wait_for(start(begin()), 10)


async def test_a_cancelled_task_learns_why_and_can_wait_again(start: Start) -> None:
    waiter = Waiter(asyncio.get_running_loop())
    steps: list[str] = []

    async def wait_twice() -> None:
        try:
            await wait(waiter, steps)
        except asyncio.CancelledError as error:
            steps.append(str(error))
        await wait(waiter, steps)

    task = start(wait_twice())
    await turn()
    task.cancel("enough")
    await turn()
    assert steps == ["enough"]
    await from_the_loop(waiter.go_on)
    await task
    assert steps == ["enough", "went on"]


async def test_cancelling_a_task_that_is_about_to_go_on(start: Start) -> None:
    waiter = Waiter(asyncio.get_running_loop())
    task = start(wait(waiter, []))
    await turn()
    waiter.go_on_soon()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_goes_on_in_its_own_context(start: Start) -> None:
    waiter = Waiter(asyncio.get_running_loop())
    variable = contextvars.ContextVar("variable", default="of the caller")
    seen: list[str] = []

    async def remember() -> None:
        variable.set("of the task")
        await wait(waiter, [])
        seen.append(variable.get())

    task = start(remember())
    await turn()
    await from_the_loop(waiter.go_on)
    await task
    assert seen == ["of the task"]
    assert variable.get() == "of the caller"


async def test_a_waiter_of_another_loop_is_refused(start: Start, waiter: Waiter) -> None:
    with pytest.raises(RuntimeError, match="different loop"):
        await start(wait(waiter, []))
