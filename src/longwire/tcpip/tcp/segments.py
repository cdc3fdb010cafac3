"""Making segments: what every segment of a connection carries, and the window that it announces."""

from __future__ import annotations

from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.control import ControlBlock
from longwire.tcpip.tcp.sequence import on_wire
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.tcp import ACK, RST, SYN, Segment

__all__ = [
    "announced_in_syn",
    "build",
    "build_handshake",
    "send_ack",
    "send_challenge",
    "send_reset",
    "send_reset_for",
    "text_octets_max",
    "window_to_announce",
]

_WINDOW_MAX = 0xFFFF


def window_to_announce(tcb: ControlBlock) -> int:
    """Return the right edge to announce: it never moves left (SHLD-14), and right only by steps.

    MUST-39, RFC 9293 3.8.6.2.2: by at least half the buffer or one segment, whichever is less.
    """
    right = tcb.rcv_nxt + min(tcb.receive_buffer.free, _WINDOW_MAX << tcb.rcv_scale)
    step = min(tcb.receive_buffer.capacity // 2, tcb.mss_offered)
    if right - tcb.rcv_adv < step:
        return max(tcb.rcv_adv, tcb.rcv_nxt)
    return right


def _announce(tcb: ControlBlock) -> int:
    """Return the window field, and remember the right edge that it stands for."""
    window = window_to_announce(tcb) - tcb.rcv_nxt
    scale = tcb.rcv_scale
    # RFC 7323 2.4: rounding down would move the edge left by up to one step of the scale.
    field = min(window + (1 << scale) - 1 >> scale, _WINDOW_MAX)
    tcb.rcv_adv = max(tcb.rcv_adv, tcb.rcv_nxt + (field << scale))
    return field


def _sack_count(tcb: ControlBlock) -> int:
    """Return how many blocks the next segment carries at most."""
    if not tcb.has_sack:
        return 0
    # RFC 2018 3: four blocks fit 40 octets of options, three beside timestamps.
    return min(len(tcb.receive_buffer.early), 3 if tcb.has_timestamps else 4)


def text_octets_max(tcb: ControlBlock) -> int:
    """Return how much text the next segment may carry beside its options (MUST-16, RFC 6691)."""
    count = _sack_count(tcb)
    return tcb.mss - (4 + 8 * count if count else 0)


def build(
    tcb: ControlBlock,
    sequence: int,
    flags: int,
    now_ns: int,
    text: bytes | memoryview = b"",
    *,
    urgent: int = 0,
    piece_octets: int = 0,
) -> Segment:
    """Return a segment with ACK, window and options. It carries every ACK that was owed."""
    tcb.ack_now = False
    tcb.ack_at = None
    tcb.unacked_octets = 0
    tcb.last_ack_sent = tcb.rcv_nxt
    tcb.counts.segments_sent += 1
    sack: tuple[tuple[int, int], ...] = ()
    count = _sack_count(tcb)
    if count:
        blocks = tcb.receive_buffer.sack_blocks(count)
        sack = tuple((on_wire(left), on_wire(right)) for left, right in blocks)
    return Segment(
        tcb.local[1],
        tcb.remote[1],
        on_wire(sequence),
        on_wire(tcb.rcv_nxt),
        flags | ACK,
        _announce(tcb),
        text,
        urgent=urgent,
        piece_octets=piece_octets,
        sack=sack,
        timestamp=tcb.timestamp(now_ns) if tcb.has_timestamps else None,
        timestamp_echo=tcb.ts_recent if tcb.has_timestamps else 0,
    )


def announced_in_syn(tcb: ControlBlock) -> int:
    """Return the window of a SYN, which is never scaled (RFC 7323 2.2)."""
    return min(tcb.receive_buffer.free, _WINDOW_MAX)


def build_handshake(tcb: ControlBlock, now_ns: int) -> Segment:
    """Return our SYN, or our SYN with ACK once the peer's has come.

    In an answer only what the peer offered is accepted, so scale, timestamps and SACK appear there
    as far as they were agreed on.
    """
    profile = tcb.profile
    is_answer = tcb.state is State.SYN_RECEIVED
    window = announced_in_syn(tcb)
    if is_answer:
        tcb.rcv_adv = max(tcb.rcv_adv, tcb.rcv_nxt + window)
        tcb.last_ack_sent = tcb.rcv_nxt
        tcb.ack_now = False
    tcb.counts.segments_sent += 1
    has_timestamps = tcb.has_timestamps if is_answer else profile.timestamps
    return Segment(
        tcb.local[1],
        tcb.remote[1],
        on_wire(tcb.iss),
        on_wire(tcb.rcv_nxt) if is_answer else 0,
        SYN | ACK if is_answer else SYN,
        window,
        mss=tcb.mss_offered,
        window_scale=tcb.rcv_scale if tcb.is_scaled else None,
        sack_permitted=tcb.has_sack if is_answer else profile.sack,
        timestamp=tcb.timestamp(now_ns) if has_timestamps else None,
        timestamp_echo=tcb.ts_recent if is_answer and has_timestamps else 0,
    )


def send_ack(tcb: ControlBlock, now_ns: int) -> None:
    """Send <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> at once, beside whatever else is owed."""
    tcb.outbox.append(build(tcb, tcb.snd_nxt, 0, now_ns))


def send_challenge(tcb: ControlBlock, now_ns: int) -> None:
    """Send an ACK that asks the peer what it meant, within the limit (RFC 5961 section 7)."""
    profile = tcb.profile
    if now_ns - tcb.challenge_since_ns >= profile.challenge_interval_ns:
        tcb.challenge_since_ns = now_ns
        tcb.challenge_count = 0
    if tcb.challenge_count >= profile.challenge_acks_max:
        tcb.note(now_ns, Reason.TCP_CHALLENGE_LIMITED)
        return
    tcb.challenge_count += 1
    send_ack(tcb, now_ns)


def send_reset(tcb: ControlBlock, now_ns: int) -> None:
    """Send <SEQ=SND.NXT><CTL=RST,ACK> (RFC 9293 3.10.5)."""
    segment = Segment(
        tcb.local[1], tcb.remote[1], on_wire(tcb.snd_nxt), on_wire(tcb.rcv_nxt), RST | ACK
    )
    tcb.counts.segments_sent += 1
    tcb.outbox.append(segment)


def send_reset_for(tcb: ControlBlock, segment: Segment) -> None:
    """Answer a segment whose ACK cannot be ours with <SEQ=SEG.ACK><CTL=RST>."""
    tcb.counts.segments_sent += 1
    tcb.outbox.append(Segment(tcb.local[1], tcb.remote[1], segment.acknowledgment, flags=RST))
