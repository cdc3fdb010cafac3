"""Closing: FIN both ways, TIME-WAIT, reset, and the end (RFC 9293 3.6, 3.10.4, 3.10.5)."""

from __future__ import annotations

from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.control import ControlBlock, TcpEvent
from longwire.tcpip.tcp.segments import send_reset
from longwire.tcpip.tcp.state import State

__all__ = [
    "abort",
    "close",
    "enter_time_wait",
    "finish",
    "on_fin_acknowledged",
    "on_peer_fin",
    "send_fin",
    "shutdown",
]


def shutdown(tcb: ControlBlock, now_ns: int) -> None:
    """No more will be written; what the peer sends is still read (half-close)."""
    if tcb.state is State.SYN_SENT or tcb.state is State.SYN_RECEIVED:
        # 3.10.4: "queue for processing after entering ESTABLISHED state".
        tcb.close_waits_for_handshake = True
    elif tcb.state.can_send:
        send_fin(tcb, now_ns)


def close(tcb: ControlBlock, now_ns: int) -> None:
    """No more will be written or read (MAY-1)."""
    tcb.user_closed = True
    if tcb.state is State.SYN_SENT:
        finish(tcb, now_ns, Reason.TCP_CLOSE_CALLED, is_clean=True)
    elif tcb.receive_buffer.readable:
        # SHLD-3: data is lost when it was not read; the peer learns it from a reset.
        send_reset(tcb, now_ns)
        finish(tcb, now_ns, Reason.TCP_DATA_LOST, is_clean=True)
    else:
        shutdown(tcb, now_ns)
        if tcb.state is State.FIN_WAIT_2:
            _limit_fin_wait(tcb, now_ns)


def abort(tcb: ControlBlock, now_ns: int) -> None:
    """Forget everything; the peer gets a reset where it has a connection (3.10.5)."""
    if tcb.state is State.CLOSED:
        return
    if tcb.state not in (State.SYN_SENT, State.CLOSING, State.LAST_ACK, State.TIME_WAIT):
        send_reset(tcb, now_ns)
    finish(tcb, now_ns, Reason.TCP_ABORTED)


def send_fin(tcb: ControlBlock, now_ns: int) -> None:
    """Put a FIN behind all that was written."""
    tcb.fin_sequence = tcb.send_buffer.end
    is_first = tcb.state is State.ESTABLISHED
    following = State.FIN_WAIT_1 if is_first else State.LAST_ACK
    tcb.enter(following, now_ns, Reason.TCP_CLOSE_CALLED)


def on_peer_fin(tcb: ControlBlock, now_ns: int) -> None:
    """The peer's FIN is next in order (3.10.7.4, eighth)."""
    tcb.rcv_nxt += 1
    tcb.rcv_adv = max(tcb.rcv_adv, tcb.rcv_nxt)
    tcb.ack_now = True
    tcb.events |= TcpEvent.PEER_CLOSED | TcpEvent.READABLE
    if tcb.state is State.ESTABLISHED:
        tcb.enter(State.CLOSE_WAIT, now_ns, Reason.TCP_FIN_RECEIVED)
    elif tcb.state is State.FIN_WAIT_1:
        # Our FIN is not acknowledged yet, or FIN_WAIT_2 would be the state.
        tcb.enter(State.CLOSING, now_ns, Reason.TCP_FIN_RECEIVED)
    elif tcb.state is State.FIN_WAIT_2:
        enter_time_wait(tcb, now_ns, Reason.TCP_FIN_RECEIVED)


def on_fin_acknowledged(tcb: ControlBlock, now_ns: int) -> None:
    """The peer has our FIN (3.10.7.4, fifth)."""
    if tcb.state is State.FIN_WAIT_1:
        tcb.enter(State.FIN_WAIT_2, now_ns, Reason.TCP_FIN_ACKNOWLEDGED)
        if tcb.user_closed:
            _limit_fin_wait(tcb, now_ns)
    elif tcb.state is State.CLOSING:
        enter_time_wait(tcb, now_ns, Reason.TCP_FIN_ACKNOWLEDGED)
    elif tcb.state is State.LAST_ACK:
        finish(tcb, now_ns, Reason.TCP_FIN_ACKNOWLEDGED, is_clean=True)


def _limit_fin_wait(tcb: ControlBlock, now_ns: int) -> None:
    if tcb.profile.fin_wait_2_ns is not None:
        tcb.fin_wait_at = now_ns + tcb.profile.fin_wait_2_ns


def enter_time_wait(tcb: ControlBlock, now_ns: int, reason: Reason) -> None:
    """MUST-13: linger for two maximum segment lifetimes."""
    tcb.enter(State.TIME_WAIT, now_ns, reason)
    tcb.retransmit_at = tcb.persist_at = tcb.keepalive_at = tcb.fin_wait_at = None
    tcb.time_wait_at = now_ns + tcb.profile.time_wait_ns


def finish(tcb: ControlBlock, now_ns: int, reason: Reason, *, is_clean: bool = False) -> None:
    """The connection is gone. Unless that is clean, ``error`` is what the application is told."""
    if tcb.state is State.CLOSED:
        return
    tcb.enter(State.CLOSED, now_ns, reason)
    if not is_clean:
        tcb.error = reason
    tcb.events |= TcpEvent.CLOSED | TcpEvent.READABLE | TcpEvent.WRITABLE
    tcb.syn_due = tcb.ack_now = False
    tcb.retransmit_at = tcb.ack_at = tcb.persist_at = None
    tcb.keepalive_at = tcb.time_wait_at = tcb.fin_wait_at = None
