"""A load balancer of the transport layer: one address outside, several servers inside.

What is known of a flow is forgotten after a quiet spell, or when it has grown too old; how its two
ends learn of it is what cloud providers differ in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from longwire.tcpip.addresses import Address
from longwire.tcpip.device import Device, DeviceWrapper, Unit
from longwire.tcpip.devices.answers import reset_for
from longwire.tcpip.devices.rewriting import read_unit, rewrap, with_ports
from longwire.tcpip.durations import earliest
from longwire.tcpip.reasons import Note, Notebook, Reason
from longwire.tcpip.wire.ethernet import EthernetFrame
from longwire.tcpip.wire.packet import PROTOCOL_TCP, Packet
from longwire.tcpip.wire.tcp import ACK, RST, SYN, Segment

__all__ = ["FlowEnd", "LoadBalancer"]

_Endpoint = tuple[Address, int]


class FlowEnd(Enum):
    """How the ends of a flow learn that it is over."""

    SILENT = "they do not; what they send vanishes"
    RESET_NEXT = "the next packet of either is answered by a reset"
    RESET_BOTH = "both are sent a reset at once"


@dataclass(slots=True, eq=False)
class _Flow:
    client: _Endpoint
    server: _Endpoint
    began_ns: int
    used_ns: int
    client_expects: int | None = None
    """The next sequence number the client takes, by its last acknowledgment."""
    server_expects: int | None = None
    frame: EthernetFrame | None = None
    """The last one that went to the client."""


class LoadBalancer(DeviceWrapper):
    """Shares out the TCP connections to one address and port among servers, in turn.

    It wraps the device of a router that leads to the clients; the servers are on other links of
    that router, and their answers have to come back through it. ``idle_ns`` and ``lifetime_ns``
    end flows; ``None``: never. At most ``flows_max`` are known at a time: further attempts are
    dropped. Raises ValueError without a server.
    """

    def __init__(
        self,
        inner: Device,
        *,
        service: _Endpoint,
        servers: Sequence[_Endpoint],
        idle_ns: int | None = None,
        lifetime_ns: int | None = None,
        ending: FlowEnd = FlowEnd.SILENT,
        flows_max: int = 10_000,
        observer: Callable[[Note], None] | None = None,
    ) -> None:
        super().__init__(inner)
        if not servers:
            raise ValueError("a load balancer needs at least one server")
        self.service = service
        self.servers = list(servers)
        self.idle_ns = idle_ns
        self.lifetime_ns = lifetime_ns
        self.ending = ending
        self.flows_max = flows_max
        self.notebook = Notebook(observer)
        self._turn = 0
        self._flows: dict[_Endpoint, _Flow] = {}
        # Resets for servers, which they are to find as if clients had sent them; by when.
        self._inward: list[tuple[int, Unit]] = []

    def __len__(self) -> int:
        return len(self._flows)

    # From the servers to the clients

    def send(self, unit: Unit, now_ns: int) -> None:
        self._expire(now_ns)
        read = read_unit(unit, self.medium)
        if read is None or not isinstance(read[1].payload, Segment):
            self.inner.send(unit, now_ns)
            return
        frame, packet = read
        segment = read[1].payload
        if (packet.source, segment.source_port) not in self.servers:
            self.inner.send(unit, now_ns)
            return
        flow = self._flows.get((packet.destination, segment.destination_port))
        if flow is None or flow.server != (packet.source, segment.source_port):
            self._refuse_inward(frame, packet, unit, now_ns)
            return
        flow.frame = frame
        flow.used_ns = now_ns
        if segment.flags & ACK:
            flow.server_expects = segment.acknowledgment
        self._see(flow, segment)
        self.inner.send(rewrap(frame, self._outward(packet, segment)), now_ns)

    def _outward(self, packet: Packet, segment: Segment) -> Packet:
        address, port = self.service
        return packet.replace(
            source=address, payload=with_ports(segment, port, segment.destination_port)
        )

    def _refuse_inward(
        self, frame: EthernetFrame | None, packet: Packet, unit: Unit, now_ns: int
    ) -> None:
        self.notebook.write(now_ns, Reason.BALANCER_NO_FLOW, "from a server", unit)
        if self.ending is FlowEnd.SILENT:
            return
        reset = reset_for(packet)
        if reset is not None:
            self._hand_inward(_turned(frame), reset, now_ns)

    def _hand_inward(self, frame: EthernetFrame | None, packet: Packet, now_ns: int) -> None:
        self._inward.append((now_ns, rewrap(frame, packet)))
        if self.wake is not None:
            self.wake(now_ns)

    # From the clients to the servers

    def receive(self, now_ns: int) -> list[Unit]:
        self._expire(now_ns)
        passed = [
            taken for unit in self.inner.receive(now_ns) for taken in self._take(unit, now_ns)
        ]
        inward, self._inward = self._inward, []
        return [unit for _, unit in inward] + passed

    def _take(self, unit: Unit, now_ns: int) -> list[Unit]:
        read = read_unit(unit, self.medium)
        if read is None or not isinstance(read[1].payload, Segment):
            return [unit]
        frame, packet = read
        segment = read[1].payload
        if (packet.destination, segment.destination_port) != self.service:
            return [unit]
        client = (packet.source, segment.source_port)
        flow = self._flows.get(client)
        if flow is None or segment.flags & (SYN | ACK) == SYN:
            flow = self._open(client, segment, now_ns)
        if flow is None:
            self._refuse_outward(frame, packet, unit, now_ns)
            return []
        flow.used_ns = now_ns
        if segment.flags & ACK:
            flow.client_expects = segment.acknowledgment
        self._see(flow, segment)
        address, port = flow.server
        moved = with_ports(segment, segment.source_port, port)
        return [rewrap(frame, packet.replace(destination=address, payload=moved))]

    def _open(self, client: _Endpoint, segment: Segment, now_ns: int) -> _Flow | None:
        if segment.flags & (SYN | ACK) != SYN:
            return None
        known = self._flows.get(client)
        if known is not None:
            return known  # its SYN again
        if len(self._flows) >= self.flows_max:
            self.notebook.write(now_ns, Reason.BALANCER_FULL)
            return None
        server = self.servers[self._turn % len(self.servers)]
        self._turn += 1
        flow = self._flows[client] = _Flow(client, server, now_ns, now_ns)
        return flow

    def _refuse_outward(
        self, frame: EthernetFrame | None, packet: Packet, unit: Unit, now_ns: int
    ) -> None:
        segment = packet.payload
        assert isinstance(segment, Segment)
        if segment.flags & (SYN | ACK) == SYN:
            return  # there is no room; the client tries again
        self.notebook.write(now_ns, Reason.BALANCER_NO_FLOW, "from a client", unit)
        reset = reset_for(packet) if self.ending is not FlowEnd.SILENT else None
        if reset is not None:
            self.inner.send(rewrap(_turned(frame), reset), now_ns)

    # The end of flows

    def _see(self, flow: _Flow, segment: Segment) -> None:
        if segment.flags & RST:
            self._flows.pop(flow.client, None)

    def poll_at(self) -> int | None:
        """Return when the next unit comes, or a flow ends of which its ends are told."""
        own_ns = self._inward[0][0] if self._inward else None
        if self.ending is FlowEnd.RESET_BOTH:
            own_ns = earliest(own_ns, *(self._ends_at(flow)[0] for flow in self._flows.values()))
        return earliest(own_ns, self.inner.poll_at())

    def _ends_at(self, flow: _Flow) -> tuple[int | None, Reason]:
        idle_ns = None if self.idle_ns is None else flow.used_ns + self.idle_ns
        old_ns = None if self.lifetime_ns is None else flow.began_ns + self.lifetime_ns
        is_idle = old_ns is None or (idle_ns is not None and idle_ns <= old_ns)
        return earliest(idle_ns, old_ns), (
            Reason.BALANCER_IDLE if is_idle else Reason.BALANCER_LIFETIME
        )

    def _expire(self, now_ns: int) -> None:
        if self.idle_ns is None and self.lifetime_ns is None:
            return
        for flow in list(self._flows.values()):
            end_ns, reason = self._ends_at(flow)
            if end_ns is not None and end_ns <= now_ns:
                del self._flows[flow.client]
                self.notebook.write(now_ns, reason)
                if self.ending is FlowEnd.RESET_BOTH:
                    self._reset_both(flow, now_ns)

    def _reset_both(self, flow: _Flow, now_ns: int) -> None:
        """Each end takes a reset only with the number that it expects next (RFC 5961 3)."""
        if flow.client_expects is not None:
            reset = _reset(self.service, flow.client, flow.client_expects)
            self.inner.send(rewrap(flow.frame, reset), now_ns)
        if flow.server_expects is not None:
            reset = _reset(flow.client, flow.server, flow.server_expects)
            self._hand_inward(_turned(flow.frame), reset, now_ns)


def _reset(source: _Endpoint, destination: _Endpoint, sequence: int) -> Packet:
    segment = Segment(source[1], destination[1], sequence, flags=RST)
    return Packet(source[0], destination[0], PROTOCOL_TCP, segment)


def _turned(frame: EthernetFrame | None) -> EthernetFrame | None:
    """Return a frame that goes back where ``frame`` came from."""
    if frame is None:
        return None
    return EthernetFrame(frame.source, frame.destination, frame.ethertype, b"")
