"""kill -9 of one of two servers on one Redis: nobody is shown longer than the stated bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from longwire.client.client import Client
from longwire.client.presence import PresenceChange
from tests.integration.server.running import RunningServer
from tests.redis_servers import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

LEASE_S, GRACE_S = 3.0, 1.0

APPLICATION = """
from longwire import App

app = App()

@app.authenticate
def who(token):
    return token

@app.permit("**")
def anybody(access):
    return True
"""


def serve(stack: ExitStack, folder: Path, redis: RedisServer, *arguments: str) -> RunningServer:
    times = [f"presence.lease_s={LEASE_S}", f"presence.grace_s={GRACE_S}"]
    settings = [word for value in times for word in ("--set", value)]
    server = RunningServer(folder, "--store", redis.url, *settings, *arguments, "rooms:app")
    return stack.enter_context(server)


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def test_ghosts_of_a_killed_server_go_within_lease_and_grace(tmp_path: Path) -> None:
    (tmp_path / "rooms.py").write_text(APPLICATION)
    told: list[PresenceChange] = []
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(tmp_path / "redis"))
        dies, lives = (serve(stack, tmp_path, redis) for _ in range(2))
        async with AsyncExitStack() as clients:
            watcher = await clients.enter_async_context(Client(lives.url, token="watcher"))
            watch = watcher.watch("room", told.append)
            await watch.ready()
            for name in ("ann", "bob"):
                client = await clients.enter_async_context(Client(dies.url, token=name))
                await client.enter("room", {"by": name})
            here = await clients.enter_async_context(Client(lives.url, token="eve"))
            await here.enter("room")
            await until(lambda: len(watch.members) == 3, "all three are seen")
            # Renewed, they stay longer than a lease.
            await asyncio.sleep(LEASE_S * 1.5)
            assert len(watch.members) == 3

            dies.process.kill()
            dies.process.wait()
            killed_s = time.monotonic()
            # Bob's other device enters on the server that lives: he neither leaves nor joins.
            moved = await clients.enter_async_context(Client(lives.url, token="bob"))
            await moved.enter("room", {"by": "bob"})
            await until(lambda: len(watch.members) == 2, "the ghost is gone")
            shown_s = time.monotonic() - killed_s
            assert {member.user for member in await watcher.members("room")} == {"bob", "eve"}
    assert shown_s <= LEASE_S + GRACE_S + 1
    changes = [(change.event, member.user) for change in told[1:] for member in change.members]
    assert sorted(changes[:3]) == [("join", "ann"), ("join", "bob"), ("join", "eve")]
    assert changes[3:] == [("leave", "ann")]
