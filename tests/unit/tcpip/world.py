"""A few hosts and a clock for tests: run everything that is due, then jump to what is next."""

from __future__ import annotations

from collections.abc import Callable

from longwire.tcpip.device import Device, DeviceWrapper, Medium, Unit
from longwire.tcpip.devices.wire_pair import wire_pair
from longwire.tcpip.durations import SECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Note
from longwire.tcpip.tcp.profile import RFC, TcpProfile
from longwire.tcpip.wire.packet import Packet

STEPS_AT_ONE_TIME_MAX = 200_000


class World:
    """Hosts, in the order in which they were made, and the time that they share."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.now_ns = 0
        self.hosts: list[Host] = []
        self.notes: list[tuple[str, Note]] = []
        self.on_step: Callable[[], None] | None = None

    def host(self, name: str, *, profile: TcpProfile = RFC, is_router: bool = False) -> Host:
        host = Host(
            name,
            entropy=RandomStream(self.seed, name),
            profile=profile,
            is_router=is_router,
            observer=lambda note: self.notes.append((name, note)),
        )
        self.hosts.append(host)
        return host

    def run(self, until_ns: int | None = None) -> None:
        """Run until nothing is due, or until a time."""
        repeated = 0
        while True:
            for host in self.hosts:
                host.poll(self.now_ns)
            if self.on_step is not None:
                self.on_step()
            times = [at for host in self.hosts if (at := host.poll_at()) is not None]
            if not times or (until_ns is not None and min(times) > until_ns):
                break
            following = max(self.now_ns, min(times))
            repeated = repeated + 1 if following == self.now_ns else 0
            assert repeated < STEPS_AT_ONE_TIME_MAX, "the world does not come to rest"
            self.now_ns = following
        if until_ns is not None:
            self.now_ns = max(self.now_ns, until_ns)

    def sleep(self, seconds: float) -> None:
        self.run(self.now_ns + round(seconds * SECOND))


class Spy(DeviceWrapper):
    """Keeps what is sent; a rule may swallow it."""

    def __init__(self, inner: Device) -> None:
        super().__init__(inner)
        self.sent: list[Unit] = []
        self.swallow: Callable[[Unit], bool] = lambda unit: False

    def send(self, unit: Unit, now_ns: int) -> None:
        self.sent.append(unit)
        if not self.swallow(unit):
            super().send(unit, now_ns)

    @property
    def packets(self) -> list[Packet]:
        return [unit for unit in self.sent if isinstance(unit, Packet)]


def two_hosts(
    medium: Medium = Medium.IP, *, profile: TcpProfile = RFC, mtu: int = 1500
) -> tuple[World, Host, Host, Spy, Spy]:
    """Two hosts on one perfect wire, 10.0.0.1 and fd00::1, 10.0.0.2 and fd00::2."""
    world = World()
    first, second = (Spy(end) for end in wire_pair(medium, mtu))
    a, b = world.host("a", profile=profile), world.host("b", profile=profile)
    a.add_interface(first, ["10.0.0.1/24", "fd00::1/64"])
    b.add_interface(second, ["10.0.0.2/24", "fd00::2/64"])
    return world, a, b, first, second
