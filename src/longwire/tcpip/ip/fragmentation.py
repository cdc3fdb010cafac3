"""Cutting a packet for a smaller link (RFC 791 3.2, RFC 8200 4.5)."""

from __future__ import annotations

from longwire.tcpip.wire.packet import IPV6_FRAGMENT_OCTETS, Packet

__all__ = ["fragment"]

_COPIED = 0x80


def fragment(packet: Packet, mtu: int, identification: int) -> list[Packet]:
    """Return pieces of at most ``mtu`` octets that carry all of ``packet``.

    ``identification`` ties the pieces together; an IPv4 packet that is itself a piece keeps its
    own. Raises ValueError when the link takes less than a header and eight octets.
    """
    if packet.length <= mtu:
        return [packet]
    is_v4 = packet.version == 4
    header = packet.header_octets
    if not is_v4 and not packet.is_fragment:
        header += IPV6_FRAGMENT_OCTETS
    room = (mtu - header) // 8 * 8
    if room <= 0:
        raise ValueError(f"no fragment of a packet with a header of {header} octets fits {mtu}")
    octets = packet.payload_octets()
    pieces = []
    for start in range(0, len(octets), room):
        end = start + room
        pieces.append(
            packet.replace(
                payload=octets[start:end],
                identification=packet.identification if is_v4 else identification,
                more_fragments=packet.more_fragments or end < len(octets),
                fragment_offset=packet.fragment_offset + start,
                options=packet.options if start == 0 or not is_v4 else _copied(packet.options),
            )
        )
    return pieces


def _copied(options: bytes) -> bytes:
    """Return the IPv4 options that every fragment repeats (RFC 791 3.1: the copied flag)."""
    kept = b""
    position = 0
    while position < len(options) and options[position] != 0:
        length = 1 if options[position] == 1 else options[position + 1]
        if options[position] & _COPIED:
            kept += options[position : position + length]
        position += length
    return kept + bytes(-len(kept) % 4)
