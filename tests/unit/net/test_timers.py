"""The timer wheel on a real event loop of either kind."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from longwire.net.loop_state import LoopState, loop_state
from longwire.net.timers import TICK_S, TimerWheel, WheelEntry


class Entry(WheelEntry):
    def __init__(self, wheel: TimerWheel, fired: list[tuple[str, float]], name: str = "") -> None:
        super().__init__()
        self.wheel = wheel
        self.fired = fired
        self.name = name

    def deadline_reached(self, now: float) -> None:
        self.fired.append((self.name, now))


def new_state() -> LoopState:
    return LoopState(asyncio.get_running_loop())


async def test_deadline_is_never_early() -> None:
    state = new_state()
    fired: list[tuple[str, float]] = []
    wanted = {}
    for number in range(50):
        entry = Entry(state.wheel, fired, str(number))
        wanted[str(number)] = when = state.clock() + number * 0.004
        state.wheel.set(entry, when)
    while len(fired) < 50:
        await asyncio.sleep(0.01)
    assert all(now >= wanted[name] for name, now in fired)
    # Slots come in order; inside of one, entries come in the order in which they were set.
    slots = [int(wanted[name] / TICK_S + 1) for name, _ in fired]
    assert slots == sorted(slots)


async def test_later_deadline_replaces_earlier_without_moving() -> None:
    state = new_state()
    fired: list[tuple[str, float]] = []
    entry = Entry(state.wheel, fired)
    state.wheel.set(entry, state.clock() + 0.02)
    slot = entry.wheel_slot
    late = state.clock() + 0.2
    state.wheel.set(entry, late)
    assert entry.wheel_slot == slot
    while not fired:
        await asyncio.sleep(0.01)
    assert fired[0][1] >= late
    assert entry.deadline is None


async def test_earlier_deadline_moves_the_entry() -> None:
    state = new_state()
    fired: list[tuple[str, float]] = []
    entry = Entry(state.wheel, fired)
    state.wheel.set(entry, state.clock() + 3600)
    state.wheel.set(entry, state.clock() + 0.02)
    while not fired:
        await asyncio.sleep(0.01)
    assert len(fired) == 1


async def test_deadline_that_the_entry_moved_itself_before_is_kept_too() -> None:
    # The native session says its deadline to connections without a wheel as well.
    state = new_state()
    fired: list[tuple[str, float]] = []
    entry = Entry(state.wheel, fired)
    state.wheel.set(entry, state.clock() + 3600)
    entry.deadline = state.clock() + 0.02
    state.wheel.set(entry, entry.deadline)
    async with asyncio.timeout(30):
        while not fired:
            await asyncio.sleep(0.01)
    assert len(fired) == 1


async def test_cleared_and_discarded_entries_do_not_fire_and_are_not_kept() -> None:
    state = new_state()
    fired: list[tuple[str, float]] = []
    cleared, discarded, other = (Entry(state.wheel, fired, name) for name in "abc")
    for entry in (cleared, discarded, other):
        state.wheel.set(entry, state.clock() + 0.02)
    state.wheel.set(cleared, None)
    state.wheel.discard(discarded)
    assert discarded.wheel_slot is None
    while not fired:
        await asyncio.sleep(0.01)
    assert [name for name, _ in fired] == ["c"]


async def test_entry_may_set_itself_and_others_when_it_fires() -> None:
    state = new_state()

    class Chain(WheelEntry):
        count = 0

        def deadline_reached(self, now: float) -> None:
            self.count += 1
            other.deadline = None  # takes back a deadline that is due in the same round
            if self.count < 3:
                state.wheel.set(self, now)

    chain = Chain()
    fired: list[tuple[str, float]] = []
    other = Entry(state.wheel, fired)
    now = state.clock()
    state.wheel.set(chain, now)
    state.wheel.set(other, now)
    while chain.count < 3:
        await asyncio.sleep(0.01)
    assert fired == []


async def test_failing_entry_does_not_stop_the_others() -> None:
    state = new_state()
    fired: list[tuple[str, float]] = []
    problems = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: problems.append(context["exception"])
    )

    class Failing(WheelEntry):
        def deadline_reached(self, now: float) -> None:
            raise ZeroDivisionError

    failing, healthy = Failing(), Entry(state.wheel, fired)
    when = state.clock()
    state.wheel.set(failing, when)
    state.wheel.set(healthy, when)
    while not fired:
        await asyncio.sleep(0.01)
    assert [type(problem) for problem in problems] == [ZeroDivisionError]


async def test_after_a_block_sockets_are_read_before_deadlines_are_judged() -> None:
    """uvloop runs timers before sockets: the wheel has to wait one turn after a block."""
    state = new_state()
    loop = asyncio.get_running_loop()
    order: list[str] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        loop.add_reader(ours, lambda: (order.append("read"), ours.recv(10)))

        class Judge(WheelEntry):
            def deadline_reached(self, now: float) -> None:
                order.append("judged")

        judge = Judge()
        await asyncio.sleep(0)
        state.wheel.set(judge, state.clock() + 0.1)
        theirs.send(b"life")
        time.sleep(0.6)  # noqa: ASYNC251 - that is the point
        while len(order) < 2:
            await asyncio.sleep(0.01)
        loop.remove_reader(ours)
    assert order == ["read", "judged"]


async def test_one_handle_serves_all_entries() -> None:
    state = new_state()
    entries = [Entry(state.wheel, []) for _ in range(1000)]
    for number, entry in enumerate(entries):
        state.wheel.set(entry, state.clock() + 100 + number % 7)
    handles = getattr(asyncio.get_running_loop(), "_scheduled", ())
    live = [handle for handle in handles if not handle.cancelled()]
    assert len(live) <= 1
    for entry in entries:
        state.wheel.discard(entry)


async def test_loop_state_is_one_for_each_loop() -> None:
    loop = asyncio.get_running_loop()
    assert loop_state(loop) is loop_state(loop)


async def test_wheel_entry_has_to_be_given_a_meaning() -> None:
    with pytest.raises(NotImplementedError):
        WheelEntry().deadline_reached(0.0)
