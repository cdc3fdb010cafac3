"""Tells the copies of a packet that routers have passed on from what was sent anew.

A capture of several links has each packet that crosses routers once for each of them, and whoever
reads it, Wireshark for one, takes the copies for retransmissions.
"""

from __future__ import annotations

from collections import OrderedDict

from longwire.tcpip.wire.packet import IPV4_HEADER_OCTETS

__all__ = ["REMEMBERED_MAX", "CopyFinder"]

REMEMBERED_MAX = 20_000
"""Packets that are remembered: more than are on their way in any network simulated so far."""


class CopyFinder:
    """Remembers packets by what routers leave as it is, and how often each link has carried them.

    The nth time on a link is a copy if another link, the first to carry it, has had it n times by
    then: a retransmission comes to the first link first. What a NAT rewrites, or a router cuts into
    fragments, is another packet.
    """

    def __init__(self, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered_max = remembered_max
        # For each packet, links in the order in which they had it, and how often.
        self._carried: OrderedDict[bytes, dict[int, int]] = OrderedDict()

    def is_copy(self, link: int, packet: bytes) -> bool:
        """Take in that ``link`` carries the octets of an IP packet; say whether it is a copy."""
        kept = _kept_by_routers(packet)
        counts = self._carried.get(kept)
        if counts is None:
            self._carried[kept] = {link: 1}
            if len(self._carried) > self._remembered_max:
                self._carried.popitem(last=False)
            return False
        count = counts[link] = counts.get(link, 0) + 1
        first = next(iter(counts))
        return link != first and counts[first] >= count


def _kept_by_routers(packet: bytes) -> bytes:
    """Return the packet without hop limit and, of IPv4, without the checksum over it."""
    if len(packet) < IPV4_HEADER_OCTETS:
        return packet
    if packet[0] >> 4 == 4:
        return packet[:8] + packet[9:10] + packet[12:]
    return packet[:7] + packet[8:]
