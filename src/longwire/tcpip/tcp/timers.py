"""Timers: what happens when each of them runs out (RFC 6298, RFC 9293 3.8)."""

from __future__ import annotations

from longwire.tcpip.durations import earliest
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp import closing
from longwire.tcpip.tcp.control import ControlBlock, TcpEvent
from longwire.tcpip.tcp.segments import build
from longwire.tcpip.tcp.sending import send_window_probe
from longwire.tcpip.tcp.state import State

__all__ = ["next_deadline", "on_timer"]


def next_deadline(tcb: ControlBlock) -> int | None:
    """Return when :func:`on_timer` has something to do."""
    return earliest(
        tcb.retransmit_at,
        tcb.ack_at,
        tcb.persist_at,
        tcb.keepalive_at,
        tcb.time_wait_at,
        tcb.fin_wait_at,
        _user_deadline(tcb),
    )


def _user_deadline(tcb: ControlBlock) -> int | None:
    if tcb.profile.user_timeout_ns is None or tcb.state in (State.CLOSED, State.TIME_WAIT):
        return None
    oldest_ns = tcb.oldest_unacknowledged_ns
    return None if oldest_ns is None else oldest_ns + tcb.profile.user_timeout_ns


def on_timer(tcb: ControlBlock, now_ns: int) -> None:
    """Do what is due at ``now_ns``."""
    user_at = _user_deadline(tcb)
    if user_at is not None and user_at <= now_ns:
        # RFC 9293 3.10.8: "flush all queues, signal the user, delete the TCB".
        closing.finish(tcb, now_ns, Reason.TCP_USER_TIMEOUT)
    if tcb.time_wait_at is not None and tcb.time_wait_at <= now_ns:
        closing.finish(tcb, now_ns, Reason.TCP_TIME_WAIT_OVER, is_clean=True)
    if tcb.fin_wait_at is not None and tcb.fin_wait_at <= now_ns:
        closing.finish(tcb, now_ns, Reason.TCP_FIN_WAIT_OVER, is_clean=True)
    if tcb.ack_at is not None and tcb.ack_at <= now_ns:
        tcb.ack_at = None
        tcb.ack_now = True
    if tcb.retransmit_at is not None and tcb.retransmit_at <= now_ns:
        tcb.retransmit_at = None
        if tcb.state in (State.SYN_SENT, State.SYN_RECEIVED):
            _on_handshake_timeout(tcb, now_ns)
        else:
            _on_retransmission_timeout(tcb, now_ns)
    if tcb.persist_at is not None and tcb.persist_at <= now_ns:
        tcb.persist_at = None
        _on_persist(tcb, now_ns)
    if tcb.keepalive_at is not None and tcb.keepalive_at <= now_ns:
        _on_keepalive(tcb, now_ns)


def _on_handshake_timeout(tcb: ControlBlock, now_ns: int) -> None:
    """MUST-22: SYNs are repeated like data, with limits of their own."""
    profile = tcb.profile
    age_ns = now_ns - tcb.opened_ns
    is_over = (
        profile.syn_retries_max is not None and tcb.syn_retransmissions >= profile.syn_retries_max
    ) or (profile.syn_give_up_ns is not None and age_ns >= profile.syn_give_up_ns)
    if is_over:
        closing.finish(tcb, now_ns, Reason.TCP_RETRANSMISSION_LIMIT, is_clean=tcb.is_passive)
        return
    tcb.syn_retransmissions += 1
    tcb.counts.timeouts += 1
    tcb.counts.segments_retransmitted += 1
    tcb.note(now_ns, Reason.TCP_RETRANSMISSION_TIMEOUT, f"SYN {tcb.syn_retransmissions}")
    if tcb.syn_retransmissions > profile.syn_linear_retries:
        tcb.rtt.back_off()
    if tcb.syn_retransmissions == profile.retries_r1:
        _doubt(tcb, now_ns)
    tcb.syn_due = True


