"""Rooms on a store that several servers share, where looking into one takes its time."""

from __future__ import annotations

import asyncio

from longwire.hub.hub import Hub
from longwire.stores.memory import MemoryStore
from tests.unit.hub.collectors import settle


class SlowStore(MemoryStore):
    """Has others beside it, and lets nobody watch a stream before the test says so."""

    is_shared = True

    def __init__(self) -> None:
        super().__init__()
        self.may_watch = asyncio.Event()

    async def watch(self, stream: str) -> None:
        await self.may_watch.wait()


async def test_one_who_gives_up_waiting_for_a_room_does_not_end_the_wait_of_another() -> None:
    store = SlowStore()
    hub = Hub(store)
    async with asyncio.timeout(30):
        leaving = asyncio.create_task(hub.presence.room("a"))
        waiting = asyncio.create_task(hub.presence.room("a"))
        await settle()
        leaving.cancel()
        await asyncio.wait([leaving])
        store.may_watch.set()
        room = await waiting
        room.enter("ann", "1", None)
        assert hub.presence.find("a") is room
    await hub.close()


async def test_room_stays_open_though_one_who_waited_was_cancelled_when_it_was_ready() -> None:
    store = SlowStore()
    hub = Hub(store)

    async def enter() -> None:
        (await hub.presence.room("a")).enter("ann", "1", None)
        leaving.cancel()

    async with asyncio.timeout(30):
        entering = asyncio.create_task(enter())
        await settle()
        leaving = asyncio.create_task(hub.presence.room("a"))
        await settle()
        store.may_watch.set()
        await asyncio.wait([entering, leaving])
        assert leaving.cancelled()
        room = await hub.presence.room("a")
        assert [member.user for member in room.members] == ["ann"]
    await hub.close()


async def test_one_who_only_looks_into_a_room_does_not_close_it_for_one_who_enters() -> None:
    store = SlowStore()
    hub = Hub(store)

    async def look() -> None:
        await hub.presence.room("a")
        hub.presence.tidy("a")

    async def enter() -> None:
        (await hub.presence.room("a")).enter("ann", "1", None)

    async with asyncio.timeout(30):
        both = asyncio.gather(look(), enter())
        await settle()
        store.may_watch.set()
        await both
        room = hub.presence.find("a")
        assert room is not None
        assert [member.user for member in room.members] == ["ann"]
    await hub.close()
