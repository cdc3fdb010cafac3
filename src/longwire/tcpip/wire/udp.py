"""UDP (RFC 768)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from longwire.tcpip.addresses import Address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.checksum import checksum, pseudo_header, word_sum
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.packet import PROTOCOL_UDP

__all__ = ["UDP_HEADER_OCTETS", "Datagram", "UdpView"]

UDP_HEADER_OCTETS = 8
_FORM = struct.Struct("!HHHH")


class UdpView:
    """A datagram as it came, checked against the addresses of its packet."""

    __slots__ = ("_data", "_fields")

    def __init__(
        self,
        data: bytes | memoryview,
        source: Address,
        destination: Address,
        *,
        is_checked: bool = False,
    ) -> None:
        if len(data) < UDP_HEADER_OCTETS:
            raise WireError(Reason.UDP_TRUNCATED, f"{len(data)} octets")
        self._fields = _FORM.unpack_from(data)
        length = self._fields[2]
        if not UDP_HEADER_OCTETS <= length <= len(data):
            raise WireError(Reason.UDP_LENGTH, f"{length} of {len(data)} octets")
        self._data = memoryview(data)[:length]
        if is_checked:
            return
        if self._fields[3]:
            total = pseudo_header(source, destination, PROTOCOL_UDP, length)
            if checksum(total + word_sum(self._data)):
                raise WireError(Reason.UDP_CHECKSUM)
        # RFC 8200 8.1: over IPv6 the checksum is not optional.
        elif len(source) == 16:
            raise WireError(Reason.UDP_CHECKSUM, "zero over IPv6")

    @property
    def source_port(self) -> int:
        return int(self._fields[0])

    @property
    def destination_port(self) -> int:
        return int(self._fields[1])

    @property
    def data(self) -> memoryview:
        return self._data[UDP_HEADER_OCTETS:]


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram; source port 0 means that no answer is expected."""

    source_port: int
    destination_port: int
    data: bytes

    @classmethod
    def parse(
        cls,
        data: bytes | memoryview,
        source: Address,
        destination: Address,
        *,
        is_checked: bool = False,
    ) -> Datagram:
        """Read a datagram; octets behind its length are dropped. Raises WireError.

        ``is_checked``: the device has checked it, or it never was on a wire.
        """
        view = UdpView(data, source, destination, is_checked=is_checked)
        return cls(view.source_port, view.destination_port, bytes(view.data))

    @property
    def length(self) -> int:
        """Octets on the wire."""
        return UDP_HEADER_OCTETS + len(self.data)

    def encode(self, source: Address, destination: Address) -> bytes:
        """Return the octets. Raises ValueError when they are too many."""
        length = self.length
        if length > 0xFFFF:
            raise ValueError(f"a UDP datagram has at most 65535 octets, this one {length}")
        header = _FORM.pack(self.source_port, self.destination_port, length, 0)
        total = pseudo_header(source, destination, PROTOCOL_UDP, length)
        # RFC 768: a computed zero is sent as all ones, for zero says that there is none.
        field = checksum(total + word_sum(header) + word_sum(self.data)) or 0xFFFF
        return header[:6] + field.to_bytes(2, "big") + self.data
