"""TCP sockets of the simulated kernel, over :mod:`longwire.tcpip`."""

from __future__ import annotations

import errno
import socket
import struct

from longwire.simulation.addressing import any_address
from longwire.simulation.open_file import READ, WRITE, OpenFile, os_error
from longwire.simulation.problems import error_for
from longwire.simulation.process import Process
from longwire.simulation.stream_options import StreamOptions
from longwire.tcpip.addresses import Address, endpoint_text
from longwire.tcpip.errnos import errno_of
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import SocketError
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.info import TcpInfo
from longwire.tcpip.tcp.listener import Listener
from longwire.tcpip.tcp.state import State

__all__ = ["StreamFile"]

_NOT_CONNECTED = (State.SYN_SENT, State.SYN_RECEIVED)


class StreamFile(OpenFile):
    """One TCP socket: fresh, bound, listening, or a connection."""

    kind = "TCP socket"

    def __init__(
        self,
        process: Process,
        family: int,
        type_: int,
        protocol: int,
        connection: TcpConnection | None = None,
        options: StreamOptions | None = None,
    ) -> None:
        super().__init__(process, family, type_, protocol or socket.IPPROTO_TCP)
        self.options = options or StreamOptions()
        self.connection = connection
        self.listener: Listener | None = None
        self._bound: tuple[Address, int] | None = None
        self._is_reported = False
        self._is_read_shut = False
        if connection is not None:
            self.host.adopt(connection, self)

    # Facts

    def events(self) -> int:
        if self.listener is not None:
            return READ if self.listener.waiting else 0
        connection = self.connection
        if connection is None:
            return READ | WRITE  # as Linux: EPOLLHUP on a socket that was never connected
        state = connection.state
        if state is State.CLOSED:
            return READ | WRITE
        events = 0
        if connection.readable_bytes or self._is_read_shut or not state.can_receive:
            events = READ
        if state in _NOT_CONNECTED:
            return events
        if not state.can_send or self._has_room(connection):
            events |= WRITE
        return events

    def is_broken(self) -> bool:
        connection = self.connection
        return (
            connection is not None
            and connection.state is State.CLOSED
            and connection.error is not None
        )

    @staticmethod
    def _has_room(connection: TcpConnection) -> bool:
        """Linux ``sk_stream_is_writeable``: a third of the buffer, or waking is not worth it."""
        free = connection.writable_bytes
        return free > 0 and free * 3 >= connection.tcb.profile.send_buffer_octets

    def local(self) -> tuple[Address, int]:
        """Return our address; unspecified, with port 0, before there is one."""
        if self.connection is not None:
            return self.connection.tcb.local
        if self.listener is not None:
            return self.listener.local_address or any_address(self.family), (
                self.listener.local_port
            )
        return self._bound or (any_address(self.family), 0)

    def remote(self) -> tuple[Address, int]:
        """Return the peer's address. Raises OSError (ENOTCONN)."""
        connection = self.connection
        if connection is None or connection.state in (State.CLOSED, State.SYN_SENT):
            raise os_error(errno.ENOTCONN)
        return connection.tcb.remote

    def info(self) -> TcpInfo:
        """Return the figures of TCP_INFO. Raises OSError (ENOTCONN)."""
        if self.connection is None:
            raise os_error(errno.ENOTCONN)
        return self.connection.info(self.host.now_ns)

    def describe(self) -> str:
        if self.listener is not None:
            return f"listener at {endpoint_text(*self.local())}, {self.listener.waiting} waiting"
        if self.connection is None:
            return "TCP socket without connection"
        tcb = self.connection.tcb
        return (
            f"{self.connection.state.name} {endpoint_text(*tcb.local)} to"
            f" {endpoint_text(*tcb.remote)}, {self.connection.readable_bytes} octets to read,"
            f" {len(tcb.send_buffer)} sent and unacknowledged or waiting"
        )

    # Opening

    def bind(self, address: Address, port: int) -> None:
        if self._bound is not None or self.connection is not None:
            raise os_error(errno.EINVAL)
        if not self.host.owns(address):
            raise os_error(errno.EADDRNOTAVAIL)
        try:
            port = self.host.stack.tcp.reserve(address, port)
        except SocketError as problem:
            raise error_for(problem.reason) from None
        self._bound = (address, port)

    def listen(self, backlog: int) -> None:
        if self.connection is not None:
            raise os_error(errno.EINVAL)
        if self.listener is not None:
            self.listener.backlog = max(1, min(backlog, self.host.backlog_max))
            return
        if self._bound is None:
            self.bind(any_address(self.family), 0)
        assert self._bound is not None
        address, port = self._bound
        self.host.stack.tcp.release(address, port)
        self._bound = None
        profile = self.options.applied_to(self.host.profile)
        backlog = max(1, min(backlog, self.host.backlog_max))
        try:
            self.listener = self.host.stack.listen(
                port, address=address, backlog=backlog, profile=profile
            )
        except SocketError as problem:
            raise error_for(problem.reason) from None
        self.host.adopt(self.listener, self)

    def accept(self) -> StreamFile:
        if self.listener is None:
            raise os_error(errno.EINVAL)
        if len(self.process.files) >= self.host.descriptors_max:
            raise os_error(errno.EMFILE)
        connection = self.listener.accept()
        if connection is None:
            raise os_error(errno.EAGAIN)
        return StreamFile(
            self.process, self.family, self.type, self.protocol, connection, self.options.copy()
        )

    def connect(self, address: Address, port: int) -> None:
        """Begin a connection: always raises, as a connect that does not wait does."""
        if self.listener is not None:
            raise os_error(errno.EISCONN)
        if self.connection is not None:
            self._connect_again(self.connection)
            return
        local, local_port = self._bound or (None, 0)
        if self._bound is not None:
            self.host.stack.tcp.release(*self._bound)
            if not any(self._bound[0]):
                local = None
        if not any(address):
            address = b"\x7f\0\0\1" if len(address) == 4 else bytes(15) + b"\1"
        try:
            self.connection = self.host.stack.connect(
                address,
                port,
                self.host.now_ns,
                local_address=local,
                local_port=local_port,
                profile=self.options.applied_to(self.host.profile),
            )
        except SocketError as problem:
            raise error_for(problem.reason) from None
        self.host.adopt(self.connection, self)
        self.host.used()
        raise os_error(errno.EINPROGRESS)

    def _connect_again(self, connection: TcpConnection) -> None:
        if connection.state is State.SYN_SENT:
            raise os_error(errno.EALREADY)
        number = self.take_error()
        if number:
            raise os_error(number)
        if self._is_reported:
            raise os_error(errno.ECONNABORTED)
        # Linux returns 0 to the first connect after the handshake; nobody relies on more.

    # Data

    def receive(self, count: int, *, is_peek: bool = False) -> bytes:
        connection = self._require_connection()
        if self._is_read_shut or not count:
            return b""
        if is_peek:
            data = connection.tcb.receive_buffer.peek(min(count, connection.readable_bytes))
            if data or connection.at_end:
                return data
        try:
            data = connection.read(count, self.host.now_ns)
        except SocketError as problem:
            return self._fail(problem.reason)
        if data:
            self.host.read_from()
            return data
        if connection.at_end or connection.state is State.CLOSED:
            return b""
        raise os_error(errno.EAGAIN)

    def _fail(self, reason: Reason) -> bytes:
        """The first call after a failure says which; the next ones only that it is over."""
        if self._is_reported:
            return b""
        self._is_reported = True
        raise error_for(reason)

    def send(self, data: bytes | bytearray | memoryview) -> int:
        connection = self._require_connection()
        if connection.state in _NOT_CONNECTED:
            raise os_error(errno.EAGAIN)
        try:
            count = connection.write(data, self.host.now_ns)
        except SocketError as problem:
            if problem.reason is not Reason.SOCKET_CLOSED and not self._is_reported:
                self._is_reported = True
                raise error_for(problem.reason) from None
            raise os_error(errno.EPIPE) from None
        if not count and len(data):
            if connection.tcb.fin_sequence is not None:
                raise os_error(errno.EPIPE)
            raise os_error(errno.EAGAIN)
        self.host.used()
        return count

    def _require_connection(self) -> TcpConnection:
        if self.connection is None:
            raise os_error(errno.ENOTCONN)
        return self.connection

    def take_error(self) -> int:
        """Return and clear SO_ERROR."""
        connection = self.connection
        if connection is None or connection.error is None or self._is_reported:
            return 0
        self._is_reported = True
        return errno_of(connection.error)

    # Closing

    def shut_down(self, how: int) -> None:
        if self.listener is not None:
            self.listener.close(self.host.now_ns)
            self.host.used()
            return
        connection = self.connection
        if connection is None or connection.state is State.CLOSED:
            raise os_error(errno.ENOTCONN)
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._is_read_shut = True
            self.changed()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            connection.shutdown(self.host.now_ns)
            self.host.used()

    def release(self) -> None:
        now_ns = self.host.now_ns
        if self._bound is not None and self.connection is None:
            self.host.stack.tcp.release(*self._bound)
        if self.listener is not None:
            self.host.disown(self.listener)
            self.listener.close(now_ns)
        if self.connection is not None:
            self.host.disown(self.connection)
            if self.options.closes_with_reset:
                self.connection.abort(now_ns)
            else:
                self.connection.close(now_ns)
        self.host.used()

    # Options

    def set_option(self, level: int, option: int, value: int | bytes) -> None:
        self.options.set(level, option, value)
        if self.connection is not None:
            self.options.apply(self.connection, option, level, self.host.now_ns)

    def get_option(self, level: int, option: int, length: int) -> int | bytes:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            return self.take_error()
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return int(self.listener is not None)
        if (level, option) == (socket.IPPROTO_TCP, getattr(socket, "TCP_INFO", 11)):
            return self._encoded_info()[: length or None]
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_MAXSEG) and self.connection:
            return self.connection.tcb.mss
        profile = self.connection.tcb.profile if self.connection else self.host.profile
        return self.options.get(level, option, length, profile)

    def _encoded_info(self) -> bytes:
        if self.connection is None:
            # A listener: how many wait, and how many may (Linux ``tcp_get_info``).
            listener = self.listener
            head = bytearray(248)
            head[0] = State.LISTEN.value if listener else State.CLOSED.value
            if listener is not None:
                struct.pack_into("=II", head, 24, listener.waiting, listener.backlog)
            return bytes(head)
        return encode_info(self.info())


