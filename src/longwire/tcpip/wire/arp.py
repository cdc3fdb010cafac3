"""ARP for IPv4 over Ethernet (RFC 826)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from longwire.tcpip.addresses import Address, is_multicast
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.errors import WireError

__all__ = ["REPLY", "REQUEST", "ArpPacket", "ArpView"]

REQUEST = 1
REPLY = 2

_FORM = struct.Struct("!HHBBH6s4s6s4s")
# Hardware type Ethernet, protocol IPv4, address lengths 6 and 4.
_KIND = (1, 0x0800, 6, 4)


class ArpView:
    """An ARP packet as it came, checked; octets behind it are padding."""

    __slots__ = ("_fields",)

    def __init__(self, data: bytes | memoryview) -> None:
        if len(data) < _FORM.size:
            raise WireError(Reason.ARP_TRUNCATED, f"{len(data)} octets")
        self._fields = _FORM.unpack_from(data)
        if self._fields[:4] != _KIND or self.operation not in (REQUEST, REPLY):
            raise WireError(Reason.ARP_UNSUPPORTED, f"{self._fields[:5]}")
        # RFC 1122 section 2.3.2 is silent, but a group address for one station is an attack.
        if self.sender_mac[0] & 1 or is_multicast(self.sender):
            raise WireError(Reason.ARP_SENDER_INVALID)

    @property
    def operation(self) -> int:
        return int(self._fields[4])

    @property
    def sender_mac(self) -> bytes:
        return bytes(self._fields[5])

    @property
    def sender(self) -> Address:
        return bytes(self._fields[6])

    @property
    def target_mac(self) -> bytes:
        return bytes(self._fields[7])

    @property
    def target(self) -> Address:
        return bytes(self._fields[8])


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """A question who has ``target``, or the answer of ``sender``."""

    operation: int
    sender_mac: bytes
    sender: Address
    target_mac: bytes
    target: Address

    @classmethod
    def parse(cls, data: bytes | memoryview) -> ArpPacket:
        """Read an ARP packet. Raises WireError."""
        view = ArpView(data)
        return cls(view.operation, view.sender_mac, view.sender, view.target_mac, view.target)

    @property
    def length(self) -> int:
        """Octets on the wire."""
        return _FORM.size

    def encode(self) -> bytes:
        """Return the octets."""
        return _FORM.pack(
            *_KIND, self.operation, self.sender_mac, self.sender, self.target_mac, self.target
        )
