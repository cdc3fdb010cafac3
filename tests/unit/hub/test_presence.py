"""Members of a room by user, over the connections that he has and had a moment ago."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from longwire.base.limits import PresenceLimits
from longwire.hub.errors import MembersLimitError, NotEnteredError
from longwire.hub.hub import Hub
from longwire.stores.memory import MemoryStore

GRACE_S = 0.2


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub(MemoryStore(), presence_limits=PresenceLimits(grace_s=GRACE_S, members_max=2))
    await made.store.start()
    yield made
    await made.close()


async def watched(hub: Hub):
    """A room, and a list of what is told of it."""
    room = await hub.presence.room("room")
    told: list[tuple[str, str, bytes | None]] = []
    room.watch(
        lambda stream, change: told.append(
            (change.event.value, change.member.user, change.member.data)
        )
    )
    return room, told


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_user_joins_with_the_first_tab_and_leaves_with_the_last(hub):
    room, told = await watched(hub)
    room.enter("ann", "c1", b"1")
    room.enter("ann", "c2", b"2")
    room.leave("ann", "c2")
    room.leave("ann", "c1")
    assert told == [
        ("join", "ann", b"1"),
        ("update", "ann", b"2"),
        ("update", "ann", b"1"),
        ("leave", "ann", b"1"),
    ]
    with pytest.raises(NotEnteredError):
        room.leave("ann", "c1")


async def test_who_is_back_within_the_grace_period_has_neither_left_nor_joined(hub):
    room, told = await watched(hub)
    room.enter("ann", "c1", b"1")
    room.lost("ann", "c1")
    room.enter("ann", "c2", b"1")
    await asyncio.sleep(GRACE_S * 2)
    assert told == [("join", "ann", b"1")]
    # The connection that was lost has been taken the place of: leaving takes no grace period.
    room.leave("ann", "c2")
    assert told[1:] == [("leave", "ann", b"1")]


async def test_a_lost_tab_counts_for_its_grace_period_beside_another_one(hub):
    room, told = await watched(hub)
    room.enter("ann", "c1", b"1")
    room.enter("ann", "c2", b"2")
    room.lost("ann", "c2")
    assert told == [("join", "ann", b"1"), ("update", "ann", b"2")]
    room.leave("ann", "c1")
    assert [member.user for member in room.members] == ["ann"]
    with pytest.raises(NotEnteredError):
        room.leave("ann", "c2")
    await until(lambda: told[-1] == ("leave", "ann", b"2"))
    assert len(told) == 3


async def test_a_tab_that_does_not_come_back_takes_its_data_along(hub):
    room, told = await watched(hub)
    room.enter("ann", "c1", b"1")
    room.enter("ann", "c2", b"2")
    room.lost("ann", "c2")
    await until(lambda: told[-1] == ("update", "ann", b"1"))
    assert [member.data for member in room.members] == [b"1"]


async def test_connections_without_a_user_are_members_of_their_own(hub):
    room, told = await watched(hub)
    room.enter("", "c1", None)
    room.enter("", "c2", None)
    assert [member.connection for member in room.members] == ["c1", "c2"]
    with pytest.raises(MembersLimitError):
        room.enter("", "c3", None)
    room.leave("", "c1")
    room.enter("", "c3", None)
    assert len(told) == 4
