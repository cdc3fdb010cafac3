"""What stands before packets of a device with offload, and what is left to the other side."""

from __future__ import annotations

import struct

import pytest

from longwire.net.offload import PREFIX_OCTETS, read_offloaded, write_offloaded
from longwire.tcpip.addresses import parse_address
from longwire.tcpip.device import Medium, Unit, unit_octets
from longwire.tcpip.wire.checksum import checksum, word_sum
from longwire.tcpip.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetFrame
from longwire.tcpip.wire.icmp import Echo
from longwire.tcpip.wire.ip import decode_packet
from longwire.tcpip.wire.packet import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, Packet
from longwire.tcpip.wire.tcp import ACK, Segment
from longwire.tcpip.wire.udp import Datagram

ADDRESSES = {
    4: (parse_address("10.0.0.1"), parse_address("10.0.0.2")),
    6: (parse_address("fd00::1"), parse_address("fd00::2")),
}
VERSIONS = pytest.mark.parametrize("version", [4, 6])
MEDIA = pytest.mark.parametrize("medium", list(Medium))


def unit_with(payload: Segment | Datagram, version: int, medium: Medium) -> Unit:
    protocol = PROTOCOL_TCP if isinstance(payload, Segment) else PROTOCOL_UDP
    packet = Packet(*ADDRESSES[version], protocol, payload)
    if medium is Medium.IP:
        return packet
    ethertype = ETHERTYPE_IPV4 if version == 4 else ETHERTYPE_IPV6
    return EthernetFrame(b"\2" * 6, b"\4" * 6, ethertype, packet)


def packet_in(unit: Unit) -> Packet:
    packet = unit.payload if isinstance(unit, EthernetFrame) else unit
    assert isinstance(packet, Packet)
    return packet


@VERSIONS
@MEDIA
def test_large_segment_says_how_it_is_to_be_cut_and_summed(version: int, medium: Medium) -> None:
    segment = Segment(80, 5000, 1, 2, ACK, 100, bytes(range(250)) * 20, timestamp=7)
    segment.piece_octets = 1448
    prefix, octets = write_offloaded(unit_with(segment, version, medium), medium)
    flags, kind, headers, piece, start, offset = struct.unpack("=BBHHHH", prefix)
    network = (20 if version == 4 else 40) + (14 if medium is Medium.ETHERNET else 0)
    assert (flags, kind, piece) == (1, 1 if version == 4 else 4, 1448)
    assert (headers, start, offset) == (network + 32, network, 16)
    # Who finishes the checksum sums up from ``start`` on, the field included, and complements.
    whole = bytearray(octets)
    whole[start + 16 : start + 18] = checksum(word_sum(octets[start:])).to_bytes(2, "big")
    source, destination = ADDRESSES[version]
    found = Segment.parse(bytes(whole[start:]), source, destination)
    segment.piece_octets = 0
    assert found == segment


@MEDIA
def test_small_segment_is_not_cut_and_other_packets_are_complete(medium: Medium) -> None:
    prefix, _ = write_offloaded(unit_with(Segment(1, 2, 3, 4, ACK), 4, medium), medium)
    assert struct.unpack("=BBHHHH", prefix)[:4] == (1, 0, 0, 0)
    for unit in (
        unit_with(Datagram(1, 2, b"data"), 4, medium),
        b"octets that somebody has corrupted",
    ):
        assert write_offloaded(unit, medium) == (bytes(PREFIX_OCTETS), unit_octets(unit))


@VERSIONS
@MEDIA
@pytest.mark.parametrize("flags", [1, 2])
def test_unfinished_checksum_of_the_other_side_is_not_checked(
    version: int, medium: Medium, flags: int
) -> None:
    for payload in (Segment(1, 2, 3, 4, ACK, text=bytes(9000)), Datagram(1, 2, b"data")):
        octets = bytearray(unit_octets(unit_with(payload, version, medium)))
        at = len(octets) - len(payload.encode(*ADDRESSES[version]))
        place = at + (16 if isinstance(payload, Segment) else 6)
        octets[place : place + 2] = b"\x12\x34"
        data = memoryview(bytes([flags]) + bytes(PREFIX_OCTETS - 1) + bytes(octets))
        assert packet_in(read_offloaded(data, medium)).payload == payload
        plain = memoryview(bytes(PREFIX_OCTETS) + bytes(octets))
        assert read_offloaded(plain, medium) == bytes(octets)


@MEDIA
def test_what_cannot_be_read_stays_octets(medium: Medium) -> None:
    ping = Packet(*ADDRESSES[4], PROTOCOL_ICMP, Echo(False, 1, 1, b""))
    octets = unit_octets(ping)
    prefix = bytes([2]) + bytes(PREFIX_OCTETS - 1)
    for broken in (b"", b"\x45", octets[:10], bytes(100)):
        assert read_offloaded(memoryview(prefix + broken), medium) == broken
    if medium is Medium.IP:
        found = packet_in(read_offloaded(memoryview(prefix + octets), medium))
        assert found == decode_packet(octets)
