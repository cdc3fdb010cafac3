"""IPv4 (RFC 791, RFC 1122 section 3.2.1)."""

from __future__ import annotations

import struct

from longwire.tcpip.addresses import Address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.checksum import checksum, word_sum
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.packet import IPV4_HEADER_OCTETS, Packet

__all__ = ["Ipv4View", "decode_ipv4", "encode_ipv4"]

_FORM = struct.Struct("!BBHHHBBH4s4s")

_FLAG_DONT_FRAGMENT = 0x4000
_FLAG_MORE_FRAGMENTS = 0x2000
_OFFSET_MASK = 0x1FFF

_OPTION_END = 0
_OPTION_NO_OPERATION = 1
_OPTION_LOOSE_SOURCE_ROUTE = 131
_OPTION_STRICT_SOURCE_ROUTE = 137

_LENGTH_MAX = 0xFFFF


class Ipv4View:
    """A packet as it came, checked: version, lengths, checksum, options, end of a fragment."""

    __slots__ = ("_data", "fields")

    def __init__(self, data: bytes | memoryview) -> None:
        length = len(data)
        if length < IPV4_HEADER_OCTETS:
            raise WireError(Reason.IPV4_TRUNCATED, f"{length} octets")
        self.fields = _FORM.unpack_from(data)
        if self.fields[0] >> 4 != 4:
            raise WireError(Reason.IP_VERSION, f"version {self.fields[0] >> 4}")
        header = self.header_octets
        if not IPV4_HEADER_OCTETS <= header <= length:
            raise WireError(Reason.IPV4_HEADER_LENGTH, f"{header} of {length} octets")
        if not header <= self.fields[2] <= length:
            raise WireError(
                Reason.IPV4_TOTAL_LENGTH, f"{self.fields[2]}, header {header}, packet {length}"
            )
        self._data = memoryview(data)[: self.fields[2]]
        # RFC 1122 3.2.1.2: a host must verify the header checksum and silently discard.
        if checksum(word_sum(self._data[:header])):
            raise WireError(Reason.IPV4_CHECKSUM)
        if header > IPV4_HEADER_OCTETS:
            _check_options(bytes(self._data[IPV4_HEADER_OCTETS:header]))
        if self.more_fragments and (self.fields[2] - header) % 8:
            raise WireError(Reason.FRAGMENT_LENGTH, f"{self.fields[2] - header} octets")
        if self.fragment_offset + self.fields[2] - header > _LENGTH_MAX - header:
            raise WireError(Reason.FRAGMENT_LENGTH, f"offset {self.fragment_offset}")

    @property
    def header_octets(self) -> int:
        return (int(self.fields[0]) & 0x0F) * 4

    @property
    def traffic_class(self) -> int:
        return int(self.fields[1])

    @property
    def identification(self) -> int:
        return int(self.fields[3])

    @property
    def dont_fragment(self) -> bool:
        return bool(self.fields[4] & _FLAG_DONT_FRAGMENT)

    @property
    def more_fragments(self) -> bool:
        return bool(self.fields[4] & _FLAG_MORE_FRAGMENTS)

    @property
    def fragment_offset(self) -> int:
        """Where this piece belongs, octets."""
        return (int(self.fields[4]) & _OFFSET_MASK) * 8

    @property
    def hop_limit(self) -> int:
        return int(self.fields[5])

    @property
    def protocol(self) -> int:
        return int(self.fields[6])

    @property
    def source(self) -> Address:
        return bytes(self.fields[8])

    @property
    def destination(self) -> Address:
        return bytes(self.fields[9])

    @property
    def options(self) -> bytes:
        return bytes(self._data[IPV4_HEADER_OCTETS : self.header_octets])

    @property
    def payload(self) -> memoryview:
        return self._data[self.header_octets :]


def _check_options(options: bytes) -> None:
    """Walk the options; unknown ones are passed over (RFC 1122 3.2.1.8, MUST-50 of RFC 9293)."""
    position = 0
    while position < len(options):
        kind = options[position]
        if kind == _OPTION_END:
            return
        if kind == _OPTION_NO_OPERATION:
            position += 1
            continue
        if position + 1 >= len(options):
            raise WireError(
                Reason.IPV4_OPTION_LENGTH, f"option {kind}", pointer=IPV4_HEADER_OCTETS + position
            )
        length = options[position + 1]
        if length < 2 or position + length > len(options):
            raise WireError(
                Reason.IPV4_OPTION_LENGTH,
                f"option {kind} of {length} octets",
                pointer=IPV4_HEADER_OCTETS + position + 1,
            )
        # RFC 7126 4.3 and 4.4: packets with source routes should be dropped.
        if kind in (_OPTION_LOOSE_SOURCE_ROUTE, _OPTION_STRICT_SOURCE_ROUTE):
            raise WireError(Reason.IPV4_SOURCE_ROUTE, f"option {kind}")
        position += length


def decode_ipv4(data: bytes | memoryview) -> Packet:
    """Return the packet; octets behind its total length are padding. Raises WireError."""
    view = Ipv4View(data)
    # The fields themselves, and not the properties over them: this runs for every packet.
    (
        first,
        traffic_class,
        _,
        identification,
        fragment,
        hop_limit,
        protocol,
        _,
        source,
        destination,
    ) = view.fields
    return Packet(
        source,
        destination,
        protocol,
        bytes(view.payload),
        hop_limit=hop_limit,
        traffic_class=traffic_class,
        identification=identification,
        dont_fragment=bool(fragment & _FLAG_DONT_FRAGMENT),
        more_fragments=bool(fragment & _FLAG_MORE_FRAGMENTS),
        fragment_offset=(fragment & _OFFSET_MASK) * 8,
        options=view.options if first & 0x0F > 5 else b"",
    )


def encode_ipv4(packet: Packet) -> bytes:
    """Return the octets. Raises ValueError for a packet that no IPv4 header can describe."""
    payload = packet.payload_octets()
    options = packet.options
    header_octets = IPV4_HEADER_OCTETS + len(options)
    total = header_octets + len(payload)
    if total > _LENGTH_MAX:
        raise ValueError(f"an IPv4 packet has at most {_LENGTH_MAX} octets, this one {total}")
    if len(options) > 40 or len(options) % 4:
        raise ValueError(f"IPv4 options come in fours up to 40 octets, these are {len(options)}")
    fragment = packet.fragment_offset >> 3
    if packet.dont_fragment:
        fragment |= _FLAG_DONT_FRAGMENT
    if packet.more_fragments:
        fragment |= _FLAG_MORE_FRAGMENTS
    fields = (
        0x40 | header_octets >> 2,
        packet.traffic_class,
        total,
        packet.identification,
        fragment,
        packet.hop_limit,
        packet.protocol,
    )
    header = _FORM.pack(*fields, 0, packet.source, packet.destination) + options
    field = checksum(word_sum(header))
    return header[:10] + field.to_bytes(2, "big") + header[12:] + payload
