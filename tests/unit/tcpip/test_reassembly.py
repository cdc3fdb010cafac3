"""Fragments: order, overlap, bounds, time."""

from __future__ import annotations

import itertools

import pytest

from longwire.tcpip.addresses import parse_address
from longwire.tcpip.durations import SECOND
from longwire.tcpip.ip.fragmentation import fragment
from longwire.tcpip.ip.limits import IpLimits
from longwire.tcpip.ip.reassembly import Reassembler
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.icmp import ErrorKind, IcmpError
from longwire.tcpip.wire.packet import Packet
from tests.unit.tcpip.world import two_hosts

A4, B4 = parse_address("10.0.0.1"), parse_address("10.0.0.2")
A6, B6 = parse_address("fd00::1"), parse_address("fd00::2")
WHOLE_4 = Packet(A4, B4, 17, bytes(range(64)), identification=7)
WHOLE_6 = Packet(A6, B6, 17, bytes(range(64)))


def pieces_of(packet: Packet) -> list[Packet]:
    return fragment(packet, packet.header_octets + 8 * (packet.version == 6) + 16, 7)


@pytest.mark.parametrize("whole", [WHOLE_4, WHOLE_6], ids=["IPv4", "IPv6"])
def test_fragments_in_any_order_make_the_packet(whole: Packet) -> None:
    pieces = pieces_of(whole)
    assert len(pieces) == 4
    for order in itertools.permutations(pieces):
        reassembler = Reassembler(IpLimits())
        results = [reassembler.add(piece, 0) for piece in order]
        assert results[:-1] == [None] * 3
        assert results[-1] == whole
        assert len(reassembler) == reassembler.octets == 0


def test_copy_of_a_fragment_is_passed_over() -> None:
    first, second, third, fourth = pieces_of(WHOLE_4)
    reassembler = Reassembler(IpLimits())
    for piece in (first, first, second, second, fourth, third):
        result = reassembler.add(piece, 0)
    assert result == WHOLE_4


def reason_of(*pieces: Packet) -> Reason:
    reassembler = Reassembler(IpLimits())
    for piece in pieces[:-1]:
        reassembler.add(piece, 0)
    with pytest.raises(WireError) as caught:
        reassembler.add(pieces[-1], 0)
    assert len(reassembler) == reassembler.octets == 0
    return caught.value.reason


@pytest.mark.parametrize("whole", [WHOLE_4, WHOLE_6], ids=["IPv4", "IPv6"])
def test_5722_overlap_drops_the_datagram(whole: Packet) -> None:
    first, second, *_ = pieces_of(whole)
    assert reason_of(first, second.replace(fragment_offset=8)) is Reason.FRAGMENT_OVERLAP
    other = first.replace(payload=bytes(16))
    assert reason_of(first, other) is Reason.FRAGMENT_OVERLAP


def test_two_ends_drop_the_datagram() -> None:
    *_, last = pieces_of(WHOLE_4)
    other = last.replace(fragment_offset=64)
    assert reason_of(last, other) is Reason.FRAGMENT_TOTAL_CONFLICT
    beyond = last.replace(fragment_offset=64, more_fragments=True)
    assert reason_of(last, beyond) is Reason.FRAGMENT_TOTAL_CONFLICT
    assert reason_of(beyond, last) is Reason.FRAGMENT_TOTAL_CONFLICT


def test_empty_fragment_drops_the_datagram() -> None:
    first, *_ = pieces_of(WHOLE_4)
    assert reason_of(first.replace(payload=b"")) is Reason.FRAGMENT_TOTAL_CONFLICT


def test_different_identifications_are_different_datagrams() -> None:
    first, *rest = pieces_of(WHOLE_4)
    reassembler = Reassembler(IpLimits())
    reassembler.add(first.replace(identification=8), 0)
    for piece in rest:
        assert reassembler.add(piece, 0) is None
    assert len(reassembler) == 2


def test_datagrams_are_bounded_and_the_oldest_gives_way() -> None:
    first, *rest = pieces_of(WHOLE_4)
    reassembler = Reassembler(IpLimits(reassembly_datagrams_max=3))
    for number in range(5):
        reassembler.add(first.replace(identification=number), 0)
    assert len(reassembler) == 3
    for piece in rest[:-1]:
        reassembler.add(piece.replace(identification=4), 0)
    assert reassembler.add(rest[-1].replace(identification=4), 0) is not None


def test_octets_are_bounded() -> None:
    first, *_ = pieces_of(WHOLE_4)
    reassembler = Reassembler(IpLimits(reassembly_octets_max=40))
    for number in range(5):
        reassembler.add(first.replace(identification=number), 0)
    assert reassembler.octets <= 40
    with pytest.raises(WireError):
        reassembler.add(first.replace(identification=9, payload=bytes(48)), 0)
    assert reassembler.octets == 0


def test_fragments_of_one_datagram_are_bounded() -> None:
    first, *_ = pieces_of(WHOLE_4)
    reassembler = Reassembler(IpLimits(reassembly_fragments_max=3))
    for number in range(3):
        reassembler.add(first.replace(fragment_offset=16 * number), 0)
    with pytest.raises(WireError) as caught:
        reassembler.add(first.replace(fragment_offset=48), 0)
    assert caught.value.reason is Reason.REASSEMBLY_FULL


@pytest.mark.parametrize("whole", [WHOLE_4, WHOLE_6], ids=["IPv4", "IPv6"])
def test_1122_3_3_2_and_8200_4_5_missing_fragments_are_reported(whole: Packet) -> None:
    world, _, _, first, second = two_hosts()
    for piece in pieces_of(whole)[:2]:
        first.inner.send(piece, 0)
    world.run()
    assert world.now_ns == 60 * SECOND
    (answer,) = second.packets
    assert isinstance(answer.payload, IcmpError)
    assert answer.payload.kind is ErrorKind.REASSEMBLY_TIMEOUT


def test_1122_3_3_2_without_the_first_fragment_nothing_is_reported() -> None:
    world, _, b, first, second = two_hosts()
    first.inner.send(pieces_of(WHOLE_4)[1], 0)
    world.run()
    assert second.sent == []
    assert b.notebook.count(Reason.REASSEMBLY_TIMEOUT) == 1


def test_791_3_1_only_copied_options_are_repeated() -> None:
    # Router alert (copied) and a timestamp (not copied).
    packet = Packet(A4, B4, 17, bytes(64), options=b"\x94\x04\0\0\x44\x04\x05\0")
    first, *rest = fragment(packet, 60, 0)
    assert first.options == packet.options
    assert all(piece.options == b"\x94\x04\0\0" for piece in rest)


def test_link_that_takes_no_fragment_is_refused() -> None:
    with pytest.raises(ValueError, match="no fragment"):
        fragment(WHOLE_4, 27, 0)


def test_fragment_of_a_fragment_keeps_its_place() -> None:
    pieces = [small for piece in pieces_of(WHOLE_4) for small in fragment(piece, 28, 99)]
    assert [piece.fragment_offset for piece in pieces] == list(range(0, 64, 8))
    assert [piece.more_fragments for piece in pieces] == [True] * 7 + [False]
    assert {piece.identification for piece in pieces} == {7}