_INFO = struct.Struct("=8B 24I 4Q 6I 4Q 2I 2Q 6I 2H I")


def encode_info(info: TcpInfo) -> bytes:
    """Return ``struct tcp_info`` of Linux 6.6; figures that the stack does not have are 0."""
    scales = info.snd_wscale & 15 | info.rcv_wscale << 4
    head = (info.state, info.ca_state, info.retransmits, info.probes, info.backoff)
    words = (
        *(info.rto, info.ato, info.snd_mss, info.rcv_mss),
        *(info.unacked, info.sacked, info.lost, info.retrans, 0),
        *(info.last_data_sent, 0, info.last_data_recv, info.last_ack_recv),
        *(info.pmtu, info.rcv_ssthresh, info.rtt, info.rttvar),
        *(info.snd_ssthresh, info.snd_cwnd, info.advmss, 0, 0, 0, info.total_retrans),
    )
    return _INFO.pack(
        *(min(each, 255) for each in (*head, info.options, scales, 0)),
        *(min(each, 0xFFFFFFFF) for each in words),
        *(0, 0, info.bytes_acked, info.bytes_received),
        *(info.segs_out, info.segs_in, info.notsent_bytes, info.min_rtt),
        *(info.data_segs_in, info.data_segs_out),
        *(0, 0, 0, 0),
        *(0, 0),
        *(info.bytes_sent, info.bytes_retrans),
        *(0, 0, info.rcv_ooopack, info.snd_wnd, info.rcv_wnd, 0),
        *(min(info.total_rto, 0xFFFF), 0, 0),
    )
