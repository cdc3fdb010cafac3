"""Opening: our SYN, the peer's, and what they agree on (RFC 9293 3.5, 3.10.1, 3.10.7.2-3)."""

from __future__ import annotations

from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp import closing
from longwire.tcpip.tcp.control import ControlBlock, TcpEvent
from longwire.tcpip.tcp.segments import announced_in_syn, send_reset_for
from longwire.tcpip.tcp.sequence import unwrap
from longwire.tcpip.tcp.state import State
from longwire.tcpip.tcp.text import take_text
from longwire.tcpip.wire.tcp import ACK, RST, SYN, Segment

__all__ = ["establish", "on_segment_in_syn_sent", "open_active", "open_passive"]

_SCALE_MAX = 14


def open_active(tcb: ControlBlock, now_ns: int) -> None:
    """OPEN call: send a SYN (3.10.1)."""
    tcb.enter(State.SYN_SENT, now_ns, Reason.TCP_ACTIVE_OPEN)
    _send_syn(tcb)


def open_passive(tcb: ControlBlock, segment: Segment, now_ns: int) -> None:
    """A SYN came to a listener (3.10.7.2, third)."""
    _take_syn(tcb, segment, now_ns)
    tcb.enter(State.SYN_RECEIVED, now_ns, Reason.TCP_PASSIVE_OPEN)
    _send_syn(tcb)
    take_text(tcb, segment, tcb.irs + 1, now_ns)


def _send_syn(tcb: ControlBlock) -> None:
    tcb.snd_nxt = tcb.snd_max = tcb.iss + 1
    tcb.syn_due = True


def _take_syn(tcb: ControlBlock, segment: Segment, now_ns: int) -> None:
    """Learn the peer's initial sequence number, window and options."""
    profile = tcb.profile
    tcb.irs = segment.sequence
    tcb.rcv_nxt = tcb.rcv_adv = tcb.irs + 1
    if tcb.state is State.SYN_SENT:
        tcb.rcv_adv += announced_in_syn(tcb)
    # RFC 7323 2.2: the window of a segment with SYN is never scaled.
    tcb.snd_wnd = tcb.max_snd_wnd = segment.window
    tcb.snd_wl1 = tcb.irs
    tcb.snd_wl2 = tcb.snd_una
    if segment.mss is not None:
        # MUST-15: without the option 536 and 1,220 stand. A peer that takes less than 64 octets
        # would have us send headers and nothing else; Linux draws the same line near there.
        tcb.peer_mss = max(segment.mss, 64)
    tcb.is_scaled = segment.window_scale is not None and profile.window_scaling
    if tcb.is_scaled:
        assert segment.window_scale is not None
        # RFC 7323 2.3: a larger shift is taken for 14.
        tcb.snd_scale = min(segment.window_scale, _SCALE_MAX)
    else:
        tcb.snd_scale = tcb.rcv_scale = 0
    tcb.has_sack = segment.sack_permitted and profile.sack
    tcb.has_timestamps = segment.timestamp is not None and profile.timestamps
    if tcb.has_timestamps:
        assert segment.timestamp is not None
        tcb.ts_recent = segment.timestamp
        tcb.ts_recent_at_ns = now_ns
    tcb.settle_options()


def on_segment_in_syn_sent(tcb: ControlBlock, segment: Segment, now_ns: int) -> None:
    """3.10.7.3."""
    flags = segment.flags
    if flags & ACK:
        ack = unwrap(segment.acknowledgment, tcb.snd_una)
        # First: "If SEG.ACK =< ISS or SEG.ACK > SND.NXT, send a reset (unless the RST bit is
        # set, if so drop the segment and return)".
        if ack <= tcb.iss or ack > tcb.snd_nxt:
            tcb.note(now_ns, Reason.TCP_ACK_UNACCEPTABLE, unit=segment)
            if not flags & RST:
                send_reset_for(tcb, segment)
            return
    if flags & RST:
        # Second: only a reset that acknowledges our SYN is the peer's.
        if flags & ACK:
            closing.finish(tcb, now_ns, Reason.TCP_REFUSED)
        else:
            tcb.note(now_ns, Reason.TCP_RESET_UNACKNOWLEDGED, unit=segment)
        return
    if not flags & SYN:
        tcb.note(now_ns, Reason.TCP_HANDSHAKE_INCOMPLETE, unit=segment)
        return
    # Fourth: the SYN.
    _take_syn(tcb, segment, now_ns)
    if flags & ACK:
        tcb.ack_now = True
        establish(tcb, segment, now_ns)
    else:
        # MUST-10: a SYN that crosses ours. Ours goes out again, with an ACK.
        tcb.enter(State.SYN_RECEIVED, now_ns, Reason.TCP_SIMULTANEOUS_OPEN)
        tcb.syn_due = True
    take_text(tcb, segment, tcb.irs + 1, now_ns)


def establish(tcb: ControlBlock, segment: Segment, now_ns: int) -> None:
    """The peer has acknowledged our SYN: data may flow."""
    tcb.snd_una = tcb.iss + 1
    tcb.snd_wl1 = unwrap(segment.sequence, tcb.rcv_nxt)
    tcb.snd_wl2 = tcb.snd_una
    if not segment.flags & SYN:
        tcb.snd_wnd = segment.window << tcb.snd_scale
        tcb.max_snd_wnd = max(tcb.max_snd_wnd, tcb.snd_wnd)
    tcb.retransmit_at = None
    tcb.retransmissions = 0
    tcb.syn_due = False
    _measure_handshake(tcb, segment, now_ns)
    tcb.enter(State.ESTABLISHED, now_ns, Reason.TCP_ESTABLISHED)
    tcb.events |= TcpEvent.CONNECTED | TcpEvent.WRITABLE
    if tcb.receive_buffer.readable:
        tcb.events |= TcpEvent.READABLE
    if tcb.profile.keepalive:
        tcb.keepalive_at = now_ns + tcb.profile.keepalive_idle_ns
    if tcb.close_waits_for_handshake:
        tcb.close_waits_for_handshake = False
        closing.send_fin(tcb, now_ns)


def _measure_handshake(tcb: ControlBlock, segment: Segment, now_ns: int) -> None:
    if tcb.syn_retransmissions == 0:
        tcb.rtt.sample(now_ns - tcb.opened_ns)
        return
    tcb.rtt.start_after_syn_loss()
    if tcb.has_timestamps and segment.timestamp is not None and segment.timestamp_echo:
        # Timestamps tell which of the SYNs was answered (RFC 7323 4.1).
        ticks = tcb.timestamp(now_ns) - segment.timestamp_echo & 0xFFFFFFFF
        tcb.rtt.sample(ticks * MILLISECOND)
