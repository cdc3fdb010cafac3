"""The packet that an ICMP error quotes: its header, and the first octets of what it carried."""

from __future__ import annotations

from dataclasses import dataclass

from longwire.tcpip.addresses import Address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ipv6 import FRAGMENT, ExtensionChain
from longwire.tcpip.wire.packet import (
    IPV4_HEADER_OCTETS,
    IPV6_FRAGMENT_OCTETS,
    IPV6_HEADER_OCTETS,
)

__all__ = ["Quote"]

# RFC 792: the header and the first 64 bits of data, which hold the ports and a sequence number.
_TRANSPORT_OCTETS_MIN = 8


@dataclass(frozen=True, slots=True)
class Quote:
    """What can be told of the quoted packet. ``total_octets`` is what its header claims."""

    source: Address
    destination: Address
    protocol: int
    transport: bytes
    total_octets: int

    @property
    def ports(self) -> tuple[int, int]:
        """Source and destination port, of TCP and UDP."""
        return (
            int.from_bytes(self.transport[0:2], "big"),
            int.from_bytes(self.transport[2:4], "big"),
        )

    @property
    def sequence(self) -> int:
        """The sequence number of a TCP segment."""
        return int.from_bytes(self.transport[4:8], "big")

    @classmethod
    def parse(cls, data: bytes) -> Quote:
        """Read a quoted packet, which is cut short as a rule. Raises WireError."""
        version = data[0] >> 4 if data else 0
        if version == 4:
            return cls._parse_v4(data)
        if version == 6:
            return cls._parse_v6(data)
        raise WireError(Reason.ICMP_QUOTE_INVALID, f"version {version}")

    @classmethod
    def _parse_v4(cls, data: bytes) -> Quote:
        header = (data[0] & 0x0F) * 4
        if header < IPV4_HEADER_OCTETS or len(data) < header + _TRANSPORT_OCTETS_MIN:
            raise WireError(Reason.ICMP_QUOTE_INVALID, f"{len(data)} octets")
        if int.from_bytes(data[6:8], "big") & 0x1FFF:
            raise WireError(Reason.ICMP_QUOTE_INVALID, "a fragment that is not the first")
        total = int.from_bytes(data[2:4], "big")
        return cls(data[12:16], data[16:20], data[9], data[header:], total)

    @classmethod
    def _parse_v6(cls, data: bytes) -> Quote:
        if len(data) < IPV6_HEADER_OCTETS + _TRANSPORT_OCTETS_MIN:
            raise WireError(Reason.ICMP_QUOTE_INVALID, f"{len(data)} octets")
        body = data[IPV6_HEADER_OCTETS:]
        chain = ExtensionChain(data[6], body)
        protocol, transport = chain.next_header, body[chain.octets :]
        if protocol == FRAGMENT and len(transport) >= IPV6_FRAGMENT_OCTETS:
            if int.from_bytes(transport[2:4], "big") & 0xFFF8:
                raise WireError(Reason.ICMP_QUOTE_INVALID, "a fragment that is not the first")
            protocol, transport = transport[0], transport[IPV6_FRAGMENT_OCTETS:]
        if len(transport) < _TRANSPORT_OCTETS_MIN:
            raise WireError(Reason.ICMP_QUOTE_INVALID, f"{len(transport)} octets of transport")
        total = IPV6_HEADER_OCTETS + int.from_bytes(data[4:6], "big")
        return cls(data[8:24], data[24:40], protocol, transport, total)
