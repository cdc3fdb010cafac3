"""Faults that look alike from far away: what the application sees, and what TCP_INFO shows."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from longwire.simulation import SimHost, World
from longwire.simulation.middleboxes import FlowEnd, balance, filter_syns, strip_options, translate
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.info import TcpInfo
from longwire.tcpip.tcp.state import State

PORT = 7


def pair(**settings: Any) -> tuple[World, SimHost, SimHost]:
    world = World(11)
    server, client = world.host("server"), world.host("client")
    world.link(server, client, delay=0.025, **settings)
    return world, server, client


def info_of(writer: asyncio.StreamWriter) -> TcpInfo:
    info: TcpInfo = writer.get_extra_info("socket")._sock.tcp_info()
    return info


async def begin_connecting() -> tuple[Any, asyncio.Task[None]]:
    made: Any = socket.socket()
    made.setblocking(False)
    loop = asyncio.get_running_loop()
    return made, loop.create_task(loop.sock_connect(made, ("10.0.1.1", PORT)))


async def read_for_ever() -> None:
    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            pass
        writer.close()

    await (await asyncio.start_server(read, "0.0.0.0", PORT)).serve_forever()


async def read_never() -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(3600)

    await (await asyncio.start_server(wait, "0.0.0.0", PORT)).serve_forever()


def test_filtered_handshake_repeats_its_syn_and_times_out() -> None:
    world, server, client = pair()
    box = filter_syns(world.links[0], ports=[PORT])

    async def main() -> None:
        server.start(read_for_ever())
        made, connecting = await begin_connecting()
        await asyncio.sleep(10)
        info = made.tcp_info()
        assert info.state == State.SYN_SENT.value and info.retransmits >= 3
        with pytest.raises(OSError) as raised:
            await connecting
        assert raised.value.errno == errno.ETIMEDOUT
        assert box.notebook.count(Reason.FILTERED) > info.retransmits

    world.run(main(), on=client)


def test_refused_handshake_ends_in_one_round_trip() -> None:
    world, _, client = pair()

    async def main() -> None:
        _, connecting = await begin_connecting()
        with pytest.raises(ConnectionRefusedError):
            await connecting
        assert world.now_s == 0.05

    world.run(main(), on=client)


def test_full_accept_queue_connects_some_and_leaves_the_others_in_syn_sent() -> None:
    world, server, client = pair()

    async def main() -> None:
        with server:
            listening: Any = socket.socket()
            listening.bind(("0.0.0.0", PORT))
            listening.listen(2)
        with client:
            started = [await begin_connecting() for _ in range(2)]
            await asyncio.sleep(1)
            late, connecting = await begin_connecting()
            await asyncio.sleep(3)
            assert all(task.done() for _, task in started)
            info = late.tcp_info()
            assert info.state == State.SYN_SENT.value and info.retransmits >= 2
            # Linux on a listener: how many wait, and how many may.
            figures = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            assert int.from_bytes(figures[24:28], "little") == 2
            listening.setblocking(False)
            listening.accept()
            await connecting  # the next SYN finds room
        assert late.tcp_info().state == State.ESTABLISHED.value

    world.run(main())


@pytest.mark.parametrize("fault", ["process stuck", "host gone"])
def test_stuck_process_and_vanished_host_differ_in_who_acknowledges(fault: str) -> None:
    world, server, client = pair()

    async def main() -> None:
        program = server.start(read_for_ever())
        with client:
            reader, writer = await asyncio.open_connection("server", PORT)
            if fault == "process stuck":
                program.pause()
            else:
                server.crash()
            writer.write(b"are you there?")
            await asyncio.sleep(10)
            info = info_of(writer)
            if fault == "process stuck":
                assert info.unacked == 0 and info.backoff == 0
                assert info.last_ack_recv < 10_000 and info.bytes_acked >= 14
                return
            assert info.unacked == 1 and info.backoff >= 3 and info.retransmits >= 3
            assert info.last_ack_recv >= 10_000
            with pytest.raises(OSError) as raised:
                await reader.read()
            assert raised.value.errno == errno.ETIMEDOUT

    world.run(main())


def test_mtu_hole_lets_small_messages_through_and_holds_large_ones() -> None:
    world, server, client = pair(path_mtu=1300)

    async def main() -> None:
        server.start(read_for_ever())
        with client:
            _, writer = await asyncio.open_connection("server", PORT)
            writer.write(b"small")
            await asyncio.sleep(1)
            assert info_of(writer).unacked == 0
            writer.write(bytes(20_000))
            await asyncio.sleep(10)
            info = info_of(writer)
            assert info.ca_state == 4 and info.backoff >= 3  # Loss
            # The handshake is acknowledged, and the small message, and nothing since.
            assert info.lost == info.unacked > 0 and info.bytes_acked <= 6
            assert info.snd_mss > 1300 - 52

    world.run(main())


def test_reported_mtu_is_learned_and_large_messages_pass() -> None:
    world, server, client = pair(path_mtu=1300, path_icmp=True)

    async def main() -> None:
        server.start(read_for_ever())
        with client:
            _, writer = await asyncio.open_connection("server", PORT)
            writer.write(bytes(20_000))
            await asyncio.sleep(5)
            info = info_of(writer)
            assert (info.unacked, info.pmtu, info.ca_state) == (0, 1300, 0)
            assert info.snd_mss == 1300 - 52 and info.bytes_acked >= 20_000

    world.run(main())


def home_behind_nat(idle: float) -> tuple[World, SimHost, SimHost]:
    world = World(12)
    client, router, server = world.host("client"), world.router("home"), world.host("server")
    inside = world.link(client, router, delay=0.001)
    outside = world.link(router, server, delay=0.02)
    translate(router, inside=inside, outside=outside, idle=idle)
    return world, client, server


def test_forgotten_by_nat_the_writer_inside_is_reset_at_its_next_write() -> None:
    world, client, server = home_behind_nat(idle=60)

    async def main() -> None:
        server.start(read_for_ever())
        with client:
            reader, writer = await asyncio.open_connection("10.0.2.2", PORT)
            for pause in (50, 50):  # used often enough, it is remembered
                await asyncio.sleep(pause)
                writer.write(b"still there")
            await asyncio.sleep(61)
            info = info_of(writer)
            # Nothing shows until somebody writes: all is acknowledged.
            assert info.state == State.ESTABLISHED.value and info.unacked == 0
            written_s = world.now_s
            writer.write(b"hello?")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            assert world.now_s - written_s < 0.1  # one round trip, unlike a vanished host

    world.run(main())


def test_forgotten_by_nat_the_writer_outside_is_answered_by_nobody() -> None:
    world, client, server = home_behind_nat(idle=60)
    accepted: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result((reader, writer))

    async def main() -> None:
        nonlocal accepted
        accepted = asyncio.get_running_loop().create_future()
        with server:
            await asyncio.start_server(keep, "0.0.0.0", PORT)
        with client:
            streams = await asyncio.open_connection("10.0.2.2", PORT)
        reader, writer = await accepted
        assert writer.get_extra_info("peername")[0] == "10.0.2.1"  # the router's
        await asyncio.sleep(61)
        writer.write(b"news")
        await asyncio.sleep(10)
        info = info_of(writer)
        assert info.unacked == 1 and info.backoff >= 3 and info.last_ack_recv >= 60_000
        with pytest.raises(OSError) as raised:
            await reader.read()
        assert raised.value.errno == errno.ETIMEDOUT
        streams[1].close()

    world.run(main())


@pytest.mark.parametrize(
    ("limits", "ending", "told_s", "error"),
    [
        ({"lifetime": 100}, FlowEnd.RESET_BOTH, 100, errno.ECONNRESET),
        ({"idle": 40}, FlowEnd.RESET_BOTH, 40, errno.ECONNRESET),
        ({"idle": 40}, FlowEnd.RESET_NEXT, 50, errno.ECONNRESET),
        ({"idle": 40}, FlowEnd.SILENT, 50 + 900, errno.ETIMEDOUT),
    ],
)
def test_load_balancer_ends_a_flow_and_its_client_learns_of_it(
    limits: dict[str, Any], ending: FlowEnd, told_s: float, error: int
) -> None:
    """The client writes after 50 s and, with a limit on age alone, would be heard."""
    world = World(13)
    client, router = world.host("client"), world.router("balancer")
    outside = world.link(client, router, delay=0.01)
    servers = [world.host(f"server-{n}") for n in range(2)]
    links = [world.link(router, server, delay=0.001) for server in servers]
    pool = list(zip(servers, links, strict=True))
    box = balance(router, outside=outside, port=PORT, servers=pool, ending=ending, **limits)

    async def main() -> None:
        for server in servers:
            server.start(read_for_ever())
        with client:
            reader, writer = await asyncio.open_connection("10.0.1.2", PORT)
            began_s = world.now_s
            asyncio.get_running_loop().call_later(50, writer.write, b"still there")
            with pytest.raises(OSError) as raised:
                await reader.read()
        assert raised.value.errno == error
        assert told_s - 1 < world.now_s - began_s < told_s + 100

    world.run(main())
    reason = Reason.BALANCER_LIFETIME if "lifetime" in limits else Reason.BALANCER_IDLE
    assert box.notebook.count(reason) == 1 and len(box) == 0


def test_load_balancer_takes_servers_in_turn_and_stripped_options_do_not_arrive() -> None:
    world = World(14)
    client, router = world.host("client"), world.router("balancer")
    outside = world.link(client, router, delay=0.01)
    strip_options(outside, "sack_permitted", "window_scale")
    servers = [world.host(f"server-{n}") for n in range(3)]
    pool = [(server, world.link(router, server)) for server in servers]
    balance(router, outside=outside, port=PORT, servers=pool)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(writer.get_extra_info("sockname")[0].encode())
        writer.close()

    async def main() -> list[bytes]:
        for server in servers:
            with server:
                await asyncio.start_server(greet, "0.0.0.0", PORT)
        greetings = []
        with client:
            for _ in range(6):
                reader, writer = await asyncio.open_connection("10.0.1.2", PORT)
                assert info_of(writer).options == 1  # timestamps alone
                greetings.append(await reader.read())
                writer.close()
        return greetings

    assert world.run(main()) == 2 * [b"10.0.2.2", b"10.0.3.2", b"10.0.4.2"]


def test_zero_window_is_probed_and_nothing_is_lost() -> None:
    world, server, client = pair()

    async def main() -> None:
        server.start(read_never())
        with client:
            _, writer = await asyncio.open_connection("server", PORT)
            writer.write(bytes(4_000_000))
            await asyncio.sleep(60)
            info = info_of(writer)
            assert info.snd_wnd == 0 and info.probes >= 1
            assert info.lost == 0 and info.last_ack_recv < 60_000
            assert info.state == State.ESTABLISHED.value
            writer.transport.abort()

    world.run(main())
