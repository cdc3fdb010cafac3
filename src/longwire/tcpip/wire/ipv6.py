"""IPv6 (RFC 8200), with the chain of extension headers."""

from __future__ import annotations

import struct

from longwire.tcpip.addresses import Address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.packet import IPV6_FRAGMENT_OCTETS, IPV6_HEADER_OCTETS, Packet

__all__ = [
    "DESTINATION_OPTIONS",
    "FRAGMENT",
    "HOP_BY_HOP",
    "NO_NEXT_HEADER",
    "ROUTING",
    "ExtensionChain",
    "Ipv6View",
    "decode_ipv6",
    "encode_ipv6",
    "fold_extensions",
]

HOP_BY_HOP = 0
ROUTING = 43
FRAGMENT = 44
NO_NEXT_HEADER = 59
DESTINATION_OPTIONS = 60

_FORM = struct.Struct("!IHBB16s16s")
_FRAGMENT_FORM = struct.Struct("!BBHI")
_LENGTH_MAX = 0xFFFF

# RFC 8504 section 5.3 lets a host limit the chain; eight is far beyond what RFC 8200 4.1 lists.
_EXTENSIONS_MAX = 8


class ExtensionChain:
    """The extension headers at the front of ``data``, walked and checked once.

    ``kind`` names the first header. The walk ends at a fragment header, at ``NO_NEXT_HEADER`` or
    at an upper-layer protocol: ``next_header`` says which, ``octets`` how long the chain is.
    ``last_kind_at`` is the offset of the octet that names ``next_header``, or ``None`` without a
    chain. ``start`` is where ``data`` lies in the packet, for the pointers of errors.
    """

    __slots__ = ("last_kind_at", "next_header", "octets")

    def __init__(
        self,
        kind: int,
        data: bytes | memoryview,
        *,
        start: int = IPV6_HEADER_OCTETS,
        is_first: bool = True,
    ) -> None:
        position = 0
        count = 0
        self.last_kind_at: int | None = None
        while kind in (HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS):
            # RFC 8200 4: hop-by-hop options only directly behind the IPv6 header; anywhere else
            # the 0 that announces them is to be reported as a next header that is not known.
            if kind == HOP_BY_HOP and (position or not is_first):
                named_at = self.last_kind_at
                if named_at is None:  # The fragment header in front of ``data`` has named it.
                    named_at = -IPV6_FRAGMENT_OCTETS
                raise WireError(Reason.IPV6_EXTENSION_ORDER, pointer=start + named_at)
            count += 1
            if count > _EXTENSIONS_MAX:
                raise WireError(Reason.IPV6_EXTENSIONS_MANY)
            if position + 8 > len(data):
                raise WireError(Reason.IPV6_EXTENSION_LENGTH, f"at {position}")
            end = position + 8 + data[position + 1] * 8
            if end > len(data):
                raise WireError(Reason.IPV6_EXTENSION_LENGTH, f"at {position}, ends at {end}")
            if kind == ROUTING:
                _check_routing(data, position, start)
            else:
                _check_options(bytes(data[position:end]), start + position)
            self.last_kind_at = position
            kind = data[position]
            position = end
        self.next_header = kind
        self.octets = position


def _check_routing(data: bytes | memoryview, position: int, start: int) -> None:
    # RFC 8200 4.4: an unknown routing type is passed over when no segments are left, else the
    # packet is discarded. RFC 5095 deprecates type 0, and no other type is known here.
    if data[position + 3]:
        raise WireError(
            Reason.IPV6_ROUTING_HEADER,
            f"type {data[position + 2]}",
            pointer=start + position + 2,
        )


