"""Members over several servers on one Redis, and what becomes of those of a server that dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from longwire.base.limits import PresenceLimits
from longwire.hub.hub import Hub
from longwire.stores.redis.store import RedisStore
from tests.redis_servers import RedisServer

pytestmark = pytest.mark.slow

LIMITS = PresenceLimits(grace_s=0.3, lease_s=1.5)


@asynccontextmanager
async def hubs(count: int, url: str) -> AsyncIterator[list[Hub]]:
    made = [Hub(RedisStore(url), presence_limits=LIMITS) for _ in range(count)]
    for hub in made:
        await hub.store.start()
    try:
        yield made
    finally:
        for hub in made:
            await hub.close()


class Watcher:
    """What one server tells of a room."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    async def watch(self, hub: Hub) -> Watcher:
        room = await hub.presence.room("room")
        for member in room.members:
            self.events.append(("there", member.user))
        room.watch(lambda stream, change: self.note(change.event.value, change.member.user))
        return self

    def note(self, event: str, user: str) -> None:
        self.events.append((event, user))


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


async def test_members_of_every_server_are_seen_on_all(redis: RedisServer) -> None:
    async with hubs(3, redis.url) as (one, two, three):
        watcher = await Watcher().watch(three)
        (await one.presence.room("room")).enter("ann", "c1", b'"hi"')
        await until(lambda: watcher.events == [("join", "ann")], "ann is seen")
        # The same user on another server, and gone from the first: nothing has happened.
        (await two.presence.room("room")).enter("ann", "c2", b'"hi"')
        (await one.presence.room("room")).leave("ann", "c1")
        (await one.presence.room("room")).enter("bob", "c3", None)
        await until(lambda: ("join", "bob") in watcher.events, "bob is seen")
        late = await Watcher().watch(two)
        assert sorted(late.events) == [("there", "ann"), ("there", "bob")]
        await asyncio.sleep(LIMITS.lease_s * 1.5)
        assert watcher.events == [("join", "ann"), ("join", "bob")], "leases are renewed"
        (await two.presence.room("room")).leave("ann", "c2")
        await until(lambda: watcher.events[-1] == ("leave", "ann"), "ann has left")


async def test_members_of_a_server_that_dies_are_gone_within_the_bound(redis: RedisServer) -> None:
    async with hubs(2, redis.url) as (dies, lives):
        (await dies.presence.room("room")).enter("ann", "c1", None)
        watcher = await Watcher().watch(lives)
        await until(lambda: len(watcher.events) == 1, "ann is seen")
        # As by kill -9: nothing is said any more.
        dies.presence.close()
        died_s = time.monotonic()
        await until(lambda: watcher.events[-1] == ("leave", "ann"), "the ghost is gone")
        assert time.monotonic() - died_s <= LIMITS.lease_s + LIMITS.grace_s + 5
        late = await Watcher().watch(lives)
        assert late.events == []
