"""The small services of old (RFC 862, 863, 864, in our own spelling), to try a stack with."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

from longwire.net.userspace.network import Network, StackServer
from longwire.tcpip.addresses import Address
from longwire.tcpip.sockets import SocketError
from longwire.tcpip.udp import UdpSocket

__all__ = ["start_services"]

ECHO_PORT = 7
DISCARD_PORT = 9
PATTERN_PORT = 19
COUNT_PORT = 4000

PATTERN_OCTETS = 2_000_000
PATTERN_PERIOD = 251
COUNT_DELAY_S = 3.0
"""How long port 4000 reads nothing, so that the peer's window closes."""

LINGER_S = 2.0
"""How long we wait, after our FIN, for the peer's: what it still sends then would be answered by
a reset, and a reset can overtake what we have sent (RFC 1122 4.2.2.13, RFC 9112 9.6)."""

_READ_OCTETS = 64 * 1024


def start_services(network: Network) -> list[StackServer]:
    """Serve TCP and UDP 7 (echo), TCP 9 (discard), 19 (pattern) and 4000 (count)."""
    for interface in network.driver.host.ip.interfaces:
        for address in interface.addresses:
            _echo_datagrams(network, address)
    sessions = {
        ECHO_PORT: echo,
        DISCARD_PORT: discard,
        PATTERN_PORT: send_pattern,
        COUNT_PORT: count,
    }
    return [network.start_server(session, port) for port, session in sessions.items()]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes; after the peer's FIN what is left of it, then close."""
    with contextlib.closing(writer), contextlib.suppress(OSError):
        while data := await reader.read(_READ_OCTETS):
            writer.write(data)
            await writer.drain()


async def discard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read and forget."""
    with contextlib.closing(writer), contextlib.suppress(OSError):
        while await reader.read(_READ_OCTETS):
            pass


async def send_pattern(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send 2,000,000 octets, octet i being i modulo 251, and close."""
    with contextlib.closing(writer), contextlib.suppress(OSError):
        block = bytes(range(PATTERN_PERIOD)) * (_READ_OCTETS // PATTERN_PERIOD)
        for start in range(0, PATTERN_OCTETS, len(block)):
            writer.write(block[: PATTERN_OCTETS - start])
            await writer.drain()
        await _finish(reader, writer)


async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read nothing for 3 s, then all; answer how much it was, in decimal, and close."""
    with contextlib.closing(writer), contextlib.suppress(OSError):
        transport = cast(asyncio.Transport, writer.transport)
        transport.pause_reading()
        await asyncio.sleep(COUNT_DELAY_S)
        transport.resume_reading()
        octets = 0
        while data := await reader.read(_READ_OCTETS):
            octets += len(data)
        writer.write(b"%d" % octets)


async def _finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the FIN, and drop what the peer still sends until it has closed, too."""
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while await reader.read(_READ_OCTETS):
                pass


def _echo_datagrams(network: Network, address: Address) -> None:
    """Answer datagrams to ``address`` from that very address."""
    driver = network.driver
    socket: UdpSocket = driver.host.open_udp(ECHO_PORT, address=address)

    def answer() -> None:
        while (datagram := socket.receive()) is not None:
            # One that cannot leave is lost, as any datagram may be.
            with contextlib.suppress(SocketError):
                socket.send(datagram.data, driver.now_ns, datagram.address, datagram.port)

    driver.watch(socket, answer)