def _check_options(header: bytes, header_at: int) -> None:
    """Walk the options of one hop-by-hop or destination header."""
    place = 2
    while place < len(header):
        kind = header[place]
        if kind == 0:  # Pad1 has no length octet.
            place += 1
            continue
        if place + 1 >= len(header) or place + 2 + header[place + 1] > len(header):
            raise WireError(Reason.IPV6_OPTION_LENGTH, f"option {kind}")
        # RFC 8200 4.2: the two high bits say what to do with an option that is not known.
        if kind != 1 and kind >> 6:
            raise WireError(
                Reason.IPV6_OPTION_UNKNOWN,
                f"option {kind}",
                # 01 asks for silence, 10 and 11 for an ICMP error that points here.
                pointer=header_at + place if kind >> 7 else None,
            )
        place += 2 + header[place + 1]


class Ipv6View:
    """A packet as it came, checked: version, length, extension headers, fragment header."""

    __slots__ = ("_chain", "_data", "_fields", "_fragment")

    def __init__(self, data: bytes | memoryview) -> None:
        length = len(data)
        if length < IPV6_HEADER_OCTETS:
            raise WireError(Reason.IPV6_TRUNCATED, f"{length} octets")
        self._fields = _FORM.unpack_from(data)
        if self._fields[0] >> 28 != 6:
            raise WireError(Reason.IP_VERSION, f"version {self._fields[0] >> 28}")
        payload_length = self._fields[1]
        # A length of zero with hop-by-hop options announces a jumbogram (RFC 2675): not spoken.
        if IPV6_HEADER_OCTETS + payload_length > length or (
            payload_length == 0 and self._fields[2] == HOP_BY_HOP
        ):
            raise WireError(Reason.IPV6_PAYLOAD_LENGTH, f"{payload_length} of {length} octets")
        body = memoryview(data)[IPV6_HEADER_OCTETS : IPV6_HEADER_OCTETS + payload_length]
        self._data = body
        self._chain = ExtensionChain(self._fields[2], body)
        if self._chain.next_header == NO_NEXT_HEADER:
            raise WireError(Reason.IPV6_NO_NEXT_HEADER)
        self._fragment: tuple[int, int, int, int] | None = None
        if self._chain.next_header == FRAGMENT:
            self._fragment = self._check_fragment(body[self._chain.octets :])

    def _check_fragment(self, rest: memoryview) -> tuple[int, int, int, int]:
        if len(rest) < IPV6_FRAGMENT_OCTETS:
            raise WireError(Reason.IPV6_EXTENSION_LENGTH, "fragment header")
        next_header, _, offset_and_flag, identification = _FRAGMENT_FORM.unpack_from(rest)
        offset = offset_and_flag & 0xFFF8
        more = offset_and_flag & 1
        piece = len(rest) - IPV6_FRAGMENT_OCTETS
        # RFC 8200 4.5: a length that is no multiple of eight with M set, or an end past 65,535
        # octets, is a parameter problem; the pointer names the field.
        if more and piece % 8:
            raise WireError(Reason.FRAGMENT_LENGTH, f"{piece} octets", pointer=4)
        if offset + piece > _LENGTH_MAX:
            raise WireError(
                Reason.FRAGMENT_LENGTH,
                f"offset {offset}",
                pointer=IPV6_HEADER_OCTETS + self._chain.octets + 2,
            )
        return next_header, offset, more, identification

    @property
    def traffic_class(self) -> int:
        return int(self._fields[0]) >> 20 & 0xFF

    @property
    def flow_label(self) -> int:
        return int(self._fields[0]) & 0xFFFFF

    @property
    def hop_limit(self) -> int:
        return int(self._fields[3])

    @property
    def source(self) -> Address:
        return bytes(self._fields[4])

    @property
    def destination(self) -> Address:
        return bytes(self._fields[5])

    @property
    def options_kind(self) -> int:
        return int(self._fields[2]) if self._chain.octets else 0

    @property
    def options(self) -> bytes:
        """The extension headers before the fragment header or the payload."""
        return bytes(self._data[: self._chain.octets])

    @property
    def protocol(self) -> int:
        """What the payload begins with; another extension header, in some fragments."""
        return self._fragment[0] if self._fragment else self._chain.next_header

    @property
    def fragment_offset(self) -> int:
        return self._fragment[1] if self._fragment else 0

    @property
    def is_fragment(self) -> bool:
        """Whether there is a fragment header."""
        return self._fragment is not None

    @property
    def more_fragments(self) -> bool:
        return bool(self._fragment and self._fragment[2])

    @property
    def identification(self) -> int:
        return self._fragment[3] if self._fragment else 0

    @property
    def payload(self) -> memoryview:
        skipped = self._chain.octets + (IPV6_FRAGMENT_OCTETS if self._fragment else 0)
        return self._data[skipped:]


