"""Neighbour discovery: who has this IPv6 address, and where (RFC 4861 sections 4.3 and 4.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from longwire.tcpip.addresses import Address, is_multicast
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.checksum import checksum, pseudo_header, word_sum
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.packet import PROTOCOL_ICMPV6

__all__ = ["NdpMessage", "NeighborAdvertisement", "NeighborSolicitation", "parse_ndp"]

_SOLICITATION = 135
_ADVERTISEMENT = 136
_FIXED_OCTETS = 24

_OPTION_SOURCE_MAC = 1
_OPTION_TARGET_MAC = 2

_FLAG_ROUTER = 0x80
_FLAG_SOLICITED = 0x40
_FLAG_OVERRIDE = 0x20


@dataclass(frozen=True, slots=True)
class NeighborSolicitation:
    """Who has ``target``? ``source_mac`` is absent while the asker has no address."""

    target: Address
    source_mac: bytes | None

    @property
    def length(self) -> int:
        """Octets on the wire."""
        return _FIXED_OCTETS + (8 if self.source_mac else 0)

    def encode(self, source: Address, destination: Address) -> bytes:
        """Return the octets."""
        option = bytes((_OPTION_SOURCE_MAC, 1)) + self.source_mac if self.source_mac else b""
        return _encode(_SOLICITATION, bytes(4) + self.target + option, source, destination)


@dataclass(frozen=True, slots=True)
class NeighborAdvertisement:
    """``target`` is at ``target_mac``."""

    target: Address
    target_mac: bytes | None
    is_router: bool = False
    is_solicited: bool = False
    is_override: bool = False

    @property
    def length(self) -> int:
        """Octets on the wire."""
        return _FIXED_OCTETS + (8 if self.target_mac else 0)

    def encode(self, source: Address, destination: Address) -> bytes:
        """Return the octets."""
        flags = _FLAG_ROUTER * self.is_router
        flags |= _FLAG_SOLICITED * self.is_solicited | _FLAG_OVERRIDE * self.is_override
        option = bytes((_OPTION_TARGET_MAC, 1)) + self.target_mac if self.target_mac else b""
        rest = bytes((flags, 0, 0, 0)) + self.target + option
        return _encode(_ADVERTISEMENT, rest, source, destination)


NdpMessage = NeighborSolicitation | NeighborAdvertisement


def _encode(kind: int, rest: bytes, source: Address, destination: Address) -> bytes:
    total = (kind << 8) + word_sum(rest)
    total += pseudo_header(source, destination, PROTOCOL_ICMPV6, 4 + len(rest))
    return struct.pack("!BBH", kind, 0, checksum(total)) + rest


def parse_ndp(kind: int, data: bytes | memoryview) -> NdpMessage:
    """Read an ICMPv6 message whose checksum was verified. Raises WireError.

    That its hop limit was 255 (RFC 4861 7.1) is for the caller to see: it has the packet.
    """
    if len(data) < _FIXED_OCTETS:
        raise WireError(Reason.NDP_TRUNCATED, f"{len(data)} octets")
    target = bytes(data[8:24])
    if is_multicast(target):
        raise WireError(Reason.NDP_TARGET_INVALID)
    options = _link_layer_options(bytes(data[_FIXED_OCTETS:]))
    if kind == _SOLICITATION:
        return NeighborSolicitation(target, options.get(_OPTION_SOURCE_MAC))
    flags = data[4]
    return NeighborAdvertisement(
        target,
        options.get(_OPTION_TARGET_MAC),
        bool(flags & _FLAG_ROUTER),
        bool(flags & _FLAG_SOLICITED),
        bool(flags & _FLAG_OVERRIDE),
    )


def _link_layer_options(options: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position = 0
    while position < len(options):
        # RFC 4861 4.6: the length counts octets in eights; nodes must discard a packet where it
        # is zero.
        length = options[position + 1] * 8 if position + 1 < len(options) else 0
        if length == 0 or position + length > len(options):
            raise WireError(Reason.NDP_OPTION_LENGTH, f"{length} octets")
        if length == 8 and options[position] in (_OPTION_SOURCE_MAC, _OPTION_TARGET_MAC):
            found.setdefault(options[position], options[position + 2 : position + 8])
        position += length
    return found
