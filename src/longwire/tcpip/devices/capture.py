"""Devices that write what passes to a capture, each packet beside what was said about it."""

from __future__ import annotations

from longwire.tcpip.device import Device, DeviceWrapper, Medium, Unit, unit_octets
from longwire.tcpip.devices.copies import CopyFinder
from longwire.tcpip.reasons import Note
from longwire.tcpip.wire.ethernet import HEADER_OCTETS, EthernetFrame
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.pcapng import LINK_TYPE_ETHERNET, LINK_TYPE_RAW_IP, PcapngWriter

__all__ = ["Capture", "CaptureDevice"]

# How many packets of one instant wait for notes about them.
_PENDING_MAX = 4096


class _Pending:
    __slots__ = ("comments", "data", "interface", "is_copy", "is_outbound", "time_ns", "unit")

    def __init__(
        self,
        interface: int,
        time_ns: int,
        unit: Unit,
        is_outbound: bool,
        is_copy: bool,
        data: bytes,
    ) -> None:
        self.interface = interface
        self.time_ns = time_ns
        self.unit = unit
        self.data = data
        self.is_outbound = is_outbound
        self.is_copy = is_copy
        """A router has passed it on: written only if something befell it here."""
        self.comments: list[str] = []


class Capture:
    """One capture file of any number of devices.

    Give :meth:`observe` to hosts and links as their observer. A note about a packet that passed in
    this instant becomes its comment; one about nothing in particular (a change of state) goes to
    the packet that passed last. Packets are written when time moves on, and by :meth:`flush`.

    With ``copies`` a packet that several devices carry, because routers pass it on, is written
    where it was sent, and again only where something befell it.
    """

    def __init__(self, writer: PcapngWriter, *, copies: CopyFinder | None = None) -> None:
        self._writer = writer
        self._copies = copies
        self._pending: list[_Pending] = []

    def wrap(self, device: Device, name: str) -> CaptureDevice:
        """Return a device around ``device`` whose packets are captured under ``name``."""
        return CaptureDevice(device, self, self.add_interface(name, device.medium))

    def add_interface(self, name: str, medium: Medium) -> int:
        """Describe an interface; return its number for :meth:`add`."""
        is_ethernet = medium is Medium.ETHERNET
        return self._writer.add_interface(
            name, LINK_TYPE_ETHERNET if is_ethernet else LINK_TYPE_RAW_IP
        )

    def observe(self, note: Note) -> None:
        """Put a note beside its packet."""
        if note.unit is not None:
            for pending in reversed(self._pending):
                if _is_about(note.unit, pending.unit):
                    pending.comments.append(str(note))
                    return
        last = next((each for each in reversed(self._pending) if not each.is_copy), None)
        if last is not None and (note.unit is None or last.time_ns == note.now_ns):
            last.comments.append(str(note))

    def add(self, interface: int, unit: Unit, now_ns: int, *, is_outbound: bool) -> None:
        """A packet has passed."""
        is_later = bool(self._pending) and self._pending[0].time_ns < now_ns
        if is_later or len(self._pending) >= _PENDING_MAX:
            self.flush()
        data = unit_octets(unit)
        is_copy = False
        if self._copies is not None:
            is_frame = isinstance(unit, EthernetFrame)
            packet = data[HEADER_OCTETS:] if is_frame else data
            is_copy = self._copies.is_copy(interface, packet)
        self._pending.append(_Pending(interface, now_ns, unit, is_outbound, is_copy, data))

    def flush(self) -> None:
        """Write what has passed so far."""
        for pending in self._pending:
            if pending.is_copy and not pending.comments:
                continue
            self._writer.add_packet(
                pending.interface,
                pending.time_ns,
                pending.data,
                comments=tuple(pending.comments),
                is_outbound=pending.is_outbound,
            )
        self._pending.clear()


def _is_about(noted: object, unit: Unit) -> bool:
    if noted is unit:
        return True
    packet = unit.payload if isinstance(unit, EthernetFrame) else unit
    return noted is packet or (isinstance(packet, Packet) and noted is packet.payload)


class CaptureDevice(DeviceWrapper):
    """Made by :meth:`Capture.wrap`."""

    def __init__(self, inner: Device, capture: Capture, number: int) -> None:
        super().__init__(inner)
        self._capture = capture
        self._number = number

    def send(self, unit: Unit, now_ns: int) -> None:
        self._capture.add(self._number, unit, now_ns, is_outbound=True)
        self.inner.send(unit, now_ns)

    def receive(self, now_ns: int) -> list[Unit]:
        units = self.inner.receive(now_ns)
        for unit in units:
            self._capture.add(self._number, unit, now_ns, is_outbound=False)
        return units
