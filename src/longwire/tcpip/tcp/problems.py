"""ICMP errors about a connection (RFC 9293 3.9.2.2, RFC 5927, RFC 1191, RFC 8201)."""

from __future__ import annotations

from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp import closing
from longwire.tcpip.tcp.control import ControlBlock, TcpEvent
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.icmp import ErrorKind

__all__ = ["on_icmp", "on_path_mtu"]

_UNREACHABLE = frozenset(
    (
        ErrorKind.NO_ROUTE,
        ErrorKind.HOST_UNREACHABLE,
        ErrorKind.PROHIBITED,
        ErrorKind.PROTOCOL_UNREACHABLE,
        ErrorKind.PORT_UNREACHABLE,
    )
)
_HARD = frozenset((ErrorKind.PROTOCOL_UNREACHABLE, ErrorKind.PORT_UNREACHABLE))


def on_icmp(tcb: ControlBlock, kind: ErrorKind, now_ns: int) -> None:
    """Take an error that quotes a segment in flight, other than "packet too big"."""
    is_handshake = tcb.state in (State.SYN_SENT, State.SYN_RECEIVED)
    # SHLD-26: protocol and port unreachable abort; RFC 5927 6: not once there is a connection.
    is_hard = kind in _HARD or (tcb.profile.icmp_aborts_handshake and kind in _UNREACHABLE)
    if is_handshake and is_hard:
        closing.finish(tcb, now_ns, Reason.TCP_ICMP_HARD_ERROR, is_clean=tcb.is_passive)
        return
    # MUST-54, MUST-56, SHLD-25: tell the application, and go on.
    tcb.note(now_ns, Reason.TCP_ICMP_SOFT_ERROR, kind.value)
    tcb.soft_error = Reason.TCP_ICMP_SOFT_ERROR
    tcb.events |= TcpEvent.SOFT_ERROR


def on_path_mtu(tcb: ControlBlock, mtu: int, now_ns: int) -> None:
    """The path takes no packets larger than ``mtu``: send what was too large in smaller pieces."""
    if mtu >= tcb.path_mtu or tcb.state is State.CLOSED:
        return
    tcb.path_mtu = mtu
    before = tcb.mss
    tcb.update_mss()
    tcb.note(now_ns, Reason.TCP_MSS_LOWERED, f"{before} to {tcb.mss}")
    too_large = [
        record
        for record in tcb.board
        if record.end - record.start > tcb.mss and not record.is_sacked
    ]
    for record in too_large:
        tcb.board.mark_resent_lost(record)
    # RFC 8201 5.4: that is no congestion; the window stays, and the first goes out at once.
    if too_large:
        tcb.recovery.must_resend = True
