"""asyncio's own streams over the simulated TCP."""

from __future__ import annotations

import asyncio
import errno

import pytest

from longwire.simulation import World, run
from tests.unit.simulation.worlds import echo, pair, serve_echo


def test_round_trip_takes_exactly_the_delays_of_the_link() -> None:
    world, server, client = pair(delay=0.025)
    times = []

    async def talk() -> None:
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("server", 7)
        times.append(world.now_s)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        times.append(world.now_s)
        writer.close()

    async def main() -> None:
        server.start(serve_echo())
        await client.run(talk())

    world.run(main())
    assert times == [1.05, 1.1]


@pytest.mark.parametrize("loss", [0.0, 0.03])
def test_megabyte_comes_back_whole(loss: float) -> None:
    world, server, client = pair(loss=loss, rate=50_000_000)
    sent = bytes(range(256)) * 4096

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection("server", 7)

        async def write() -> None:
            writer.write(sent)
            await writer.drain()
            writer.write_eof()

        received, _ = await asyncio.gather(reader.read(-1), write())
        writer.close()
        return received

    async def main() -> bytes:
        server.start(serve_echo())
        return await client.run(talk())

    assert world.run(main()) == sent


def test_refused_connection_fails_after_one_round_trip() -> None:
    world, _, client = pair(delay=0.5)

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("server", 7)
        assert world.now_s == 1.0

    world.run(main(), on=client)


def test_filtered_connection_times_out_on_the_schedule_of_linux() -> None:
    world, _, client = pair(loss=1.0)

    async def main() -> None:
        with pytest.raises(OSError) as raised:
            await asyncio.open_connection("server", 7)
        assert raised.value.errno == errno.ETIMEDOUT

    world.run(main(), on=client)
    assert 120 < world.now_s < 140


def test_connection_whose_path_is_cut_is_given_up() -> None:
    world, server, client = pair()
    link = world.links[0]

    async def talk() -> None:
        reader, writer = await asyncio.open_connection("server", 7)
        link.down()
        writer.write(b"into the void")
        with pytest.raises(OSError) as raised:
            await reader.read(1)
        assert raised.value.errno == errno.ETIMEDOUT

    async def main() -> None:
        server.start(serve_echo())
        await client.run(talk())

    world.run(main())
    # Linux: 15 retransmissions, 924.6 s with the smallest time-out.
    assert 900 < world.now_s < 1200


def test_program_on_one_host_uses_its_loopback() -> None:
    async def main() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"near")
        data = await reader.readexactly(4)
        writer.close()
        server.close()
        return data

    assert run(main()) == b"near"


def test_hosts_behind_a_router_reach_each_other() -> None:
    world = World(3)
    server, client, router = world.host("server"), world.host("client"), world.router("router")
    world.link(server, router, delay=0.01)
    world.link(client, router, delay=0.02)

    async def talk() -> None:
        reader, writer = await asyncio.open_connection("server", 7)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        writer.close()

    async def main() -> None:
        server.start(serve_echo())
        await client.run(talk())

    world.run(main())
    assert world.now_s == pytest.approx(0.12)


def test_ipv6_link_is_used_when_asked_for() -> None:
    world, server, client = pair(ipv6=True)

    async def main() -> None:
        with server:
            listening = await asyncio.start_server(echo, "::", 7)
        with client:
            reader, writer = await asyncio.open_connection("fd00:1::1", 7)
        assert writer.get_extra_info("peername")[0] == "fd00:1::1"
        writer.write(b"six")
        assert await reader.readexactly(3) == b"six"
        writer.close()
        listening.close()

    world.run(main())


def test_datagrams_arrive_and_a_closed_port_is_told() -> None:
    world, server, client = pair()
    got: list[object] = []

    class Sink(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: object) -> None:
            got.append(data)

        def error_received(self, error: Exception) -> None:
            got.append(type(error))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with server:
            await loop.create_datagram_endpoint(Sink, local_addr=("0.0.0.0", 53))
        with client:
            open_, _ = await loop.create_datagram_endpoint(Sink, remote_addr=("server", 53))
            shut, _ = await loop.create_datagram_endpoint(Sink, remote_addr=("server", 54))
        open_.sendto(b"question")
        shut.sendto(b"nobody")
        await asyncio.sleep(1)

    world.run(main())
    assert got == [b"question", ConnectionRefusedError]
