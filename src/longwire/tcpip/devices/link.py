"""A link between two hosts: two ends, which are devices, and a path each way.

What befalls a packet on its way is decided by the rules of the link and by the settings of the
path that it takes: see :mod:`~longwire.tcpip.devices.rules` and
:mod:`~longwire.tcpip.devices.path`.
"""

from __future__ import annotations

from collections.abc import Callable

from longwire.tcpip.addresses import Address
from longwire.tcpip.device import Medium, Unit, Wake, unit_length
from longwire.tcpip.devices.answers import error_about, reset_for
from longwire.tcpip.devices.path import Path, PathSettings
from longwire.tcpip.devices.rewriting import read_packet, rewrap
from longwire.tcpip.devices.rules import PASS, Verdict
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Note, Notebook, Reason
from longwire.tcpip.wire.ethernet import HEADER_OCTETS, EthernetFrame
from longwire.tcpip.wire.icmp import ErrorKind
from longwire.tcpip.wire.packet import Packet

__all__ = ["Link", "LinkEnd", "PathSettings"]


class LinkEnd:
    """One end of a link: a device."""

    def __init__(self, link: Link, index: int, mtu: int) -> None:
        self._link = link
        self._index = index
        self.medium = link.medium
        self.mtu = mtu
        self.large_octets = 0
        self.wake: Wake | None = None

    def send(self, unit: Unit, now_ns: int) -> None:
        self._link.carry(self._index, unit, now_ns)

    def receive(self, now_ns: int) -> list[Unit]:
        return self._link.paths[1 - self._index].receive(now_ns)

    def poll_at(self) -> int | None:
        return self._link.paths[1 - self._index].poll_at()


class Link:
    """Two devices, ``a`` and ``b``, and a path each way.

    ``backward`` is the path from ``b`` to ``a``; without it both are alike. ``mtu`` is what the
    ends announce to their hosts; that a path takes less is for the hosts to find out. ``observer``
    is told of every unit that a fault befalls.
    """

    def __init__(
        self,
        forward: PathSettings | None = None,
        backward: PathSettings | None = None,
        *,
        stream: RandomStream,
        medium: Medium = Medium.IP,
        mtu: int = 1500,
        observer: Callable[[Note], None] | None = None,
    ) -> None:
        forward = forward or PathSettings()
        self.medium = medium
        self.notebook = Notebook(observer)
        self.paths = (
            Path(forward, stream.fork("a to b"), self.notebook),
            Path(backward or forward, stream.fork("b to a"), self.notebook),
        )
        self.a = LinkEnd(self, 0, mtu)
        self.b = LinkEnd(self, 1, mtu)
        self._ends = (self.a, self.b)

    def change(
        self, forward: PathSettings | None = None, backward: PathSettings | None = None
    ) -> None:
        """Exchange the settings of either direction; what is on the way is not touched."""
        for path, settings in zip(self.paths, (forward, backward), strict=True):
            if settings is not None:
                path.change(settings)

    def set_up(self, is_up: bool) -> None:
        """Cut the link, or mend it. What is on the way still arrives."""
        for path in self.paths:
            path.is_up = is_up

    def carry(self, index: int, unit: Unit, now_ns: int) -> None:
        """Take a unit from one end."""
        path = self.paths[index]
        octets = unit_length(unit)
        verdict = path.rules.judge(unit, self.medium, now_ns, self.notebook) if path.rules else PASS
        if verdict.is_dropped:
            if verdict.answer is not None:
                self._answer(index, unit, verdict, now_ns)
            return
        mtu = path.settings.mtu
        header = HEADER_OCTETS if self.medium is Medium.ETHERNET else 0
        if mtu is not None and octets - header > mtu:
            self.notebook.write(now_ns, Reason.LINK_MTU, f"{octets - header} > {mtu}", unit)
            if path.settings.icmp_from is not None:
                self._report(index, unit, mtu, path.settings.icmp_from, now_ns)
            return
        path.send(unit, octets, now_ns, verdict)
        self._announce(1 - index, now_ns)

    def _announce(self, index: int, now_ns: int) -> None:
        end = self._ends[index]
        if end.wake is not None:
            at_ns = self.paths[1 - index].poll_at()
            if at_ns is not None:
                end.wake(max(at_ns, now_ns))

    def _report(self, index: int, unit: Unit, mtu: int, router: Address, now_ns: int) -> None:
        """Send "packet too big" back; IPv4 packets that may be fragmented vanish all the same."""
        read = read_packet(unit, self.medium)
        if read is not None and len(router) == len(read[1].source):
            error = error_about(read[1], router, ErrorKind.PACKET_TOO_BIG, mtu=mtu)
            self._send_back(index, read[0], error, now_ns)

    def _answer(self, index: int, unit: Unit, verdict: Verdict, now_ns: int) -> None:
        """A rule refuses a packet as its destination would."""
        read = read_packet(unit, self.medium)
        if read is None:
            return
        frame, packet = read
        if isinstance(verdict.answer, ErrorKind):
            self._send_back(
                index, frame, error_about(packet, packet.destination, verdict.answer), now_ns
            )
        elif (reset := reset_for(packet)) is not None:
            self._send_back(index, frame, reset, now_ns)

    def _send_back(
        self, index: int, frame: EthernetFrame | None, answer: Packet, now_ns: int
    ) -> None:
        back: Unit = answer
        if frame is not None:
            back = rewrap(
                EthernetFrame(frame.source, frame.destination, frame.ethertype, b""), answer
            )
        self.paths[1 - index].send(back, unit_length(back), now_ns)
        self._announce(index, now_ns)
