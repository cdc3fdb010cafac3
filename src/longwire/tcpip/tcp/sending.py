"""Sending: what may go now, in which order, how large (RFC 9293 3.7.4, 3.8.6; RFC 5681, 6675)."""

from __future__ import annotations

from longwire.tcpip.tcp.congestion import initial_window
from longwire.tcpip.tcp.control import ControlBlock
from longwire.tcpip.tcp.scoreboard import Record
from longwire.tcpip.tcp.segments import (
    build,
    build_handshake,
    send_ack,
    text_octets_max,
    window_to_announce,
)
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.tcp import FIN, PSH, URG

__all__ = ["announce_window_after_read", "send_window_probe", "transmit"]

# States in which text, or a FIN, may have to be sent or sent again.
_SENDING = frozenset(
    (State.ESTABLISHED, State.CLOSE_WAIT, State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)
)
_URGENT_MAX = 0xFFFF
# Of an IPv6 and a TCP header with all options that there may be beside text.
_HEADERS_OCTETS_MAX = 40 + 60


def transmit(tcb: ControlBlock, now_ns: int) -> None:
    """Put into the outbox all that may be sent now."""
    if tcb.syn_due:
        tcb.syn_due = False
        tcb.outbox.append(build_handshake(tcb, now_ns))
        if tcb.retransmit_at is None:
            tcb.retransmit_at = now_ns + tcb.rtt.rto_ns
    if tcb.state in _SENDING:
        _restart_after_idle(tcb, now_ns)
        _send_all(tcb, now_ns)
        _watch_window(tcb, now_ns)
    if tcb.ack_now:
        send_ack(tcb, now_ns)


def _send_all(tcb: ControlBlock, now_ns: int) -> None:
    tcb.is_cwnd_limited = False
    recovery = tcb.recovery
    while True:
        record = recovery.next_lost()
        if record is not None:
            if not _resend(tcb, record, now_ns):
                return
            continue
        if _send_new(tcb, now_ns):
            continue
        if tcb.has_unsent and not tcb.profile.speculates_before_the_end:
            return
        record = recovery.next_speculative(tcb.snd_una)
        if record is None or not _resend(tcb, record, now_ns):
            return


def _resend(tcb: ControlBlock, record: Record, now_ns: int) -> bool:
    """Send a record again, if congestion window and peer allow it."""
    # SHLD-16: what was sent is sent again as far as the peer's window reaches now.
    right = tcb.snd_una + tcb.snd_wnd
    if record.start >= right:
        return False
    limit = min(record.start + text_octets_max(tcb), right)
    if record.end > limit:
        tcb.board.cut(record, limit)
    octets = record.end - record.start
    pipe = tcb.recovery.pipe
    if pipe and pipe + octets > tcb.congestion.window and not tcb.recovery.must_resend:
        tcb.is_cwnd_limited = True
        return False
    tcb.recovery.must_resend = False
    _emit(tcb, record.start, record.end, now_ns)
    tcb.board.resend(record, now_ns)
    tcb.counts.segments_retransmitted += 1
    tcb.counts.octets_retransmitted += octets
    # RFC 6298 5.1; for the oldest segment the timer starts again, since it is that one's.
    if tcb.retransmit_at is None or record is tcb.board.first:
        tcb.retransmit_at = now_ns + tcb.rtt.rto_ns
    return True


def _send_new(tcb: ControlBlock, now_ns: int) -> bool:
    """Send one segment of what was never sent, if all of the rules allow it."""
    if not tcb.has_unsent:
        return False
    start = tcb.snd_nxt
    available = max(0, tcb.send_buffer.end - start)
    room = tcb.snd_una + tcb.snd_wnd - start
    full = text_octets_max(tcb)
    length = min(full, available, room)
    is_last = length == available
    has_fin = is_last and tcb.fin_sequence is not None and room > length
    if room <= 0 or (length == 0 and not has_fin):
        return False
    if length < full and not _is_worth_sending(tcb, length, is_last, has_fin):
        return False
    pipe = tcb.recovery.pipe
    if pipe and pipe + length > tcb.congestion.window:
        tcb.is_cwnd_limited = True
        return False
    if length == full and full < available and tcb.large_octets:
        length = _large(tcb, full, min(available, room))
        has_fin = length == available and tcb.fin_sequence is not None and room > length
    end = start + length + has_fin
    _emit(tcb, start, end, now_ns, piece_octets=full if length > full else 0)
    # What the device makes several segments of is several here: each is lost for itself.
    for piece in range(start, start + length - full, full):
        tcb.board.add(piece, piece + full, now_ns)
        start = piece + full
    tcb.board.add(start, end, now_ns)
    tcb.snd_nxt = end
    tcb.snd_max = max(tcb.snd_max, end)
    if length < full:
        tcb.small_end = end
    tcb.override_ready = False
    if tcb.retransmit_at is None:
        tcb.retransmit_at = now_ns + tcb.rtt.rto_ns
    return True


