"""What ``send`` and an iteration over messages give is no coroutine, and can do what one can."""

from __future__ import annotations

import asyncio
import gc

import pytest

import longwire
from tests.integration.net.local import serving


async def test_send_gives_what_a_coroutine_function_gives() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        message = ws.send("by hand")
        assert asyncio.iscoroutine(message)
        with pytest.raises(StopIteration):
            message.send(None)
        with pytest.raises(RuntimeError, match="already awaited"):
            await message
        await asyncio.create_task(ws.send("in a task"))
        await asyncio.gather(ws.send("gathered"), ws.send("gathered too"))
        await asyncio.wait_for(ws.send("in time"), 10)
        received = [await ws.recv() for _ in range(5)]
        assert received == ["by hand", "in a task", "gathered", "gathered too", "in time"]


async def test_send_that_is_not_awaited_warns_and_sends_nothing() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        with pytest.warns(RuntimeWarning, match="was never awaited"):
            ws.send("forgotten")
            gc.collect()
        ws.send("given up").close()
        thrown = ws.send("thrown at")
        with pytest.raises(KeyError):
            thrown.throw(KeyError("x"))
        await ws.send("sent")
        assert await ws.recv() == "sent"


async def test_second_iteration_is_told_who_receives() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        messages = aiter(ws)
        first = asyncio.create_task(anext(ws), name="the first one")
        await asyncio.sleep(0)
        for step in (anext(messages), anext(aiter(ws)), ws.recv()):
            with pytest.raises(longwire.ConcurrencyError, match="'the first one' is already"):
                await step
        await ws.send("for the first")
        assert await first == "for the first"


async def test_cancelled_step_of_an_iteration_loses_no_message() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        messages = aiter(ws)
        for number in range(50):
            step = asyncio.ensure_future(anext(messages))
            await asyncio.sleep(0)
            await ws.send(str(number))
            if number % 2:
                await asyncio.sleep(number / 20_000)
            step.cancel()
            try:
                assert await step == str(number)
            except asyncio.CancelledError:
                assert await anext(messages) == str(number)
