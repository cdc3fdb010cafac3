"""Ethernet under IP: frames around packets, ARP and neighbour discovery to find stations."""

from __future__ import annotations

from collections.abc import Callable

from longwire.tcpip.addresses import (
    BROADCAST_V4,
    Address,
    address_text,
    is_multicast,
    is_unspecified,
    solicited_node,
)
from longwire.tcpip.device import Unit
from longwire.tcpip.ip.interface import Interface
from longwire.tcpip.ip.limits import IpLimits
from longwire.tcpip.ip.neighbors import NeighborCache
from longwire.tcpip.reasons import Notebook, Reason
from longwire.tcpip.wire.arp import REPLY, REQUEST, ArpPacket
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ethernet import (
    BROADCAST_MAC,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    HEADER_OCTETS,
    EthernetFrame,
    multicast_mac,
)
from longwire.tcpip.wire.ip import decode_packet
from longwire.tcpip.wire.ndp import NdpMessage, NeighborAdvertisement, NeighborSolicitation
from longwire.tcpip.wire.packet import PROTOCOL_ICMPV6, Packet

__all__ = ["Stations"]

_NDP_HOP_LIMIT = 255


class Stations:
    """Turns packets into frames and frames into packets, for all Ethernet interfaces of a host."""

    def __init__(
        self,
        notebook: Notebook,
        limits: IpLimits,
        on_unresolved: Callable[[Packet, Interface, int], None],
    ) -> None:
        self._notebook = notebook
        self._limits = limits
        self._on_unresolved = on_unresolved

    def attach(self, interface: Interface) -> None:
        """Give an Ethernet interface its neighbours."""
        interface.neighbors = NeighborCache(
            self._limits,
            lambda address, mac, now_ns: self._ask(interface, address, mac, now_ns),
            lambda packet, now_ns: self._on_unresolved(packet, interface, now_ns),
        )

    def send(self, interface: Interface, packet: Packet, next_hop: Address, now_ns: int) -> None:
        """Send a packet over a link; on Ethernet it may first wait for its next hop's answer."""
        if interface.neighbors is None:
            interface.device.send(packet, now_ns)
            return
        mac: bytes | None
        if is_multicast(next_hop):
            mac = multicast_mac(next_hop)
        elif next_hop == BROADCAST_V4 or next_hop in interface.broadcasts:
            mac = BROADCAST_MAC
        else:
            mac, is_kept = interface.neighbors.resolve(next_hop, packet, now_ns)
            if not is_kept:
                self._notebook.write(
                    now_ns, Reason.NEIGHBOR_QUEUE_FULL, address_text(next_hop), packet
                )
        if mac is not None:
            self._send_frame(interface, mac, packet, now_ns)

    def receive(self, interface: Interface, unit: Unit, now_ns: int) -> tuple[Packet, bool] | None:
        """Return the packet in a unit, and whether it was sent to many stations.

        ARP is answered here. Raises WireError for what is no packet for us.
        """
        if isinstance(unit, Packet):
            return unit, False
        if interface.neighbors is None:
            if isinstance(unit, EthernetFrame):
                raise WireError(Reason.ETHERNET_TYPE_UNKNOWN, "a frame where packets travel")
            return decode_packet(unit), False
        frame = EthernetFrame.parse(unit) if isinstance(unit, bytes) else unit
        is_to_many = bool(frame.destination[0] & 1)
        if frame.destination != interface.mac and not is_to_many:
            raise WireError(Reason.ETHERNET_NOT_FOR_US, frame.destination.hex(":"))
        payload = frame.payload
        if frame.ethertype == ETHERTYPE_ARP:
            if isinstance(payload, bytes):
                payload = ArpPacket.parse(payload)
            assert isinstance(payload, ArpPacket)
            self._on_arp(interface, payload, now_ns)
            return None
        if frame.ethertype not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            raise WireError(Reason.ETHERNET_TYPE_UNKNOWN, f"{frame.ethertype:#06x}")
        if isinstance(payload, bytes):
            payload = decode_packet(payload)
        assert isinstance(payload, Packet)
        if (payload.version == 4) != (frame.ethertype == ETHERTYPE_IPV4):
            raise WireError(Reason.IP_VERSION, "not the one that the frame announces")
        return payload, is_to_many

    @staticmethod
    def packet_octets(interface: Interface, unit: Unit) -> bytes:
        """Return the octets of the packet in a unit that came as octets."""
        if isinstance(unit, EthernetFrame):
            assert isinstance(unit.payload, bytes)
            return unit.payload
        assert isinstance(unit, bytes)
        return unit[HEADER_OCTETS:] if interface.is_ethernet else unit

    def on_neighbor(
        self, message: NdpMessage, packet: Packet, interface: Interface, now_ns: int
    ) -> None:
        """Take a neighbour discovery message (RFC 4861 7.2)."""
        if interface.neighbors is None:
            return
        if isinstance(message, NeighborSolicitation):
            if message.target not in interface.addresses:
                return
            # RFC 4861 7.2.4: to a node without an address (it checks for duplicates) the answer
            # goes to everybody.
            asker = packet.source
            is_anonymous = is_unspecified(asker)
            if is_anonymous:
                asker = b"\xff\x02" + bytes(13) + b"\x01"
            elif message.source_mac is not None:
                self._confirm(interface, asker, message.source_mac, now_ns)
            answer = NeighborAdvertisement(
                message.target,
                interface.mac,
                is_solicited=not is_anonymous,
                is_override=True,
            )
            self._send_ndp(interface, message.target, asker, answer, now_ns)
        # RFC 4861 7.2.5: an advertisement for a station that nobody asked for is dropped.
        elif message.target_mac is not None and interface.neighbors.knows(message.target):
            self._confirm(interface, message.target, message.target_mac, now_ns)

    def _on_arp(self, interface: Interface, packet: ArpPacket, now_ns: int) -> None:
        assert interface.neighbors is not None
        is_for_us = packet.target in interface.addresses
        # RFC 826: an address in the table is brought up to date whoever was asked; a new one is
        # entered only when we are the target.
        is_other = not is_unspecified(packet.sender) and packet.sender not in interface.addresses
        if is_other and (is_for_us or interface.neighbors.knows(packet.sender)):
            self._confirm(interface, packet.sender, packet.sender_mac, now_ns)
        if is_for_us and packet.operation == REQUEST:
            answer = ArpPacket(
                REPLY, interface.mac, packet.target, packet.sender_mac, packet.sender
            )
            frame = EthernetFrame(packet.sender_mac, interface.mac, ETHERTYPE_ARP, answer)
            interface.device.send(frame, now_ns)

    def _confirm(self, interface: Interface, address: Address, mac: bytes, now_ns: int) -> None:
        assert interface.neighbors is not None
        for packet in interface.neighbors.confirm(address, mac, now_ns):
            self._send_frame(interface, mac, packet, now_ns)

    def _ask(self, interface: Interface, address: Address, mac: bytes | None, now_ns: int) -> None:
        source = interface.source_for(address)
        if source is None:
            return
        if len(address) == 4:
            question = ArpPacket(REQUEST, interface.mac, source, bytes(6), address)
            frame = EthernetFrame(mac or BROADCAST_MAC, interface.mac, ETHERTYPE_ARP, question)
            interface.device.send(frame, now_ns)
            return
        destination = address if mac else solicited_node(address)
        message = NeighborSolicitation(address, interface.mac)
        self._send_ndp(interface, source, destination, message, now_ns, mac)

    def _send_ndp(
        self,
        interface: Interface,
        source: Address,
        destination: Address,
        message: NdpMessage,
        now_ns: int,
        mac: bytes | None = None,
    ) -> None:
        packet = Packet(source, destination, PROTOCOL_ICMPV6, message, hop_limit=_NDP_HOP_LIMIT)
        if mac is not None:
            self._send_frame(interface, mac, packet, now_ns)
        else:
            self.send(interface, packet, destination, now_ns)

    def _send_frame(self, interface: Interface, mac: bytes, packet: Packet, now_ns: int) -> None:
        ethertype = ETHERTYPE_IPV4 if packet.version == 4 else ETHERTYPE_IPV6
        interface.device.send(EthernetFrame(mac, interface.mac, ethertype, packet), now_ns)
