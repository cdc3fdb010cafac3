"""How long transfers take over seeded links, as a table that is kept in git.

A change of behaviour shows as a difference that can be read, and the same numbers on every Python
version and in every process show that runs repeat exactly. To write the table anew:

    python -m tests.unit.tcpip.transfer_table > tests/unit/tcpip/transfer_table.txt
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import sys

from longwire.tcpip.device import Device
from longwire.tcpip.devices.capture import Capture
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.devices.loss import RandomLoss
from longwire.tcpip.devices.queues import DropTailQueue
from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.profile import LINUX, TcpProfile
from longwire.tcpip.wire.pcapng import PcapngWriter
from tests.unit.tcpip.world import World

OCTETS = 1_000_000
RATES = (5, 50)
LOSSES = (0.0, 0.01, 0.03)
HEADER = "congestion recovery Mbit/s  loss | seconds goodput retransmitted time-outs"


def path(rate_mbit: int, loss: float, delay_ns: int = 20 * MILLISECOND) -> PathSettings:
    return PathSettings(
        rate_bits_per_s=rate_mbit * 1_000_000,
        delay_ns=delay_ns,
        queue=lambda: DropTailQueue(packets_max=60),
        loss=(lambda: RandomLoss(loss)) if loss else None,
    )


def transfer(
    forward: PathSettings,
    profile: TcpProfile,
    *,
    octets: int = OCTETS,
    flows: int = 1,
    seconds: float | None = None,
    capture: Capture | None = None,
) -> tuple[int, list[TcpConnection], list[int]]:
    """Send over one link until all has arrived, or for so long; return time, senders, octets."""
    world = World(seed=7)
    stream = RandomStream(7, "table")
    link = Link(forward, PathSettings(delay_ns=forward.delay_ns), stream=stream)
    ends: list[Device] = [link.a, link.b]
    if capture is not None:
        ends[0] = capture.wrap(ends[0], "sender")
    a, b = world.host("a", profile=profile), world.host("b", profile=profile)
    a.add_interface(ends[0], ["10.0.0.1/24"])
    b.add_interface(ends[1], ["10.0.0.2/24"])
    listener = b.listen(80)
    senders = [a.connect("10.0.0.2", 80, 0) for _ in range(flows)]
    left = [octets] * flows
    receivers: dict[int, TcpConnection] = {}
    received = dict.fromkeys((each.local_port for each in senders), 0)
    done_ns = 0

    def step() -> None:
        nonlocal done_ns
        for number, sender in enumerate(senders):
            if left[number]:
                left[number] -= sender.write(bytes(min(left[number], 50_000)), world.now_ns)
        while (accepted := listener.accept()) is not None:
            receivers[accepted.remote_port] = accepted
        for port, receiver in receivers.items():
            received[port] += len(receiver.read(1 << 20, world.now_ns))
        if not done_ns and all(count == octets for count in received.values()):
            done_ns = world.now_ns

    world.on_step = step
    if seconds is not None:
        world.run(round(seconds * SECOND))
        done_ns = world.now_ns
    else:
        world.run()
    if capture is not None:
        capture.flush()
    return done_ns, senders, [received[each.local_port] for each in senders]


def table() -> str:
    """Return the whole table."""
    lines = [HEADER]
    for congestion, recovery, rate, loss in itertools.product(
        ("reno", "cubic"), ("newreno", "sack"), RATES, LOSSES
    ):
        profile = dataclasses.replace(LINUX, congestion=congestion, recovery=recovery)
        done_ns, (sender,), _ = transfer(path(rate, loss), profile)
        info = sender.info(done_ns)
        goodput = OCTETS * 8 * SECOND // done_ns // 1000
        lines.append(
            f"{congestion:10} {recovery:8} {rate:6} {loss:5.2f} | {done_ns / SECOND:7.3f}"
            f" {goodput:7} {info.total_retrans:13} {info.total_rto:9}"
        )
    digest = hashlib.sha256()
    capture = Capture(PcapngWriter(digest.update))
    transfer(path(20, 0.01), LINUX, capture=capture)
    lines.append(f"capture at 20 Mbit/s and 1 % loss: {digest.hexdigest()}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