def _large(tcb: ControlBlock, full: int, octets: int) -> int:
    """Return how much text may leave as one segment that the device splits: whole ones only."""
    if tcb.snd_up is not None:
        return full  # the urgent pointer of one would stand in all of them
    window = tcb.congestion.window - tcb.recovery.pipe
    octets = min(octets, window, tcb.large_octets - _HEADERS_OCTETS_MAX)
    return max(full, octets - octets % full)


def _is_worth_sending(tcb: ControlBlock, length: int, is_last: bool, has_fin: bool) -> bool:
    """Whether less than a full segment may go.

    MUST-38, 3.8.6.2.1: avoid silly windows; SHLD-7, 3.7.4: Nagle.
    """
    if has_fin:
        return True
    if is_last:
        # All of it is pushed; Nagle asks that nothing is in flight.
        if not tcb.profile.nagle or tcb.snd_nxt == tcb.snd_una:
            return True
        return tcb.profile.nagle_small_only and tcb.small_end <= tcb.snd_una
    # The peer's window cuts it: worth it from half of the largest window ever granted.
    return 2 * length >= tcb.max_snd_wnd or tcb.override_ready


def _emit(tcb: ControlBlock, start: int, end: int, now_ns: int, *, piece_octets: int = 0) -> None:
    """Build the segment for these sequence numbers, the FIN among them.

    ``piece_octets``: the device makes segments with so much text out of it.
    """
    flags = 0
    text_end = end
    if tcb.fin_sequence is not None and end > tcb.fin_sequence:
        flags |= FIN
        text_end = tcb.fin_sequence
    text = tcb.send_buffer.slice(start, text_end)
    # MUST-61: the last segment that is ready carries PSH.
    if len(text) and text_end == tcb.send_buffer.end:
        flags |= PSH
    urgent = 0
    if tcb.snd_up is not None and tcb.snd_up > start:
        flags |= URG
        urgent = min(tcb.snd_up - start, _URGENT_MAX)
    segment = build(tcb, start, flags, now_ns, text, urgent=urgent, piece_octets=piece_octets)
    tcb.outbox.append(segment)
    tcb.last_sent_ns = now_ns
    if len(text):
        pieces = -(-len(text) // piece_octets) if piece_octets else 1
        tcb.counts.segments_sent += pieces - 1
        tcb.counts.data_segments_sent += pieces
        tcb.counts.octets_sent += len(text)


def _restart_after_idle(tcb: ControlBlock, now_ns: int) -> None:
    """RFC 5681 4.1: after an idle time-out the old window says nothing about the network."""
    if not tcb.profile.slow_start_after_idle or len(tcb.board) or not tcb.has_unsent:
        return
    if now_ns - tcb.last_sent_ns > tcb.rtt.rto_ns:
        restart = initial_window(tcb.mss, tcb.profile.initial_window_segments)
        tcb.congestion.on_idle(restart, now_ns)


def _watch_window(tcb: ControlBlock, now_ns: int) -> None:
    """Start the timer that asks, or overrides, while the peer's window holds everything back."""
    is_stuck = (not len(tcb.board) and tcb.has_unsent) or (
        tcb.snd_wnd == 0 and tcb.board.waiting_octets > 0
    )
    if not is_stuck:
        tcb.persist_at = None
        tcb.persist_backoff = 0
        tcb.persist_since_ns = None
        return
    if tcb.persist_since_ns is None:
        tcb.persist_since_ns = now_ns
    if tcb.persist_at is None:
        if tcb.snd_wnd == 0:
            # SHLD-29: the first probe after one RTO; SHLD-30: then ever more slowly.
            delay_ns = min(tcb.rtt.base_ns << min(tcb.persist_backoff, 32), tcb.profile.rto_max_ns)
        else:
            delay_ns = tcb.profile.override_ns
        tcb.persist_at = now_ns + delay_ns


def send_window_probe(tcb: ControlBlock, now_ns: int) -> None:
    """MUST-36: send one octet into the shut window; its ACK tells whether it still is."""
    start = tcb.snd_una
    end = start + 1
    _emit(tcb, start, end, now_ns)
    tcb.snd_max = max(tcb.snd_max, end)


def announce_window_after_read(tcb: ControlBlock, now_ns: int) -> None:
    """Tell the peer of room that reading has made, once it is twice what the peer knows of."""
    if not tcb.state.can_receive or tcb.state in (State.SYN_SENT, State.SYN_RECEIVED):
        return
    offered = tcb.rcv_wnd
    window = window_to_announce(tcb) - tcb.rcv_nxt
    if window > offered and window >= 2 * offered:
        tcb.ack_now = True
