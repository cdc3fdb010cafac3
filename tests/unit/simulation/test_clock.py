"""Timers and the whole nanoseconds on which a world lives."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from longwire.simulation import run
from longwire.simulation.clock import from_seconds, on_grid, to_seconds


@given(st.floats(0, 1e6))
def test_time_on_the_grid_is_not_before_what_was_asked_for(seconds: float) -> None:
    found = on_grid(seconds)
    assert seconds <= found <= seconds + 2.1e-9
    assert to_seconds(from_seconds(found)) == found


def test_timer_never_goes_off_before_its_time() -> None:
    early = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(1, 500):
            until = loop.time() + number / 7_777
            done = asyncio.Event()
            loop.call_at(until, done.set)
            await done.wait()
            if loop.time() < until:
                early.append(number)

    run(main())
    assert early == []
