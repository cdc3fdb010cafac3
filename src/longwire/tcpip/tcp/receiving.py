"""Segments that arrive: what is acceptable, resets, stray SYNs (RFC 9293 3.10.7.4, 5961, 7323)."""

from __future__ import annotations

from longwire.tcpip.durations import DAY
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp import closing, opening
from longwire.tcpip.tcp.acknowledging import take_ack
from longwire.tcpip.tcp.control import ControlBlock, TcpEvent
from longwire.tcpip.tcp.segments import send_ack, send_challenge, send_reset_for
from longwire.tcpip.tcp.sequence import unwrap
from longwire.tcpip.tcp.state import State
from longwire.tcpip.tcp.text import take_text
from longwire.tcpip.wire.tcp import ACK, FIN, RST, SYN, URG, Segment

__all__ = ["on_segment"]

# RFC 7323 5.5: a timestamp that is older says nothing.
_TIMESTAMP_AGE_MAX_NS = 24 * DAY
_HALF = 1 << 31


def on_segment(tcb: ControlBlock, segment: Segment, now_ns: int) -> None:
    """SEGMENT ARRIVES. Never raises; what cannot be used is dropped with a reason."""
    if tcb.state is State.CLOSED:
        return
    tcb.counts.segments_received += 1
    if len(segment.text):
        tcb.counts.data_segments_received += 1
    if tcb.state is State.SYN_SENT:
        opening.on_segment_in_syn_sent(tcb, segment, now_ns)
        return
    sequence = unwrap(segment.sequence, tcb.rcv_nxt)
    if tcb.state is State.SYN_RECEIVED and _is_answer_to_syn(tcb, segment, sequence):
        # Figure 8: the other half of a simultaneous open.
        _complete_handshake(tcb, segment, now_ns)
        return
    # First: the sequence number, and with timestamps PAWS before it (RFC 7323 5.3).
    if not _is_timely(tcb, segment, now_ns) or not _is_acceptable(tcb, segment, sequence, now_ns):
        return
    tcb.last_received_ns = now_ns
    if tcb.keepalive_probes:
        # An answer: the peer is alive, and idle anew.
        tcb.keepalive_probes = 0
        tcb.keepalive_at = now_ns + tcb.profile.keepalive_idle_ns
    # Second: the reset.
    if segment.flags & RST:
        _take_reset(tcb, segment, sequence, now_ns)
        return
    # Fourth: a SYN where none belongs.
    if segment.flags & SYN:
        _take_stray_syn(tcb, segment, now_ns)
        return
    # Fifth: the ACK. "If the ACK bit is off, drop the segment and return."
    if not segment.flags & ACK:
        tcb.note(now_ns, Reason.TCP_ACK_MISSING, unit=segment)
        return
    _remember_timestamp(tcb, segment, sequence, now_ns)
    if tcb.state is State.SYN_RECEIVED and not _complete_handshake(tcb, segment, now_ns):
        return
    if not take_ack(tcb, segment, sequence, now_ns):
        return
    # Sixth: the urgent pointer; seventh: the text; eighth: the FIN.
    if segment.flags & URG and tcb.state.can_receive:
        _take_urgent(tcb, segment, sequence)
    take_text(tcb, segment, sequence, now_ns)


def _is_answer_to_syn(tcb: ControlBlock, segment: Segment, sequence: int) -> bool:
    """Whether the peer, whose SYN crossed ours, repeats it with an ACK of ours."""
    if sequence != tcb.irs or segment.flags & (SYN | ACK | RST) != SYN | ACK:
        return False
    return tcb.snd_una < unwrap(segment.acknowledgment, tcb.snd_una) <= tcb.snd_nxt


def _is_timely(tcb: ControlBlock, segment: Segment, now_ns: int) -> bool:
    """RFC 7323 3.2 and 5.3."""
    if not tcb.has_timestamps or segment.flags & RST:
        return True
    if segment.timestamp is None:
        # 3.2: "should silently drop". A SYN repeats an offer and may come from a new incarnation.
        if segment.flags & SYN:
            return True
        tcb.note(now_ns, Reason.TCP_TIMESTAMP_MISSING, unit=segment)
        return False
    is_older = segment.timestamp - tcb.ts_recent & 0xFFFFFFFF >= _HALF
    if is_older and now_ns - tcb.ts_recent_at_ns <= _TIMESTAMP_AGE_MAX_NS:
        # 5.3 R1: "Treat the arriving segment as not acceptable": an ACK in reply.
        tcb.note(now_ns, Reason.TCP_PAWS, unit=segment)
        _answer_unacceptable(tcb, segment, now_ns)
        return False
    return True


