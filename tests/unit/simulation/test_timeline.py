"""Planned faults happen when they were planned, to whom, and stand on the timeline."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from longwire.simulation import SimHost, SimulationError, World
from longwire.simulation.timeline import FaultTimeline
from longwire.tcpip.devices.rules import DROP, Match, Rule
from tests.unit.simulation.worlds import pair, serve_echo


async def beat(seen: list[float]) -> None:
    while True:
        await asyncio.sleep(1)
        seen.append(time.monotonic())


def star(seed: int = 1) -> tuple[World, list[SimHost]]:
    """Three hosts at a router."""
    world = World(seed)
    router = world.router("router")
    hosts = [world.host(name) for name in ("a", "b", "c")]
    for host in hosts:
        world.link(host, router, delay=0.01)
    return world, hosts


async def reaches(one: SimHost, other: SimHost) -> bool:
    with one:
        try:
            async with asyncio.timeout(0.5):
                _, writer = await asyncio.open_connection(other.name, 7)
        except TimeoutError:
            return False
        writer.close()
        return True


def test_partition_parts_its_groups_and_nobody_else() -> None:
    world, (a, b, c) = star()
    faults = FaultTimeline(world)
    faults.at(10).partition([a], [b]).note("cut")
    faults.at(20).heal()
    faults.at(30).partition([a, b], [c])

    async def main() -> None:
        for host in (a, b, c):
            host.start(serve_echo())
        await asyncio.sleep(1)
        assert await reaches(a, b)
        await asyncio.sleep(10)
        assert not await reaches(a, b) and not await reaches(b, a)
        assert await reaches(a, c) and await reaches(c, b)
        await asyncio.sleep(10)
        assert await reaches(a, b)
        await asyncio.sleep(10)
        assert not await reaches(c, a) and await reaches(b, a)

    world.run(main())
    lines = world.timeline()
    assert "10.000000000  world            partition: a | b" in lines
    assert "10.000000000  timeline         cut" in lines
    assert "rule-dropped: partition a | b" in lines


def test_programs_are_stopped_resumed_and_killed_on_time() -> None:
    world, server, client = pair()
    faults = FaultTimeline(world)
    seen: list[float] = []
    faults.at(2.5).pause(server)
    faults.at(5.5).resume(server)
    faults.at(7.5).signal(signal.SIGUSR1, server)
    faults.at(9.5).kill(server).kill(client)
    faults.at(9.5).crash(client).crash(client).restart(client)

    async def main() -> None:
        program = server.start(beat(seen))

        def handler() -> None:
            seen.append(-1)

        program.process.signal_handlers[signal.SIGUSR1] = handler
        await asyncio.sleep(20)
        assert not program.is_running and client.is_up

    world.run(main())
    # What was planned for an instant comes before what programs do in it.
    assert seen == [1.0, 2.0, 5.5, 6.5, -1, 7.5, 8.5]


def test_links_change_rules_come_and_go_and_clocks_jump() -> None:
    world, server, client = pair(delay=0.01)
    (link,) = world.links
    faults = FaultTimeline(world)
    rule = Rule("no port 7", Match(port=7), DROP)
    faults.at(10).down(link)
    faults.at(20).up(link).change(link, delay=0.1)
    faults.at(30).rule(link, rule, toward=server, lasting=5)
    faults.at(40).set_clock(client, offset=60)

    async def main() -> None:
        server.start(serve_echo())
        found = []
        for _ in range(4):
            found.append(await reaches(client, server))
            await asyncio.sleep(world.now_s // 10 * 10 + 11 - world.now_s)
        assert found == [True, False, True, False]
        assert await reaches(client, server)  # at 41
        with client:
            assert round(time.time() - world.now_s) % 86_400 == 60

    world.run(main())
    assert rule.decided > 0
    assert "rule no port 7 for 5 s" in world.timeline()


def test_spells_come_from_the_seed_and_the_past_is_refused() -> None:
    def spells(seed: int, name: str = "faults") -> list[tuple[float, float]]:
        return list(FaultTimeline(World(seed), name).spells(50, between=(5, 9), longest=3))

    found = spells(1)
    assert spells(1) == found != spells(2)
    assert spells(1, "others") != found
    assert all(5 <= start <= 9 and start <= end <= start + 3 for start, end in found)

    world, _, client = pair()

    async def main() -> None:
        await asyncio.sleep(2)
        with pytest.raises(SimulationError, match=r"a fault at 1 s .* it is 2\.0 s already"):
            FaultTimeline(world).at(1)

    world.run(main(), on=client)
