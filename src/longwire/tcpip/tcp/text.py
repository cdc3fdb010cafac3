"""Text and FIN of a segment: where they go, and when they are acknowledged (RFC 9293 3.10.7.4).

The seventh and eighth step of SEGMENT ARRIVES; RFC 5681 section 4.2 for the acknowledgments.
"""

from __future__ import annotations

from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp import closing
from longwire.tcpip.tcp.control import ControlBlock, TcpEvent
from longwire.tcpip.tcp.segments import announced_in_syn, send_ack, send_reset
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.tcp import FIN, SYN, Segment

__all__ = ["take_text"]


def take_text(tcb: ControlBlock, segment: Segment, sequence: int, now_ns: int) -> None:
    """3.10.7.4 seventh and eighth; ``sequence`` is that of the first octet of text."""
    text = segment.text
    # A FIN on a SYN is not taken: the peer will repeat it once the handshake is done.
    has_fin = bool(segment.flags & FIN) and not segment.flags & SYN
    if not len(text) and not has_fin:
        return
    if not tcb.state.can_receive:
        # "This should not occur since a FIN has been received from the remote side."
        tcb.note(now_ns, Reason.TCP_TEXT_AFTER_END, unit=segment)
        tcb.ack_now = True
        return
    end = sequence + len(text)
    if tcb.user_closed and end > tcb.rcv_nxt:
        # SHLD-3: nobody will read it; the peer is told that it is lost.
        tcb.note(now_ns, Reason.TCP_DATA_LOST, unit=segment)
        send_reset(tcb, now_ns)
        closing.finish(tcb, now_ns, Reason.TCP_DATA_LOST)
        return
    if segment.flags & SYN:
        # The window was not announced when this was sent; take what the buffer has room for.
        tcb.rcv_adv = max(tcb.rcv_adv, tcb.rcv_nxt + announced_in_syn(tcb))
    right = tcb.rcv_nxt + tcb.rcv_wnd
    if has_fin and tcb.peer_fin is None and tcb.rcv_nxt <= end < right:
        tcb.peer_fin = end
    start, stop = max(sequence, tcb.rcv_nxt), min(end, right)
    if tcb.peer_fin is not None:
        stop = min(stop, tcb.peer_fin)
    if start < stop:
        _place(tcb, segment, text[start - sequence : stop - sequence], start, now_ns)
    elif len(text) and end <= tcb.rcv_nxt:
        tcb.note(now_ns, Reason.TCP_TEXT_DUPLICATE, unit=segment)
        send_ack(tcb, now_ns)
    elif len(text):
        tcb.ack_now = True
    if tcb.peer_fin == tcb.rcv_nxt:
        closing.on_peer_fin(tcb, now_ns)
    elif has_fin:
        tcb.ack_now = True


def _place(
    tcb: ControlBlock, segment: Segment, text: bytes | memoryview, start: int, now_ns: int
) -> None:
    """Put text where it belongs, and decide how soon it is acknowledged."""
    buffer = tcb.receive_buffer
    tcb.last_text_ns = now_ns
    tcb.rcv_mss = max(tcb.rcv_mss, min(len(text), tcb.mss_offered))
    if start > tcb.rcv_nxt:
        # SHLD-31: keep it. RFC 5681 4.2: acknowledge at once, one for each such segment.
        tcb.counts.out_of_order += 1
        if not buffer.insert(start, text):
            tcb.note(now_ns, Reason.TCP_OUT_OF_ORDER_FULL, unit=segment)
        send_ack(tcb, now_ns)
        return
    had_gap = len(buffer.early) > 0
    before = tcb.rcv_nxt
    buffer.append(text)
    tcb.rcv_nxt = start + len(text)
    if had_gap:
        tcb.rcv_nxt = buffer.advance(tcb.rcv_nxt)
    tcb.counts.octets_received += tcb.rcv_nxt - before
    tcb.unacked_octets += len(text)
    if tcb.state is not State.SYN_RECEIVED:
        tcb.events |= TcpEvent.READABLE
    if had_gap:
        # RFC 5681 4.2: immediately when it fills all or part of a gap.
        tcb.ack_now = True
    elif tcb.quick_acks > 0:
        tcb.quick_acks -= 1
        tcb.ack_now = True
    elif tcb.unacked_octets >= 2 * tcb.rcv_mss:
        # SHLD-19: at least every second full-sized segment.
        tcb.ack_now = True
    elif tcb.rcv_wnd < tcb.rcv_mss:
        # The peer has no room for a second one: waiting for it would be in vain.
        tcb.ack_now = True
    elif tcb.ack_at is None:
        # SHLD-18, MUST-40.
        tcb.ack_at = now_ns + tcb.profile.delayed_ack_ns
