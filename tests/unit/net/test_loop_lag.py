"""Blocks of our own loop are noticed, by whoever asks first."""

from __future__ import annotations

import asyncio
import time

import pytest

from longwire.net.loop_lag import BEAT_S, BLOCKED_S_MIN, LoopLag
from longwire.net.loop_state import LoopState
from longwire.net.timers import TimerWheel


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
    assert 0 < state.lag.blocked_s(later, started_s) <= later - started_s
    assert state.lag.blocked_s(later, later) == 0
    state.lag.release()


async def test_ordinary_waiting_is_no_block() -> None:
    now = 0.0
    lag = LoopLag(TimerWheel(asyncio.get_running_loop(), lambda: now), lambda: now)
    lag.acquire()
    for _ in range(20):
        now += BEAT_S + BLOCKED_S_MIN * 0.9
        lag.deadline_reached(now)
    assert lag.longest_block(now, 60.0) is None
    now += BEAT_S + BLOCKED_S_MIN * 1.001
    lag.deadline_reached(now)
    later = now + BEAT_S
    block = lag.longest_block(later, BEAT_S * 1.1)
    assert block is not None
    assert (block.duration_s, block.ended_s) == (pytest.approx(BLOCKED_S_MIN * 1.001), now)
    assert lag.longest_block(later, BEAT_S * 0.9) is None, "it ended before"
    lag.release()


async def test_without_connections_nothing_beats_and_nothing_counts() -> None:
    state = LoopState(asyncio.get_running_loop())
    state.lag.acquire()
    state.lag.release()
    assert state.lag.deadline is None
    time.sleep(BLOCKED_S_MIN + 0.1)  # noqa: ASYNC251 - that is the point
    assert state.lag.longest_block(state.clock(), 60.0) is None
    assert state.lag.blocked_s(state.clock(), 0.0) == 0
