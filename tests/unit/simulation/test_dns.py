"""Names looked up over the simulated network: answers, late ones, wrong ones, none."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import dns.message
import pytest

from longwire.simulation import SimHost, World
from longwire.simulation.dns_server import DnsAnswer, DnsServer

ZONE = {
    "both.example": DnsAnswer(addresses=("10.0.9.1", "fd00::9")),
    "v6.example": DnsAnswer(addresses=("fd00::6",)),
    "slow.example": DnsAnswer(addresses=("10.0.9.2",), delay=2),
    "empty.example": DnsAnswer(),
    "broken.example": DnsAnswer(rcode="SERVFAIL"),
    "silent.example": DnsAnswer(is_silent=True),
}


def world_with(*servers: DnsServer) -> tuple[World, SimHost]:
    """A client, and a host for each server, 10 ms away; the client asks them in this order."""
    world = World(4)
    client = world.host("client")
    for number, server in enumerate(servers, 1):
        host = world.host(f"names-{number}")
        world.link(client, host, delay=0.01)
        world.at(0, lambda host=host, server=server: host.start(server.serve()))  # type: ignore[misc]
        client.resolvers += (f"10.0.{number}.2",)
    return world, client


def look_up(
    name: str, family: int = 0, *, servers: tuple[DnsServer, ...] | None = None
) -> tuple[Any, float]:
    """Return what a program is told, addresses or an error number, and after how many seconds."""
    world, client = world_with(*(servers or (DnsServer(ZONE),)))

    async def main() -> tuple[Any, float]:
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(name, 80, family=family, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            return error.errno, world.now_s - 1
        return [info[4][0] for info in infos], world.now_s - 1

    found: tuple[Any, float] = world.run(main(), on=client)
    return found


@pytest.mark.parametrize(
    ("name", "family", "told", "seconds"),
    [
        ("both.example", 0, ["fd00::9", "10.0.9.1"], 0.02),
        ("BOTH.example", socket.AF_INET, ["10.0.9.1"], 0.02),
        ("v6.example", 0, ["fd00::6"], 0.02),
        ("v6.example", socket.AF_INET, socket.EAI_NONAME, 0.02),
        ("slow.example", 0, ["10.0.9.2"], 2.02),
        ("empty.example", 0, socket.EAI_NONAME, 0.02),
        ("nowhere.example", 0, socket.EAI_NONAME, 0.02),
        ("broken.example", 0, socket.EAI_AGAIN, 0.04),
        ("silent.example", 0, socket.EAI_AGAIN, 10),
        ("10.0.0.7", 0, ["10.0.0.7"], 0),
        ("localhost", 0, ["127.0.0.1"], 0),
    ],
)
def test_name_is_told_as_the_server_answers(
    name: str, family: int, told: Any, seconds: float
) -> None:
    found, took = look_up(name, family)
    assert found == told
    assert took == pytest.approx(seconds, abs=1e-6)


def test_next_server_is_asked_when_one_is_silent_or_fails() -> None:
    silent, good = DnsServer({"both.example": DnsAnswer(is_silent=True)}), DnsServer(ZONE)
    found, took = look_up("both.example", servers=(silent, good))
    assert found == ["fd00::9", "10.0.9.1"] and took == pytest.approx(5.02)
    assert silent.queries == good.queries == ["AAAA both.example", "A both.example"]
    failing = DnsServer({"both.example": DnsAnswer(rcode="REFUSED")})
    assert look_up("both.example", servers=(failing, DnsServer(ZONE)))[1] == pytest.approx(0.04)


def test_host_without_a_server_is_refused_at_once() -> None:
    world = World(4)
    client, other = world.host("client"), world.host("other")
    world.link(client, other, delay=0.01)
    client.resolvers = ("10.0.1.2",)

    async def main() -> None:
        with pytest.raises(socket.gaierror) as raised:
            await asyncio.get_running_loop().getaddrinfo("both.example", 80)
        assert raised.value.errno == socket.EAI_AGAIN
        assert world.now_s == pytest.approx(0.04)

    world.run(main(), on=client)


def test_server_ignores_what_is_no_query_and_refuses_unknown_rcodes() -> None:
    server = DnsServer(ZONE)
    query = dns.message.make_query("both.example", "MX")
    answer = server.answer(query.to_wire())
    assert answer is not None
    assert dns.message.from_wire(answer[1]).answer == []
    assert server.answer(answer[1]) is None  # an answer is no question
    assert server.answer(b"") is None and server.answer(b"\0" * 12) is None
    assert server.queries == ["MX both.example"]
    with pytest.raises(ValueError, match="no rcode 'LOST'"):
        DnsServer({"x": DnsAnswer(rcode="LOST")})


def test_programs_connect_by_names_of_the_server_and_repeat_to_the_octet() -> None:
    def run() -> str:
        world, client = world_with(DnsServer({"home.example": DnsAnswer(addresses=("10.0.1.2",))}))
        host = world.hosts["names-1"]

        async def main() -> None:
            await asyncio.sleep(1)
            with host:
                listening = await asyncio.start_server(lambda *_: None, "0.0.0.0", 7)
            with client:
                _, writer = await asyncio.open_connection("home.example", 7)
                assert writer.get_extra_info("peername")[0] == "10.0.1.2"
                writer.close()
            listening.close()

        world.run(main())
        return world.capture_digest()

    assert run() == run()
