"""Ethernet II frames: two addresses, a type, a payload. Preamble and check sequence stay below."""

from __future__ import annotations

from dataclasses import dataclass

from longwire.tcpip.addresses import Address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.arp import ArpPacket
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ip import encode_packet
from longwire.tcpip.wire.packet import Packet

__all__ = [
    "BROADCAST_MAC",
    "ETHERTYPE_ARP",
    "ETHERTYPE_IPV4",
    "ETHERTYPE_IPV6",
    "HEADER_OCTETS",
    "EthernetFrame",
    "EthernetView",
    "multicast_mac",
]

HEADER_OCTETS = 14
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
BROADCAST_MAC = b"\xff" * 6

# IEEE 802.3 section 3.2.6: values below are lengths, not types.
_TYPE_MIN = 0x0600


def multicast_mac(group: Address) -> bytes:
    """Return the station address of an IP group (RFC 1112 section 6.4, RFC 2464 section 7)."""
    if len(group) == 4:
        return b"\x01\x00\x5e" + bytes([group[1] & 0x7F]) + group[2:]
    return b"\x33\x33" + group[12:]


class EthernetView:
    """A frame as it came, checked."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes | memoryview) -> None:
        if len(data) < HEADER_OCTETS:
            raise WireError(Reason.ETHERNET_TRUNCATED, f"{len(data)} octets")
        self._data = memoryview(data)
        if self.ethertype < _TYPE_MIN:
            raise WireError(Reason.ETHERNET_LENGTH_FIELD, f"{self.ethertype}")

    @property
    def destination(self) -> bytes:
        return bytes(self._data[0:6])

    @property
    def source(self) -> bytes:
        return bytes(self._data[6:12])

    @property
    def ethertype(self) -> int:
        return int.from_bytes(self._data[12:14], "big")

    @property
    def payload(self) -> memoryview:
        """What follows the header; may end in padding to the 46 octets that the medium wants."""
        return self._data[HEADER_OCTETS:]


@dataclass(frozen=True, slots=True)
class EthernetFrame:
    """A frame to send. The payload stays an object until somebody wants octets."""

    destination: bytes
    source: bytes
    ethertype: int
    payload: Packet | ArpPacket | bytes

    @classmethod
    def parse(cls, data: bytes | memoryview) -> EthernetFrame:
        """Read a frame; its payload stays octets. Raises WireError."""
        view = EthernetView(data)
        return cls(view.destination, view.source, view.ethertype, bytes(view.payload))

    @property
    def length(self) -> int:
        """Octets on the wire, without padding."""
        payload = self.payload
        return HEADER_OCTETS + (len(payload) if isinstance(payload, bytes) else payload.length)

    def encode(self) -> bytes:
        """Return the octets."""
        payload = self.payload
        if isinstance(payload, Packet):
            octets = encode_packet(payload)
        else:
            octets = payload if isinstance(payload, bytes) else payload.encode()
        return self.destination + self.source + self.ethertype.to_bytes(2, "big") + octets
