"""Echo, discard, pattern and count."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from longwire.net.userspace import services
from longwire.net.userspace.network import Network
from longwire.tcpip.addresses import parse_address
from tests.unit.net.userspace.conftest import HERE, HERE_V6
from tests.unit.net.userspace.test_transport import until


@pytest.fixture(autouse=True)
def served(network: Network) -> None:
    services.start_services(network)


async def ask(network: Network, port: int, question: bytes) -> bytes:
    """Send, half-close, and read the answer to its end."""
    reader, writer = await network.open_connection(HERE, port)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_echo_answers_what_came_before_the_end(network: Network) -> None:
    question = bytes(range(256)) * 4_000
    assert await ask(network, 7, question) == question
    assert await ask(network, 7, b"") == b""


async def test_discard_closes_after_the_peer(network: Network) -> None:
    assert await ask(network, 9, bytes(1_000_000)) == b""


async def test_pattern_is_two_million_octets_whatever_the_peer_says(network: Network) -> None:
    wanted = bytes(index % 251 for index in range(2_000_000))
    assert await ask(network, 19, b"not asked for" * 100) == wanted


async def test_pattern_ends_though_the_peer_does_not(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LINGER_S", 0.05)
    reader, writer = await network.open_connection(HERE, 19)
    assert len(await reader.read()) == 2_000_000
    host = network.driver.host
    await until(lambda: any(each.tcb.user_closed for each in host.tcp.connections))
    writer.close()


async def test_count_reads_late_and_counts_all(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "COUNT_DELAY_S", 0.2)
    octets = 3_000_000  # more than the buffers take, so that the window shuts
    reader, writer = await network.open_connection(HERE, 4000)
    connection = writer.get_extra_info("connection")
    writer.write(bytes(octets))
    writer.write_eof()
    await until(lambda: connection.tcb.snd_wnd == 0)
    assert await reader.read() == b"3000000"
    writer.close()


@pytest.mark.parametrize("address", [HERE, HERE_V6])
async def test_datagrams_come_back_from_where_they_went(network: Network, address: str) -> None:
    driver = network.driver
    socket = driver.host.open_udp()
    received = asyncio.Event()
    driver.watch(socket, received.set)
    socket.send(b"ping", driver.now_ns, parse_address(address), 7)
    driver.flush()
    async with asyncio.timeout(30):
        await received.wait()
    datagram = socket.receive()
    assert datagram is not None
    assert (datagram.data, datagram.address, datagram.port) == (b"ping", parse_address(address), 7)


async def test_sessions_that_are_cancelled_at_the_end_are_no_faults(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await network.open_connection(HERE, services.COUNT_PORT)

    def sessions() -> list[asyncio.Task[object]]:
        return [each for each in asyncio.all_tasks() if "run_session" in repr(each)]

    def are_under_way() -> bool:
        states = [inspect.getcoroutinestate(each.get_coro()) for each in sessions()]  # type: ignore[arg-type]
        return states == [inspect.CORO_SUSPENDED]

    await until(are_under_way)
    for each in sessions():
        each.cancel()
    await until(lambda: not sessions())
    await asyncio.sleep(0)
    assert not caplog.records
    writer.close()
