"""Reading what passes a box far enough to change it: addresses, ports, options.

Packets travel as objects or as octets, alone or in frames. What cannot be read passes unchanged,
as it would pass a box that does not look that far.
"""

from __future__ import annotations

from longwire.tcpip.device import Medium, Unit
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ethernet import EthernetFrame
from longwire.tcpip.wire.ip import decode_packet
from longwire.tcpip.wire.packet import PROTOCOL_TCP, PROTOCOL_UDP, Packet
from longwire.tcpip.wire.tcp import Segment
from longwire.tcpip.wire.udp import Datagram

__all__ = ["read_packet", "read_unit", "rewrap", "with_ports"]


_PARSE = {PROTOCOL_TCP: Segment.parse, PROTOCOL_UDP: Datagram.parse}


def read_packet(unit: Unit, medium: Medium) -> tuple[EthernetFrame | None, Packet] | None:
    """Return the frame around a packet, if there is one, and the packet.

    Its payload is read where it is a whole segment or datagram, and left as it is elsewhere.
    ``None`` for what is no IP packet, or none that can be read.
    """
    frame: EthernetFrame | None = None
    inner: object = unit
    try:
        if medium is Medium.ETHERNET:
            frame = EthernetFrame.parse(unit) if isinstance(unit, bytes) else None
            if isinstance(unit, EthernetFrame):
                frame = unit
            if frame is None:
                return None
            inner = frame.payload
        packet = decode_packet(inner) if isinstance(inner, bytes) else inner
        if not isinstance(packet, Packet):
            return None
        parse = _PARSE.get(packet.protocol)
        if isinstance(packet.payload, bytes) and parse is not None and not packet.is_fragment:
            transport = parse(packet.payload, packet.source, packet.destination)
            packet = packet.replace(payload=transport)
    except WireError:
        return None
    return frame, packet


def read_unit(unit: Unit, medium: Medium) -> tuple[EthernetFrame | None, Packet] | None:
    """Return what :func:`read_packet` does, and ``None`` for what is no TCP or UDP, too."""
    read = read_packet(unit, medium)
    return read if read is not None and isinstance(read[1].payload, Segment | Datagram) else None


def rewrap(frame: EthernetFrame | None, packet: Packet) -> Unit:
    """Return the packet in a frame like ``frame``, or alone where there was none."""
    if frame is None:
        return packet
    return EthernetFrame(frame.destination, frame.source, frame.ethertype, packet)


def with_ports(
    transport: Segment | Datagram, source_port: int, destination_port: int
) -> Segment | Datagram:
    """Return the same transport between other ports."""
    if isinstance(transport, Datagram):
        return Datagram(source_port, destination_port, transport.data)
    moved = Segment.__new__(Segment)
    for name in Segment.__slots__:
        setattr(moved, name, getattr(transport, name))
    moved.source_port = source_port
    moved.destination_port = destination_port
    return moved
