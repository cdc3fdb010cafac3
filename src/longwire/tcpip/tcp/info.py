"""What a connection tells about itself, under the names and in the units of Linux's TCP_INFO.

Times are microseconds, but milliseconds where the name begins with ``last``; counts are segments
unless the name says ``bytes``. What the kernel has and this stack does not is absent.
"""

from __future__ import annotations

from dataclasses import dataclass

from longwire.tcpip.durations import MICROSECOND, MILLISECOND
from longwire.tcpip.tcp.control import ControlBlock

__all__ = ["TcpInfo", "make_info"]

OPTION_TIMESTAMPS = 1
OPTION_SACK = 2
OPTION_WINDOW_SCALE = 4

# The kernel reports "no measurement yet" so.
_MIN_RTT_UNSET = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """One moment of one connection."""

    state: int
    ca_state: int
    retransmits: int
    probes: int
    backoff: int
    options: int
    snd_wscale: int
    rcv_wscale: int
    rto: int
    ato: int
    snd_mss: int
    rcv_mss: int
    unacked: int
    sacked: int
    lost: int
    retrans: int
    last_data_sent: int
    last_data_recv: int
    last_ack_recv: int
    pmtu: int
    rcv_ssthresh: int
    rtt: int
    rttvar: int
    snd_ssthresh: int
    snd_cwnd: int
    advmss: int
    total_retrans: int
    bytes_acked: int
    bytes_received: int
    segs_out: int
    segs_in: int
    notsent_bytes: int
    min_rtt: int
    data_segs_in: int
    data_segs_out: int
    bytes_sent: int
    bytes_retrans: int
    rcv_ooopack: int
    snd_wnd: int
    rcv_wnd: int
    total_rto: int


def make_info(tcb: ControlBlock, now_ns: int) -> TcpInfo:
    """Return what ``tcb`` knows at ``now_ns``."""
    records = list(tcb.board)
    rtt = tcb.rtt
    options = OPTION_TIMESTAMPS * tcb.has_timestamps | OPTION_SACK * tcb.has_sack
    options |= OPTION_WINDOW_SCALE * tcb.is_scaled
    is_probing = tcb.persist_backoff > 0
    return TcpInfo(
        state=tcb.state.value,
        ca_state=tcb.recovery.phase.value,
        # As in the kernel, SYNs count while the handshake lasts.
        retransmits=tcb.retransmissions if tcb.state.is_synchronized else tcb.syn_retransmissions,
        probes=tcb.persist_backoff or tcb.keepalive_probes,
        backoff=tcb.persist_backoff if is_probing else rtt.backoff,
        options=options,
        snd_wscale=tcb.snd_scale,
        rcv_wscale=tcb.rcv_scale,
        rto=rtt.rto_ns // MICROSECOND,
        ato=tcb.profile.delayed_ack_ns // MICROSECOND,
        snd_mss=tcb.mss,
        rcv_mss=tcb.rcv_mss,
        unacked=len(records),
        sacked=sum(record.is_sacked for record in records),
        lost=sum(record.is_lost for record in records),
        retrans=sum(record.is_resent for record in records),
        last_data_sent=(now_ns - tcb.last_sent_ns) // MILLISECOND,
        last_data_recv=(now_ns - tcb.last_text_ns) // MILLISECOND,
        last_ack_recv=(now_ns - tcb.last_ack_received_ns) // MILLISECOND,
        pmtu=tcb.path_mtu,
        rcv_ssthresh=tcb.receive_buffer.capacity,
        rtt=(rtt.smoothed_ns or 0) // MICROSECOND,
        rttvar=rtt.variance_ns // MICROSECOND,
        snd_ssthresh=tcb.congestion.threshold // tcb.mss,
        snd_cwnd=tcb.congestion.window // tcb.mss,
        advmss=tcb.mss_offered,
        total_retrans=tcb.counts.segments_retransmitted,
        bytes_acked=tcb.counts.octets_acknowledged,
        bytes_received=tcb.counts.octets_received,
        segs_out=tcb.counts.segments_sent,
        segs_in=tcb.counts.segments_received,
        notsent_bytes=max(0, tcb.send_buffer.end - tcb.snd_nxt),
        min_rtt=_MIN_RTT_UNSET if rtt.min_ns is None else rtt.min_ns // MICROSECOND,
        data_segs_in=tcb.counts.data_segments_received,
        data_segs_out=tcb.counts.data_segments_sent,
        bytes_sent=tcb.counts.octets_sent,
        bytes_retrans=tcb.counts.octets_retransmitted,
        rcv_ooopack=tcb.counts.out_of_order,
        snd_wnd=tcb.snd_wnd,
        rcv_wnd=tcb.rcv_wnd,
        total_rto=tcb.counts.timeouts,
    )
