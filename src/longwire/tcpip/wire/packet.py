"""The IP packet as a value, one class for both versions: the address length says which."""

from __future__ import annotations

from typing import Protocol

from longwire.tcpip.addresses import Address, address_text

__all__ = [
    "IPV4_HEADER_OCTETS",
    "IPV6_FRAGMENT_OCTETS",
    "IPV6_HEADER_OCTETS",
    "PROTOCOL_ICMP",
    "PROTOCOL_ICMPV6",
    "PROTOCOL_TCP",
    "PROTOCOL_UDP",
    "Packet",
    "Transport",
]

PROTOCOL_ICMP = 1
PROTOCOL_TCP = 6
PROTOCOL_UDP = 17
PROTOCOL_ICMPV6 = 58

IPV4_HEADER_OCTETS = 20
IPV6_HEADER_OCTETS = 40
IPV6_FRAGMENT_OCTETS = 8


class Transport(Protocol):
    """What a packet may carry besides octets: a segment, a datagram, a message."""

    @property
    def length(self) -> int:
        """Octets on the wire."""

    def encode(self, source: Address, destination: Address) -> bytes:
        """Return the octets, with the checksum over the pseudo-header of these addresses."""


class Packet:
    """An IPv4 or IPv6 packet. Treated as immutable once made: links and captures share it.

    ``options`` are the octets between the fixed header and the payload: IPv4 options, padded to
    four, or the IPv6 extension headers before the fragment header, the first of which is of kind
    ``options_kind``. IPv6 has no ``dont_fragment`` (it never is, on the way), and carries
    ``identification`` only in fragments.
    """

    __slots__ = (
        "destination",
        "dont_fragment",
        "flow_label",
        "fragment_offset",
        "hop_limit",
        "identification",
        "more_fragments",
        "options",
        "options_kind",
        "payload",
        "protocol",
        "source",
        "traffic_class",
    )

    def __init__(
        self,
        source: Address,
        destination: Address,
        protocol: int,
        payload: bytes | Transport,
        *,
        hop_limit: int = 64,
        traffic_class: int = 0,
        identification: int = 0,
        dont_fragment: bool = False,
        more_fragments: bool = False,
        fragment_offset: int = 0,
        flow_label: int = 0,
        options: bytes = b"",
        options_kind: int = 0,
    ) -> None:
        self.source = source
        self.destination = destination
        self.protocol = protocol
        self.payload = payload
        self.hop_limit = hop_limit
        self.traffic_class = traffic_class
        self.identification = identification
        self.dont_fragment = dont_fragment
        self.more_fragments = more_fragments
        self.fragment_offset = fragment_offset
        self.flow_label = flow_label
        self.options = options
        self.options_kind = options_kind

    @property
    def version(self) -> int:
        """4 or 6."""
        return 4 if len(self.source) == 4 else 6

    @property
    def is_fragment(self) -> bool:
        """Whether this is a piece of a larger packet."""
        return self.more_fragments or self.fragment_offset > 0

    @property
    def header_octets(self) -> int:
        """Octets before the payload."""
        if len(self.source) == 4:
            return IPV4_HEADER_OCTETS + len(self.options)
        fragment = IPV6_FRAGMENT_OCTETS if self.is_fragment else 0
        return IPV6_HEADER_OCTETS + len(self.options) + fragment

    @property
    def length(self) -> int:
        """Octets on the wire; no octet is made to find out."""
        payload = self.payload
        return self.header_octets + (len(payload) if isinstance(payload, bytes) else payload.length)

    def payload_octets(self) -> bytes:
        """Return the payload encoded."""
        payload = self.payload
        if isinstance(payload, bytes):
            return payload
        return payload.encode(self.source, self.destination)

    def replace(self, **changes: object) -> Packet:
        """Return a copy with some fields changed."""
        made = Packet.__new__(Packet)
        for name in Packet.__slots__:
            setattr(made, name, changes[name] if name in changes else getattr(self, name))
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Packet):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Packet.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"<Packet {address_text(self.source)} > {address_text(self.destination)} "
            f"protocol {self.protocol} {self.payload!r}>"
        )
