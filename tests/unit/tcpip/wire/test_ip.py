"""IPv4 and IPv6 headers: hostile lengths, options, extension headers."""

from __future__ import annotations

import struct

import pytest

from longwire.tcpip.addresses import parse_address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.checksum import checksum, word_sum
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ip import decode_packet, encode_packet
from longwire.tcpip.wire.packet import Packet

A4, B4 = parse_address("192.0.2.1"), parse_address("192.0.2.2")
A6, B6 = parse_address("2001:db8::1"), parse_address("2001:db8::2")


def reason_of(data: bytes) -> Reason:
    with pytest.raises(WireError) as caught:
        decode_packet(data)
    return caught.value.reason


def v4_header(**changes: int) -> bytes:
    """Twenty octets with a right checksum over whatever the changes made of them."""
    fields = {"first": 0x45, "total": 28, "fragment": 0} | changes
    first, total, fragment = fields["first"], fields["total"], fields["fragment"]
    head = struct.pack("!BBHHHBBH4s4s", first, 0, total, 1, fragment, 64, 17, 0, A4, B4)
    return head[:10] + struct.pack("!H", checksum(word_sum(head))) + head[12:]


def v6_packet(next_header: int, body: bytes) -> bytes:
    return struct.pack("!IHBB16s16s", 6 << 28, len(body), next_header, 64, A6, B6) + body


def test_empty_packet_is_refused() -> None:
    assert reason_of(b"") is Reason.IP_EMPTY


@pytest.mark.parametrize("first", [0x00, 0x55, 0x75, 0xF0])
def test_unknown_version_is_refused(first: int) -> None:
    assert reason_of(bytes([first]) + bytes(40)) is Reason.IP_VERSION


@pytest.mark.parametrize("octets", [1, 19])
def test_short_ipv4_header_is_refused(octets: int) -> None:
    assert reason_of(v4_header()[:octets]) is Reason.IPV4_TRUNCATED


@pytest.mark.parametrize("first", [0x40, 0x44, 0x4F])
def test_791_header_length_outside_the_packet_is_refused(first: int) -> None:
    assert reason_of(v4_header(first=first) + bytes(8)) is Reason.IPV4_HEADER_LENGTH


@pytest.mark.parametrize("total", [0, 19, 29, 0xFFFF])
def test_791_total_length_outside_the_packet_is_refused(total: int) -> None:
    assert reason_of(v4_header(total=total) + bytes(8)) is Reason.IPV4_TOTAL_LENGTH


def test_1122_3_2_1_2_wrong_header_checksum_is_refused() -> None:
    octets = bytearray(v4_header() + bytes(8))
    octets[8] ^= 1
    assert reason_of(bytes(octets)) is Reason.IPV4_CHECKSUM


def test_fragment_that_ends_past_65535_is_refused() -> None:
    assert reason_of(v4_header(fragment=0x1FFF) + bytes(8)) is Reason.FRAGMENT_LENGTH


def test_middle_fragment_of_odd_length_is_refused() -> None:
    octets = v4_header(fragment=0x2000, total=29) + bytes(9)
    assert reason_of(octets) is Reason.FRAGMENT_LENGTH


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (b"\x44\x00\x00\x00", Reason.IPV4_OPTION_LENGTH),
        (b"\x44\x01\x00\x00", Reason.IPV4_OPTION_LENGTH),
        (b"\x44\x05\x00\x00", Reason.IPV4_OPTION_LENGTH),
        (b"\x01\x01\x01\x44", Reason.IPV4_OPTION_LENGTH),
        (b"\x83\x03\x04\x00", Reason.IPV4_SOURCE_ROUTE),
        (b"\x89\x03\x04\x00", Reason.IPV4_SOURCE_ROUTE),
    ],
)
def test_bad_ipv4_option_is_refused(options: bytes, reason: Reason) -> None:
    packet = Packet(A4, B4, 17, bytes(8), options=options)
    assert reason_of(encode_packet(packet)) is reason


def test_9293_must_50_unknown_ipv4_option_is_passed_over() -> None:
    packet = Packet(A4, B4, 17, b"payload!", options=b"\x99\x03\x00\x00")
    assert decode_packet(encode_packet(packet)).payload == b"payload!"


def test_padding_behind_the_total_length_is_dropped() -> None:
    assert decode_packet(v4_header() + b"12345678" + bytes(18)).payload == b"12345678"


def test_packet_that_is_too_long_to_encode_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 65535 octets"):
        encode_packet(Packet(A4, B4, 17, bytes(65_516)))


# IPv6


@pytest.mark.parametrize("octets", [1, 39])
def test_short_ipv6_header_is_refused(octets: int) -> None:
    assert reason_of(v6_packet(17, b"")[:octets]) is Reason.IPV6_TRUNCATED


def test_8200_3_payload_length_past_the_packet_is_refused() -> None:
    assert reason_of(v6_packet(17, bytes(8))[:-1]) is Reason.IPV6_PAYLOAD_LENGTH


PAD = b"\x01\x04\0\0\0\0"


