"""One run of our stack, in virtual time."""

from __future__ import annotations

import dataclasses

from bench.parity.grid import Cell
from bench.parity.outcome import Outcome
from longwire.tcpip.durations import SECOND, earliest
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.profile import LINUX
from longwire.tcpip.tcp.state import State

__all__ = ["run_ours"]

_BLOCK = bytes(1 << 20)
_SEND_BUFFER_OCTETS = 64 << 20


class _Run:
    def __init__(self, cell: Cell, seed: int) -> None:
        link = cell.link(seed)
        profile = dataclasses.replace(
            LINUX,
            congestion=cell.congestion,
            send_buffer_octets=_SEND_BUFFER_OCTETS,
            receive_buffer_octets=cell.window_octets,
        )
        self.now_ns = 0
        self.duration_ns = cell.duration_s * SECOND
        self.sender = Host("sender", entropy=RandomStream(seed, "sender"), profile=profile)
        self.receiver = Host("receiver", entropy=RandomStream(seed, "receiver"), profile=profile)
        self.sender.add_interface(link.a, ["10.0.0.1/24"])
        self.receiver.add_interface(link.b, ["10.0.0.2/24"])
        self.listener = self.receiver.listen(80)
        self.out: TcpConnection = self.sender.connect("10.0.0.2", 80, 0)
        self.into: TcpConnection | None = None
        self.octets = 0

    def run(self) -> Outcome:
        accepted_ns = connected_ns = None
        outcome: Outcome | None = None
        while True:
            if connected_ns is None and self.out.state is State.ESTABLISHED:
                connected_ns = self.now_ns
            if connected_ns is not None:
                self.out.write(_BLOCK, self.now_ns)
                if outcome is None and self.now_ns - connected_ns >= self.duration_ns:
                    counts = self.out.tcb.counts
                    outcome = Outcome(0, counts.segments_retransmitted, counts.timeouts)
            if self.into is None and (accepted := self.listener.accept()) is not None:
                self.into, accepted_ns = accepted, self.now_ns
            if self.into is not None and accepted_ns is not None:
                self.octets += len(self.into.read(len(_BLOCK), self.now_ns))
                if outcome is not None and self.now_ns - accepted_ns >= self.duration_ns:
                    return dataclasses.replace(outcome, octets=self.octets)
            self._step()

    def _step(self) -> None:
        self.sender.poll(self.now_ns)
        self.receiver.poll(self.now_ns)
        at_ns = earliest(self.sender.poll_at(), self.receiver.poll_at())
        assert at_ns is not None, "a sender with data always has a deadline"
        self.now_ns = max(self.now_ns, at_ns)


def run_ours(cell: Cell, seed: int) -> Outcome:
    """Send for the duration of the cell; return what came of it."""
    return _Run(cell, seed).run()
