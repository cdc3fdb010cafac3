"""The Internet layer: what came in goes up or on, what is sent finds its way out.

Read RFC 1122 section 3, RFC 1812 sections 4.2 and 5 (for routers) and RFC 8200 first. A host here
is of the weak kind (RFC 1122 3.3.4.2): a packet for any address of ours is ours, whichever
interface it came by.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from longwire.base.entropy import Entropy
from longwire.tcpip.addresses import (
    BROADCAST_V4,
    Address,
    is_link_local,
    is_loopback,
    is_multicast,
    is_unicast_source,
    is_unspecified,
)
from longwire.tcpip.durations import earliest
from longwire.tcpip.ip.fragmentation import fragment
from longwire.tcpip.ip.interface import Interface
from longwire.tcpip.ip.limits import IpLimits
from longwire.tcpip.ip.path_mtu import PathMtuCache
from longwire.tcpip.ip.reassembly import Reassembler
from longwire.tcpip.ip.routes import RouteTable
from longwire.tcpip.reasons import Notebook, Reason
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.icmp import ErrorKind
from longwire.tcpip.wire.ipv6 import fold_extensions
from longwire.tcpip.wire.packet import PROTOCOL_ICMPV6, Packet, Transport

__all__ = ["Arrival", "IpLayer", "Report", "Transmit"]

LOOPBACK_MTU = 65_535
DEFAULT_HOP_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a packet came: by which interface, and whether it was meant for many."""

    interface: Interface | None
    is_to_many: bool


Handler = Callable[[Packet, Arrival, int], None]
Report = Callable[..., None]
"""``report(kind, packet, arrival, now_ns, mtu=…, pointer=…)`` sends an ICMP error."""
Transmit = Callable[[Interface, Packet, Address, int], None]
"""``transmit(interface, packet, next_hop, now_ns)`` hands a packet to the link."""


def _say_nothing(*_: object, **__: object) -> None:
    """Stands in for ICMP until the host has put it in place."""


