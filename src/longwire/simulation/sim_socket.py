"""``socket.socket`` as the programs in a simulation see it.

A subclass, so that ``isinstance`` holds, whose C part is never initialised: no descriptor of the
real system is opened. Nothing waits: what would have to wait raises BlockingIOError on a socket
with time-out 0, and NotSimulatedError on any other.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from typing import Any

from longwire.simulation.addressing import SocketAddress, from_tuple, to_tuple
from longwire.simulation.datagram_file import DatagramFile
from longwire.simulation.errors import NotSimulatedError
from longwire.simulation.open_file import DescriptorTable, OpenFile, os_error
from longwire.simulation.process import CURRENT, current_process
from longwire.simulation.stream_file import StreamFile
from longwire.tcpip.tcp.info import TcpInfo

__all__ = ["SimSocket"]

_KINDS: dict[int, Any] = {socket.SOCK_STREAM: StreamFile, socket.SOCK_DGRAM: DatagramFile}
_FLAGS = getattr(socket, "SOCK_NONBLOCK", 0) | getattr(socket, "SOCK_CLOEXEC", 0)
_WAITING = frozenset((errno.EAGAIN, errno.EINPROGRESS))


class SimSocket(socket.socket):
    """A TCP or UDP socket of a simulated host."""

    __slots__ = ("_file", "_number", "_table", "_timeout")

    def __init__(
        self,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        fileno: int | None = None,
    ) -> None:
        # The C part is left as ``__new__`` made it, with descriptor -1.
        self._number = -1
        self._timeout: float | None = socket.getdefaulttimeout()
        self._io_refs = 0
        self._closed = False
        if fileno is not None:
            process = current_process("socket.socket(fileno=…)")
            self._attach(process.host.world.descriptors, fileno)
            return
        family = socket.AF_INET if family == -1 else family
        kind = socket.SOCK_STREAM if type == -1 else type & ~_FLAGS
        if type != -1 and type & getattr(socket, "SOCK_NONBLOCK", 0):
            self._timeout = 0.0
        if family not in (socket.AF_INET, socket.AF_INET6) or kind not in _KINDS:
            raise NotSimulatedError(
                f"socket.socket({socket.AddressFamily(family)!s}, {kind!s})",
                "there are TCP and UDP sockets over IPv4 and IPv6",
            )
        process = current_process("socket.socket()")
        file = _KINDS[kind](process, family, kind, max(proto, 0))
        table = process.host.world.descriptors
        self._attach(table, table.open(file))

    def _attach(self, table: DescriptorTable, number: int) -> None:
        self._table = table
        self._file: OpenFile = table.get(number)
        self._number = number

    @classmethod
    def _of(cls, file: OpenFile) -> SimSocket:
        table = file.host.world.descriptors
        number = table.open(file)
        made = cls.__new__(cls)
        made._timeout = socket.getdefaulttimeout()
        made._io_refs = 0
        made._closed = False
        made._attach(table, number)
        return made

    # Facts

    @property
    def family(self) -> socket.AddressFamily:
        return self._file.family

    @property
    def type(self) -> socket.SocketKind:
        return self._file.type

    @property
    def proto(self) -> int:
        return self._file.protocol

    @property
    def timeout(self) -> float | None:
        return self._timeout

    def fileno(self) -> int:
        return self._number

    def getsockname(self) -> SocketAddress:
        return to_tuple(*self._opened().local())

    def getpeername(self) -> SocketAddress:
        return to_tuple(*self._opened().remote())

    def tcp_info(self) -> TcpInfo:
        """Return what the simulated kernel knows about the connection, as TCP_INFO does."""
        return self._stream("tcp_info").info()

    def _opened(self) -> Any:
        if self._number == -1:
            raise os_error(errno.EBADF)
        return self._file

    def _stream(self, call: str) -> StreamFile:
        file = self._opened()
        if not isinstance(file, StreamFile):
            raise os_error(errno.EOPNOTSUPP)
        return file

    def _wait(self, call: str, error: OSError) -> Exception:
        """Return what to raise for a call that cannot be done now."""
        if error.errno in _WAITING and self._timeout != 0:
            return NotSimulatedError(
                f"socket.{call} on a blocking socket",
                "it would stop the time of the whole world; setblocking(False), or use asyncio",
            )
        return error

    # Settings

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0

    def settimeout(self, value: float | None) -> None:
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, level: int, optname: int, value: Any, optlen: int | None = None) -> None:
        self._opened().set_option(level, optname, int(value) if not _is_bytes(value) else value)

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        file = self._opened()
        if level == socket.SOL_SOCKET:
            if optname == socket.SO_TYPE:
                return int(file.type)
            if optname == getattr(socket, "SO_DOMAIN", -1):
                return int(file.family)
            if optname == getattr(socket, "SO_PROTOCOL", -1):
                return int(file.protocol)
        return file.get_option(level, optname, buflen)

    def get_inheritable(self) -> bool:
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        self._opened()

    # Opening

    def _address(self, address: Any) -> Any:
        file = self._opened()
        return from_tuple(address, file.family, file.host.world.names.lookup)

    def bind(self, address: Any) -> None:
        self._opened().bind(*self._address(address))

    def listen(self, backlog: int = 128) -> None:
        self._stream("listen").listen(backlog)

    def accept(self) -> tuple[socket.socket, Any]:
        try:
            file = self._stream("accept").accept()
        except OSError as error:
            raise self._wait("accept", error) from None
        # The peer may have reset the connection while it waited: it has its address all the same.
        assert file.connection is not None
        return SimSocket._of(file), to_tuple(*file.connection.tcb.remote)

    def connect(self, address: Any) -> None:
        try:
            self._opened().connect(*self._address(address))
        except OSError as error:
            raise self._wait("connect", error) from None

    def connect_ex(self, address: Any) -> int:
        try:
            self.connect(address)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    # Data

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        return self.recvfrom(bufsize, flags)[0]

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        file = self._opened()
        try:
            if isinstance(file, StreamFile):
                is_peek = bool(flags & socket.MSG_PEEK)
                return file.receive(bufsize, is_peek=is_peek), None
            data, sender = file.receive()
        except OSError as error:
            raise self._wait("recv", error) from None
        return data[:bufsize], to_tuple(*sender)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        return self.recvfrom_into(buffer, nbytes, flags)[0]

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        view = memoryview(buffer).cast("B")
        data, sender = self.recvfrom(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data), sender

    def send(self, data: Any, flags: int = 0) -> int:
        file = self._opened()
        view = memoryview(data).cast("B")
        try:
            if isinstance(file, StreamFile):
                return file.send(view)
            count: int = file.send(view, None)
            return count
        except OSError as error:
            raise self._wait("send", error) from None

    def sendall(self, data: Any, flags: int = 0) -> None:
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view) :]

    def sendto(self, data: Any, *arguments: Any) -> int:
        file = self._opened()
        if isinstance(file, StreamFile):
            return self.send(data)
        count: int = file.send(data, self._address(arguments[-1]))
        return count

    def sendmsg(
        self,
        buffers: Iterable[Any],
        ancdata: Iterable[Any] = (),
        flags: int = 0,
        address: Any = None,
    ) -> int:
        if list(ancdata):
            raise NotSimulatedError("socket.sendmsg with ancillary data", "send data alone")
        data = b"".join(buffers)
        return self.send(data) if address is None else self.sendto(data, address)

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> Any:
        data, sender = self.recvfrom(bufsize, flags)
        return data, [], 0, sender

    def recvmsg_into(self, *_: Any) -> Any:
        raise NotSimulatedError("socket.recvmsg_into", "use recv_into")

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        raise NotSimulatedError("socket.sendfile", "use loop.sendfile, or read and send")

    # Closing

    def shutdown(self, how: int) -> None:
        self._stream("shutdown").shut_down(how)

    def dup(self) -> SimSocket:
        """Return another descriptor of the same open file."""
        copy = SimSocket._of(self._opened())
        copy._timeout = self._timeout
        return copy

    def detach(self) -> int:
        number, self._number = self._number, -1
        self._closed = True
        return number

    def _real_close(self, _: Any = None) -> None:
        number, self._number = self._number, -1
        # A descriptor of a process that was killed is closed already.
        if number != -1 and self._table.has(number):
            self._table.close(number)

    def close(self) -> None:
        self._closed = True
        if self._io_refs <= 0:
            self._real_close()

    def __del__(self) -> None:
        # Closed without a word: a warning at a time that the garbage collector chooses would be
        # the one thing in a world that is not the same twice.
        if getattr(self, "_number", -1) != -1 and CURRENT is not None:
            self._real_close()

    def __repr__(self) -> str:
        if self._number == -1:
            return "<SimSocket closed>"
        return f"<SimSocket {self._number} of {self._file.process}: {self._file.describe()}>"


def _is_bytes(value: Any) -> bool:
    return isinstance(value, bytes | bytearray | memoryview)
