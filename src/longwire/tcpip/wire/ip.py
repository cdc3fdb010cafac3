"""Octets to packets and back, whichever the version."""

from __future__ import annotations

from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ipv4 import decode_ipv4, encode_ipv4
from longwire.tcpip.wire.ipv6 import decode_ipv6, encode_ipv6
from longwire.tcpip.wire.packet import Packet

__all__ = ["decode_packet", "encode_packet"]


def decode_packet(data: bytes | memoryview) -> Packet:
    """Return the packet in ``data``, its payload still octets. Raises WireError."""
    if not len(data):
        raise WireError(Reason.IP_EMPTY)
    version = data[0] >> 4
    if version == 4:
        return decode_ipv4(data)
    if version == 6:
        return decode_ipv6(data)
    raise WireError(Reason.IP_VERSION, f"version {version}")


def encode_packet(packet: Packet) -> bytes:
    """Return the octets of ``packet``, payload included."""
    if len(packet.source) == 4:
        return encode_ipv4(packet)
    return encode_ipv6(packet)