def _is_acceptable(tcb: ControlBlock, segment: Segment, sequence: int, now_ns: int) -> bool:
    """The four cases of 3.4; answers what is not acceptable."""
    length = segment.sequence_length
    window = tcb.rcv_wnd
    left, right = tcb.rcv_nxt, tcb.rcv_nxt + window
    if length == 0:
        is_in = sequence == left if window == 0 else left <= sequence < right
        # A pure ACK at the right edge of a full window is in order: the peer has filled it.
        is_in = is_in or (sequence == right and not segment.flags & (RST | SYN))
    elif window == 0:
        # MUST-66: ACK, RST and URG are still processed. Only what is exactly next can carry them.
        # What a FIN would take up is not there.
        is_in = sequence == left and not segment.flags & (SYN | FIN)
    else:
        is_in = left <= sequence < right or left <= sequence + length - 1 < right
    if is_in:
        return True
    tcb.note(now_ns, Reason.TCP_SEQUENCE_UNACCEPTABLE, unit=segment)
    if segment.flags & RST:
        return False
    if tcb.state is State.SYN_RECEIVED and segment.flags & SYN and sequence == tcb.irs:
        # The peer's SYN again: it did not get ours.
        tcb.syn_due = True
        return False
    if tcb.state is State.TIME_WAIT and segment.flags & FIN:
        # "The only thing that can arrive in this state is a retransmission of the remote FIN.
        # Acknowledge it, and restart the 2 MSL timeout."
        tcb.time_wait_at = now_ns + tcb.profile.time_wait_ns
    _answer_unacceptable(tcb, segment, now_ns)
    return False


def _answer_unacceptable(tcb: ControlBlock, segment: Segment, now_ns: int) -> None:
    if segment.sequence_length:
        send_ack(tcb, now_ns)
    else:
        # Two sides that answer each other's stray ACKs would never stop.
        send_challenge(tcb, now_ns)


def _take_reset(tcb: ControlBlock, segment: Segment, sequence: int, now_ns: int) -> None:
    """RFC 5961 3.2, 3.10.7.4 second: exactly at RCV.NXT, or it may be a forgery."""
    if sequence != tcb.rcv_nxt:
        tcb.note(now_ns, Reason.TCP_RESET_BLIND, unit=segment)
        send_challenge(tcb, now_ns)
        return
    if tcb.state is State.TIME_WAIT and tcb.profile.time_wait_ignores_reset:
        tcb.note(now_ns, Reason.TCP_RESET_IGNORED, unit=segment)
        return
    if tcb.state is State.SYN_RECEIVED:
        # MUST-11: what was opened by a listener goes back there without a word.
        closing.finish(tcb, now_ns, Reason.TCP_REFUSED, is_clean=tcb.is_passive)
        return
    is_over = tcb.state in (State.CLOSING, State.LAST_ACK, State.TIME_WAIT)
    closing.finish(tcb, now_ns, Reason.TCP_RESET_RECEIVED, is_clean=is_over)


def _take_stray_syn(tcb: ControlBlock, segment: Segment, now_ns: int) -> None:
    tcb.note(now_ns, Reason.TCP_SYN_IN_WINDOW, unit=segment)
    if tcb.state is State.SYN_RECEIVED and tcb.is_passive:
        # 3.10.7.4 fourth: "return this connection to the LISTEN state".
        closing.finish(tcb, now_ns, Reason.TCP_SYN_IN_WINDOW, is_clean=True)
        return
    # RFC 5961 4.2: whatever the sequence number, ask with an ACK.
    send_challenge(tcb, now_ns)


def _remember_timestamp(tcb: ControlBlock, segment: Segment, sequence: int, now_ns: int) -> None:
    """RFC 7323 4.3 (2): from the segment that the next ACK will be about."""
    if segment.timestamp is None or not tcb.has_timestamps:
        return
    if sequence <= tcb.last_ack_sent:
        tcb.ts_recent = segment.timestamp
        tcb.ts_recent_at_ns = now_ns


def _complete_handshake(tcb: ControlBlock, segment: Segment, now_ns: int) -> bool:
    """3.10.7.4 fifth, SYN-RECEIVED."""
    ack = unwrap(segment.acknowledgment, tcb.snd_una)
    if tcb.snd_una < ack <= tcb.snd_nxt:
        opening.establish(tcb, segment, now_ns)
        return True
    tcb.note(now_ns, Reason.TCP_ACK_UNACCEPTABLE, unit=segment)
    send_reset_for(tcb, segment)
    return False


def _take_urgent(tcb: ControlBlock, segment: Segment, sequence: int) -> None:
    """MUST-31..33; MUST-62: the pointer is the first octet that is not urgent."""
    pointer = sequence + segment.urgent
    if pointer > tcb.rcv_nxt and (tcb.rcv_up is None or pointer > tcb.rcv_up):
        tcb.rcv_up = pointer
        tcb.events |= TcpEvent.URGENT