class IpLayer:
    """One host's interfaces and routes, and what passes between them and the transports."""

    def __init__(
        self, notebook: Notebook, limits: IpLimits, entropy: Entropy, transmit: Transmit
    ) -> None:
        self.notebook = notebook
        self.limits = limits
        self.interfaces: list[Interface] = []
        self._own: frozenset[Address] = frozenset()
        self.routes = RouteTable()
        self.path_mtus = PathMtuCache(limits)
        self.reassembler = Reassembler(limits)
        self.handlers: dict[int, Handler] = {}
        self.report: Report = _say_nothing
        self.is_router = False
        self._transmit = transmit
        self._looped: deque[Packet] = deque()
        self._identification_v4 = int.from_bytes(entropy(2), "big")
        self._identification_v6 = int.from_bytes(entropy(4), "big")

    # What is ours

    def add_interface(self, interface: Interface) -> None:
        """Take in an interface, whose addresses are ours from now on."""
        self.interfaces.append(interface)
        self._own = self._own.union(interface.addresses)

    def is_ours(self, address: Address) -> bool:
        """Whether ``address`` is one host's, and that host is this one."""
        return address in self._own or is_loopback(address)

    def source_for(
        self, destination: Address, interface: Interface | None = None
    ) -> Address | None:
        """Return the address to send from (MUST-44), or ``None`` when there is none."""
        if self.is_ours(destination):
            return destination
        if interface is None:
            route = self.routes.find(destination)
            if route is None:
                return None
            interface = route.interface
        return interface.source_for(destination)

    def mtu_toward(self, destination: Address, now_ns: int) -> int:
        """Return the largest packet that is known to pass; 0 when no route leads there."""
        if self.is_ours(destination):
            return LOOPBACK_MTU
        route = self.routes.find(destination)
        if route is None:
            return 0
        mtu = route.interface.mtu
        known = self.path_mtus.lookup(destination, now_ns)
        return mtu if known is None else min(mtu, known)

    def large_octets_toward(self, destination: Address) -> int:
        """Return the largest TCP packet that the device which leads there splits; 0: none."""
        route = None if self.is_ours(destination) else self.routes.find(destination)
        return 0 if route is None else route.interface.device.large_octets

    # Out

    def send(
        self,
        source: Address | None,
        destination: Address,
        protocol: int,
        payload: bytes | Transport,
        now_ns: int,
        *,
        interface: Interface | None = None,
        hop_limit: int = DEFAULT_HOP_LIMIT,
        traffic_class: int = 0,
        dont_fragment: bool = False,
    ) -> Reason | None:
        """Send a payload. Return ``None``, or why it did not leave (also written down)."""
        if source is None:
            source = self.source_for(destination, interface)
            if source is None:
                has_route = interface is not None or self.routes.find(destination) is not None
                reason = Reason.NO_SOURCE_ADDRESS if has_route else Reason.NO_ROUTE
                self.notebook.write(now_ns, reason)
                return reason
        packet = Packet(
            source,
            destination,
            protocol,
            payload,
            hop_limit=hop_limit,
            traffic_class=traffic_class,
            dont_fragment=dont_fragment and len(destination) == 4,
        )
        if len(destination) == 4:
            self._identification_v4 = (self._identification_v4 + 1) & 0xFFFF
            packet.identification = self._identification_v4
        return self._send_packet(packet, interface, now_ns)

    def _send_packet(
        self, packet: Packet, interface: Interface | None, now_ns: int
    ) -> Reason | None:
        destination = packet.destination
        if self.is_ours(destination):
            self._looped.append(packet)
            return None
        next_hop = destination
        if interface is None:
            route = self.routes.find(destination)
            if route is None:
                self.notebook.write(now_ns, Reason.NO_ROUTE, unit=packet)
                return Reason.NO_ROUTE
            interface = route.interface
            next_hop = route.next_hop(destination)
        if not interface.is_up:
            self.notebook.write(now_ns, Reason.INTERFACE_DOWN, interface.name, packet)
            return Reason.INTERFACE_DOWN
        mtu = min(interface.mtu, self.path_mtus.lookup(destination, now_ns) or interface.mtu)
        if packet.length <= mtu or interface.splits(packet):
            self._transmit(interface, packet, next_hop, now_ns)
            return None
        if packet.dont_fragment:
            self.notebook.write(now_ns, Reason.PACKET_TOO_BIG, f"{packet.length} > {mtu}", packet)
            return Reason.PACKET_TOO_BIG
        self._identification_v6 = (self._identification_v6 + 1) & 0xFFFFFFFF
        for piece in fragment(packet, mtu, self._identification_v6):
            self._transmit(interface, piece, next_hop, now_ns)
        return None

    # In

    def receive(
        self, packet: Packet, interface: Interface, now_ns: int, *, is_to_many: bool = False
    ) -> None:
        """Take a packet from a link; ``is_to_many`` says that its frame was for many stations."""
        source, destination = packet.source, packet.destination
        # RFC 1122 3.2.1.3: a source that is no single host's must be dropped silently. The
        # unspecified address is one only while an IPv6 host asks for its own (RFC 4862).
        if not is_unicast_source(source) and not (
            is_unspecified(source) and packet.protocol == PROTOCOL_ICMPV6
        ):
            self._drop(now_ns, Reason.SOURCE_INVALID, packet)
            return
        # RFC 1122 3.2.1.3 g, RFC 4291 2.5.3: loopback addresses never come from a link.
        if is_loopback(source) or is_loopback(destination):
            self._drop(now_ns, Reason.SOURCE_INVALID, packet)
            return
        is_group = is_multicast(destination)
        is_broadcast = destination == BROADCAST_V4 or destination in interface.broadcasts
        if is_group or is_broadcast:
            if is_broadcast or destination in interface.groups:
                self._take(packet, Arrival(interface, True), now_ns)
            else:
                self._drop(now_ns, Reason.DESTINATION_NOT_OURS, packet)
        elif self.is_ours(destination):
            self._take(packet, Arrival(interface, is_to_many), now_ns)
        elif self.is_router and not is_to_many:
            self._forward(packet, Arrival(interface, is_to_many), now_ns)
        else:
            self._drop(now_ns, Reason.DESTINATION_NOT_OURS, packet)

    def _take(self, packet: Packet, arrival: Arrival, now_ns: int) -> None:
        """Deliver a packet that is for us to its transport."""
        try:
            if packet.is_fragment:
                whole = self.reassembler.add(packet, now_ns)
                if whole is None:
                    return
                packet = whole
                if packet.version == 6:
                    packet = fold_extensions(packet)
        except WireError as problem:
            self.notebook.write(now_ns, problem.reason, problem.detail, packet)
            if problem.pointer is not None:
                self.report(
                    ErrorKind.PARAMETER_PROBLEM, packet, arrival, now_ns, pointer=problem.pointer
                )
            return
        handler = self.handlers.get(packet.protocol)
        if handler is None:
            self.notebook.write(now_ns, Reason.PROTOCOL_UNKNOWN, f"{packet.protocol}", packet)
            # RFC 1122 3.2.2.1 and RFC 8200 4: the sender is told; IPv6 points at the octet.
            self.report(ErrorKind.PROTOCOL_UNREACHABLE, packet, arrival, now_ns, pointer=6)
            return
        handler(packet, arrival, now_ns)

    def _forward(self, packet: Packet, arrival: Arrival, now_ns: int) -> None:
        if is_link_local(packet.source) or is_link_local(packet.destination):
            self._drop(now_ns, Reason.DESTINATION_NOT_OURS, packet)
            return
        # RFC 1812 5.3.1: the packet dies when its hop limit would become zero.
        if packet.hop_limit <= 1:
            self._drop(now_ns, Reason.HOP_LIMIT_REACHED, packet)
            self.report(ErrorKind.HOP_LIMIT, packet, arrival, now_ns)
            return
        route = self.routes.find(packet.destination)
        if route is None:
            self._drop(now_ns, Reason.NO_ROUTE, packet)
            self.report(ErrorKind.NO_ROUTE, packet, arrival, now_ns)
            return
        packet = packet.replace(hop_limit=packet.hop_limit - 1)
        mtu = route.interface.mtu
        next_hop = route.next_hop(packet.destination)
        if packet.length <= mtu:
            self._transmit(route.interface, packet, next_hop, now_ns)
        elif packet.version == 6 or packet.dont_fragment:
            # RFC 1812 4.2.2.7, RFC 8200 5: IPv6 routers do not fragment.
            self._drop(now_ns, Reason.PACKET_TOO_BIG, packet)
            if route.interface.sends_icmp:
                self.report(ErrorKind.PACKET_TOO_BIG, packet, arrival, now_ns, mtu=mtu)
        else:
            for piece in fragment(packet, mtu, 0):
                self._transmit(route.interface, piece, next_hop, now_ns)

    # Time

    def take_looped(self, now_ns: int) -> bool:
        """Deliver what the host has sent to itself; return whether there was any."""
        if not self._looped:
            return False
        packets = list(self._looped)
        self._looped.clear()
        for packet in packets:
            self._take(packet, Arrival(None, False), now_ns)
        return True

    def poll_at(self) -> int | None:
        """Return when :meth:`on_timer` has work; 0 when packets to ourselves wait."""
        return 0 if self._looped else earliest(self.reassembler.poll_at())

    def on_timer(self, now_ns: int) -> None:
        """Give up datagrams whose fragments did not come."""
        for first in self.reassembler.expire(now_ns):
            self.notebook.write(now_ns, Reason.REASSEMBLY_TIMEOUT, unit=first)
            if first is not None:
                self.report(ErrorKind.REASSEMBLY_TIMEOUT, first, Arrival(None, False), now_ns)

    def _drop(self, now_ns: int, reason: Reason, packet: Packet) -> None:
        self.notebook.write(now_ns, reason, unit=packet)
