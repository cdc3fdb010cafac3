"""A connection of our own TCP as an asyncio transport: any asyncio protocol speaks on it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from longwire.net.userspace.driver import Driver
from longwire.tcpip.addresses import Address, address_text
from longwire.tcpip.errnos import errno_of
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import SocketError
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.state import State

__all__ = ["StackTransport", "os_error"]

READ_OCTETS_MAX = 256 * 1024
"""What a protocol is handed at once. Precedent: asyncio's own transports."""

WRITE_HIGH_OCTETS = 64 * 1024
"""What is kept beyond the send buffer of TCP before ``pause_writing``. Precedent: asyncio."""


def os_error(reason: Reason) -> OSError:
    """Return the exception, of the class that its ``errno`` asks for, that says ``reason``."""
    return OSError(errno_of(reason), reason.value)


def socket_name(address: Address, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return what ``getsockname`` gives: two parts for IPv4, four for IPv6."""
    text = address_text(address)
    return (text, port) if len(address) == 4 else (text, port, 0, 0)


class StackTransport(asyncio.Transport):
    """What asyncio promises of a transport, on a connection that is established.

    ``close`` sends what was written, then a FIN; ``connection_lost`` follows at once, and TCP ends
    the connection by itself, as a kernel does. A protocol whose ``eof_received`` returns true goes
    on writing (half-close). ``on_lost`` is told when the transport is done.
    """

    def __init__(
        self,
        driver: Driver,
        connection: TcpConnection,
        protocol: asyncio.BaseProtocol,
        on_lost: Callable[[StackTransport], None] | None = None,
    ) -> None:
        super().__init__(
            {
                "connection": connection,
                "peername": socket_name(*connection.tcb.remote),
                "sockname": socket_name(*connection.tcb.local),
            }
        )
        self._driver = driver
        self._connection = connection
        self._on_lost = on_lost
        # Octets that TCP has had no room for yet.
        self._backlog: deque[memoryview] = deque()
        self._backlog_octets = 0
        self._high = WRITE_HIGH_OCTETS
        self._low = WRITE_HIGH_OCTETS // 4
        self._is_writing_paused = False
        self._is_reading_paused = False
        self._is_eof_received = False
        self._is_eof_wanted = False
        self._is_closing = False
        self._is_lost = False
        self.set_protocol(protocol)

    def begin(self) -> None:
        """Tell the protocol of its transport, and hand it what has come already."""
        self._driver.watch(self._connection, self._on_ready)
        self._call(self._protocol.connection_made, self)
        self._on_ready()

    # Facts

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol: Any = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not self._is_reading_paused and not self._is_closing

    def get_write_buffer_size(self) -> int:
        return self._backlog_octets

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = WRITE_HIGH_OCTETS if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be at least low ({low}), and low at least 0")
        self._high, self._low = high, low
        self._pause_protocol_when_over()

    # Reading

    def pause_reading(self) -> None:
        self._is_reading_paused = True

    def resume_reading(self) -> None:
        if self._is_reading_paused:
            self._is_reading_paused = False
            self._driver.loop.call_soon(self._read)

    def _on_ready(self) -> None:
        """Something has happened to the connection."""
        if self._is_lost:
            return
        self._connection.take_events()
        if self._backlog:
            self._write_backlog()
        self._read()

    def _read(self) -> None:
        connection = self._connection
        while connection.readable_bytes and self.is_reading():
            if self._is_buffered:
                self._call(self._fill_buffer)
            else:
                data = connection.read(READ_OCTETS_MAX, self._driver.now_ns)
                self._call(self._protocol.data_received, data)
        if self._is_lost or (connection.readable_bytes and not self._is_closing):
            return
        if connection.error is not None:
            self._lose(os_error(connection.error))
        elif connection.at_end and not self._is_eof_received and self.is_reading():
            self._is_eof_received = True
            if not self._call(self._protocol.eof_received):
                self.close()

    def _fill_buffer(self) -> None:
        buffer = memoryview(self._protocol.get_buffer(-1)).cast("B")
        data = self._connection.read(min(len(buffer), READ_OCTETS_MAX), self._driver.now_ns)
        buffer[: len(data)] = data
        self._protocol.buffer_updated(len(data))

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_eof_wanted:
            raise RuntimeError("write after write_eof")
        if self._is_lost or self._is_closing or not len(data):
            return
        rest = memoryview(data).cast("B")
        if not self._backlog:
            rest = rest[self._give(rest) :]
        if len(rest):
            # The caller may change a bytearray afterwards.
            self._backlog.append(memoryview(bytes(rest)))
            self._backlog_octets += len(rest)
            self._pause_protocol_when_over()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self._is_eof_wanted or self._is_closing:
            return
        self._is_eof_wanted = True
        if not self._backlog:
            self._connection.shutdown(self._driver.now_ns)

    def _give(self, data: memoryview) -> int:
        """Let TCP take what it has room for; nothing once the connection has failed."""
        try:
            return self._connection.write(data, self._driver.now_ns)
        except SocketError:
            # Why is told by connection_lost, once what came before was read.
            return 0

    def _write_backlog(self) -> None:
        backlog = self._backlog
        while backlog:
            taken = self._give(backlog[0])
            self._backlog_octets -= taken
            if taken < len(backlog[0]):
                backlog[0] = backlog[0][taken:]
                break
            backlog.popleft()
        if not backlog:
            if self._is_closing:
                self._finish()
                return
            if self._is_eof_wanted:
                self._connection.shutdown(self._driver.now_ns)
        if self._is_writing_paused and self._backlog_octets <= self._low:
            self._is_writing_paused = False
            self._call(self._protocol.resume_writing)

    def _pause_protocol_when_over(self) -> None:
        if not self._is_writing_paused and self._backlog_octets > self._high:
            self._is_writing_paused = True
            self._call(self._protocol.pause_writing)

    # The end

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if not self._backlog:
            self._finish()

    def abort(self) -> None:
        self._connection.abort(self._driver.now_ns)
        self._lose(None)

    def _finish(self) -> None:
        """All that was written is with TCP, which sees to the rest."""
        self._connection.close(self._driver.now_ns)
        self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._backlog.clear()
        self._backlog_octets = 0
        self._driver.unwatch(self._connection)
        if self._connection.state is not State.CLOSED and error is not None:
            self._connection.abort(self._driver.now_ns)
        self._driver.loop.call_soon(self._tell_lost, error)

    def _tell_lost(self, error: OSError | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            if self._on_lost is not None:
                self._on_lost(self)

    def _call(self, method: Callable[..., Any], *arguments: object) -> Any:
        """Call the protocol; one that raises loses its connection, as with asyncio's transports."""
        try:
            return method(*arguments)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._driver.loop.call_exception_handler(
                {
                    "message": f"the protocol failed in {method.__name__}",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            self._connection.abort(self._driver.now_ns)
            self._lose(None)
            return True
