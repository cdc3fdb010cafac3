"""What a box on the way says back to a sender: a reset, or an ICMP error."""

from __future__ import annotations

from longwire.tcpip.addresses import Address
from longwire.tcpip.wire.icmp import ErrorKind, IcmpError, protocol_for
from longwire.tcpip.wire.ip import encode_packet
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import ACK, FIN, RST, SYN, Segment

__all__ = ["error_about", "reset_for"]

# An ICMP error does not exceed 576 octets (RFC 1812 4.3.2.3); 20 and 8 are its own headers.
_QUOTE_OCTETS_MAX = 548


def error_about(packet: Packet, router: Address, kind: ErrorKind, *, mtu: int = 0) -> Packet:
    """Return the ICMP error with which ``router`` answers ``packet``."""
    quote = encode_packet(packet)[:_QUOTE_OCTETS_MAX]
    error = IcmpError.make(kind, len(router), quote, mtu=mtu)
    return Packet(router, packet.source, protocol_for(router), error)


def reset_for(packet: Packet) -> Packet | None:
    """Return the reset with which a host without such a connection answers (RFC 9293 3.5.2).

    ``None`` where there is nothing to answer: the packet is no segment, or is a reset itself.
    """
    segment = packet.payload
    if not isinstance(segment, Segment) or segment.flags & RST:
        return None
    if segment.flags & ACK:
        sequence, acknowledgment, flags = segment.acknowledgment, 0, RST
    else:
        taken = len(segment.text) + bool(segment.flags & SYN) + bool(segment.flags & FIN)
        sequence, acknowledgment = 0, (segment.sequence + taken) & 0xFFFFFFFF
        flags = RST | ACK
    reset = Segment(segment.destination_port, segment.source_port, sequence, acknowledgment, flags)
    return Packet(packet.destination, packet.source, packet.protocol, reset)
