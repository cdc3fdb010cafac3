"""UDP sockets (RFC 768, RFC 1122 section 4.1, RFC 8085)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from longwire.base.entropy import Entropy
from longwire.tcpip.addresses import Address, endpoint_text, is_unspecified
from longwire.tcpip.ip.layer import Arrival, IpLayer
from longwire.tcpip.ports import PortRange
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import AddressInUse, Readiness, SocketError
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.icmp import ErrorKind, IcmpError
from longwire.tcpip.wire.packet import PROTOCOL_UDP, Packet
from longwire.tcpip.wire.quote import Quote
from longwire.tcpip.wire.udp import Datagram

__all__ = ["ReceivedDatagram", "UdpLayer", "UdpSocket"]


@dataclass(frozen=True, slots=True)
class ReceivedDatagram:
    """What came, from whom, and to which of our addresses."""

    data: bytes
    address: Address
    port: int
    local_address: Address


class UdpSocket:
    """A bound port. Made by ``Host.open_udp``.

    What comes waits in a queue that is bounded by datagrams and octets; past it datagrams are
    dropped, which UDP allows. An ICMP error about what was sent is kept in ``errors`` until it is
    taken, and only for the peer of a connected socket (RFC 1122 4.1.3.3 lets it be so).
    """

    def __init__(self, layer: UdpLayer, address: Address | None, port: int) -> None:
        self._layer = layer
        self.local_address = address
        self.local_port = port
        self.peer: tuple[Address, int] | None = None
        self.queued_octets = 0
        self.hop_limit = 64
        self.dont_fragment = False
        self.is_open = True
        self._queue: deque[ReceivedDatagram] = deque()
        self._error: IcmpError | None = None

    def connect(self, address: Address, port: int) -> None:
        """Take datagrams from this peer only, and be told of errors about it."""
        self.peer = (address, port)

    def send(self, data: bytes, now_ns: int, address: Address | None = None, port: int = 0) -> None:
        """Send a datagram, to the peer unless another address is given.

        Raises SocketError when it cannot leave: no peer, no route, too long.
        """
        if not self.is_open:
            raise SocketError(Reason.SOCKET_CLOSED)
        if address is None:
            if self.peer is None:
                raise SocketError(Reason.SOCKET_NOT_CONNECTED)
            address, port = self.peer
        datagram = Datagram(self.local_port, port, data)
        if datagram.length > 0xFFFF - (20 if len(address) == 4 else 0):
            raise SocketError(Reason.PACKET_TOO_BIG, f"{len(data)} octets")
        source = self.local_address
        if source is not None and len(source) != len(address):
            raise SocketError(Reason.NO_SOURCE_ADDRESS)
        reason = self._layer.send(self, source, address, datagram, now_ns)
        if reason is not None:
            raise SocketError(reason, endpoint_text(address, port))

    def receive(self) -> ReceivedDatagram | None:
        """Return the oldest datagram, or ``None``."""
        if not self._queue:
            return None
        received = self._queue.popleft()
        self.queued_octets -= len(received.data)
        return received

    def take_error(self) -> IcmpError | None:
        """Return the last ICMP error about the peer, once."""
        error, self._error = self._error, None
        return error

    @property
    def readiness(self) -> Readiness:
        """What can be done now."""
        ready = Readiness.WRITABLE if self.is_open else Readiness.CLOSED
        if self._queue:
            ready |= Readiness.READABLE
        if self._error is not None:
            ready |= Readiness.FAILED
        return ready

    def close(self) -> None:
        """Give the port back."""
        if self.is_open:
            self.is_open = False
            self._queue.clear()
            self._layer.forget(self)

    def accepts(self, address: Address, port: int) -> bool:
        """Whether a datagram from there is for this socket."""
        return self.peer is None or self.peer == (address, port)

    def take(self, received: ReceivedDatagram) -> bool:
        """Queue a datagram; false when there is no room."""
        limits = self._layer.limits
        if (
            len(self._queue) >= limits.socket_queue_datagrams_max
            or self.queued_octets + len(received.data) > limits.socket_queue_octets_max
        ):
            return False
        self._queue.append(received)
        self.queued_octets += len(received.data)
        return True

    def fail(self, error: IcmpError) -> None:
        """Keep an ICMP error for the application."""
        self._error = error


class UdpLayer:
    """All UDP sockets of a host."""

    def __init__(self, ip: IpLayer, entropy: Entropy, ready: Callable[[UdpSocket], None]) -> None:
        self._ip = ip
        self._notebook = ip.notebook
        self.limits = ip.limits
        self._ready = ready
        self._ports = PortRange(entropy)
        # Sockets of a port, the bound ones before those for any address.
        self._sockets: dict[int, list[UdpSocket]] = {}
        ip.handlers[PROTOCOL_UDP] = self.on_packet

    def open(self, address: Address | None, port: int) -> UdpSocket:
        """Bind a port, a free one when it is 0. Raises AddressInUse."""
        if address is not None and is_unspecified(address):
            address = None
        if port == 0:
            port = self._ports.choose(lambda port: port not in self._sockets)
        for other in self._sockets.get(port, ()):
            if other.local_address == address:
                raise AddressInUse(Reason.UDP_PORT_TAKEN, f"{port}")
        socket = UdpSocket(self, address, port)
        bound = self._sockets.setdefault(port, [])
        bound.append(socket)
        bound.sort(key=lambda each: each.local_address is None)
        return socket

    def forget(self, socket: UdpSocket) -> None:
        """Free a socket's port."""
        bound = self._sockets[socket.local_port]
        bound.remove(socket)
        if not bound:
            del self._sockets[socket.local_port]

    def send(
        self,
        socket: UdpSocket,
        source: Address | None,
        destination: Address,
        datagram: Datagram,
        now_ns: int,
    ) -> Reason | None:
        """Hand a datagram to the Internet layer."""
        return self._ip.send(
            source,
            destination,
            PROTOCOL_UDP,
            datagram,
            now_ns,
            hop_limit=socket.hop_limit,
            dont_fragment=socket.dont_fragment,
        )

    def on_packet(self, packet: Packet, arrival: Arrival, now_ns: int) -> None:
        """Take a datagram that came for us."""
        payload = packet.payload
        if isinstance(payload, bytes):
            try:
                payload = Datagram.parse(payload, packet.source, packet.destination)
            except WireError as problem:
                self._notebook.write(now_ns, problem.reason, problem.detail, packet)
                return
        assert isinstance(payload, Datagram)
        socket = self._find(packet, payload)
        if socket is None:
            self._notebook.write(
                now_ns, Reason.UDP_PORT_CLOSED, f"{payload.destination_port}", packet
            )
            # RFC 1122 4.1.3.1: the sender should be told.
            self._ip.report(ErrorKind.PORT_UNREACHABLE, packet, arrival, now_ns)
            return
        received = ReceivedDatagram(
            payload.data, packet.source, payload.source_port, packet.destination
        )
        if not socket.take(received):
            self._notebook.write(
                now_ns, Reason.SOCKET_QUEUE_FULL, f"{payload.destination_port}", packet
            )
            return
        self._ready(socket)

    def _find(self, packet: Packet, datagram: Datagram) -> UdpSocket | None:
        best: UdpSocket | None = None
        for socket in self._sockets.get(datagram.destination_port, ()):
            if socket.local_address not in (None, packet.destination):
                continue
            if not socket.accepts(packet.source, datagram.source_port):
                continue
            # A connected socket knows the peer by name and goes before one that takes any.
            if best is None or (socket.peer is not None and best.peer is None):
                best = socket
        return best

    def believes(self, quote: Quote) -> bool:
        """Whether one of our sockets sends from that port."""
        return self._sender(quote) is not None

    def on_error(self, quote: Quote, error: IcmpError, now_ns: int) -> None:
        """Tell a connected socket (RFC 1122 4.1.3.3)."""
        socket = self._sender(quote)
        if socket is not None and socket.peer == (quote.destination, quote.ports[1]):
            socket.fail(error)
            self._ready(socket)

    def _sender(self, quote: Quote) -> UdpSocket | None:
        source_port, destination_port = quote.ports
        for socket in self._sockets.get(source_port, ()):
            if socket.local_address in (None, quote.source) and socket.accepts(
                quote.destination, destination_port
            ):
                return socket
        return None
