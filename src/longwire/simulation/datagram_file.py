"""UDP sockets of the simulated kernel, over :mod:`longwire.tcpip`."""

from __future__ import annotations

import errno
import socket
import struct

from longwire.simulation.addressing import any_address
from longwire.simulation.open_file import READ, WRITE, OpenFile, os_error
from longwire.simulation.problems import error_for
from longwire.simulation.process import Process
from longwire.tcpip.addresses import Address, endpoint_text
from longwire.tcpip.sockets import SocketError
from longwire.tcpip.udp import UdpSocket

__all__ = ["DatagramFile"]


class DatagramFile(OpenFile):
    """One UDP socket."""

    kind = "UDP socket"

    def __init__(self, process: Process, family: int, type_: int, protocol: int) -> None:
        super().__init__(process, family, type_, protocol or socket.IPPROTO_UDP)
        self._socket: UdpSocket | None = None
        self._options: dict[tuple[int, int], int | bytes] = {}

    def events(self) -> int:
        ready = self._socket
        if ready is None:
            return WRITE
        # FAILED counts as readable: the next call says what is wrong.
        return WRITE | (READ if ready.readiness & (1 | 4) else 0)

    def local(self) -> tuple[Address, int]:
        if self._socket is None:
            return any_address(self.family), 0
        return self._socket.local_address or any_address(self.family), self._socket.local_port

    def remote(self) -> tuple[Address, int]:
        if self._socket is None or self._socket.peer is None:
            raise os_error(errno.ENOTCONN)
        return self._socket.peer

    def describe(self) -> str:
        return f"UDP socket at {endpoint_text(*self.local())}"

    def bind(self, address: Address, port: int) -> None:
        if self._socket is not None:
            raise os_error(errno.EINVAL)
        if not self.host.owns(address):
            raise os_error(errno.EADDRNOTAVAIL)
        self._open(address, port)

    def _open(self, address: Address | None, port: int) -> UdpSocket:
        try:
            self._socket = self.host.stack.open_udp(port, address=address)
        except SocketError as problem:
            raise error_for(problem.reason) from None
        self.host.adopt(self._socket, self)
        return self._socket

    def connect(self, address: Address, port: int) -> None:
        """Choose the peer: done at once."""
        (self._socket or self._open(None, 0)).connect(address, port)

    def send(self, data: bytes | bytearray | memoryview, to: tuple[Address, int] | None) -> int:
        """Send one datagram. Raises OSError, also for what came back about an earlier one."""
        opened = self._socket or self._open(None, 0)
        self._raise_error(opened)
        address, port = to if to is not None else (None, 0)
        try:
            opened.send(bytes(data), self.host.now_ns, address, port)
        except SocketError as problem:
            raise error_for(problem.reason) from None
        self.host.used()
        return len(data)

    def receive(self) -> tuple[bytes, tuple[Address, int]]:
        """Return a datagram and who sent it."""
        opened = self._socket
        if opened is None:
            raise os_error(errno.EAGAIN)
        self._raise_error(opened)
        received = opened.receive()
        if received is None:
            raise os_error(errno.EAGAIN)
        return received.data, (received.address, received.port)

    def _raise_error(self, opened: UdpSocket) -> None:
        if opened.take_error() is not None:
            raise os_error(errno.ECONNREFUSED)

    def release(self) -> None:
        if self._socket is not None:
            self.host.disown(self._socket)
            self._socket.close()

    def set_option(self, level: int, option: int, value: int | bytes) -> None:
        self._options[level, option] = value

    def get_option(self, level: int, option: int, length: int) -> int | bytes:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            failed = self._socket is not None and self._socket.take_error() is not None
            return errno.ECONNREFUSED if failed else 0
        value = self._options.get((level, option), 0)
        return struct.pack("=i", value)[:length] if length and isinstance(value, int) else value
