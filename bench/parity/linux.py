"""One run of Linux: two namespaces, a TUN in each, and our link between them.

Run as a program, so that several runs do not share an interpreter, ``python -m bench.parity.linux
RTT_MS LOSS RATE_MBIT ALGORITHM SEED`` prints octets, segments sent again, time-outs, and the share
of packets that were late.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.parity.grid import Cell
from bench.parity.outcome import Outcome
from longwire.net.tun import TunDevice, open_tun
from longwire.tcpip.devices.bridge import Bridge
from longwire.tcpip.durations import MILLISECOND, SECOND, earliest

__all__ = ["run_linux"]

ENDPOINT = Path(__file__).with_name("endpoint.py")
PORT = "5001"
ADDRESSES = ("10.77.0.1", "10.77.0.2")

_BUFFER = "4096 67108864 67108864"
# Nothing but what the link does may shape the run: no memory of runs before, no ECN, buffers that
# never are the limit, and no packets of IPv6 that the drops would count.
_SYSCTLS = {
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.tcp_ecn": "0",
    "net.ipv4.tcp_rmem": _BUFFER,
    "net.ipv4.tcp_wmem": _BUFFER,
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}
_LOOK_NS = 100 * MILLISECOND

_QUEUE_PACKETS = "20000"  # of the TUN: what the kernel hands over must all reach the link


LATE_MAX = 0.02
TRIES = 3


def run_linux(cell: Cell, seed: int) -> Outcome:
    """Run in a process of its own; again when the machine was too busy to keep the link's times."""
    outcomes: list[Outcome] = []
    while len(outcomes) < TRIES and (not outcomes or outcomes[-1].late > LATE_MAX):
        command = [sys.executable, "-m", "bench.parity.linux"]
        command += [*map(str, (cell.rtt_ms, cell.loss, cell.rate_mbit, cell.congestion, seed))]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        octets, retransmissions, timeouts, late = done.stdout.split()
        outcomes.append(Outcome(int(octets), int(retransmissions), int(timeouts), float(late)))
    return min(outcomes, key=lambda outcome: outcome.late)


def _run_here(cell: Cell, seed: int) -> Outcome:
    with _namespace(0) as (sending, first), _namespace(1) as (receiving, second):
        link = cell.link(seed)
        seconds = str(cell.duration_s)
        receiver = _start(receiving, "receive", PORT, str(cell.window_octets), seconds)
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "listening\n"
        sender = _start(sending, "send", ADDRESSES[1], PORT, cell.congestion, seconds)
        bridges = (Bridge(first, link.a), Bridge(second, link.b))
        late = _carry((first, second), bridges, sender, cell.rtt_ms * MILLISECOND // 20)
        (octets,) = receiver.communicate(timeout=5)[0].split()
        retransmissions, timeouts = sender.communicate(timeout=5)[0].split()
        lost_here = first.units_refused + second.units_refused
        assert not lost_here, f"{lost_here} packets did not fit the kernel's queue"
        return Outcome(int(octets), int(retransmissions), int(timeouts), late)


def _start(namespace: str, *arguments: str) -> subprocess.Popen[str]:
    command = ["ip", "netns", "exec", namespace, sys.executable, str(ENDPOINT), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _carry(
    tuns: tuple[TunDevice, TunDevice],
    bridges: tuple[Bridge, Bridge],
    until: subprocess.Popen[str],
    late_ns: int,
) -> float:
    """Move packets until a process has ended; return how often one was later than ``late_ns``."""
    look_ns = due_count = late_count = 0
    due_ns: int | None = None
    while True:
        now_ns = time.monotonic_ns()
        if now_ns > look_ns:
            if until.poll() is not None:
                return late_count / max(due_count, 1)
            look_ns = now_ns + _LOOK_NS
        if due_ns is not None and due_ns <= now_ns:
            due_count += 1
            late_count += now_ns - due_ns > late_ns
        for bridge in bridges:
            bridge.poll(now_ns)
        due_ns = earliest(*(bridge.poll_at() for bridge in bridges))
        left_ns = _LOOK_NS if due_ns is None else min(due_ns - time.monotonic_ns(), _LOOK_NS)
        if left_ns > 0:
            select.select(tuns, [], [], left_ns / SECOND)


@contextlib.contextmanager
def _namespace(number: int) -> Iterator[tuple[str, TunDevice]]:
    name = f"lwp{os.getpid()}n{number}"
    _ip("netns", "add", name)
    try:
        command = ["ip", "netns", "exec", name, "sysctl", "-qw"]
        subprocess.run(
            [*command, *(f"{key}={value}" for key, value in _SYSCTLS.items())], check=True
        )
        device = open_tun("")
        with contextlib.closing(device):
            _ip("link", "set", device.name, "netns", name, "name", "lw0")
            _ip("-n", name, "address", "add", f"{ADDRESSES[number]}/24", "dev", "lw0")
            _ip("-n", name, "link", "set", "lw0", "up", "txqueuelen", _QUEUE_PACKETS)
            yield name, device
    finally:
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    _, rtt, loss, rate, congestion, seed = sys.argv
    # Whatever else runs must not make the link slower than it is.
    os.setpriority(os.PRIO_PROCESS, 0, -10)
    outcome = _run_here(Cell(int(rtt), float(loss), int(rate), congestion), int(seed))
    print(outcome.octets, outcome.retransmissions, outcome.timeouts, outcome.late)
