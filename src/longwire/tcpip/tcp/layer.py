"""All TCP of a host: who gets a segment, which timers run, what leaves."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from longwire.base.entropy import Entropy
from longwire.tcpip.addresses import Address, endpoint_text, is_unicast_source
from longwire.tcpip.ip.layer import Arrival, IpLayer
from longwire.tcpip.ports import PortRange
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import AddressInUse, SocketError
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.control import ControlBlock
from longwire.tcpip.tcp.isn import InitialNumbers
from longwire.tcpip.tcp.listener import Listener
from longwire.tcpip.tcp.profile import TcpProfile
from longwire.tcpip.tcp.sequence import on_wire, unwrap
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.icmp import ErrorKind, IcmpError
from longwire.tcpip.wire.packet import PROTOCOL_TCP, Packet
from longwire.tcpip.wire.quote import Quote
from longwire.tcpip.wire.tcp import ACK, RST, SYN, Segment

__all__ = ["TcpLayer"]

_Key = tuple[Address, int, Address, int]
_HALF = 1 << 31


class TcpLayer:
    """The connections and listeners of one host."""

    def __init__(
        self,
        ip: IpLayer,
        entropy: Entropy,
        profile: TcpProfile,
        ready: Callable[[TcpConnection | Listener], None],
        wake: Callable[[], None],
    ) -> None:
        self._ip = ip
        self._notebook = ip.notebook
        self.profile = profile
        self._ready = ready
        self._wake = wake
        self._numbers = InitialNumbers(entropy)
        self._ports = PortRange(entropy)
        self._connections: dict[_Key, TcpConnection] = {}
        self._listeners: dict[int, list[Listener]] = {}
        self._reserved: set[tuple[Address | None, int]] = set()
        self._parents: dict[TcpConnection, Listener] = {}
        # Connections to poll, in the order in which they were touched.
        self._touched: dict[TcpConnection, None] = {}
        # (deadline, serial, connection); entries that were overtaken are passed over.
        self._timers: list[tuple[int, int, TcpConnection]] = []
        self._armed: dict[TcpConnection, int] = {}
        self._serial = 0
        self.watch: Callable[[TcpConnection, list[Segment], int], None] | None = None
        """Told of each connection that was polled, what it has sent, and when."""
        ip.handlers[PROTOCOL_TCP] = self.on_packet

    @property
    def connections(self) -> list[TcpConnection]:
        """All connections, oldest first."""
        return list(self._connections.values())

    # Sockets

    def listen(
        self, address: Address | None, port: int, backlog: int, profile: TcpProfile | None
    ) -> Listener:
        """Take a port. Raises AddressInUse."""
        port = self._free_port(address, port)
        listener = Listener(address, port, backlog, profile or self.profile, self._forget_listener)
        bound = self._listeners.setdefault(port, [])
        bound.append(listener)
        # Those for one address go before those for any.
        bound.sort(key=lambda each: each.is_wildcard)
        return listener

    def reserve(self, address: Address, port: int) -> int:
        """Keep a port, a free one when it is 0, from all others until :meth:`release`.

        Raises AddressInUse. Who connects to it is refused.
        """
        port = self._free_port(address, port)
        self._reserved.add((address, port))
        return port

    def release(self, address: Address, port: int) -> None:
        """Give a reserved port back."""
        self._reserved.discard((address, port))

    def _free_port(self, address: Address | None, port: int) -> int:
        if port == 0:
            taken = self._listeners.keys() | {each for _, each in self._reserved}
            return self._ports.choose(lambda each: each not in taken)
        is_taken = (address, port) in self._reserved or any(
            other.local_address == address for other in self._listeners.get(port, ())
        )
        if is_taken:
            raise AddressInUse(Reason.TCP_PORT_TAKEN, f"{port}")
        return port

    def _forget_listener(self, listener: Listener) -> None:
        bound = self._listeners[listener.local_port]
        bound.remove(listener)
        if not bound:
            del self._listeners[listener.local_port]

    def connect(
        self,
        local_address: Address | None,
        local_port: int,
        remote_address: Address,
        remote_port: int,
        now_ns: int,
        profile: TcpProfile | None,
    ) -> TcpConnection:
        """Begin a connection. Raises SocketError."""
        remote = (remote_address, remote_port)
        # MUST-46: no connection to many, or to nobody.
        if not is_unicast_source(remote_address) or not remote_port:
            raise SocketError(Reason.TCP_TO_MANY, endpoint_text(*remote))
        if local_address is None:
            local_address = self._ip.source_for(remote_address)
        path_mtu = self._ip.mtu_toward(remote_address, now_ns)
        if local_address is None or not path_mtu:
            raise SocketError(Reason.NO_ROUTE, endpoint_text(*remote))
        source: Address = local_address
        if local_port == 0:
            local_port = self._ports.choose(
                lambda port: (
                    (source, port, *remote) not in self._connections
                    and port not in self._listeners
                    and not any(port == each for _, each in self._reserved)
                )
            )
        elif (source, local_port, *remote) in self._connections:
            raise AddressInUse(Reason.TCP_PORT_TAKEN, endpoint_text(source, local_port))
        connection = self._make(
            (source, local_port), remote, profile or self.profile, path_mtu, now_ns
        )
        connection.open_active(now_ns)
        self._touch(connection)
        return connection

    def _make(
        self,
        local: tuple[Address, int],
        remote: tuple[Address, int],
        profile: TcpProfile,
        path_mtu: int,
        now_ns: int,
        *,
        is_passive: bool = False,
        above: int | None = None,
    ) -> TcpConnection:
        iss, ts_offset = self._numbers.draw(local, remote, now_ns)
        if above is not None and unwrap(iss, above) <= above:
            # RFC 6191: larger than any number of the connection that this one takes over.
            iss = on_wire(above + 64_000)
        tcb = ControlBlock(
            profile,
            self._notebook,
            local,
            remote,
            iss=iss,
            ts_offset=ts_offset,
            path_mtu=path_mtu,
            now_ns=now_ns,
            is_passive=is_passive,
        )
        tcb.large_octets = self._ip.large_octets_toward(remote[0])
        connection = TcpConnection(tcb, self._touch)
        self._connections[(*local, *remote)] = connection
        return connection

    # In

    def on_packet(self, packet: Packet, arrival: Arrival, now_ns: int) -> None:
        """Take a segment that came for us."""
        # MUST-57, MUST-63: silently, or one packet would make many answers.
        if arrival.is_to_many or not is_unicast_source(packet.source):
            self._notebook.write(now_ns, Reason.TCP_TO_MANY, unit=packet)
            return
        segment = packet.payload
        if isinstance(segment, bytes):
            try:
                segment = Segment.parse(segment, packet.source, packet.destination)
            except WireError as problem:
                self._notebook.write(now_ns, problem.reason, problem.detail, packet)
                return
        assert isinstance(segment, Segment)
        local = (packet.destination, segment.destination_port)
        remote = (packet.source, segment.source_port)
        connection = self._connections.get((*local, *remote))
        if connection is not None:
            above = self._next_life(connection, segment)
            if above is None:
                self._give(connection, segment, now_ns)
                return
            self._notebook.write(now_ns, Reason.TCP_TIME_WAIT_REUSED, unit=segment)
            self._remove(connection)
            self._listen(packet, segment, local, remote, now_ns, above)
            return
        self._listen(packet, segment, local, remote, now_ns, None)

    def _give(self, connection: TcpConnection, segment: Segment, now_ns: int) -> None:
        if connection.state is State.SYN_RECEIVED and not segment.flags & RST:
            parent = self._parents.get(connection)
            if parent is not None and parent.is_accept_queue_full and segment.flags & ACK:
                self._notebook.write(now_ns, Reason.TCP_BACKLOG_FULL, unit=segment)
                parent.answered(connection)
                return
        connection.on_segment(segment, now_ns)
        self._touch(connection)

    def _next_life(self, connection: TcpConnection, segment: Segment) -> int | None:
        """MAY-2, RFC 6191: the number that a new connection must begin above, or ``None``.

        A SYN may end TIME-WAIT when its timestamp, or its sequence number, is newer than the last
        of the connection there, and somebody listens.
        """
        tcb = connection.tcb
        if tcb.state is not State.TIME_WAIT or segment.flags & (SYN | ACK | RST) != SYN:
            return None
        if self._find_listener(connection.local_address, connection.local_port) is None:
            return None
        if tcb.has_timestamps and segment.timestamp is not None:
            age = segment.timestamp - tcb.ts_recent & 0xFFFFFFFF
            is_newer = 0 < age < _HALF
            if age == 0:
                is_newer = unwrap(segment.sequence, tcb.rcv_nxt) > tcb.rcv_nxt
        else:
            is_newer = unwrap(segment.sequence, tcb.rcv_nxt) > tcb.rcv_nxt
        return tcb.snd_max if is_newer else None

    def _find_listener(self, address: Address, port: int) -> Listener | None:
        for listener in self._listeners.get(port, ()):
            if listener.takes(address):
                return listener
        return None

    def _listen(
        self,
        packet: Packet,
        segment: Segment,
        local: tuple[Address, int],
        remote: tuple[Address, int],
        now_ns: int,
        above: int | None,
    ) -> None:
        """A segment for no connection: RFC 9293 3.10.7.1 and 3.10.7.2."""
        listener = self._find_listener(*local)
        flags = segment.flags
        if flags & RST:
            reason = (
                Reason.TCP_PORT_CLOSED if listener is None else (Reason.TCP_LISTENER_WITHOUT_SYN)
            )
            self._notebook.write(now_ns, reason, unit=segment)
            return
        if listener is None or flags & ACK:
            # "Any acknowledgment is bad if it arrives on a connection still in the LISTEN state."
            reason = (
                Reason.TCP_PORT_CLOSED if listener is None else (Reason.TCP_LISTENER_WITHOUT_SYN)
            )
            self._notebook.write(now_ns, reason, f"{local[1]}", segment)
            self._refuse(local, remote, segment, now_ns)
            return
        if not flags & SYN:
            self._notebook.write(now_ns, Reason.TCP_LISTENER_WITHOUT_SYN, unit=segment)
            return
        if listener.is_full and not self._make_room(listener, now_ns):
            self._notebook.write(now_ns, Reason.TCP_BACKLOG_FULL, f"{local[1]}", segment)
            return
        path_mtu = self._ip.mtu_toward(remote[0], now_ns)
        if not path_mtu:
            self._notebook.write(now_ns, Reason.NO_ROUTE, unit=segment)
            return
        connection = self._make(
            local, remote, listener.profile, path_mtu, now_ns, is_passive=True, above=above
        )
        listener.begin(connection)
        self._parents[connection] = listener
        connection.open_passive(segment, now_ns)
        self._touch(connection)

    def _make_room(self, listener: Listener, now_ns: int) -> bool:
        """Let a handshake that nobody answers give way; return whether one did."""
        connection = listener.unanswered()
        if connection is None:
            return False
        connection.give_way(now_ns)
        self._settle(connection)
        return True

    def _refuse(
        self,
        local: tuple[Address, int],
        remote: tuple[Address, int],
        segment: Segment,
        now_ns: int,
    ) -> None:
        """3.10.7.1: a reset that the sender will find acceptable."""
        if segment.flags & ACK:
            reset = Segment(local[1], remote[1], segment.acknowledgment, flags=RST)
        else:
            ack = on_wire(segment.sequence + segment.sequence_length)
            reset = Segment(local[1], remote[1], 0, ack, RST | ACK)
        self._ip.send(local[0], remote[0], PROTOCOL_TCP, reset, now_ns, dont_fragment=True)

    # ICMP

    def believes(self, quote: Quote) -> bool:
        """RFC 5927 4.1: the quoted segment must be one that is in flight."""
        connection = self._quoted(quote)
        return connection is not None and connection.has_sent(quote.sequence)

    def on_error(self, quote: Quote, error: IcmpError, now_ns: int) -> None:
        """Tell the connection."""
        connection = self._quoted(quote)
        if connection is None:
            return
        if error.kind is ErrorKind.PACKET_TOO_BIG:
            connection.on_path_mtu(self._ip.mtu_toward(quote.destination, now_ns), now_ns)
        else:
            connection.on_icmp(error.kind, now_ns)
        self._touch(connection)

    def _quoted(self, quote: Quote) -> TcpConnection | None:
        local_port, remote_port = quote.ports
        return self._connections.get((quote.source, local_port, quote.destination, remote_port))

    # Out, and time

    def _touch(self, connection: TcpConnection) -> None:
        if not self._touched:
            self._wake()
        self._touched[connection] = None

    def poll(self, now_ns: int, *, do_timers_wait: bool = False) -> None:
        """Run the timers that are due, then send what every touched connection has.

        With ``do_timers_wait`` those that are due stay so: what has come and was not read yet may
        stop them.
        """
        while not do_timers_wait and self._timers and self._timers[0][0] <= now_ns:
            deadline_ns, _, connection = heapq.heappop(self._timers)
            if self._armed.get(connection) != deadline_ns:
                continue
            del self._armed[connection]
            connection.on_timer(now_ns)
            self._touched[connection] = None
        # What leaves may come back by an error of the Internet layer and touch others.
        while self._touched:
            touched, self._touched = self._touched, {}
            for connection in touched:
                self._flush(connection, now_ns)

    def _flush(self, connection: TcpConnection, now_ns: int) -> None:
        tcb = connection.tcb
        profile = tcb.profile
        is_too_big = False
        segments = connection.poll(now_ns)
        if self.watch is not None:
            self.watch(connection, segments, now_ns)
        for segment in segments:
            reason = self._ip.send(
                tcb.local[0],
                tcb.remote[0],
                PROTOCOL_TCP,
                segment,
                now_ns,
                hop_limit=profile.hop_limit,
                traffic_class=profile.traffic_class,
                dont_fragment=True,
            )
            is_too_big = is_too_big or reason is Reason.PACKET_TOO_BIG
        if is_too_big:
            # The path MTU became known, or smaller, since the segment size was computed.
            mtu = self._ip.mtu_toward(tcb.remote[0], now_ns)
            if mtu and mtu < tcb.path_mtu:
                connection.on_path_mtu(mtu, now_ns)
                self._touched[connection] = None
        self._settle(connection)

    def _settle(self, connection: TcpConnection) -> None:
        """Book what has become of a connection: accepted, gone, when to look again."""
        parent = self._parents.get(connection)
        if parent is not None and parent.settle(connection):
            del self._parents[connection]
            if connection.state is not State.CLOSED:
                self._ready(parent)
        if connection.tcb.events:
            self._ready(connection)
        if connection.state is State.CLOSED:
            self._remove(connection)
            return
        deadline_ns = connection.poll_at()
        if deadline_ns is None:
            self._armed.pop(connection, None)
        elif self._armed.get(connection) != deadline_ns:
            self._armed[connection] = deadline_ns
            self._serial += 1
            heapq.heappush(self._timers, (deadline_ns, self._serial, connection))

    def _remove(self, connection: TcpConnection) -> None:
        tcb = connection.tcb
        key = (*tcb.local, *tcb.remote)
        if self._connections.get(key) is connection:
            del self._connections[key]
        self._armed.pop(connection, None)

    def poll_at(self) -> int | None:
        """Return when :meth:`poll` has work; 0 when a connection was touched."""
        if self._touched:
            return 0
        while self._timers:
            deadline_ns, _, connection = self._timers[0]
            if self._armed.get(connection) == deadline_ns:
                return deadline_ns
            heapq.heappop(self._timers)
        return None
