"""What the peer acknowledges, and the window that it grants (RFC 9293 3.10.7.4 fifth, RFC 5681)."""

from __future__ import annotations

from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp import closing
from longwire.tcpip.tcp.congestion import AckSample
from longwire.tcpip.tcp.control import ControlBlock, TcpEvent
from longwire.tcpip.tcp.recovery import AckEvent, Phase
from longwire.tcpip.tcp.scoreboard import Acknowledged
from longwire.tcpip.tcp.segments import send_challenge
from longwire.tcpip.tcp.sequence import unwrap
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.tcp import FIN, SYN, Segment

__all__ = ["take_ack"]


def take_ack(tcb: ControlBlock, segment: Segment, sequence: int, now_ns: int) -> bool:
    """Take the ACK of an acceptable segment; return whether the rest of it may be used."""
    ack = unwrap(segment.acknowledgment, tcb.snd_una)
    # "If the ACK acks something not yet sent, then send an ACK, drop the segment, and return."
    if ack > tcb.snd_max:
        tcb.note(now_ns, Reason.TCP_ACK_UNSENT, unit=segment)
        send_challenge(tcb, now_ns)
        return False
    # RFC 5961 5.2: no older than the largest window the peer ever granted.
    if ack < tcb.snd_una - tcb.max_snd_wnd:
        tcb.note(now_ns, Reason.TCP_ACK_TOO_OLD, unit=segment)
        send_challenge(tcb, now_ns)
        return False
    tcb.last_ack_received_ns = now_ns
    if not len(tcb.board):
        # An answer to a window probe: the peer is there.
        tcb.retransmissions = 0
    flight = tcb.flight
    window_before = tcb.snd_wnd
    _take_window(tcb, segment, sequence, ack)
    acknowledged: Acknowledged | None = None
    acked = ack - tcb.snd_una
    if acked > 0:
        acknowledged = _advance(tcb, ack)
    newly_sacked = 0
    if segment.sack and tcb.recovery.uses_sack and ack >= tcb.snd_una:
        newly_sacked = _take_sack(tcb, segment)
    rtt_ns = _measure(tcb, segment, acknowledged, flight, now_ns)
    may_grow = False
    if acked > 0 or newly_sacked or (ack == tcb.snd_una and flight):
        # RFC 5681 2: outstanding data; no text; no SYN or FIN; the same ACK; the same window.
        is_duplicate = (
            acked == 0
            and flight > 0
            and not len(segment.text)
            and not segment.flags & (SYN | FIN)
            and tcb.snd_wnd == window_before
        )
        event = AckEvent(
            now_ns,
            acked=max(acked, 0),
            newly_sacked=newly_sacked,
            is_duplicate=is_duplicate,
            flight=flight,
            snd_una=tcb.snd_una,
            snd_nxt=tcb.snd_nxt,
        )
        # An ACK that begins or ends a recovery has set the window, and opens it no further.
        may_grow = tcb.recovery.allows_growth
        _recover(tcb, event)
        may_grow = may_grow and tcb.recovery.allows_growth
    if acknowledged is not None:
        _after_progress(tcb, acked, flight, rtt_ns, now_ns, may_grow=may_grow)
    return tcb.state is not State.CLOSED


def _take_window(tcb: ControlBlock, segment: Segment, sequence: int, ack: int) -> None:
    """3.10.7.4: SND.WL1 and SND.WL2 keep old segments from changing the window."""
    if ack < tcb.snd_una:
        return
    is_newer = tcb.snd_wl1 < sequence or (tcb.snd_wl1 == sequence and tcb.snd_wl2 <= ack)
    if not is_newer:
        return
    window = segment.window << tcb.snd_scale
    if window > 0 and tcb.snd_wnd == 0:
        tcb.persist_at = None
        tcb.persist_backoff = 0
    tcb.snd_wnd = window
    tcb.max_snd_wnd = max(tcb.max_snd_wnd, window)
    tcb.snd_wl1 = sequence
    tcb.snd_wl2 = ack


def _advance(tcb: ControlBlock, ack: int) -> Acknowledged:
    acknowledged = tcb.board.acknowledge(ack)
    tcb.snd_una = ack
    # A window probe that was taken is past what was sent otherwise.
    tcb.snd_nxt = max(tcb.snd_nxt, ack)
    before = len(tcb.send_buffer)
    tcb.send_buffer.release(ack)
    tcb.counts.octets_acknowledged += before - len(tcb.send_buffer)
    if len(tcb.send_buffer) < before and tcb.state.can_send:
        tcb.events |= TcpEvent.WRITABLE
    if tcb.snd_up is not None and tcb.snd_up <= ack:
        tcb.snd_up = None
    return acknowledged


def _take_sack(tcb: ControlBlock, segment: Segment) -> int:
    news = 0
    for left, right in segment.sack:
        start = unwrap(left, tcb.snd_una)
        octets, _ = tcb.board.sack(start, unwrap(right, start))
        news += octets
    return news


def _measure(
    tcb: ControlBlock,
    segment: Segment,
    acknowledged: Acknowledged | None,
    flight: int,
    now_ns: int,
) -> int | None:
    """Take a round-trip time from an ACK of new data (RFC 6298 section 3, RFC 7323 section 4)."""
    if acknowledged is None or acknowledged.records == 0:
        return None
    rtt_ns: int | None = None
    # Karn (MUST-18): not from segments that were sent more than once.
    if not acknowledged.has_resent and acknowledged.first_sent_ns is not None:
        rtt_ns = now_ns - acknowledged.first_sent_ns
    elif tcb.has_timestamps and segment.timestamp_echo:
        # Timestamps tell the transmissions apart.
        ticks = tcb.timestamp(now_ns) - segment.timestamp_echo & 0xFFFFFFFF
        if ticks < 1 << 31:
            rtt_ns = ticks * MILLISECOND
    if rtt_ns is not None:
        # RFC 7323 4.3: ExpectedSamples = ceiling(FlightSize / (SMSS * 2)).
        expected = -(-flight // (2 * tcb.mss)) if tcb.profile.rtt_samples_share else 1
        tcb.rtt.sample(rtt_ns, expected)
    return rtt_ns


def _recover(tcb: ControlBlock, event: AckEvent) -> None:
    phase = tcb.recovery.phase
    tcb.recovery.on_ack(event)
    now = tcb.recovery.phase
    if now is phase:
        return
    if now is Phase.RECOVERY:
        tcb.note(event.now_ns, Reason.TCP_FAST_RETRANSMIT, f"{event.flight} octets in flight")
    elif phase in (Phase.RECOVERY, Phase.LOSS):
        tcb.note(event.now_ns, Reason.TCP_RECOVERED, f"window {tcb.congestion.window}")


def _after_progress(
    tcb: ControlBlock,
    acked: int,
    flight: int,
    rtt_ns: int | None,
    now_ns: int,
    *,
    may_grow: bool,
) -> None:
    tcb.retransmissions = 0
    tcb.persist_since_ns = None
    # RFC 6298 5.2 and 5.3: off when all is acknowledged, from the beginning otherwise.
    tcb.retransmit_at = now_ns + tcb.rtt.rto_ns if len(tcb.board) else None
    if may_grow:
        congestion = tcb.congestion
        is_used = tcb.is_cwnd_limited or (
            congestion.window < congestion.threshold and 2 * flight >= congestion.window
        )
        congestion.on_ack(AckSample(now_ns, acked, flight, rtt_ns, is_used))
    if tcb.is_fin_acknowledged:
        closing.on_fin_acknowledged(tcb, now_ns)