def _on_retransmission_timeout(tcb: ControlBlock, now_ns: int) -> None:
    """RFC 6298 5.4 to 5.6, RFC 5681 3.1."""
    first = tcb.board.first
    if first is None:
        return
    if _is_given_up(tcb, first.first_sent_ns, tcb.retransmissions, now_ns):
        closing.finish(tcb, now_ns, Reason.TCP_RETRANSMISSION_LIMIT)
        return
    if tcb.snd_wnd == 0:
        # MUST-34: the peer took its window back. What is in flight waits for it to open again,
        # and probes ask; the network is not to blame.
        tcb.recovery.on_timeout(tcb.snd_nxt)
        tcb.persist_at = now_ns
        return
    tcb.note(now_ns, Reason.TCP_RETRANSMISSION_TIMEOUT, f"{tcb.flight} octets in flight")
    is_first = tcb.retransmissions == 0
    tcb.retransmissions += 1
    tcb.counts.timeouts += 1
    if tcb.retransmissions == tcb.profile.retries_r1:
        _doubt(tcb, now_ns)
    if first.is_sacked:
        tcb.note(now_ns, Reason.TCP_SACK_RENEGED)
    tcb.congestion.on_timeout(tcb.flight, now_ns, is_first=is_first)
    tcb.recovery.on_timeout(tcb.snd_nxt)
    tcb.rtt.back_off()


def _is_given_up(tcb: ControlBlock, since_ns: int, tries: int, now_ns: int) -> bool:
    """MUST-20: R2, as a number or as a time."""
    profile = tcb.profile
    if profile.retries_max is not None and tries >= profile.retries_max:
        return True
    return profile.give_up_ns is not None and now_ns - since_ns >= profile.give_up_ns


def _doubt(tcb: ControlBlock, now_ns: int) -> None:
    """R1: MUST-20 wants the path doubted, SHLD-9 the application told."""
    tcb.note(now_ns, Reason.TCP_RETRANSMISSION_MANY)
    tcb.events |= TcpEvent.SLOW


def _on_persist(tcb: ControlBlock, now_ns: int) -> None:
    if tcb.snd_wnd > 0:
        # 3.8.6.2.1: the override time-out lets a small segment go after all.
        tcb.override_ready = True
        return
    # MUST-37: as long as probes are answered the connection stays; unanswered, R2 holds.
    if tcb.persist_backoff and _is_given_up(
        tcb, max(tcb.last_ack_received_ns, tcb.persist_since_ns or 0), tcb.retransmissions, now_ns
    ):
        closing.finish(tcb, now_ns, Reason.TCP_RETRANSMISSION_LIMIT)
        return
    tcb.note(now_ns, Reason.TCP_WINDOW_PROBE)
    if tcb.last_ack_received_ns < now_ns - tcb.rtt.rto_ns:
        tcb.retransmissions += 1
    tcb.persist_backoff += 1
    send_window_probe(tcb, now_ns)


def _on_keepalive(tcb: ControlBlock, now_ns: int) -> None:
    """3.8.4, MUST-26: only when nothing came for the interval and nothing is in flight."""
    profile = tcb.profile
    tcb.keepalive_at = None
    if tcb.state in (State.CLOSED, State.TIME_WAIT, State.SYN_SENT, State.SYN_RECEIVED):
        return
    if not tcb.keepalive_probes or len(tcb.board):
        due_ns = tcb.last_received_ns + profile.keepalive_idle_ns
        if len(tcb.board):
            due_ns = max(due_ns, now_ns + profile.keepalive_interval_ns)
        if due_ns > now_ns:
            tcb.keepalive_at = due_ns
            return
    if tcb.keepalive_probes >= profile.keepalive_probes_max:
        closing.finish(tcb, now_ns, Reason.TCP_KEEPALIVE_LIMIT)
        return
    tcb.keepalive_probes += 1
    tcb.keepalive_at = now_ns + profile.keepalive_interval_ns
    tcb.note(now_ns, Reason.TCP_KEEPALIVE_PROBE, f"{tcb.keepalive_probes}")
    # SEG.SEQ = SND.NXT-1 is outside the window, so that the peer must answer; SHLD-12: no data.
    text = b"\0" if profile.keepalive_octet else b""
    tcb.outbox.append(build(tcb, tcb.snd_nxt - 1, 0, now_ns, text))
