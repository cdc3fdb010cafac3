"""Packets as lines that people read, with the names of hosts and sequence numbers from zero."""

from __future__ import annotations

from collections.abc import Callable

from longwire.tcpip.addresses import Address
from longwire.tcpip.device import Unit
from longwire.tcpip.tcp.sequence import on_wire
from longwire.tcpip.wire.ethernet import EthernetFrame
from longwire.tcpip.wire.icmp import Echo, IcmpError
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import ACK, FIN, PSH, RST, SYN, URG, Segment
from longwire.tcpip.wire.udp import Datagram

__all__ = ["PacketText"]

_FLAGS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (URG, "URG"), (ACK, "ACK"))
_FLOWS_MAX = 10_000
_Flow = tuple[Address, int, Address, int]


class PacketText:
    """Describes packets in the order in which they are sent: a SYN is sequence number 0.

    Windows are in octets, unless the handshake was not seen."""

    def __init__(self, host_of: Callable[[Address], str]) -> None:
        self._host_of = host_of
        # By direction: the first sequence number, and the shift of its windows.
        self._first: dict[_Flow, int] = {}
        self._scale: dict[_Flow, int] = {}

    def line(self, unit: Unit) -> str:
        """Return one line about a packet: who to whom, and what."""
        packet = unit.payload if isinstance(unit, EthernetFrame) else unit
        if not isinstance(packet, Packet):
            return f"{len(unit) if isinstance(unit, bytes) else unit.length} octets"
        source, destination = self._host_of(packet.source), self._host_of(packet.destination)
        match packet.payload:
            case Segment() as segment:
                return (
                    f"{source}:{segment.source_port} > {destination}:{segment.destination_port}"
                    f"  {self._segment(packet, segment)}"
                )
            case Datagram() as datagram:
                return (
                    f"{source}:{datagram.source_port} > {destination}:{datagram.destination_port}"
                    f"  UDP, {len(datagram.data)} octets"
                )
            case Echo() as echo:
                kind = "answer" if echo.is_reply else "request"
                what = f"ICMP echo {kind} {echo.sequence}, {len(echo.data)} octets"
            case IcmpError() as error:
                what = f"ICMP {error.kind.name.lower().replace('_', ' ')}"
            case _:
                what = f"protocol {packet.protocol}, {packet.length} octets"
        return f"{source} > {destination}  {what}"

    def _segment(self, packet: Packet, segment: Segment) -> str:
        ports = segment.source_port, segment.destination_port
        flow = (packet.source, ports[0], packet.destination, ports[1])
        back = (packet.destination, ports[1], packet.source, ports[0])
        if segment.flags & SYN and (flow in self._first or len(self._first) < _FLOWS_MAX):
            self._first[flow] = segment.sequence
            self._scale[flow] = segment.window_scale or 0
        start = on_wire(segment.sequence - self._first.get(flow, 0))
        parts = [" ".join(name for bit, name in _FLAGS if segment.flags & bit) or "no flags"]
        octets = len(segment.text)
        parts.append(f"{start}:{on_wire(start + octets)} ({octets})" if octets else f"seq {start}")
        if segment.flags & ACK:
            parts.append(f"ack {on_wire(segment.acknowledgment - self._first.get(back, 0))}")
        parts.append(f"win {segment.window << self._shift(segment, flow)}")
        parts += self._options(segment, self._first.get(back, 0))
        return ", ".join(parts)

    def _shift(self, segment: Segment, flow: _Flow) -> int:
        """RFC 7323 2.2: the window of a SYN is never scaled."""
        return 0 if segment.flags & SYN else self._scale.get(flow, 0)

    @staticmethod
    def _options(segment: Segment, first: int) -> list[str]:
        """Return what the options say; timestamps, which each segment has, are left out."""
        texts = []
        if segment.mss is not None:
            texts.append(f"mss {segment.mss}")
        if segment.window_scale is not None:
            texts.append(f"scale {segment.window_scale}")
        if segment.sack_permitted:
            texts.append("sack ok")
        if segment.sack:
            blocks = (f"{on_wire(a - first)}:{on_wire(b - first)}" for a, b in segment.sack)
            texts.append(f"sack {' '.join(blocks)}")
        return texts
