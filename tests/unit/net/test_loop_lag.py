"""Blocks of our own loop are noticed, by whoever asks first."""

from __future__ import annotations

import asyncio
import time

from longwire.net.loop_lag import BLOCKED_S_MIN
from longwire.net.loop_state import LoopState


async def test_block_is_seen_at_once_and_later() -> None:
    state = LoopState(asyncio.get_running_loop())
    state.lag.acquire()
    started_s = state.clock()
    await asyncio.sleep(0.3)
    time.sleep(BLOCKED_S_MIN + 0.5)  # noqa: ASYNC251 - that is the point
    now = state.clock()
    block = state.lag.longest_block(now, 1.0)  # before the beat could run
    assert block is not None
    assert BLOCKED_S_MIN <= block.duration_s <= now - started_s
    assert block.ended_s == now
    await asyncio.sleep(0.4)
    later = state.clock()
    assert state.lag.longest_block(later, 60.0) is not None
    assert state.lag.longest_block(later, 0.0) is None
    assert 0 < state.lag.blocked_s(later, started_s) <= later - started_s
    assert state.lag.blocked_s(later, later) == 0
    state.lag.release()


async def test_ordinary_waiting_is_no_block() -> None:
    state = LoopState(asyncio.get_running_loop())
    state.lag.acquire()
    for _ in range(20):
        await asyncio.sleep(0.02)
    assert state.lag.longest_block(state.clock(), 60.0) is None
    state.lag.release()


async def test_without_connections_nothing_beats_and_nothing_counts() -> None:
    state = LoopState(asyncio.get_running_loop())
    state.lag.acquire()
    state.lag.release()
    assert state.lag.deadline is None
    time.sleep(BLOCKED_S_MIN + 0.1)  # noqa: ASYNC251 - that is the point
    assert state.lag.longest_block(state.clock(), 60.0) is None
    assert state.lag.blocked_s(state.clock(), 0.0) == 0
