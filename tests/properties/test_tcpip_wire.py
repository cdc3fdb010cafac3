"""Codecs: what is encoded decodes to the same value; no octets make anything but WireError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.tcpip.addresses import Address, is_multicast
from longwire.tcpip.wire.arp import ArpPacket
from longwire.tcpip.wire.checksum import checksum, word_sum
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.ethernet import EthernetFrame
from longwire.tcpip.wire.icmp import Echo, IcmpError, IcmpView
from longwire.tcpip.wire.ip import decode_packet, encode_packet
from longwire.tcpip.wire.ndp import NeighborAdvertisement, NeighborSolicitation
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import Segment
from longwire.tcpip.wire.udp import Datagram

v4 = st.binary(min_size=4, max_size=4)
v6 = st.binary(min_size=16, max_size=16)
pairs = st.one_of(st.tuples(v4, v4), st.tuples(v6, v6))
ports = st.integers(0, 0xFFFF)
words = st.integers(0, 0xFFFFFFFF)
macs = st.binary(min_size=6, max_size=6)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    has_timestamp = draw(st.booleans())
    is_syn = draw(st.booleans())
    block = st.tuples(words, words)
    return Segment(
        draw(ports),
        draw(ports),
        draw(words),
        draw(words),
        draw(st.integers(0, 255)),
        draw(ports),
        draw(st.binary(max_size=200)),
        urgent=draw(ports),
        mss=draw(st.one_of(st.none(), ports)) if is_syn else None,
        window_scale=draw(st.one_of(st.none(), st.integers(0, 255))) if is_syn else None,
        sack_permitted=is_syn and draw(st.booleans()),
        sack=() if is_syn else tuple(draw(st.lists(block, max_size=3 if has_timestamp else 4))),
        timestamp=draw(words) if has_timestamp else None,
        timestamp_echo=draw(words) if has_timestamp else 0,
    )


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    source, destination = draw(pairs)
    is_v4 = len(source) == 4
    # Extension headers of IPv6 are told apart by number; a payload must not look like one.
    protocol = draw(st.integers(0, 255).filter(lambda n: is_v4 or n not in (0, 43, 44, 59, 60)))
    more = draw(st.booleans())
    offset = draw(st.integers(0, 100)) * 8
    is_piece = more or offset > 0
    payload = draw(st.binary(max_size=120))
    if more:
        payload = payload[: len(payload) // 8 * 8]
    return Packet(
        source,
        destination,
        protocol,
        payload,
        hop_limit=draw(st.integers(0, 255)),
        traffic_class=draw(st.integers(0, 255)),
        identification=draw(ports) if is_v4 else draw(words) if is_piece else 0,
        dont_fragment=is_v4 and draw(st.booleans()),
        more_fragments=more,
        fragment_offset=offset,
        flow_label=0 if is_v4 else draw(st.integers(0, 0xFFFFF)),
        options=b"\x01\x01\x01\x00" * draw(st.integers(0, 10)) if is_v4 else b"",
    )


@given(packets())
def test_packet_survives_round_trip(packet: Packet) -> None:
    octets = encode_packet(packet)
    assert len(octets) == packet.length
    assert decode_packet(octets) == packet
    # Padding behind the packet, as Ethernet adds it, changes nothing.
    assert decode_packet(octets + bytes(7)) == packet


@given(segments(), pairs)
def test_segment_survives_round_trip(segment: Segment, pair: tuple[Address, Address]) -> None:
    octets = segment.encode(*pair)
    assert len(octets) == segment.length
    assert Segment.parse(octets, *pair) == segment


@given(st.builds(Datagram, ports, ports, st.binary(max_size=100)), pairs)
def test_datagram_survives_round_trip(datagram: Datagram, pair: tuple[Address, Address]) -> None:
    octets = datagram.encode(*pair)
    assert len(octets) == datagram.length
    assert Datagram.parse(octets + b"pad", *pair) == datagram


@given(st.builds(Echo, st.booleans(), ports, ports, st.binary(max_size=100)), pairs)
def test_echo_survives_round_trip(echo: Echo, pair: tuple[Address, Address]) -> None:
    octets = echo.encode(*pair)
    assert len(octets) == echo.length
    assert IcmpView(octets, *pair).message() == echo


@given(st.integers(0, 255), st.integers(0, 255), words, st.binary(max_size=100), pairs)
def test_icmp_error_survives_round_trip(
    kind: int, code: int, word: int, quote: bytes, pair: tuple[Address, Address]
) -> None:
    kind = kind & 0x7F if len(pair[0]) == 16 else (3, 4, 5, 11, 12)[kind % 5]
    error = IcmpError(kind, code, word, quote, len(pair[0]))
    octets = error.encode(*pair)
    assert len(octets) == error.length
    assert IcmpView(octets, *pair).message() == error


@given(
    st.one_of(
        st.builds(NeighborSolicitation, v6, st.one_of(st.none(), macs)),
        st.builds(
            NeighborAdvertisement,
            v6,
            st.one_of(st.none(), macs),
            st.booleans(),
            st.booleans(),
            st.booleans(),
        ),
    ).filter(lambda message: not is_multicast(message.target)),
    v6,
    v6,
)
def test_neighbor_discovery_survives_round_trip(
    message: NeighborSolicitation | NeighborAdvertisement, source: Address, destination: Address
) -> None:
    octets = message.encode(source, destination)
    assert len(octets) == message.length
    assert IcmpView(octets, source, destination).message() == message


@given(st.sampled_from([1, 2]), macs, v4, macs, v4)
def test_arp_survives_round_trip(
    operation: int, sender_mac: bytes, sender: Address, target_mac: bytes, target: Address
) -> None:
    packet = ArpPacket(
        operation, b"\x02" + sender_mac[1:], b"\x0a" + sender[1:], target_mac, target
    )
    assert ArpPacket.parse(packet.encode() + bytes(18)) == packet


@given(macs, macs, st.integers(0x600, 0xFFFF), st.binary(max_size=60))
def test_frame_survives_round_trip(
    destination: bytes, source: bytes, ethertype: int, payload: bytes
) -> None:
    frame = EthernetFrame(destination, source, ethertype, payload)
    octets = frame.encode()
    assert len(octets) == frame.length
    assert EthernetFrame.parse(octets) == frame


hostile = st.one_of(
    st.binary(max_size=200),
    # Valid packets with octets exchanged or the end cut reach further than noise does.
    st.builds(
        lambda packet, at, octet, cut: bytes(
            octet if index == at else value
            for index, value in enumerate(encode_packet(packet)[: cut or None])
        ),
        packets(),
        st.integers(0, 60),
        st.integers(0, 255),
        st.integers(0, 100),
    ),
)


@given(hostile, pairs)
def test_no_octets_raise_anything_but_wire_error(
    data: bytes, pair: tuple[Address, Address]
) -> None:
    readers = (
        decode_packet,
        EthernetFrame.parse,
        ArpPacket.parse,
        lambda octets: Segment.parse(octets, *pair),
        lambda octets: Datagram.parse(octets, *pair),
        lambda octets: IcmpView(octets, *pair).message(),
    )
    for read in readers:
        try:
            read(data)
        except WireError as problem:
            assert problem.reason.value in str(problem)


@given(segments(), pairs, st.data())
def test_9293_3_1_one_flipped_bit_fails_the_tcp_checksum(
    segment: Segment, pair: tuple[Address, Address], data: st.DataObject
) -> None:
    octets = bytearray(segment.encode(*pair))
    bit = data.draw(st.integers(0, len(octets) * 8 - 1))
    octets[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError):
        Segment.parse(bytes(octets), *pair)


@given(st.binary(max_size=5000))
def test_1071_checksum_agrees_with_word_by_word_addition(data: bytes) -> None:
    padded = data + bytes(len(data) % 2)
    total = 0
    for at in range(0, len(padded), 2):
        total += padded[at] << 8 | padded[at + 1]
        total = (total & 0xFFFF) + (total >> 16)
    assert checksum(word_sum(data)) == total ^ 0xFFFF
