"""tshark reads our captures: nothing malformed, no wrong checksum, and it counts as we do."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from longwire.simulation import World as SimulatedWorld
from longwire.tcpip.addresses import parse_address
from longwire.tcpip.device import Medium
from longwire.tcpip.devices.capture import Capture
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.devices.loss import RandomLoss
from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.sockets import SocketError
from longwire.tcpip.tcp.profile import LINUX
from longwire.tcpip.wire.pcapng import PcapngWriter
from tests import needs
from tests.unit.simulation.worlds import serve_echo
from tests.unit.tcpip.world import World

pytestmark = pytest.mark.slow

CHECKSUMS = [
    option
    for protocol in ("ip", "tcp", "udp")
    for option in ("-o", f"{protocol}.check_checksum:TRUE")
]
OCTETS = 300_000
BAD_EXPERT = "_ws.expert.severity == error || _ws.malformed"
DAMAGED = "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0"
AGAIN = " || ".join(
    f"tcp.analysis.{name}" for name in ("retransmission", "spurious_retransmission", "out_of_order")
)
PATH = PathSettings(rate_bits_per_s=20_000_000, delay_ns=10 * MILLISECOND)
LOSSY = PathSettings(
    rate_bits_per_s=20_000_000, delay_ns=10 * MILLISECOND, loss=lambda: RandomLoss(0.03)
)


def tshark(path: Path, wanted: str, *more: str) -> list[str]:
    """The packets of a capture that a display filter lets through, a line each."""
    command = [needs.require("tshark"), "-r", str(path), *CHECKSUMS, "-Y", wanted, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


class Talk:
    """Two hosts that do all that ours can, and the capture of it."""

    def __init__(self, path: Path, settings: PathSettings, medium: Medium) -> None:
        self.world = World()
        with path.open("wb") as file:
            capture = Capture(PcapngWriter(file.write))
            link = Link(settings, PATH, stream=RandomStream(7, "link"), medium=medium)
            self.a, self.b = (
                self.world.host("a", profile=LINUX),
                self.world.host("b", profile=LINUX),
            )
            for host, end, number in ((self.a, link.a, 1), (self.b, link.b, 2)):
                device = capture.wrap(end, f"{number}") if host is self.a else end
                host.add_interface(device, [f"10.0.0.{number}/24", f"fd00::{number}/64"])
            self.retransmissions = sum(
                self.transfer(self.a, self.b, address) for address in ("10.0.0.2", "fd00::2")
            )
            self.datagrams()
            self.refusals()
            capture.flush()

    def transfer(self, sender: Host, receiver: Host, address: str) -> int:
        """Send, read all, close both ways; return how many segments were sent again."""
        world = self.world
        listener = receiver.listen(80, address=address)
        connection = sender.connect(address, 80, world.now_ns)
        left, got = OCTETS, 0
        accepted = None
        while got < OCTETS:
            world.sleep(0.01)
            accepted = accepted or listener.accept()
            left -= connection.write(bytes(min(left, 100_000)), world.now_ns) if left else 0
            if accepted is not None:
                got += len(accepted.read(OCTETS, world.now_ns))
        assert accepted is not None
        connection.close(world.now_ns)
        world.sleep(1)
        accepted.close(world.now_ns)
        world.sleep(5)
        listener.close(world.now_ns)
        return connection.tcb.counts.segments_retransmitted

    def datagrams(self) -> None:
        """Datagrams whole and in fragments, and pings."""
        world, socket, ping = self.world, self.a.open_udp(), self.a.open_ping()
        self.b.open_udp(7)
        for text in ("10.0.0.2", "fd00::2"):
            address = parse_address(text)
            for octets in (0, 1, 5_000):
                socket.send(bytes(octets), world.now_ns, address, 7)
            ping.send(address, 1, bytes(3_000), world.now_ns)
            world.sleep(1)

    def refusals(self) -> None:
        """Ports that nobody listens on: a reset, and ICMP."""
        world, socket = self.world, self.a.open_udp()
        for text in ("10.0.0.2", "fd00::2"):
            address = parse_address(text)
            refused = self.a.connect(address, 81, world.now_ns)
            socket.send(b"x", world.now_ns, address, 8)
            world.sleep(1)
            with pytest.raises(SocketError, match="refused"):
                refused.read(1, world.now_ns)


@pytest.mark.parametrize("medium", Medium, ids=lambda medium: medium.value)
def test_expert_finds_nothing_in_a_clean_run(tmp_path: Path, medium: Medium) -> None:
    path = tmp_path / "clean.pcapng"
    talk = Talk(path, PATH, medium)
    assert talk.retransmissions == 0
    assert tshark(path, BAD_EXPERT) == []
    assert tshark(path, DAMAGED) == []
    # Nothing was lost, late or doubled; a port that was refused may be used again.
    assert tshark(path, "tcp.analysis.flags && !tcp.analysis.reused_ports") == []
    for protocol in ("tcp", "udp", "icmp", "icmpv6", "ip.flags.mf == 1", "ipv6.fraghdr"):
        assert tshark(path, protocol)
    assert bool(tshark(path, "arp")) == (medium is Medium.ETHERNET)


def test_expert_counts_retransmissions_as_we_do(tmp_path: Path) -> None:
    path = tmp_path / "lossy.pcapng"
    talk = Talk(path, LOSSY, Medium.IP)
    assert tshark(path, BAD_EXPERT) == []
    # What comes again within a round trip it takes for out of order.
    again = tshark(path, f"({AGAIN}) && (ip.src == 10.0.0.1 || ipv6.src == fd00::1)")
    assert talk.retransmissions > 0
    assert len(again) == talk.retransmissions
    assert talk.world.now_ns < 60 * SECOND


@pytest.mark.parametrize("every_hop", [False, True])
def test_expert_takes_nothing_for_a_retransmission_that_routers_pass_on(
    tmp_path: Path, every_hop: bool
) -> None:
    world = SimulatedWorld(1, capture_every_hop=every_hop)
    server, router, client = world.host("server"), world.router("router"), world.host("client")
    for host in (server, client):
        world.link(host, router, delay=0.01, ipv6=True)

    async def talk() -> None:
        reader, writer = await asyncio.open_connection("server", 7)
        writer.write(bytes(OCTETS))
        writer.write_eof()
        assert await reader.read() == bytes(OCTETS)
        writer.close()

    async def main() -> None:
        server.start(serve_echo())
        await client.run(talk())

    world.run(main())
    path = tmp_path / "routed.pcapng"
    world.write_capture(path)
    assert tshark(path, DAMAGED) == []
    assert tshark(path, BAD_EXPERT) == []
    assert (tshark(path, AGAIN) == []) == (not every_hop)