def test_8200_4_extension_headers_are_passed_over_and_kept() -> None:
    chain = b"\x3c\0" + PAD + b"\x2b\0" + PAD + b"\x11\0\x04\0" + bytes(4)
    packet = decode_packet(v6_packet(0, chain + b"datagram"))
    assert (packet.protocol, packet.payload, packet.options) == (17, b"datagram", chain)
    assert decode_packet(encode_packet(packet)) == packet
    with_fragment = packet.replace(more_fragments=True, identification=7)
    assert decode_packet(encode_packet(with_fragment)).payload == b"datagram"
    assert with_fragment.length == packet.length + 8


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (0, b"\x11\x00" + bytes(4), Reason.IPV6_EXTENSION_LENGTH),
        (0, b"\x11\xff" + bytes(30), Reason.IPV6_EXTENSION_LENGTH),
        (60, b"\x00\0" + PAD + b"\x11\0" + PAD, Reason.IPV6_EXTENSION_ORDER),
        (60, (b"\x3c\0" + PAD) * 9, Reason.IPV6_EXTENSIONS_MANY),
        (0, b"\x11\0\x01\x05\0\0\0\0", Reason.IPV6_OPTION_LENGTH),
        (0, b"\x11\0\0\0\0\0\0\x01", Reason.IPV6_OPTION_LENGTH),
        (0, b"\x11\0\x41\x04\0\0\0\0", Reason.IPV6_OPTION_UNKNOWN),
        (43, b"\x11\0\0\x01\0\0\0\0", Reason.IPV6_ROUTING_HEADER),
        (59, b"", Reason.IPV6_NO_NEXT_HEADER),
        (44, b"\x11\0\0\x01" + bytes(3), Reason.IPV6_EXTENSION_LENGTH),
        (44, b"\x11\0\0\x01\0\0\0\x01" + bytes(9), Reason.FRAGMENT_LENGTH),
        (44, b"\x11\0\xff\xf8\0\0\0\x01" + bytes(16), Reason.FRAGMENT_LENGTH),
    ],
)
def test_8200_4_bad_extension_header_is_refused(kind: int, body: bytes, reason: Reason) -> None:
    assert reason_of(v6_packet(kind, body)) is reason


def test_8200_4_2_unknown_option_that_may_be_skipped_is_skipped() -> None:
    assert decode_packet(v6_packet(0, b"\x11\0\x1e\x04\0\0\0\0" + b"data")).payload == b"data"


def test_2675_jumbogram_is_refused() -> None:
    octets = struct.pack("!IHBB16s16s", 6 << 28, 0, 0, 64, A6, B6)
    assert reason_of(octets) is Reason.IPV6_PAYLOAD_LENGTH


def test_6946_atomic_fragment_is_a_whole_packet() -> None:
    packet = decode_packet(v6_packet(44, b"\x11\0\0\0\0\0\0\x09" + b"data"))
    assert (packet.is_fragment, packet.protocol, packet.payload) == (False, 17, b"data")
    assert packet == Packet(A6, B6, 17, b"data")


INNER = b"\x11\0" + PAD


def test_8200_4_5_extension_headers_behind_an_atomic_fragment_are_passed_over() -> None:
    body = b"\x3c\0\0\0\0\0\0\x09" + INNER + b"data"
    packet = decode_packet(v6_packet(44, body))
    assert packet == Packet(A6, B6, 17, b"data", options=INNER, options_kind=60)
    assert decode_packet(encode_packet(packet)) == packet
    outer = b"\x2c\0" + PAD
    packet = decode_packet(v6_packet(0, outer + body))
    assert (packet.protocol, packet.payload) == (17, b"data")
    assert packet.options == b"\x3c" + outer[1:] + INNER
    assert decode_packet(encode_packet(packet)) == packet


@pytest.mark.parametrize(
    ("kind", "rest", "reason"),
    [
        (44, b"\x11\0\0\0\0\0\0\x09", Reason.IPV6_EXTENSION_ORDER),
        (59, b"", Reason.IPV6_NO_NEXT_HEADER),
        (60, (b"\x3c\0" + PAD) * 8 + INNER, Reason.IPV6_EXTENSIONS_MANY),
        (60, b"\x11\xff", Reason.IPV6_EXTENSION_LENGTH),
    ],
)
def test_8200_4_5_bad_chain_behind_an_atomic_fragment_is_refused(
    kind: int, rest: bytes, reason: Reason
) -> None:
    assert reason_of(v6_packet(44, bytes([kind]) + b"\0\0\0\0\0\0\x09" + rest)) is reason


@pytest.mark.parametrize(
    ("kind", "body", "pointer"),
    [
        (0, b"\x11\0\x81\x04\0\0\0\0", 42),
        (0, b"\x11\0\x41\x04\0\0\0\0", None),
        (60, b"\x2b\0" + PAD + b"\x11\0\0\x01\0\0\0\0", 50),
        (60, b"\x00\0" + PAD + INNER, 40),
        (60, b"\x3c\0" + PAD + b"\x00\0" + PAD + INNER, 48),
        (44, b"\x3c\0\0\0\0\0\0\x09" + b"\x11\0\x81\x04\0\0\0\0", 50),
        (60, b"\x2c\0" + PAD + b"\x00\0\0\0\0\0\0\x09" + INNER, 48),
    ],
)
def test_4443_3_4_parameter_problem_points_at_the_octet(
    kind: int, body: bytes, pointer: int | None
) -> None:
    with pytest.raises(WireError) as caught:
        decode_packet(v6_packet(kind, body))
    assert caught.value.pointer == pointer
