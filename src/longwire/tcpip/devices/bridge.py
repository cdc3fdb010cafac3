"""A bridge: what comes out of one device goes into the other, both ways."""

from __future__ import annotations

from longwire.tcpip.device import Device
from longwire.tcpip.durations import earliest

__all__ = ["Bridge"]


class Bridge:
    """Joins two devices of one medium, such as a TUN and the end of a link.

    Whoever drives it calls :meth:`poll`, as with a host.
    """

    def __init__(self, a: Device, b: Device) -> None:
        if a.medium is not b.medium:
            raise ValueError(f"a bridge joins like with like, not {a.medium} with {b.medium}")
        self._a = a
        self._b = b

    def poll(self, now_ns: int) -> None:
        """Carry what has arrived on either side."""
        a, b = self._a, self._b
        for unit in a.receive(now_ns):
            b.send(unit, now_ns)
        for unit in b.receive(now_ns):
            a.send(unit, now_ns)

    def poll_at(self) -> int | None:
        """Return when :meth:`poll` has work."""
        return earliest(self._a.poll_at(), self._b.poll_at())
