"""ICMP for IPv4 (RFC 792) and IPv6 (RFC 4443): echo, and errors that quote a packet.

One class serves both versions: what differs is the number of a type and, for IPv6, that the
checksum covers a pseudo-header. The kind of an error is told by :class:`ErrorKind` in both.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from longwire.tcpip.addresses import Address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.checksum import checksum, pseudo_header, word_sum
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ndp import NdpMessage, parse_ndp
from longwire.tcpip.wire.packet import PROTOCOL_ICMP, PROTOCOL_ICMPV6

__all__ = [
    "ICMP_HEADER_OCTETS",
    "Echo",
    "ErrorKind",
    "IcmpError",
    "IcmpMessage",
    "IcmpView",
    "protocol_for",
]

ICMP_HEADER_OCTETS = 8

_FORM = struct.Struct("!BBHHH")

# Echo request and reply, by the length of an address.
_ECHO_TYPES = {4: (8, 0), 16: (128, 129)}
_NDP_TYPES = (135, 136)


class ErrorKind(Enum):
    """What an ICMP error says, whichever version says it."""

    NO_ROUTE = "no route to the network"
    HOST_UNREACHABLE = "the host cannot be reached"
    PROHIBITED = "a rule on the way forbids it"
    PROTOCOL_UNREACHABLE = "the host does not speak the protocol"
    PORT_UNREACHABLE = "nothing listens on the port"
    PACKET_TOO_BIG = "the packet is larger than a link on the way"
    SOURCE_ROUTE_FAILED = "the source route cannot be followed"
    HOP_LIMIT = "the hop limit ran out on the way"
    REASSEMBLY_TIMEOUT = "fragments were missing"
    PARAMETER_PROBLEM = "a header field is wrong"
    SOURCE_QUENCH = "slow down (deprecated, RFC 6633)"
    REDIRECT = "another router is nearer"
    OTHER = "an error of another kind"


# (type, code) as sent; several codes mean one kind on receipt (RFC 1122 3.2.2.1, RFC 4443 3.1).
_V4_CODES: dict[tuple[int, int], ErrorKind] = {
    (3, 0): ErrorKind.NO_ROUTE,
    (3, 1): ErrorKind.HOST_UNREACHABLE,
    (3, 2): ErrorKind.PROTOCOL_UNREACHABLE,
    (3, 3): ErrorKind.PORT_UNREACHABLE,
    (3, 4): ErrorKind.PACKET_TOO_BIG,
    (3, 5): ErrorKind.SOURCE_ROUTE_FAILED,
    (3, 6): ErrorKind.NO_ROUTE,
    (3, 7): ErrorKind.HOST_UNREACHABLE,
    (3, 8): ErrorKind.HOST_UNREACHABLE,
    (3, 9): ErrorKind.PROHIBITED,
    (3, 10): ErrorKind.PROHIBITED,
    (3, 11): ErrorKind.NO_ROUTE,
    (3, 12): ErrorKind.HOST_UNREACHABLE,
    (3, 13): ErrorKind.PROHIBITED,
    (3, 14): ErrorKind.PROHIBITED,
    (3, 15): ErrorKind.PROHIBITED,
    (4, 0): ErrorKind.SOURCE_QUENCH,
    (5, 0): ErrorKind.REDIRECT,
    (5, 1): ErrorKind.REDIRECT,
    (5, 2): ErrorKind.REDIRECT,
    (5, 3): ErrorKind.REDIRECT,
    (11, 0): ErrorKind.HOP_LIMIT,
    (11, 1): ErrorKind.REASSEMBLY_TIMEOUT,
    (12, 0): ErrorKind.PARAMETER_PROBLEM,
    (12, 1): ErrorKind.PARAMETER_PROBLEM,
    (12, 2): ErrorKind.PARAMETER_PROBLEM,
}
_V6_CODES: dict[tuple[int, int], ErrorKind] = {
    (1, 0): ErrorKind.NO_ROUTE,
    (1, 1): ErrorKind.PROHIBITED,
    (1, 2): ErrorKind.HOST_UNREACHABLE,
    (1, 3): ErrorKind.HOST_UNREACHABLE,
    (1, 4): ErrorKind.PORT_UNREACHABLE,
    (1, 5): ErrorKind.PROHIBITED,
    (1, 6): ErrorKind.NO_ROUTE,
    (2, 0): ErrorKind.PACKET_TOO_BIG,
    (3, 0): ErrorKind.HOP_LIMIT,
    (3, 1): ErrorKind.REASSEMBLY_TIMEOUT,
    (4, 0): ErrorKind.PARAMETER_PROBLEM,
    (4, 1): ErrorKind.PROTOCOL_UNREACHABLE,
    (4, 2): ErrorKind.PARAMETER_PROBLEM,
    (4, 3): ErrorKind.PARAMETER_PROBLEM,
}
_SENT_CODES: dict[int, dict[ErrorKind, tuple[int, int]]] = {
    # The first code of a kind is the one to send; IPv6 says "address unreachable" as 3.
    4: {kind: numbers for numbers, kind in reversed(_V4_CODES.items())}
    | {ErrorKind.PROHIBITED: (3, 13)},
    16: {kind: numbers for numbers, kind in reversed(_V6_CODES.items())}
    | {ErrorKind.HOST_UNREACHABLE: (1, 3)},
}


def _is_error_type(kind: int, address_octets: int) -> bool:
    # RFC 4443 2.1: the high bit tells ICMPv6 information from errors. RFC 1122 3.2.2 lists IPv4's.
    return kind < 128 if address_octets == 16 else kind in (3, 4, 5, 11, 12)


class IcmpView:
    """A message as it came, checked against the addresses of its packet."""

    __slots__ = ("_data", "_fields", "address_octets")

    def __init__(self, data: bytes | memoryview, source: Address, destination: Address) -> None:
        if len(data) < ICMP_HEADER_OCTETS:
            raise WireError(Reason.ICMP_TRUNCATED, f"{len(data)} octets")
        total = word_sum(data)
        if len(source) == 16:
            total += pseudo_header(source, destination, PROTOCOL_ICMPV6, len(data))
        if checksum(total):
            raise WireError(Reason.ICMP_CHECKSUM)
        self._data = memoryview(data)
        self._fields = _FORM.unpack_from(data)
        self.address_octets = len(source)

    @property
    def type(self) -> int:
        return int(self._fields[0])

    @property
    def code(self) -> int:
        return int(self._fields[1])

    @property
    def identifier(self) -> int:
        """Of an echo."""
        return int(self._fields[3])

    @property
    def sequence(self) -> int:
        """Of an echo; of an IPv4 "packet too big" the MTU."""
        return int(self._fields[4])

    @property
    def body(self) -> memoryview:
        """The data of an echo, the quoted packet of an error."""
        return self._data[ICMP_HEADER_OCTETS:]

    @property
    def is_error(self) -> bool:
        return _is_error_type(self.type, self.address_octets)

    def message(self) -> IcmpMessage:
        """Return the message as a value. Raises WireError for a type that is not handled."""
        if self.is_error:
            word = self.identifier << 16 | self.sequence
            return IcmpError(self.type, self.code, word, bytes(self.body), self.address_octets)
        request, reply = _ECHO_TYPES[self.address_octets]
        if self.type in (request, reply) and self.code == 0:
            return Echo(self.type == reply, self.identifier, self.sequence, bytes(self.body))
        if self.address_octets == 16 and self.type in _NDP_TYPES and self.code == 0:
            return parse_ndp(self.type, self._data)
        raise WireError(Reason.ICMP_TYPE_UNKNOWN, f"type {self.type}, code {self.code}")


def _encode(kind: int, code: int, rest: bytes, source: Address, destination: Address) -> bytes:
    """Return a message with its checksum; ``rest`` begins behind the checksum field."""
    total = (kind << 8 | code) + word_sum(rest)
    if len(source) == 16:
        total += pseudo_header(source, destination, PROTOCOL_ICMPV6, 4 + len(rest))
    return bytes((kind, code)) + checksum(total).to_bytes(2, "big") + rest


@dataclass(frozen=True, slots=True)
class Echo:
    """A ping or its answer."""

    is_reply: bool
    identifier: int
    sequence: int
    data: bytes

    @property
    def length(self) -> int:
        """Octets on the wire."""
        return ICMP_HEADER_OCTETS + len(self.data)

    def encode(self, source: Address, destination: Address) -> bytes:
        """Return the octets."""
        kind = _ECHO_TYPES[len(source)][self.is_reply]
        rest = struct.pack("!HH", self.identifier, self.sequence) + self.data
        return _encode(kind, 0, rest, source, destination)


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An error about the packet whose beginning is ``quote``.

    ``word`` is the four octets behind the checksum: the MTU of a "packet too big", the pointer of
    a parameter problem. ``address_octets`` tells the version, which gives ``type`` its meaning.
    """

    type: int
    code: int
    word: int
    quote: bytes
    address_octets: int

    @classmethod
    def make(
        cls, kind: ErrorKind, address_octets: int, quote: bytes, *, mtu: int = 0, pointer: int = 0
    ) -> IcmpError:
        """Return the error that says ``kind``. Raises KeyError where the version cannot say it."""
        number, code = _SENT_CODES[address_octets][kind]
        word = mtu
        if kind is ErrorKind.PARAMETER_PROBLEM:
            word = pointer << 24 if address_octets == 4 else pointer
        elif address_octets == 16 and kind is ErrorKind.PROTOCOL_UNREACHABLE:
            word = pointer
        return cls(number, code, word, quote, address_octets)

    @property
    def kind(self) -> ErrorKind:
        """What the error says."""
        table = _V4_CODES if self.address_octets == 4 else _V6_CODES
        return table.get((self.type, self.code), ErrorKind.OTHER)

    @property
    def mtu(self) -> int:
        """The next link's MTU in a "packet too big"; routers before RFC 1191 leave it 0."""
        return self.word & 0xFFFF if self.address_octets == 4 else self.word

    @property
    def length(self) -> int:
        """Octets on the wire."""
        return ICMP_HEADER_OCTETS + len(self.quote)

    def encode(self, source: Address, destination: Address) -> bytes:
        """Return the octets."""
        rest = self.word.to_bytes(4, "big") + self.quote
        return _encode(self.type, self.code, rest, source, destination)


IcmpMessage = Echo | IcmpError | NdpMessage


def protocol_for(address: Address) -> int:
    """Return the protocol number of ICMP in the version of ``address``."""
    return PROTOCOL_ICMP if len(address) == 4 else PROTOCOL_ICMPV6
