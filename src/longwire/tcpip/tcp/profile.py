"""Every number of TCP that is a choice, with where it comes from. Times are nanoseconds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from longwire.tcpip.durations import HOUR, MILLISECOND, SECOND

__all__ = ["LINUX", "RFC", "TcpProfile"]

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProfile:
    """How a connection behaves. Immutable; ``dataclasses.replace`` makes another."""

    # Buffers and options
    send_buffer_octets: int = 256 * KIB
    """What ``write`` takes before it refuses; sent and unacknowledged octets count."""
    receive_buffer_octets: int = 256 * KIB
    """What the peer may send before the application reads: the largest window."""
    out_of_order_pieces_max: int = 1024
    """Segments that wait for a missing one; more are dropped. One for each 256 octets of the
    buffer, so that only floods of tiny segments meet it before the window does."""
    window_scaling: bool = True
    """RFC 7323 section 2."""
    timestamps: bool = True
    """RFC 7323 section 3."""
    sack: bool = True
    """RFC 2018."""
    mss_max: int = 65_535
    """Announce no larger maximum segment size than this, whatever the MTU allows."""

    # Opening
    syn_linear_retries: int = 0
    """How many SYNs are repeated at the initial time-out before it doubles."""
    syn_retries_max: int | None = None
    """Give up after that many repeated SYNs; ``None``: by time alone."""
    syn_give_up_ns: int | None = 180 * SECOND
    """R2 for SYNs; at least 3 minutes (MUST-23)."""

    # Retransmission (RFC 6298)
    rto_initial_ns: int = 1 * SECOND
    """Before anything was measured (2.1)."""
    rto_min_ns: int = 1 * SECOND
    """2.4 says 1 s."""
    rto_min_bounds_variance: bool = False
    """The minimum is for the variance term alone, as in Linux."""
    rto_max_ns: int = 60 * SECOND
    """2.5: at least 60 s."""
    clock_granularity_ns: int = 1 * MILLISECOND
    """G of 2.3; the timestamps tick at this rate too."""
    rto_after_syn_loss_ns: int = 3 * SECOND
    """5.7: when the SYN's timer ran out."""
    rtt_samples_share: bool = True
    """The samples of one round trip weigh together as one (RFC 7323 4.3); otherwise each weighs
    as much, and the time-out follows a queue that builds up."""
    retries_r1: int = 3
    """R1: retransmissions after which the path is doubted (SHLD-10: at least 3)."""
    retries_max: int | None = None
    """R2 as a number of retransmissions; ``None``: by time alone."""
    give_up_ns: int | None = 100 * SECOND
    """R2 as a time; at least 100 s (SHLD-11)."""
    user_timeout_ns: int | None = None
    """Abort when data stays unacknowledged for so long (RFC 9293 3.8.3, RFC 5482)."""

    # Acknowledging
    delayed_ack_ns: int = 200 * MILLISECOND
    """Below 500 ms (MUST-40)."""
    quick_acks: int = 0
    """Segments at the beginning that are acknowledged at once."""

    # Sending
    nagle: bool = True
    """SHLD-7; MUST-17 asks for the switch."""
    nagle_small_only: bool = False
    """Only an unacknowledged small segment holds back another (Minshall), as in Linux."""
    override_ns: int = 500 * MILLISECOND
    """Send a small segment into a small window after all; 0.1 to 1 s (3.8.6.2.1)."""

    # Keepalive (RFC 9293 3.8.4)
    keepalive: bool = False
    """Off unless asked for (MUST-25)."""
    keepalive_idle_ns: int = 2 * HOUR
    """Silence before the first probe; at least 2 hours by default (MUST-28)."""
    keepalive_interval_ns: int = 75 * SECOND
    """Between probes."""
    keepalive_probes_max: int = 9
    """Unanswered probes before the peer counts as dead (MUST-29: not one)."""
    keepalive_octet: bool = False
    """Send an octet of garbage for peers that answer nothing less (MAY-6)."""

    # Closing
    time_wait_ns: int = 240 * SECOND
    """2 MSL, the MSL being two minutes (3.4.2, MUST-13)."""
    time_wait_ignores_reset: bool = False
    """RFC 1337: a reset does not end TIME-WAIT."""
    fin_wait_2_ns: int | None = None
    """How long a peer may take to close after us; ``None``: for ever, as the RFC has it."""

    # Errors and attacks
    icmp_aborts_handshake: bool = False
    """Any "unreachable" ends an attempt to connect, as in Linux; MUST-56 forbids it."""
    challenge_acks_max: int = 10
    """Challenge ACKs in each interval (section 7)."""
    challenge_interval_ns: int = 5 * SECOND
    """That interval."""

    # Congestion
    congestion: str = "reno"
    """``reno``, ``cubic``, or ``fixed:N`` for a window of N segments."""
    loss_reduces_window: bool = False
    """A loss reduces the congestion window itself, though the peer's window or the application has
    let less be sent, as in Linux; RFC 5681 equation 4 halves what is in flight."""
    cubic_alpha_rises: bool = True
    """What CUBIC takes for Reno's window grows as fast as Reno's once it is back where the loss
    was (RFC 9438 4.3: SHOULD); in Linux it goes on at 9/17 of that."""
    recovery: str = "sack"
    """``sack`` (RFC 6675) or ``newreno`` (RFC 6582), which is used when SACK was not agreed."""
    initial_window_segments: int = 10
    """RFC 6928."""
    slow_start_segments: int | None = 1
    """Growth for each ACK in slow start, at most (RFC 5681: 1); ``None``: all it acknowledges."""
    slow_start_after_idle: bool = True
    """RFC 5681 4.1: restart from the initial window after idling for one RTO."""
    speculates_before_the_end: bool = True
    """While the peer's window holds back what was never sent, send again what is not known to be
    lost (RFC 6675 4, NextSeg rules 3 and 4). Linux does so at the end of what was written only,
    by tail loss probes."""
    sack_kept_on_timeout: bool = False
    """Keep what was selectively acknowledged over a time-out; RFC 2018 8 says not to."""

    # IP
    hop_limit: int = 64
    """MUST-49."""
    traffic_class: int = 0
    """MUST-48; two lowest bits are ECN's."""


RFC = TcpProfile()
"""What the documents say."""

LINUX = dataclasses.replace(
    RFC,
    send_buffer_octets=4096 * KIB,
    receive_buffer_octets=6144 * KIB,
    out_of_order_pieces_max=6144 * KIB // 256,
    syn_linear_retries=4,
    syn_retries_max=10,
    syn_give_up_ns=None,
    rto_min_ns=200 * MILLISECOND,
    rto_min_bounds_variance=True,
    rto_max_ns=120 * SECOND,
    rtt_samples_share=False,
    retries_max=15,
    give_up_ns=None,
    delayed_ack_ns=40 * MILLISECOND,
    quick_acks=16,
    nagle_small_only=True,
    time_wait_ns=60 * SECOND,
    fin_wait_2_ns=60 * SECOND,
    icmp_aborts_handshake=True,
    challenge_acks_max=1,
    challenge_interval_ns=500 * MILLISECOND,
    congestion="cubic",
    loss_reduces_window=True,
    cubic_alpha_rises=False,
    slow_start_segments=None,
    speculates_before_the_end=False,
    sack_kept_on_timeout=True,
)
"""What Linux 6.18 does where the documents leave room."""
