"""What the kernel and a TUN or TAP device leave to each other: checksums, and cutting segments.

With the flag IFF_VNET_HDR, ten octets stand in front of each packet: ``struct virtio_net_hdr`` of
the Virtual I/O Device specification (section 5.1.6), in the machine's byte order. They say that
the TCP or UDP checksum was not made, or need not be checked, and into pieces of what size a large
TCP packet is to be cut. So that one read or write carries up to 64 KiB, of which nobody here sums
up the octets.
"""

from __future__ import annotations

import struct

from longwire.tcpip.device import Medium, Unit, unit_octets
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ethernet import HEADER_OCTETS, EthernetFrame
from longwire.tcpip.wire.ip import decode_packet
from longwire.tcpip.wire.packet import PROTOCOL_TCP, PROTOCOL_UDP, Packet
from longwire.tcpip.wire.tcp import Segment
from longwire.tcpip.wire.udp import Datagram

__all__ = ["LARGE_OCTETS", "PREFIX_OCTETS", "read_offloaded", "write_offloaded"]

LARGE_OCTETS = 0xFFFF
"""The largest IP packet that is cut by the other side."""

_PREFIX = struct.Struct("=BBHHHH")
PREFIX_OCTETS = _PREFIX.size

# virtio_net_hdr.flags and gso_type
_NEEDS_CHECKSUM = 1
_CHECKSUM_GOOD = 2
_CUT_NOT = 0
_CUT_TCP_V4 = 1
_CUT_TCP_V6 = 4

_PLAIN = _PREFIX.pack(0, _CUT_NOT, 0, 0, 0, 0)
_TCP_CHECKSUM_AT = 16
_PARSE = {PROTOCOL_TCP: Segment.parse, PROTOCOL_UDP: Datagram.parse}


def read_offloaded(data: memoryview, medium: Medium) -> Unit:
    """Return the unit in what was read, its prefix included.

    Where the checksum need not be checked, a packet with its transport read; octets otherwise, and
    for what cannot be read, whose fault is then found where all others are.
    """
    flags = data[0]
    octets = bytes(data[PREFIX_OCTETS:])
    if not flags & (_NEEDS_CHECKSUM | _CHECKSUM_GOOD):
        return octets
    try:
        if medium is Medium.IP:
            return _with_transport(decode_packet(octets))
        frame = EthernetFrame.parse(octets)
        packet = _with_transport(decode_packet(octets[HEADER_OCTETS:]))
    except WireError:
        return octets
    return EthernetFrame(frame.destination, frame.source, frame.ethertype, packet)


def _with_transport(packet: Packet) -> Packet:
    parse = _PARSE.get(packet.protocol)
    if parse is None or packet.is_fragment:
        return packet
    transport = parse(packet.payload_octets(), packet.source, packet.destination, is_checked=True)
    return packet.replace(payload=transport)


def write_offloaded(unit: Unit, medium: Medium) -> tuple[bytes, bytes]:
    """Return the prefix and the octets to write for a unit.

    The checksum of a TCP segment is left to the other side, and so is cutting it where it says
    how (``Segment.piece_octets``).
    """
    packet = unit.payload if isinstance(unit, EthernetFrame) else unit
    if not isinstance(packet, Packet) or packet.is_fragment:
        return _PLAIN, unit_octets(unit)
    segment = packet.payload
    if not isinstance(segment, Segment):
        return _PLAIN, unit_octets(unit)
    transport = segment.encode(packet.source, packet.destination, leaves_checksum=True)
    start = packet.header_octets + (HEADER_OCTETS if medium is Medium.ETHERNET else 0)
    cut = _CUT_NOT
    if segment.piece_octets:
        cut = _CUT_TCP_V4 if packet.version == 4 else _CUT_TCP_V6
    headers = start + len(transport) - len(segment.text) if cut else 0
    prefix = _PREFIX.pack(
        _NEEDS_CHECKSUM, cut, headers, segment.piece_octets, start, _TCP_CHECKSUM_AT
    )
    unsummed = packet.replace(payload=transport)
    if isinstance(unit, EthernetFrame):
        return prefix, EthernetFrame(
            unit.destination, unit.source, unit.ethertype, unsummed
        ).encode()
    return prefix, unit_octets(unsummed)
