"""What asyncio offers for sockets of the kernel, for a host of our own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from longwire.net.userspace.driver import Driver
from longwire.net.userspace.transport import StackTransport, os_error
from longwire.tcpip.sockets import SocketError
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.listener import Listener
from longwire.tcpip.tcp.state import State

__all__ = ["Network", "StackServer"]

CONNECTIONS_MAX = 1024
"""Connections of one server that are open at once; one past it is reset."""

STREAM_OCTETS = 64 * 1024
"""What a StreamReader holds before reading pauses, halved. Precedent: asyncio."""

Protocol = TypeVar("Protocol", bound=asyncio.BaseProtocol)
Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class StackServer:
    """A port that is listened on, and its connections. Made by :meth:`Network.create_server`."""

    def __init__(
        self,
        driver: Driver,
        listener: Listener,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        connections_max: int,
    ) -> None:
        self._driver = driver
        self._listener = listener
        self._make_protocol = make_protocol
        self._connections_max = connections_max
        self._transports: dict[StackTransport, None] = {}
        self.connections_refused = 0
        driver.watch(listener, self._accept)

    @property
    def port(self) -> int:
        return self._listener.local_port

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._transports)

    def close(self) -> None:
        """Accept no more; open connections go on."""
        self._driver.unwatch(self._listener)
        self._listener.close(self._driver.now_ns)

    def abort(self) -> None:
        """Accept no more, and reset all connections."""
        self.close()
        for transport in list(self._transports):
            transport.abort()

    def _accept(self) -> None:
        while (connection := self._listener.accept()) is not None:
            if len(self._transports) >= self._connections_max:
                self.connections_refused += 1
                connection.abort(self._driver.now_ns)
                continue
            transport = StackTransport(
                self._driver, connection, self._make_protocol(), self._forget
            )
            self._transports[transport] = None
            transport.begin()

    def _forget(self, transport: StackTransport) -> None:
        self._transports.pop(transport, None)


class Network:
    """Servers and connections on the host of ``driver``. Addresses are IP addresses: no names."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def create_server(
        self,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        port: int,
        *,
        address: str | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> StackServer:
        """Listen on a port, a free one when it is 0, of all our addresses or of one.

        Raises OSError when the port is taken, ValueError for what is no address.
        """
        try:
            listener = self.driver.host.listen(port, address=address)
        except SocketError as error:
            raise os_error(error.reason) from None
        return StackServer(self.driver, listener, make_protocol, connections_max)

    def start_server(
        self,
        session: Session,
        port: int,
        *,
        address: str | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> StackServer:
        """Listen on a port and run ``session(reader, writer)`` for every connection."""

        async def run_session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Python 3.11 logs a session that is cancelled, as at the program's end, as a fault.
            with contextlib.suppress(asyncio.CancelledError):
                await session(reader, writer)

        def make_protocol() -> asyncio.BaseProtocol:
            reader = asyncio.StreamReader(STREAM_OCTETS, self.driver.loop)
            return asyncio.StreamReaderProtocol(reader, run_session, self.driver.loop)

        return self.create_server(
            make_protocol, port, address=address, connections_max=connections_max
        )

    async def create_connection(
        self, make_protocol: Callable[[], Protocol], address: str, port: int
    ) -> tuple[StackTransport, Protocol]:
        """Connect. Raises OSError, or ValueError for what is no address.

        A connection whose making is cancelled is reset.
        """
        driver = self.driver
        try:
            connection = driver.host.connect(address, port, driver.now_ns)
        except SocketError as error:
            raise os_error(error.reason) from None
        await self._established(connection)
        protocol = make_protocol()
        transport = StackTransport(driver, connection, protocol)
        transport.begin()
        return transport, protocol

    async def open_connection(
        self, address: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; return streams, as ``asyncio.open_connection`` does. Raises OSError."""
        loop = self.driver.loop
        reader = asyncio.StreamReader(STREAM_OCTETS, loop)
        transport, protocol = await self.create_connection(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop), address, port
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _established(self, connection: TcpConnection) -> None:
        done: asyncio.Future[None] = self.driver.loop.create_future()

        def look() -> None:
            if done.done():
                return
            if connection.error is not None:
                done.set_exception(os_error(connection.error))
            elif connection.state not in (State.SYN_SENT, State.SYN_RECEIVED):
                done.set_result(None)

        self.driver.watch(connection, look)
        try:
            await done
        except asyncio.CancelledError:
            connection.abort(self.driver.now_ns)
            raise
        finally:
            self.driver.unwatch(connection)
