"""A TCP connection from the outside: what an application calls, and what a host calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from longwire.tcpip.addresses import Address, endpoint_text
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import Readiness, SocketError
from longwire.tcpip.tcp import closing, opening, problems, receiving, sending, timers
from longwire.tcpip.tcp.control import ControlBlock, TcpEvent
from longwire.tcpip.tcp.info import TcpInfo, make_info
from longwire.tcpip.tcp.sequence import unwrap
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.icmp import ErrorKind
from longwire.tcpip.wire.tcp import Segment

__all__ = ["TcpConnection"]


class TcpConnection:
    """One connection.

    The application's calls never block: ``write`` takes what there is room for, ``read`` gives
    what is there. They raise SocketError for what the connection can no longer do. What happened
    in between is in :meth:`take_events`, and what is possible now in ``readiness``.

    The host's calls, :meth:`on_segment`, :meth:`on_icmp`, :meth:`on_timer` and :meth:`poll`, never
    raise. ``on_use`` is called whenever the application has changed something that :meth:`poll`
    should look at.
    """

    __slots__ = ("on_use", "tcb")

    def __init__(self, tcb: ControlBlock, on_use: Callable[[TcpConnection], None]) -> None:
        self.tcb = tcb
        self.on_use = on_use

    # Facts

    @property
    def local_address(self) -> Address:
        return self.tcb.local[0]

    @property
    def local_port(self) -> int:
        return self.tcb.local[1]

    @property
    def remote_address(self) -> Address:
        return self.tcb.remote[0]

    @property
    def remote_port(self) -> int:
        return self.tcb.remote[1]

    @property
    def state(self) -> State:
        return self.tcb.state

    @property
    def error(self) -> Reason | None:
        """Why the connection failed; ``None`` while it has not, and after a regular close."""
        return self.tcb.error

    @property
    def readable_bytes(self) -> int:
        """Octets that ``read`` would give."""
        if self.tcb.state is State.SYN_RECEIVED:
            return 0
        return self.tcb.receive_buffer.readable

    @property
    def writable_bytes(self) -> int:
        """Octets that ``write`` would take."""
        tcb = self.tcb
        if not tcb.state.can_send or tcb.fin_sequence is not None or tcb.close_waits_for_handshake:
            return 0
        return max(0, tcb.profile.send_buffer_octets - len(tcb.send_buffer))

    @property
    def at_end(self) -> bool:
        """Whether the peer has closed and everything it sent was read."""
        tcb = self.tcb
        is_over = not tcb.state.can_receive
        return is_over and not tcb.receive_buffer.readable and tcb.error is None

    @property
    def readiness(self) -> Readiness:
        """What can be done now."""
        tcb = self.tcb
        ready = Readiness(0)
        if self.readable_bytes or not tcb.state.can_receive:
            ready |= Readiness.READABLE
        if self.writable_bytes and tcb.state is not State.SYN_SENT:
            ready |= Readiness.WRITABLE
        if tcb.error is not None:
            ready |= Readiness.FAILED
        if tcb.state is State.CLOSED:
            ready |= Readiness.CLOSED
        return ready

    def take_events(self) -> TcpEvent:
        """Return what happened since the last call."""
        events, self.tcb.events = self.tcb.events, TcpEvent(0)
        return events

    def info(self, now_ns: int) -> TcpInfo:
        """Return what the kernel would tell about such a connection."""
        return make_info(self.tcb, now_ns)

    # For the application

    def write(
        self, data: bytes | bytearray | memoryview, now_ns: int, *, is_urgent: bool = False
    ) -> int:
        """Queue octets; return how many there was room for. Raises SocketError once closed.

        ``is_urgent`` marks the last of them as the end of urgent data (RFC 9293 3.8.5).
        """
        tcb = self.tcb
        if tcb.error is not None:
            raise SocketError(tcb.error)
        if not tcb.state.can_send or tcb.close_waits_for_handshake:
            raise SocketError(Reason.SOCKET_CLOSED)
        taken = bytes(data[: self.writable_bytes])
        if taken:
            tcb.send_buffer.append(taken)
            if is_urgent and len(taken) == len(data):
                tcb.snd_up = tcb.send_buffer.end
            self.on_use(self)
        return len(taken)

    def read(self, count: int, now_ns: int) -> bytes:
        """Return up to ``count`` octets, none when there are none.

        What came before a failure can still be read; after it SocketError says why there is no
        more. ``at_end`` tells the end of the stream from silence.
        """
        tcb = self.tcb
        data = tcb.receive_buffer.read(min(count, self.readable_bytes))
        if data:
            sending.announce_window_after_read(tcb, now_ns)
            if tcb.ack_now:
                self.on_use(self)
        elif tcb.error is not None and count:
            raise SocketError(tcb.error)
        return data

    def shutdown(self, now_ns: int) -> None:
        """Send a FIN behind what was written; go on reading. Does nothing the second time."""
        if self.tcb.state.can_send:
            closing.shutdown(self.tcb, now_ns)
            self.on_use(self)

    def close(self, now_ns: int) -> None:
        """Be done with it: FIN behind what was written, or a reset when something is unread."""
        if not self.tcb.user_closed:
            closing.close(self.tcb, now_ns)
            self.on_use(self)

    def abort(self, now_ns: int) -> None:
        """Drop everything, and reset the connection."""
        if self.tcb.state is not State.CLOSED:
            closing.abort(self.tcb, now_ns)
            self.on_use(self)

    def give_way(self, now_ns: int) -> None:
        """End a handshake that nobody answers, without a word to who was named as its sender."""
        closing.finish(self.tcb, now_ns, Reason.TCP_HANDSHAKE_GAVE_WAY)

    def set_nagle(self, is_on: bool, now_ns: int) -> None:
        """Hold small segments back while others are in flight, or not (MUST-17)."""
        self.tcb.profile = dataclasses.replace(self.tcb.profile, nagle=is_on)
        self.on_use(self)

    def set_keepalive(
        self, idle_ns: int | None, now_ns: int, *, interval_ns: int | None = None
    ) -> None:
        """Ask a silent peer after ``idle_ns`` whether it is alive; ``None`` ends it (MUST-24)."""
        tcb = self.tcb
        profile = tcb.profile
        tcb.profile = dataclasses.replace(
            profile,
            keepalive=idle_ns is not None,
            keepalive_idle_ns=idle_ns or profile.keepalive_idle_ns,
            keepalive_interval_ns=interval_ns or profile.keepalive_interval_ns,
        )
        tcb.keepalive_at = None if idle_ns is None else now_ns + idle_ns
        self.on_use(self)

    def set_user_timeout(self, timeout_ns: int | None) -> None:
        """Abort when data stays unacknowledged for so long; ``None``: R2 alone (MUST-21)."""
        self.tcb.profile = dataclasses.replace(self.tcb.profile, user_timeout_ns=timeout_ns)
        self.on_use(self)

    # For the host

    def open_active(self, now_ns: int) -> None:
        """Send a SYN."""
        opening.open_active(self.tcb, now_ns)

    def open_passive(self, segment: Segment, now_ns: int) -> None:
        """Answer a SYN."""
        opening.open_passive(self.tcb, segment, now_ns)

    def on_segment(self, segment: Segment, now_ns: int) -> None:
        """Take a segment of this connection."""
        receiving.on_segment(self.tcb, segment, now_ns)

    def on_icmp(self, kind: ErrorKind, now_ns: int) -> None:
        """Take an ICMP error that :meth:`has_sent` believes."""
        problems.on_icmp(self.tcb, kind, now_ns)

    def on_path_mtu(self, mtu: int, now_ns: int) -> None:
        """Learn that packets on the way may be no larger than ``mtu``."""
        problems.on_path_mtu(self.tcb, mtu, now_ns)

    def has_sent(self, sequence: int) -> bool:
        """Whether a segment with this number on the wire is in flight (RFC 5927 4.1)."""
        tcb = self.tcb
        return tcb.snd_una <= unwrap(sequence, tcb.snd_una) < max(tcb.snd_max, tcb.snd_una + 1)

    def on_timer(self, now_ns: int) -> None:
        """Do what is due."""
        timers.on_timer(self.tcb, now_ns)

    def poll_at(self) -> int | None:
        """Return when :meth:`on_timer` has something to do."""
        return timers.next_deadline(self.tcb)

    def poll(self, now_ns: int) -> list[Segment]:
        """Return the segments that are to leave now, in order."""
        sending.transmit(self.tcb, now_ns)
        segments, self.tcb.outbox = self.tcb.outbox, []
        return segments

    def __repr__(self) -> str:
        local, remote = endpoint_text(*self.tcb.local), endpoint_text(*self.tcb.remote)
        return f"<TcpConnection {local} {remote} {self.tcb.state.name}>"
