"""What a world leaves behind: a capture of all links, its hash, a timeline, and traces."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from longwire.simulation.clock import to_seconds
from longwire.simulation.packet_text import PacketText
from longwire.simulation.traces import Traces
from longwire.tcpip.device import Device, DeviceWrapper, Unit
from longwire.tcpip.devices.capture import Capture
from longwire.tcpip.devices.copies import CopyFinder
from longwire.tcpip.reasons import Note
from longwire.tcpip.wire.pcapng import PcapngWriter

__all__ = ["Event", "Recording"]

EVENTS_MAX = 10_000
CAPTURE_OCTETS_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    time_ns: int
    where: str
    what: str

    def __str__(self) -> str:
        return f"{to_seconds(self.time_ns):14.9f}  {self.where:<16} {self.what}"


class _SentDevice(DeviceWrapper):
    """Records what an end of a link sends: each packet once, also the ones that get lost."""

    def __init__(
        self, inner: Device, recording: Recording, name: str, number: int, *, is_outbound: bool
    ) -> None:
        super().__init__(inner)
        self._recording = recording
        self._name = name
        self._number = number
        self._is_outbound = is_outbound

    def send(self, unit: Unit, now_ns: int) -> None:
        recording = self._recording
        if recording.is_over:
            return
        recording.capture.add(self._number, unit, now_ns, is_outbound=self._is_outbound)
        if recording.packet_text is not None:
            text = recording.packet_text.line(unit)
            recording.events.append(Event(now_ns, self._name, text))
        self.inner.send(unit, now_ns)


class Recording:
    """Takes packets as their senders see them. The same world gives the same octets.

    With ``packet_text`` each packet is a line of the timeline, too; with ``takes_every_hop`` the
    capture has each packet on every link that it crosses.
    """

    def __init__(
        self, packet_text: PacketText | None = None, *, takes_every_hop: bool = False
    ) -> None:
        self.packet_text = packet_text
        self.traces = Traces()
        self.is_over = False
        """Whether the world has ended: what objects do that are freed only then befalls nobody."""
        self._digest = hashlib.sha256()
        self._parts: list[bytes] = []
        self._octets = 0
        self._is_whole = True
        copies = None if takes_every_hop else CopyFinder()
        self.capture = Capture(PcapngWriter(self._take), copies=copies)
        self.events: deque[Event] = deque(maxlen=EVENTS_MAX)

    def _take(self, data: bytes) -> None:
        self._digest.update(data)
        self._octets += len(data)
        if self._octets <= CAPTURE_OCTETS_MAX:
            self._parts.append(data)
        else:
            self._is_whole = False

    def wrap(self, name: str, a: Device, b: Device) -> tuple[DeviceWrapper, DeviceWrapper]:
        """Return both ends of a link, captured; "outbound" is from ``a`` to ``b``."""
        number = self.capture.add_interface(name, a.medium)
        return (
            _SentDevice(a, self, name, number, is_outbound=True),
            _SentDevice(b, self, name, number, is_outbound=False),
        )

    def observe(self, where: str, note: Note) -> None:
        """Take a note of a host or a link."""
        if self.is_over:
            return
        self.capture.observe(note)
        self.traces.observe(note)
        self.events.append(Event(note.now_ns, where, str(note)))

    def end(self) -> None:
        """Take nothing more."""
        self.capture.flush()
        self.is_over = True

    def digest(self) -> str:
        """Return the SHA-256 over the whole capture so far."""
        self.capture.flush()
        return self._digest.copy().hexdigest()

    def write(self, path: Path) -> None:
        """Write the capture, which Wireshark opens; what is past 256 MiB is left out."""
        self.capture.flush()
        path.write_bytes(b"".join(self._parts))

    @property
    def is_whole(self) -> bool:
        """Whether :meth:`write` leaves nothing out."""
        return self._is_whole
