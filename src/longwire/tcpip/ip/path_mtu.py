"""The largest packet each path takes, as far as ICMP has told (RFC 1191, RFC 8201)."""

from __future__ import annotations

from collections import OrderedDict

from longwire.tcpip.addresses import Address
from longwire.tcpip.ip.limits import IpLimits

__all__ = ["IPV6_MTU_MIN", "PathMtuCache"]

IPV6_MTU_MIN = 1280

# RFC 1191 section 7.1: what to assume of a router that does not say its MTU.
_PLATEAUS = (32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68)


class PathMtuCache:
    """Path MTUs of one host, the least recently learnt giving way."""

    def __init__(self, limits: IpLimits) -> None:
        self._limits = limits
        self._entries: OrderedDict[Address, tuple[int, int]] = OrderedDict()

    def learn(
        self, destination: Address, reported: int, packet_octets: int, now_ns: int
    ) -> int | None:
        """Take the MTU that a "packet too big" reports for a packet of ``packet_octets``.

        Return the path MTU to use, or ``None`` when the report is not to be believed.
        """
        mtu = reported
        if len(destination) == 4:
            if mtu == 0:
                mtu = next(
                    (size for size in _PLATEAUS if size < packet_octets),
                    self._limits.path_mtu_v4_min,
                )
            mtu = max(mtu, self._limits.path_mtu_v4_min)
        elif mtu < IPV6_MTU_MIN:
            # RFC 8201 section 4: a node must not reduce its estimate below 1,280, and must
            # discard a message that reports less.
            return None
        known = self.lookup(destination, now_ns)
        if mtu >= packet_octets or (known is not None and mtu >= known):
            # RFC 1191 6.3, RFC 8201 4: an estimate is never raised by a message.
            return None
        self._entries[destination] = (mtu, now_ns + self._limits.path_mtu_age_ns)
        self._entries.move_to_end(destination)
        if len(self._entries) > self._limits.path_mtu_entries_max:
            self._entries.popitem(last=False)
        return mtu

    def lookup(self, destination: Address, now_ns: int) -> int | None:
        """Return the path MTU, or ``None`` when nothing was heard lately."""
        entry = self._entries.get(destination)
        if entry is None:
            return None
        if entry[1] <= now_ns:
            del self._entries[destination]
            return None
        return entry[0]
