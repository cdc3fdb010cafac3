"""Links, queues, losses, captures: each does what it says, to the nanosecond."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from longwire.tcpip.addresses import parse_address
from longwire.tcpip.device import Medium, Unit, unit_length
from longwire.tcpip.devices.capture import Capture
from longwire.tcpip.devices.copies import CopyFinder
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.devices.loss import GilbertElliottLoss, ListedLoss, RandomLoss
from longwire.tcpip.devices.presets import PRESETS, preset
from longwire.tcpip.devices.queues import CodelQueue, DropTailQueue
from longwire.tcpip.devices.wire_check import WireCheck
from longwire.tcpip.devices.wire_pair import wire_pair
from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Note, Reason
from longwire.tcpip.wire.ethernet import EthernetFrame
from longwire.tcpip.wire.icmp import ErrorKind, IcmpError
from longwire.tcpip.wire.ip import decode_packet, encode_packet
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.pcapng import PcapngWriter
from longwire.tcpip.wire.udp import Datagram

A4, B4 = parse_address("10.0.0.1"), parse_address("10.0.0.2")


def unit(number: int, octets: int = 1000) -> Packet:
    """A packet of so many octets in all that can be told apart."""
    return Packet(A4, B4, 17, Datagram(number, 9, bytes(octets - 28)))


def numbers(units: list[Unit]) -> list[int]:
    found = []
    for each in units:
        packet = decode_packet(each) if isinstance(each, bytes) else each
        assert isinstance(packet, Packet)
        payload = packet.payload
        assert isinstance(payload, Datagram)
        found.append(payload.source_port)
    return found


def arrivals(link: Link, until_ns: int = 1000 * SECOND) -> list[tuple[int, int]]:
    """(time, number) of everything that comes out at b, by asking when to ask."""
    found = []
    while (at := link.b.poll_at()) is not None and at <= until_ns:
        found += [(at, number) for number in numbers(link.b.receive(at))]
    return found


def link_with(**settings: object) -> Link:
    return Link(PathSettings(**settings), stream=RandomStream(1))  # type: ignore[arg-type]


def test_delay_is_exact() -> None:
    link = link_with(delay_ns=30 * MILLISECOND)
    link.a.send(unit(1), 5)
    assert link.b.poll_at() == 30 * MILLISECOND + 5
    assert link.b.receive(30 * MILLISECOND + 4) == []
    assert numbers(link.b.receive(30 * MILLISECOND + 5)) == [1]
    assert link.b.poll_at() is None


def test_rate_spaces_packets() -> None:
    # 1,000 octets at 8 Mbit/s take a millisecond.
    link = link_with(rate_bits_per_s=8_000_000, delay_ns=10 * MILLISECOND)
    for number in range(3):
        link.a.send(unit(number), 0)
    link.a.send(unit(3, 500), 20 * MILLISECOND)
    assert arrivals(link) == [
        (11 * MILLISECOND, 0),
        (12 * MILLISECOND, 1),
        (13 * MILLISECOND, 2),
        (30 * MILLISECOND + MILLISECOND // 2, 3),
    ]


def test_directions_are_apart() -> None:
    link = Link(PathSettings(delay_ns=1), PathSettings(delay_ns=2), stream=RandomStream(1), mtu=900)
    link.a.send(unit(1), 0)
    link.b.send(unit(2), 0)
    assert (link.b.poll_at(), link.a.poll_at()) == (1, 2)
    assert link.a.mtu == 900


@pytest.mark.parametrize(
    "make", [lambda: DropTailQueue(packets_max=5), lambda: DropTailQueue(octets_max=5500)]
)
def test_full_queue_drops_what_comes_last(make: Callable[[], DropTailQueue]) -> None:
    link = link_with(rate_bits_per_s=8_000_000, queue=make)
    for number in range(10):
        link.a.send(unit(number), 0)
    # One is being transmitted and five wait.
    assert [number for _, number in arrivals(link)] == [0, 1, 2, 3, 4, 5]
    assert link.notebook.count(Reason.LINK_QUEUE_FULL) == 4


def test_queue_has_room_again_when_packets_have_left() -> None:
    link = link_with(rate_bits_per_s=8_000_000, queue=lambda: DropTailQueue(packets_max=1))
    for number in range(3):
        link.a.send(unit(number), 0)
    link.a.send(unit(3), MILLISECOND)
    assert [number for _, number in arrivals(link)] == [0, 1, 3]


def test_8289_codel_drops_when_waiting_stays_long() -> None:
    """Twice what the link takes: drop-tail lets waiting grow, CoDel keeps it near its target."""

    def longest_wait(make: Callable[[], DropTailQueue]) -> tuple[int, int]:
        link = link_with(rate_bits_per_s=8_000_000, queue=make)
        sent: dict[int, int] = {}
        number = 0
        waits = []
        for tick in range(4000):
            now_ns = tick * MILLISECOND
            # A sender that slows down when it loses; CoDel is for those.
            for _ in range(2 if tick % 40 < 22 else 0):
                number = number % 60_000 + 1
                sent[number] = now_ns
                link.a.send(unit(number), now_ns)
            waits += [now_ns - sent[each] for each in numbers(link.b.receive(now_ns))]
        return max(waits[len(waits) // 2 :]), link.notebook.count(Reason.LINK_QUEUE_DELAY)

    tail_wait_ns, tail_drops = longest_wait(lambda: DropTailQueue(packets_max=10_000))
    codel_wait_ns, codel_drops = longest_wait(CodelQueue)
    assert tail_drops == 0
    assert codel_drops > 10
    assert codel_wait_ns < tail_wait_ns / 2


def test_8289_codel_leaves_short_queues_alone() -> None:
    link = link_with(rate_bits_per_s=8_000_000, queue=CodelQueue)
    for tick in range(500):
        link.a.send(unit(tick), tick * MILLISECOND)
    assert len(arrivals(link)) == 500


def test_listed_loss_takes_exactly_these() -> None:
    link = link_with(loss=lambda: ListedLoss([1, 3]))
    for number in range(1, 6):
        link.a.send(unit(number), 0)
    assert numbers(link.b.receive(0)) == [2, 4, 5]
    assert link.notebook.count(Reason.LINK_LOSS) == 2


def test_random_loss_takes_its_share() -> None:
    link = link_with(loss=lambda: RandomLoss(0.1))
    for number in range(10_000):
        link.a.send(unit(number), 0)
    assert 880 <= link.notebook.count(Reason.LINK_LOSS) <= 1120


def test_gilbert_elliott_loss_comes_in_bursts() -> None:
    model = GilbertElliottLoss(0.02, 0.25)
    stream = RandomStream(5)
    lost = [model.takes(number, stream) for number in range(40_000)]
    # 0.02 / 0.27 of the time in the bad state, four packets at a time.
    assert 0.06 < sum(lost) / len(lost) < 0.09
    bursts = sum(1 for one, other in zip([False, *lost], lost, strict=False) if other and not one)
    assert 3.3 < sum(lost) / bursts < 4.8


@pytest.mark.parametrize("wrong", [-0.1, 1.1])
def test_probability_is_checked(wrong: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        RandomLoss(wrong)
    with pytest.raises(ValueError, match="from 0 to 1"):
        GilbertElliottLoss(0.1, wrong)


def test_jitter_keeps_the_order() -> None:
    link = link_with(delay_ns=MILLISECOND, jitter_ns=5 * MILLISECOND)
    for number in range(50):
        link.a.send(unit(number), number * MILLISECOND)
    found = arrivals(link)
    assert [number for _, number in found] == list(range(50))
    delays = [at - number * MILLISECOND for at, number in found]
    assert min(delays) >= MILLISECOND
    assert max(delays) <= 6 * MILLISECOND
    assert len(set(delays)) > 25


def test_reordering_holds_some_back() -> None:
    link = link_with(reorder=0.2, reorder_delay_ns=3 * MILLISECOND)
    for number in range(100):
        link.a.send(unit(number), number * MILLISECOND)
    order = [number for _, number in arrivals(link)]
    assert sorted(order) == list(range(100))
    assert order != sorted(order)
    assert 5 <= link.notebook.count(Reason.LINK_REORDERED) <= 40


def test_duplication_makes_copies() -> None:
    link = link_with(duplicate=0.25)
    for number in range(400):
        link.a.send(unit(number), 0)
    found = numbers(link.b.receive(0))
    assert len(found) == 400 + link.notebook.count(Reason.LINK_DUPLICATED)
    assert 60 <= len(found) - 400 <= 140


def test_corruption_flips_one_bit() -> None:
    link = link_with(corrupt=1.0)
    packet = unit(1)
    link.a.send(packet, 0)
    (octets,) = link.b.receive(0)
    assert isinstance(octets, bytes)
    clean = Link(stream=RandomStream(1))
    WireCheck(clean.a).send(packet, 0)
    (right,) = clean.b.receive(0)
    assert isinstance(right, bytes)
    difference = int.from_bytes(octets, "big") ^ int.from_bytes(right, "big")
    assert difference.bit_count() == 1


def test_one_purpose_does_not_move_another() -> None:
    """The same packets are lost whether or not others are doubled and delayed."""

    def lost(**more: object) -> list[str]:
        notes: list[Note] = []
        settings = PathSettings(loss=lambda: RandomLoss(0.2), **more)  # type: ignore[arg-type]
        link = Link(settings, stream=RandomStream(9), observer=notes.append)
        for number in range(200):
            link.a.send(unit(number), 0)
        return [note.detail for note in notes if note.reason is Reason.LINK_LOSS]

    assert lost() == lost(duplicate=0.3, corrupt=0.2, jitter_ns=50, reorder=0.5)


def test_link_that_is_down_loses_what_is_sent_and_delivers_what_is_on_the_way() -> None:
    link = link_with(delay_ns=10)
    link.a.send(unit(1), 0)
    link.set_up(False)
    link.a.send(unit(2), 1)
    link.set_up(True)
    link.a.send(unit(3), 2)
    assert [number for _, number in arrivals(link)] == [1, 3]
    assert link.notebook.count(Reason.LINK_DOWN) == 1


def test_settings_can_be_changed_while_packets_are_on_the_way() -> None:
    link = link_with(delay_ns=10)
    link.a.send(unit(1), 0)
    link.change(PathSettings(delay_ns=3, loss=lambda: ListedLoss([3])))
    link.a.send(unit(2), 20)
    link.a.send(unit(3), 20)
    assert arrivals(link) == [(10, 1), (23, 2)]


def test_mtu_hole_swallows_and_a_router_reports() -> None:
    router = parse_address("10.0.0.254")
    hole = link_with(mtu=800)
    hole.a.send(unit(1, 801), 0)
    hole.a.send(unit(2, 800), 0)
    assert numbers(hole.b.receive(0)) == [2]
    assert hole.a.receive(0) == []
    link = link_with(mtu=800, icmp_from=router)
    link.a.send(unit(1, 801), 0)
    assert link.b.receive(0) == []
    (answer,) = link.a.receive(0)
    assert isinstance(answer, Packet)
    assert isinstance(answer.payload, IcmpError)
    assert (answer.source, answer.payload.kind) == (router, ErrorKind.PACKET_TOO_BIG)
    assert answer.payload.mtu == 800


def test_mtu_of_an_ethernet_link_counts_the_packet_alone() -> None:
    router = parse_address("10.0.0.254")
    settings = PathSettings(mtu=800, icmp_from=router)
    link = Link(settings, stream=RandomStream(1), medium=Medium.ETHERNET)
    mac, other = b"\x02" + bytes(5), b"\x02" + bytes(4) + b"\x01"
    link.a.send(EthernetFrame(mac, other, 0x0800, unit(1, 800)), 0)
    assert len(link.b.receive(0)) == 1
    WireCheck(link.a).send(EthernetFrame(mac, other, 0x0800, unit(2, 801)), 0)
    (answer,) = link.a.receive(0)
    assert isinstance(answer, EthernetFrame)
    assert (answer.destination, answer.source) == (other, mac)


def test_far_end_is_woken_with_the_time_of_arrival() -> None:
    link = link_with(delay_ns=10)
    woken: list[int] = []
    WireCheck(link.b).wake = woken.append
    link.a.send(unit(1), 5)
    assert woken == [15]
    first, second = wire_pair()
    second.wake = woken.append
    first.send(unit(1), 7)
    assert woken == [15, 7]


@pytest.mark.parametrize("name", PRESETS)
def test_preset_carries_a_packet(name: str) -> None:
    forward, backward = preset(name)
    link = Link(forward, backward, stream=RandomStream(1))
    for number in range(20):
        link.a.send(unit(number), 0)
        link.b.send(unit(number), 0)
    assert len(arrivals(link)) >= 10


def test_unknown_preset_is_refused_with_the_names() -> None:
    with pytest.raises(ValueError, match="one of dc, dsl, lte"):
        preset("pigeon")


def test_wire_check_passes_octets_only() -> None:
    first, second = wire_pair()
    WireCheck(first).send(unit(1), 0)
    WireCheck(first).send(b"already octets", 0)
    received = second.receive(0)
    assert all(isinstance(each, bytes) for each in received)
    assert [unit_length(each) for each in received] == [1000, 14]


def test_capture_puts_reasons_beside_packets() -> None:
    written = bytearray()
    capture = Capture(PcapngWriter(written.extend))
    link = Link(
        PathSettings(loss=lambda: ListedLoss([1])),
        stream=RandomStream(1),
        observer=capture.observe,
    )
    a = Host("a", entropy=RandomStream(1), observer=capture.observe)
    a.add_interface(capture.wrap(link.a, "a"), ["10.0.0.1/24"])
    a.connect("10.0.0.2", 80, 0)
    a.poll(0)
    a.poll(SECOND)
    capture.flush()
    packets = comments_of(bytes(written))
    assert len(packets) == 2
    assert "link-loss: packet 1" in packets[0]
    assert any("tcp-retransmission-timeout" in comment for comment in packets[0] + packets[1])


def test_capture_without_copies_has_a_routed_packet_again_only_where_it_is_lost() -> None:
    written = bytearray()
    capture = Capture(PcapngWriter(written.extend), copies=CopyFinder())
    near, _ = wire_pair()
    lossy = PathSettings(loss=lambda: ListedLoss([2]))
    far = Link(lossy, stream=RandomStream(1), observer=capture.observe)
    first, second = capture.wrap(near, "near"), capture.wrap(far.a, "far")
    for number in range(3):
        first.send(unit(number), number)
        second.send(unit(number).replace(hop_limit=63), number)
    capture.flush()
    packets = comments_of(bytes(written))
    assert [len(comments) for comments in packets] == [0, 0, 1, 0]
    assert "link-loss: packet 2" in packets[2]


@pytest.mark.parametrize("version", [4, 6])
def test_copies_are_told_from_retransmissions(version: int) -> None:
    finder = CopyFinder()
    prefix = "10.0.0." if version == 4 else "fd00::"
    source, destination = (parse_address(f"{prefix}{number}") for number in (1, 2))
    sent = Packet(source, destination, 17, b"text", hop_limit=64)
    passed_on = encode_packet(sent.replace(hop_limit=63))
    translated = encode_packet(sent.replace(source=destination))
    sent_octets = encode_packet(sent)
    assert not finder.is_copy(1, sent_octets)
    assert finder.is_copy(2, passed_on)
    assert not finder.is_copy(1, sent_octets)  # again
    assert finder.is_copy(3, passed_on)  # the first of them took another way
    assert finder.is_copy(2, passed_on)
    assert not finder.is_copy(2, passed_on)  # a third time, without having come: doubled here
    assert not finder.is_copy(2, translated)
    assert not finder.is_copy(1, b"no packet")


def test_copies_are_forgotten_when_there_are_too_many() -> None:
    finder = CopyFinder(remembered_max=2)
    for octets in (b"first", b"second"):
        assert not finder.is_copy(1, octets)
    assert finder.is_copy(2, b"first")
    assert not finder.is_copy(1, b"third")
    assert not finder.is_copy(3, b"first")
    assert finder.is_copy(2, b"third")


def comments_of(data: bytes) -> list[list[str]]:
    """The comments of each packet in a capture."""
    found = []
    position = 0
    while position < len(data):
        kind, total = struct.unpack_from("<II", data, position)
        if kind == 6:
            captured = struct.unpack_from("<I", data, position + 20)[0]
            at = position + 28 + captured + -captured % 4
            comments = []
            while at < position + total - 4:
                code, length = struct.unpack_from("<HH", data, at)
                if code == 0:
                    break
                if code == 1:
                    comments.append(data[at + 4 : at + 4 + length].decode())
                at += 4 + length + -length % 4
            found.append(comments)
        position += total
    return found


def test_random_stream_is_the_same_everywhere() -> None:
    # Written down once: a change here changes every simulation.
    stream = RandomStream(42, "check")
    assert [stream.below(1000) for _ in range(5)] == [431, 87, 506, 371, 751]
    assert RandomStream(42, "check").fork("x").word() == RandomStream(42, "check/x").word()
    assert RandomStream(42, "a").word() != RandomStream(42, "b").word()
    assert RandomStream(42, "a").word() != RandomStream("42", "a").word()
    assert len(RandomStream(1)(13)) == 13


def test_random_stream_draws_within_limits() -> None:
    stream = RandomStream(1)
    assert {stream.below(3) for _ in range(100)} == {0, 1, 2}
    assert stream.below(1) == 0
    assert {stream.between(-1, 1) for _ in range(100)} == {-1, 0, 1}
    assert all(0 <= stream.fraction() < 1 for _ in range(100))
    assert not any(stream.chance(0.0) for _ in range(100))
    assert all(stream.chance(1.0) for _ in range(100))
    for wrong in (0, -1, (1 << 64) + 1):
        with pytest.raises(ValueError, match="the limit is"):
            stream.below(wrong)
