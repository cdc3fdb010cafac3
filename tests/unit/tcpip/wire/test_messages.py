"""ARP, neighbour discovery, ICMP, UDP, Ethernet and pcapng: what each refuses, and known octets."""

from __future__ import annotations

import struct

import pytest

from longwire.tcpip.addresses import parse_address, parse_mac
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.arp import REQUEST, ArpPacket
from longwire.tcpip.wire.checksum import checksum, pseudo_header, word_sum
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ethernet import EthernetFrame, EthernetView, multicast_mac
from longwire.tcpip.wire.icmp import Echo, ErrorKind, IcmpError, IcmpView
from longwire.tcpip.wire.ndp import NeighborSolicitation
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.pcapng import LINK_TYPE_ETHERNET, PcapngWriter
from longwire.tcpip.wire.udp import Datagram

A4, B4 = parse_address("192.0.2.1"), parse_address("192.0.2.2")
A6, B6 = parse_address("2001:db8::1"), parse_address("2001:db8::2")
MAC = parse_mac("02:00:00:00:00:01")


def icmpv6(body: bytes) -> bytes:
    """An ICMPv6 message with a right checksum."""
    total = pseudo_header(A6, B6, 58, len(body)) + word_sum(body)
    return body[:2] + struct.pack("!H", checksum(total)) + body[4:]


def icmpv6_reason(body: bytes) -> Reason:
    with pytest.raises(WireError) as caught:
        IcmpView(icmpv6(body), A6, B6).message()
    return caught.value.reason


def test_arp_encodes_to_known_octets() -> None:
    packet = ArpPacket(REQUEST, MAC, A4, bytes(6), B4)
    assert packet.encode().hex() == (
        "0001080006040001" + "020000000001" + "c0000201" + "000000000000" + "c0000202"
    )


@pytest.mark.parametrize(
    ("place", "octet", "reason"),
    [
        (1, 6, Reason.ARP_UNSUPPORTED),
        (2, 9, Reason.ARP_UNSUPPORTED),
        (4, 8, Reason.ARP_UNSUPPORTED),
        (5, 16, Reason.ARP_UNSUPPORTED),
        (7, 9, Reason.ARP_UNSUPPORTED),
        (8, 3, Reason.ARP_SENDER_INVALID),
        (14, 224, Reason.ARP_SENDER_INVALID),
    ],
)
def test_arp_of_another_kind_is_refused(place: int, octet: int, reason: Reason) -> None:
    octets = bytearray(ArpPacket(REQUEST, MAC, A4, bytes(6), B4).encode())
    octets[place] = octet
    with pytest.raises(WireError) as caught:
        ArpPacket.parse(bytes(octets))
    assert caught.value.reason is reason


def test_short_arp_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        ArpPacket.parse(bytes(27))
    assert caught.value.reason is Reason.ARP_TRUNCATED


@pytest.mark.parametrize("option", [b"\x01\x00" + bytes(6), b"\x01\x02" + bytes(6), b"\x01"])
def test_4861_4_6_option_with_impossible_length_is_refused(option: bytes) -> None:
    assert icmpv6_reason(b"\x87\0\0\0\0\0\0\0" + B6 + option) is Reason.NDP_OPTION_LENGTH


def test_4861_4_3_short_or_multicast_solicitation_is_refused() -> None:
    assert icmpv6_reason(b"\x87\0\0\0\0\0\0\0" + B6[:15]) is Reason.NDP_TRUNCATED
    group = parse_address("ff02::1")
    assert icmpv6_reason(b"\x87\0\0\0\0\0\0\0" + group) is Reason.NDP_TARGET_INVALID


def test_4861_unknown_option_is_passed_over() -> None:
    body = b"\x87\0\0\0\0\0\0\0" + B6 + b"\x0e\x01" + bytes(6) + b"\x01\x01" + MAC
    assert IcmpView(icmpv6(body), A6, B6).message() == NeighborSolicitation(B6, MAC)


def test_unhandled_icmp_type_is_named() -> None:
    assert icmpv6_reason(b"\x85\0\0\0\0\0\0\0") is Reason.ICMP_TYPE_UNKNOWN


def test_short_or_corrupt_icmp_is_refused() -> None:
    for data, reason in (
        (bytes(7), Reason.ICMP_TRUNCATED),
        (b"\x08" + bytes(7), Reason.ICMP_CHECKSUM),
    ):
        with pytest.raises(WireError) as caught:
            IcmpView(data, A4, B4)
        assert caught.value.reason is reason


def test_792_echo_encodes_to_known_octets() -> None:
    assert Echo(False, 1, 2, b"ab").encode(A4, B4).hex() == "0800969a000100026162"


@pytest.mark.parametrize("octets", [4, 16])
@pytest.mark.parametrize(
    "kind",
    [
        ErrorKind.NO_ROUTE,
        ErrorKind.HOST_UNREACHABLE,
        ErrorKind.PROHIBITED,
        ErrorKind.PROTOCOL_UNREACHABLE,
        ErrorKind.PORT_UNREACHABLE,
        ErrorKind.PACKET_TOO_BIG,
        ErrorKind.HOP_LIMIT,
        ErrorKind.REASSEMBLY_TIMEOUT,
        ErrorKind.PARAMETER_PROBLEM,
    ],
)
def test_icmp_error_says_its_kind_in_both_versions(kind: ErrorKind, octets: int) -> None:
    assert IcmpError.make(kind, octets, b"quote").kind is kind


