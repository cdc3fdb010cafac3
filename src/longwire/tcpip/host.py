"""A host: interfaces, routes, sockets, and the one loop that moves packets between them.

Nothing here waits. ``poll(now_ns)`` takes what the devices have, runs the timers that are due and
sends what is ready; ``poll_at()`` says when to call it next. A socket that was used calls ``wake``,
so that a driver which sleeps is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from longwire.base.entropy import Entropy
from longwire.tcpip.addresses import Address, Prefix, parse_address
from longwire.tcpip.device import Device, Unit
from longwire.tcpip.durations import earliest
from longwire.tcpip.ip.icmp import IcmpLayer
from longwire.tcpip.ip.interface import Assigned, Interface
from longwire.tcpip.ip.layer import Arrival, IpLayer
from longwire.tcpip.ip.limits import IpLimits
from longwire.tcpip.ip.routes import Route
from longwire.tcpip.ip.stations import Stations
from longwire.tcpip.ping import PingLayer, PingSocket
from longwire.tcpip.reasons import Note, Notebook, Reason
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.layer import TcpLayer
from longwire.tcpip.tcp.listener import Listener
from longwire.tcpip.tcp.profile import RFC, TcpProfile
from longwire.tcpip.udp import UdpLayer, UdpSocket
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.icmp import ErrorKind
from longwire.tcpip.wire.packet import PROTOCOL_TCP, PROTOCOL_UDP, Packet

__all__ = ["Host", "Socket"]

Socket = TcpConnection | Listener | UdpSocket | PingSocket

# A host that talks to itself could go on within one poll for ever; the rest waits for the next.
_ROUNDS_MAX = 64

# After a pause of the process the answers to what it sent lie in the device: they are read before
# TCP's timers repeat it. Polls in a row that let timers wait: at 64 packets each more than a TUN
# device queues, and few enough that a flood delays no timer for long.
_POLLS_BEHIND_MAX = 16


def _as_address(address: Address | str) -> Address:
    return parse_address(address) if isinstance(address, str) else address


class Host:
    """One machine. Not safe for threads: everything happens in the caller's.

    ``entropy`` gives initial sequence numbers, ports and identifiers; ``profile`` is what TCP
    connections follow unless told otherwise; ``observer`` is handed every note.
    """

    def __init__(
        self,
        name: str,
        *,
        entropy: Entropy,
        profile: TcpProfile = RFC,
        limits: IpLimits | None = None,
        is_router: bool = False,
        observer: Callable[[Note], None] | None = None,
    ) -> None:
        limits = limits or IpLimits()
        self.name = name
        self.notebook = Notebook(observer)
        self.wake: Callable[[], None] | None = None
        self._ready: dict[Socket, None] = {}
        self._polls_behind = 0
        self._entropy = entropy
        self._stations = Stations(self.notebook, limits, self._on_unresolved)
        self.ip = IpLayer(self.notebook, limits, entropy, self._stations.send)
        self.ip.is_router = is_router
        self.icmp = IcmpLayer(self.ip, self._stations.on_neighbor)
        self._udp = UdpLayer(self.ip, entropy, self._mark_ready)
        self._ping = PingLayer(self.ip, self.icmp, entropy, self._mark_ready)
        self.tcp = TcpLayer(self.ip, entropy, profile, self._mark_ready, self._wake_up)
        self.icmp.sinks[PROTOCOL_UDP] = self._udp
        self.icmp.sinks[PROTOCOL_TCP] = self.tcp

    # Setting up

    def add_interface(
        self,
        device: Device,
        addresses: Iterable[str] = (),
        *,
        name: str | None = None,
        mac: bytes | None = None,
        mtu: int | None = None,
    ) -> Interface:
        """Attach a device. Each address is written with its prefix, as in ``10.0.0.1/24``.

        The networks of the addresses become routes. ``mac`` is drawn from the entropy unless
        given. Raises ValueError for an address without prefix.
        """
        interface = Interface(
            name or f"eth{len(self.ip.interfaces)}",
            device,
            # Locally administered, and one station's (IEEE 802 section 8.4).
            mac or b"\x02" + self._entropy(5),
            tuple(Assigned.parse(text) for text in addresses),
            mtu=mtu or device.mtu,
        )
        self.ip.add_interface(interface)
        if interface.is_ethernet:
            self._stations.attach(interface)
        for assigned in interface.assigned:
            self.ip.routes.add(Route(assigned.prefix, interface))
        return interface

    def add_route(
        self, prefix: str, *, gateway: str | None = None, interface: Interface | None = None
    ) -> None:
        """Send packets for ``prefix`` (or ``default``) to a gateway, or onto an interface's link.

        Raises ValueError when neither is given or no interface leads to the gateway.
        """
        hop = parse_address(gateway) if gateway is not None else None
        if interface is None:
            toward = self.ip.routes.find(hop) if hop is not None else None
            if toward is None:
                raise ValueError(f"the route for {prefix} needs an interface, or a known gateway")
            interface = toward.interface
        if prefix == "default":
            prefix = "::/0" if hop is not None and len(hop) == 16 else "0.0.0.0/0"
        self.ip.routes.add(Route(Prefix.parse(prefix), interface, hop))

    # Sockets

    def listen(
        self,
        port: int,
        *,
        address: Address | str | None = None,
        backlog: int = 128,
        profile: TcpProfile | None = None,
    ) -> Listener:
        """Accept TCP connections on a port, a free one when it is 0. Raises AddressInUse."""
        bound = _as_address(address) if address is not None else None
        return self.tcp.listen(bound, port, backlog, profile)

    def connect(
        self,
        address: Address | str,
        port: int,
        now_ns: int,
        *,
        local_address: Address | str | None = None,
        local_port: int = 0,
        profile: TcpProfile | None = None,
    ) -> TcpConnection:
        """Begin a TCP connection; it is made when its state is ESTABLISHED.

        Raises SocketError when there is no route, and AddressInUse.
        """
        local = _as_address(local_address) if local_address is not None else None
        return self.tcp.connect(local, local_port, _as_address(address), port, now_ns, profile)

    def open_udp(self, port: int = 0, *, address: Address | str | None = None) -> UdpSocket:
        """Bind a UDP port, a free one when it is 0. Raises AddressInUse."""
        return self._udp.open(_as_address(address) if address is not None else None, port)

    def open_ping(self) -> PingSocket:
        """Return a socket for echo requests."""
        return self._ping.open()

    def take_ready(self) -> list[Socket]:
        """Return the sockets to which something happened since the last call, in that order."""
        ready = list(self._ready)
        self._ready.clear()
        return ready

    # Running

    def poll(self, now_ns: int) -> None:
        """Do what is due at ``now_ns``. Never raises for what came from a device."""
        is_behind = False
        for _ in range(_ROUNDS_MAX):
            for interface in self.ip.interfaces:
                for unit in interface.device.receive(now_ns):
                    self._receive(interface, unit, now_ns)
                if interface.neighbors is not None:
                    interface.neighbors.on_timer(now_ns)
            self.ip.on_timer(now_ns)
            is_behind = self._polls_behind < _POLLS_BEHIND_MAX and self._has_more(now_ns)
            self.tcp.poll(now_ns, do_timers_wait=is_behind)
            if not self.ip.take_looped(now_ns):
                break
        self._polls_behind = self._polls_behind + 1 if is_behind else 0
        self.tcp.poll(now_ns, do_timers_wait=is_behind)

    def _has_more(self, now_ns: int) -> bool:
        """Whether a device holds packets that have come and were not taken yet."""
        times = (interface.device.poll_at() for interface in self.ip.interfaces)
        return any(at is not None and at <= now_ns for at in times)

    def poll_at(self) -> int | None:
        """Return when :meth:`poll` has work; a time that has passed means at once."""
        best = earliest(self.ip.poll_at(), self.tcp.poll_at())
        for interface in self.ip.interfaces:
            best = earliest(best, interface.device.poll_at())
            if interface.neighbors is not None:
                best = earliest(best, interface.neighbors.poll_at())
        return best

    def _receive(self, interface: Interface, unit: Unit, now_ns: int) -> None:
        if not interface.is_up:
            self.notebook.write(now_ns, Reason.INTERFACE_DOWN, interface.name, unit)
            return
        try:
            taken = self._stations.receive(interface, unit, now_ns)
        except WireError as problem:
            self.notebook.write(now_ns, problem.reason, problem.detail, unit)
            if problem.pointer is not None:
                octets = self._stations.packet_octets(interface, unit)
                self.icmp.report_unreadable(octets, problem, interface, now_ns)
            return
        if taken is not None:
            packet, is_to_many = taken
            self.ip.receive(packet, interface, now_ns, is_to_many=is_to_many)

    def _on_unresolved(self, packet: Packet, interface: Interface, now_ns: int) -> None:
        """RFC 1122 2.3.2.2, RFC 4861 7.2.2: who sent it is told that the host is unreachable."""
        self.notebook.write(now_ns, Reason.NEIGHBOR_UNRESOLVED, interface.name, packet)
        self.icmp.report(ErrorKind.HOST_UNREACHABLE, packet, Arrival(None, False), now_ns)

    def _mark_ready(self, socket: Socket) -> None:
        self._ready[socket] = None

    def _wake_up(self) -> None:
        if self.wake is not None:
            self.wake()
