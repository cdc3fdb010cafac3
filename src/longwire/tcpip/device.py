"""What a host sends through: anything that takes units and has units.

A device is passive. ``receive`` gives what has arrived by ``now_ns``; ``poll_at`` says when the
next arrival is due. A device whose far end can make news calls ``wake`` with the time of it, so
that whoever drives many hosts need not ask each of them all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from longwire.tcpip.wire.ethernet import EthernetFrame
from longwire.tcpip.wire.ip import encode_packet
from longwire.tcpip.wire.packet import Packet

__all__ = ["Device", "DeviceWrapper", "Medium", "Unit", "Wake", "unit_length", "unit_octets"]

Unit = Packet | EthernetFrame | bytes
"""What travels. Whoever receives must cope with octets: a corrupting link hands out those."""

Wake = Callable[[int], None]


class Medium(Enum):
    """What the units of a device are."""

    IP = "ip"
    ETHERNET = "ethernet"


class Device(Protocol):
    """One end of something that carries packets."""

    medium: Medium
    mtu: int
    """Largest IP packet, octets."""
    large_octets: int
    """Largest TCP packet that it splits by itself (segmentation offload); 0: it does not."""
    wake: Wake | None

    def send(self, unit: Unit, now_ns: int) -> None:
        """Take a unit to the far end, or lose it. Never fails, never blocks."""

    def receive(self, now_ns: int) -> list[Unit]:
        """Return what has arrived by ``now_ns``, in order, each unit once."""

    def poll_at(self) -> int | None:
        """Return when the next unit arrives, as far as is known."""


class DeviceWrapper:
    """A device around another one; subclasses change what passes."""

    def __init__(self, inner: Device) -> None:
        self.inner = inner
        self.medium = inner.medium
        self.mtu = inner.mtu
        self.large_octets = inner.large_octets

    @property
    def wake(self) -> Wake | None:
        return self.inner.wake

    @wake.setter
    def wake(self, wake: Wake | None) -> None:
        self.inner.wake = wake

    def send(self, unit: Unit, now_ns: int) -> None:
        self.inner.send(unit, now_ns)

    def receive(self, now_ns: int) -> list[Unit]:
        return self.inner.receive(now_ns)

    def poll_at(self) -> int | None:
        return self.inner.poll_at()


def unit_length(unit: Unit) -> int:
    """Return the octets of ``unit`` on the wire."""
    return len(unit) if isinstance(unit, bytes) else unit.length


def unit_octets(unit: Unit) -> bytes:
    """Return ``unit`` encoded."""
    if isinstance(unit, bytes):
        return unit
    return encode_packet(unit) if isinstance(unit, Packet) else unit.encode()
