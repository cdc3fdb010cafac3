"""IP addresses as the octets they are on the wire: 4 for IPv4, 16 for IPv6.

Addresses are looked up for every packet, and ``bytes`` hash and compare in C. Text is made only
for people.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

__all__ = [
    "ANY_V4",
    "ANY_V6",
    "BROADCAST_V4",
    "Address",
    "Prefix",
    "address_text",
    "endpoint_text",
    "is_broadcast",
    "is_link_local",
    "is_loopback",
    "is_multicast",
    "is_unicast_source",
    "is_unspecified",
    "mac_text",
    "parse_address",
    "parse_mac",
    "solicited_node",
]

Address = bytes
"""4 or 16 octets in network order."""

ANY_V4: Address = bytes(4)
ANY_V6: Address = bytes(16)
BROADCAST_V4: Address = b"\xff\xff\xff\xff"


def parse_address(text: str) -> Address:
    """Return the octets of ``text``. Raises ValueError for what is no IP address."""
    return ipaddress.ip_address(text).packed


def address_text(address: Address) -> str:
    """Return the canonical text (RFC 5952 for IPv6)."""
    return str(ipaddress.ip_address(address))


def endpoint_text(address: Address, port: int) -> str:
    """Return ``10.0.0.1:80`` or ``[2001:db8::1]:80``."""
    text = address_text(address)
    return f"{text}:{port}" if len(address) == 4 else f"[{text}]:{port}"


def parse_mac(text: str) -> bytes:
    """Return the six octets of ``02:00:00:00:00:01``. Raises ValueError."""
    octets = bytes.fromhex(text.replace(":", ""))
    if len(octets) != 6:
        raise ValueError(f"{text!r} is no link-layer address: it has {len(octets)} octets, not 6")
    return octets


def mac_text(octets: bytes) -> str:
    """Return ``02:00:00:00:00:01``."""
    return octets.hex(":")


def is_unspecified(address: Address) -> bool:
    """0.0.0.0 or ::."""
    return address in (ANY_V4, ANY_V6)


def is_multicast(address: Address) -> bool:
    """224.0.0.0/4 or ff00::/8."""
    first = address[0]
    return 224 <= first < 240 if len(address) == 4 else first == 0xFF


def is_loopback(address: Address) -> bool:
    """127.0.0.0/8 or ::1."""
    return address[0] == 127 if len(address) == 4 else address == b"\0" * 15 + b"\x01"


def is_link_local(address: Address) -> bool:
    """169.254.0.0/16 or fe80::/10."""
    if len(address) == 4:
        return address[:2] == b"\xa9\xfe"
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80


def is_broadcast(address: Address) -> bool:
    """The limited broadcast address; a network's own is known only with its prefix."""
    return address == BROADCAST_V4


def is_unicast_source(address: Address) -> bool:
    """Whether a single host may have sent from here (RFC 1122 section 3.2.1.3)."""
    if is_unspecified(address) or is_multicast(address):
        return False
    # 240.0.0.0/4 is reserved and holds the limited broadcast address.
    return len(address) == 16 or address[0] < 240


def solicited_node(address: Address) -> Address:
    """Return the multicast group that the owner of ``address`` listens on (RFC 4291 2.7.1)."""
    return b"\xff\x02" + bytes(9) + b"\x01\xff" + address[13:]


@dataclass(frozen=True, slots=True)
class Prefix:
    """A network: its first address and the number of leading bits that it fixes."""

    network: Address
    length: int

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """Read ``10.0.0.0/8``. Raises ValueError; bits past the length are cleared."""
        network = ipaddress.ip_network(text, strict=False)
        return cls(network.network_address.packed, network.prefixlen)

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, bytes) or len(address) != len(self.network):
            return False
        shift = len(address) * 8 - self.length
        return (
            int.from_bytes(address, "big") >> shift == int.from_bytes(self.network, "big") >> shift
        )

    def broadcast(self) -> Address | None:
        """The network's broadcast address; ``None`` on IPv6 and on /31 and /32 (RFC 3021)."""
        if len(self.network) == 16 or self.length > 30:
            return None
        host_bits = (1 << (32 - self.length)) - 1
        return (int.from_bytes(self.network, "big") | host_bits).to_bytes(4, "big")

    def __str__(self) -> str:
        return f"{address_text(self.network)}/{self.length}"
