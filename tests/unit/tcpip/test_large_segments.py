"""Segments that the device splits (TSO): same octets, same recovery, as with small ones."""

from __future__ import annotations

import pytest

from longwire.tcpip.device import Device, DeviceWrapper, Unit
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.devices.loss import ListedLoss
from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.tcp.profile import LINUX
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import FIN, PSH, Segment
from tests.unit.tcpip.world import World

SENT = bytes(range(251)) * 4_000


class Splitter(DeviceWrapper):
    """Splits large segments as a network device does; keeps their sizes."""

    def __init__(self, inner: Device, large_octets: int = 0xFFFF) -> None:
        super().__init__(inner)
        self.large_octets = large_octets
        self.sizes: list[int] = []

    def send(self, unit: Unit, now_ns: int) -> None:
        assert isinstance(unit, Packet)
        segment = unit.payload
        assert isinstance(segment, Segment)
        if not segment.piece_octets:
            assert unit.length <= self.mtu
            self.inner.send(unit, now_ns)
            return
        assert self.mtu < unit.length <= self.large_octets
        self.sizes.append(unit.length)
        text = bytes(segment.text)
        for start in range(0, len(text), segment.piece_octets):
            is_last = start + segment.piece_octets >= len(text)
            piece = Segment(
                segment.source_port,
                segment.destination_port,
                (segment.sequence + start) & 0xFFFFFFFF,
                segment.acknowledgment,
                segment.flags if is_last else segment.flags & ~(FIN | PSH),
                segment.window,
                text[start : start + segment.piece_octets],
                timestamp=segment.timestamp,
                timestamp_echo=segment.timestamp_echo,
                sack=segment.sack,
            )
            self.inner.send(unit.replace(payload=piece), now_ns)


def transfer(large_octets: int, lost: tuple[int, ...] = ()) -> tuple[Splitter, Host]:
    """Send 1 MB over a link that loses those packets; return what the sender was."""
    world = World()
    link = Link(
        PathSettings(delay_ns=10 * MILLISECOND, loss=lambda: ListedLoss(lost)),
        PathSettings(delay_ns=10 * MILLISECOND),
        stream=RandomStream(1, "link"),
    )
    a, b = world.host("a", profile=LINUX), world.host("b", profile=LINUX)
    splitter = Splitter(link.a, large_octets)
    a.add_interface(splitter, ["10.0.0.1/24"])
    b.add_interface(link.b, ["10.0.0.2/24"])
    listener = b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    written, came = 0, bytearray()
    accepted = None
    while True:
        world.sleep(0.005)
        if written < len(SENT):
            written += connection.write(SENT[written:], world.now_ns)
            if written == len(SENT):
                connection.shutdown(world.now_ns)
        accepted = accepted or listener.accept()
        if accepted is not None:
            came += accepted.read(1 << 20, world.now_ns)
            if accepted.at_end:
                break
    assert came == SENT
    info = connection.info(world.now_ns)
    small = -(-len(SENT) // info.snd_mss)
    # A segment that the device makes several of is counted as several, and lost one by one.
    assert info.data_segs_out - info.total_retrans in (small, small + 1)
    assert info.total_retrans == len(lost)
    assert link.paths[0].count >= info.segs_out
    return splitter, a


def test_full_windows_leave_as_few_large_segments() -> None:
    splitter, _ = transfer(0xFFFF)
    assert max(splitter.sizes) > 60_000
    assert sum(splitter.sizes) > 0.9 * len(SENT)


@pytest.mark.parametrize("lost", [(20,), (50, 51, 52), (30, 90, 91, 300)])
def test_lost_pieces_are_sent_again_alone(lost: tuple[int, ...]) -> None:
    transfer(0xFFFF, lost)


@pytest.mark.parametrize("large_octets", [0, 1500, 2 * 1448, 10_000])
def test_no_segment_is_larger_than_the_device_takes(large_octets: int) -> None:
    splitter, _ = transfer(large_octets)
    assert all(size <= large_octets for size in splitter.sizes)
    assert bool(splitter.sizes) == (large_octets >= 10_000)
