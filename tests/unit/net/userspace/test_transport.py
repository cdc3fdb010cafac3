"""Transports, servers and connections of our own TCP, in real time."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import pytest

from longwire.net.userspace.network import Network
from longwire.net.userspace.transport import WRITE_HIGH_OCTETS, StackTransport
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.state import State
from tests.unit.net.userspace.conftest import HERE, HERE_V6

PATTERN = bytes(range(251)) * 6_000  # 1.5 MB: more than both buffers of TCP together


class Keeper(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self, *, stays_open: bool = False) -> None:
        self.transport: StackTransport
        self.data = bytearray()
        self.told: list[str] = []
        self.stays_open = stays_open
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.stays_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


async def pair(network: Network, *, stays_open: bool = False) -> tuple[Keeper, Keeper]:
    """A connection: the protocol of who connected, and of who accepted."""
    accepted: list[Keeper] = []

    def make() -> Keeper:
        accepted.append(Keeper(stays_open=stays_open))
        return accepted[-1]

    server = network.create_server(make, 0)
    _, client = await network.create_connection(Keeper, HERE, server.port)
    await until(lambda: bool(accepted))
    return client, accepted[0]


async def until(holds: Any) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("address", "parts"), [(HERE, 2), (HERE_V6, 4)])
async def test_stream_arrives_whole_and_knows_its_ends(
    network: Network, address: str, parts: int
) -> None:
    sizes: list[int] = []

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sizes.append(len(await reader.read()))
        writer.write(PATTERN)
        writer.close()

    server = network.start_server(session, 0)
    reader, writer = await network.open_connection(address, server.port)
    assert writer.get_extra_info("peername")[:2] == (address, server.port)
    assert len(writer.get_extra_info("sockname")) == parts
    writer.write(PATTERN)
    await writer.drain()
    writer.write_eof()
    assert await reader.read() == PATTERN
    assert sizes == [len(PATTERN)]
    writer.close()
    await writer.wait_closed()


async def test_writing_pauses_past_the_high_mark_and_goes_on_below_the_low_one(
    network: Network,
) -> None:
    client, server = await pair(network)
    server.transport.pause_reading()
    connection = client.transport.get_extra_info("connection")
    client.transport.write(bytes(connection.writable_bytes + WRITE_HIGH_OCTETS))
    assert client.told == []
    assert client.transport.get_write_buffer_size() == WRITE_HIGH_OCTETS
    client.transport.write(b"x")
    assert client.told == ["pause"]
    assert not server.transport.is_reading()
    server.transport.resume_reading()
    await until(lambda: client.told == ["pause", "resume"])
    assert client.transport.get_write_buffer_limits() == (
        WRITE_HIGH_OCTETS // 4,
        WRITE_HIGH_OCTETS,
    )
    with pytest.raises(ValueError, match="at least"):
        client.transport.set_write_buffer_limits(high=1, low=2)


async def test_paused_reading_shuts_the_window_of_the_peer(network: Network) -> None:
    client, server = await pair(network)
    server.transport.pause_reading()
    await asyncio.sleep(0)
    client.transport.write(PATTERN)
    connection = client.transport.get_extra_info("connection")
    await until(lambda: connection.tcb.snd_wnd == 0)
    assert not server.data
    server.transport.resume_reading()
    await until(lambda: len(server.data) == len(PATTERN))


async def test_close_delivers_what_was_written_and_is_told_once(network: Network) -> None:
    client, server = await pair(network)
    client.transport.write(PATTERN)
    client.transport.close()
    client.transport.close()
    client.transport.write(b"dropped")
    assert client.transport.is_closing()
    assert await client.lost is None
    assert await server.lost is None
    assert server.data == PATTERN
    assert server.told == ["eof"]


async def test_half_closed_protocol_goes_on_writing(network: Network) -> None:
    client, server = await pair(network, stays_open=True)
    client.stays_open = True
    assert client.transport.can_write_eof()
    client.transport.write(b"question")
    client.transport.write_eof()
    client.transport.write_eof()
    with pytest.raises(RuntimeError, match="write after write_eof"):
        client.transport.write(b"x")
    await until(lambda: server.told == ["eof"])
    server.transport.write(PATTERN)
    server.transport.close()
    await until(lambda: client.told == ["eof"])
    assert client.data == PATTERN
    client.transport.close()
    assert await client.lost is None


async def test_end_that_is_asked_for_waits_for_what_was_written(network: Network) -> None:
    client, server = await pair(network, stays_open=True)
    client.transport.write(PATTERN)
    client.transport.write_eof()
    await until(lambda: server.told == ["eof"])
    assert server.data == PATTERN


async def test_abort_resets_and_the_peer_gets_the_error(network: Network) -> None:
    client, server = await pair(network)
    client.transport.abort()
    assert await client.lost is None
    error = await server.lost
    assert isinstance(error, ConnectionResetError)
    assert error.strerror == Reason.TCP_RESET_RECEIVED.value
    server.transport.write(b"nobody is there")
    server.transport.abort()


async def test_protocol_that_fails_loses_its_connection_alone(network: Network) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: complaints.append(context["message"])
    )
    client, server = await pair(network)
    other, _ = await pair(network)

    def fail(data: bytes) -> None:
        raise ZeroDivisionError

    server.data_received = fail  # type: ignore[method-assign]
    client.transport.write(b"x")
    assert isinstance(await client.lost, ConnectionResetError)
    assert complaints == ["the protocol failed in fail"]
    assert not other.transport.is_closing()


async def test_buffered_protocol_is_given_what_fits_its_buffer(network: Network) -> None:
    class Small(Keeper, asyncio.BufferedProtocol):
        def __init__(self) -> None:
            super().__init__()
            self.buffer = bytearray(1000)

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.data += self.buffer[:nbytes]

    made: list[Small] = []

    def make() -> Small:
        made.append(Small())
        return made[-1]

    server = network.create_server(make, 0)
    _, client = await network.create_connection(Keeper, HERE, server.port)
    client.transport.write(PATTERN[:100_000])
    client.transport.close()
    await client.lost
    assert await made[0].lost is None
    assert made[0].data == PATTERN[:100_000]


async def test_one_connection_past_the_limit_is_reset(network: Network) -> None:
    server = network.create_server(Keeper, 0, connections_max=2)
    first = await network.create_connection(Keeper, HERE, server.port)
    await network.create_connection(Keeper, HERE, server.port)
    await until(lambda: server.connections == 2)
    assert server.connections_refused == 0
    _, third = await network.create_connection(Keeper, HERE, server.port)
    assert isinstance(await third.lost, ConnectionResetError)
    assert (server.connections, server.connections_refused) == (2, 1)
    first[0].close()
    await until(lambda: server.connections == 1)
    _, fourth = await network.create_connection(Keeper, HERE, server.port)
    await until(lambda: server.connections == 2)
    assert not fourth.lost.done()


async def test_connecting_says_why_it_failed(network: Network) -> None:
    with pytest.raises(ConnectionRefusedError):
        await network.open_connection(HERE, 9)
    with pytest.raises(OSError, match="no route leads") as caught:
        await network.open_connection("192.0.2.1", 9)
    assert caught.value.errno == errno.ENETUNREACH
    with pytest.raises(ValueError, match="localhost"):
        await network.open_connection("localhost", 9)


async def test_port_is_taken_once(network: Network) -> None:
    server = network.create_server(Keeper, 80)
    with pytest.raises(OSError, match="another socket") as caught:
        network.create_server(Keeper, 80)
    assert caught.value.errno == errno.EADDRINUSE
    server.close()
    network.create_server(Keeper, 80)


async def test_cancelled_connect_leaves_nothing_behind(network: Network) -> None:
    attempt = asyncio.create_task(network.open_connection("10.0.0.9", 80))
    host = network.driver.host
    await until(lambda: [each.state for each in host.tcp.connections] == [State.SYN_SENT])
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    await until(lambda: host.tcp.connections == [])


async def test_aborted_server_resets_its_connections(network: Network) -> None:
    server = network.create_server(Keeper, 0)
    _, client = await network.create_connection(Keeper, HERE, server.port)
    await until(lambda: server.connections == 1)
    server.abort()
    assert isinstance(await client.lost, ConnectionResetError)
    with pytest.raises(ConnectionRefusedError):
        await network.open_connection(HERE, server.port)


async def test_watcher_that_fails_is_reported_and_the_rest_goes_on(network: Network) -> None:
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: complaints.append(context["message"]))
    driver = network.driver
    socket = driver.host.open_udp(7)
    driver.watch(socket, lambda: [][0])
    sender = driver.host.open_udp()
    sender.send(b"x", driver.now_ns, socket.local_address or b"\x0a\x00\x00\x01", 7)
    driver.flush()
    await until(lambda: len(complaints) == 1)
    await pair(network)


async def test_timers_run_without_packets(network: Network) -> None:
    """A SYN that nobody answers is repeated after its time-out, with nothing to wake the driver."""
    attempt = asyncio.create_task(network.open_connection("10.0.0.9", 80))
    host = network.driver.host
    await until(lambda: bool(host.tcp.connections))
    (connection,) = host.tcp.connections
    await until(lambda: connection.tcb.syn_retransmissions == 1)
    age_ns = network.driver.now_ns - connection.tcb.opened_ns
    assert age_ns >= connection.tcb.profile.rto_initial_ns
    attempt.cancel()
