"""Two devices joined by a wire that is perfect: no delay, no loss, no end of room."""

from __future__ import annotations

from longwire.tcpip.device import Medium, Unit, Wake

__all__ = ["WireEnd", "wire_pair"]


class WireEnd:
    """One end; what is sent here is received at ``peer`` in the same instant."""

    def __init__(self, medium: Medium, mtu: int) -> None:
        self.medium = medium
        self.mtu = mtu
        self.large_octets = 0
        self.wake: Wake | None = None
        self.peer: WireEnd = self
        self._arrived: list[tuple[int, Unit]] = []

    def send(self, unit: Unit, now_ns: int) -> None:
        self.peer._arrived.append((now_ns, unit))
        if self.peer.wake is not None:
            self.peer.wake(now_ns)

    def receive(self, now_ns: int) -> list[Unit]:
        arrived, self._arrived = self._arrived, []
        return [unit for _, unit in arrived]

    def poll_at(self) -> int | None:
        return self._arrived[0][0] if self._arrived else None


def wire_pair(medium: Medium = Medium.IP, mtu: int = 1500) -> tuple[WireEnd, WireEnd]:
    """Return the two ends of a new wire."""
    first, second = WireEnd(medium, mtu), WireEnd(medium, mtu)
    first.peer, second.peer = second, first
    return first, second