@pytest.mark.parametrize(
    ("kind", "octets", "numbers"),
    [
        (ErrorKind.PORT_UNREACHABLE, 4, (3, 3)),
        (ErrorKind.PORT_UNREACHABLE, 16, (1, 4)),
        (ErrorKind.PACKET_TOO_BIG, 4, (3, 4)),
        (ErrorKind.PACKET_TOO_BIG, 16, (2, 0)),
        (ErrorKind.HOST_UNREACHABLE, 4, (3, 1)),
        (ErrorKind.HOST_UNREACHABLE, 16, (1, 3)),
        (ErrorKind.PROHIBITED, 4, (3, 13)),
        (ErrorKind.PROHIBITED, 16, (1, 1)),
        (ErrorKind.NO_ROUTE, 4, (3, 0)),
        (ErrorKind.HOP_LIMIT, 16, (3, 0)),
    ],
)
def test_icmp_error_has_the_numbers_of_its_version(
    kind: ErrorKind, octets: int, numbers: tuple[int, int]
) -> None:
    error = IcmpError.make(kind, octets, b"")
    assert (error.type, error.code) == numbers


def test_1191_next_hop_mtu_is_the_low_half_in_ipv4() -> None:
    assert IcmpError(3, 4, 0xFFFF_0578, b"", 4).mtu == 1400
    assert IcmpError(2, 0, 0x0001_0000, b"", 16).mtu == 65_536
    problem = IcmpError.make(ErrorKind.PARAMETER_PROBLEM, 4, b"", pointer=20)
    assert problem.word == 20 << 24


def test_768_zero_checksum_means_none_over_ipv4_only() -> None:
    octets = bytearray(Datagram(1, 2, b"abc").encode(A4, B4))
    octets[6:8] = b"\0\0"
    assert Datagram.parse(bytes(octets), A4, B4).data == b"abc"
    with pytest.raises(WireError) as caught:
        Datagram.parse(bytes(octets), A6, B6)
    assert caught.value.reason is Reason.UDP_CHECKSUM


def test_768_checksum_that_is_zero_is_sent_as_all_ones() -> None:
    # The text makes the sum of all words 0xFFFF.
    zero = Datagram(0, 0, b"\0\0").encode(A4, B4)
    missing = int.from_bytes(zero[6:8], "big")
    octets = Datagram(0, 0, struct.pack("!H", missing)).encode(A4, B4)
    assert octets[6:8] == b"\xff\xff"
    assert Datagram.parse(octets, A4, B4).data == struct.pack("!H", missing)


@pytest.mark.parametrize("length", [0, 7, 12])
def test_768_length_outside_the_packet_is_refused(length: int) -> None:
    octets = struct.pack("!HHHH", 1, 2, length, 0) + b"abc"
    with pytest.raises(WireError) as caught:
        Datagram.parse(octets, A4, B4)
    assert caught.value.reason is Reason.UDP_LENGTH


def test_short_datagram_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        Datagram.parse(bytes(7), A4, B4)
    assert caught.value.reason is Reason.UDP_TRUNCATED


def test_datagram_that_is_too_long_to_encode_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 65535"):
        Datagram(1, 2, bytes(65_528)).encode(A6, B6)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(13), Reason.ETHERNET_TRUNCATED),
        (bytes(12) + b"\x05\xff" + bytes(46), Reason.ETHERNET_LENGTH_FIELD),
    ],
)
def test_bad_frame_is_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(WireError) as caught:
        EthernetView(data)
    assert caught.value.reason is reason


def test_frame_encodes_the_packet_it_carries() -> None:
    packet = Packet(A4, B4, 17, Datagram(1, 2, b"abc"))
    frame = EthernetFrame(MAC, MAC, 0x0800, packet)
    octets = frame.encode()
    assert octets[:14] == MAC + MAC + b"\x08\x00"
    assert len(octets) == frame.length == 14 + 20 + 8 + 3


def test_1112_6_4_and_2464_7_group_has_its_station_address() -> None:
    assert multicast_mac(parse_address("224.128.0.5")).hex() == "01005e000005"
    assert multicast_mac(parse_address("ff02::1:ff00:2")).hex() == "3333ff000002"


def test_pcapng_blocks_can_be_walked() -> None:
    written = bytearray()
    writer = PcapngWriter(written.extend, comment="seed 7")
    number = writer.add_interface("eth0", LINK_TYPE_ETHERNET)
    writer.add_packet(number, 5_000_000_001, b"abcde", comments=("lost", "état"), is_outbound=True)
    blocks = []
    position = 0
    while position < len(written):
        kind, total = struct.unpack_from("<II", written, position)
        assert total % 4 == 0
        assert struct.unpack_from("<I", written, position + total - 4)[0] == total
        blocks.append((kind, bytes(written[position + 8 : position + total - 4])))
        position += total
    assert [kind for kind, _ in blocks] == [0x0A0D0D0A, 1, 6]
    interface, high, low, captured, original = struct.unpack_from("<IIIII", blocks[2][1])
    assert (interface, high << 32 | low, captured, original) == (0, 5_000_000_001, 5, 5)
    assert b"lost" in blocks[2][1]
    assert "état".encode() in blocks[2][1]
    assert b"seed 7" in blocks[0][1]
    assert b"eth0" in blocks[1][1]
    assert writer.packets == 1