def decode_ipv6(data: bytes | memoryview) -> Packet:
    """Return the packet. Raises WireError.

    A fragment that is all of its datagram (RFC 6946) comes out as no fragment at all.
    """
    view = Ipv6View(data)
    is_piece = view.more_fragments or view.fragment_offset > 0
    packet = Packet(
        view.source,
        view.destination,
        view.protocol,
        bytes(view.payload),
        hop_limit=view.hop_limit,
        traffic_class=view.traffic_class,
        identification=view.identification if is_piece else 0,
        more_fragments=view.more_fragments,
        fragment_offset=view.fragment_offset,
        flow_label=view.flow_label,
        options=view.options,
        options_kind=view.options_kind,
    )
    return fold_extensions(packet) if view.is_fragment and not is_piece else packet


def fold_extensions(packet: Packet) -> Packet:
    """Return a packet that was put together from fragments with its extension headers in front.

    Those that stood behind the fragment header are at the front of the payload; without the
    fragment header they follow the others. Raises WireError when they break the rules there.
    """
    payload = packet.payload_octets()
    start = IPV6_HEADER_OCTETS + len(packet.options) + IPV6_FRAGMENT_OCTETS
    inner = ExtensionChain(packet.protocol, payload, start=start, is_first=not packet.options)
    if inner.next_header == NO_NEXT_HEADER:
        raise WireError(Reason.IPV6_NO_NEXT_HEADER)
    if inner.next_header == FRAGMENT:
        raise WireError(Reason.IPV6_EXTENSION_ORDER, "a fragment header in a fragment")
    options, kind = packet.options, packet.options_kind
    if options:
        options = _naming(options, kind, packet.protocol)
    else:
        kind = packet.protocol if inner.octets else 0
    options += payload[: inner.octets]
    if options:
        # The limit on the number of headers holds for all of them together.
        ExtensionChain(kind, options)
    return packet.replace(
        protocol=inner.next_header,
        payload=payload[inner.octets :],
        options=options,
        options_kind=kind,
    )


def _naming(options: bytes, kind: int, next_header: int) -> bytes:
    """Return the chain with its last header naming ``next_header``."""
    place = ExtensionChain(kind, options).last_kind_at
    assert place is not None
    return options[:place] + bytes([next_header]) + options[place + 1 :]


def encode_ipv6(packet: Packet) -> bytes:
    """Return the octets. Raises ValueError for a packet that no IPv6 header can describe."""
    payload = packet.payload_octets()
    next_header = packet.protocol
    if packet.is_fragment:
        flags = packet.fragment_offset | packet.more_fragments
        fragment = _FRAGMENT_FORM.pack(next_header, 0, flags, packet.identification)
        payload = fragment + payload
        next_header = FRAGMENT
    if packet.options:
        payload = _naming(packet.options, packet.options_kind, next_header) + payload
        next_header = packet.options_kind
    if len(payload) > _LENGTH_MAX:
        raise ValueError(f"an IPv6 payload has at most {_LENGTH_MAX} octets, not {len(payload)}")
    first_word = 6 << 28 | packet.traffic_class << 20 | packet.flow_label
    header = _FORM.pack(
        first_word, len(payload), next_header, packet.hop_limit, packet.source, packet.destination
    )
    return header + payload
