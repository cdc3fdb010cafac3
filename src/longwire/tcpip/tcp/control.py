"""The control block: everything that one connection knows (RFC 9293 section 3.3.1).

Names of sequence variables are the document's: ``snd_una`` is SND.UNA. The modules beside this one
are functions over it; what is here is the state, and the few questions and steps they all share.
"""

from __future__ import annotations

from enum import IntFlag

from longwire.tcpip.addresses import Address
from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.reasons import Notebook, Reason
from longwire.tcpip.tcp.congestion import CongestionControl, make_congestion_control
from longwire.tcpip.tcp.counts import Counts
from longwire.tcpip.tcp.profile import TcpProfile
from longwire.tcpip.tcp.receive_buffer import ReceiveBuffer
from longwire.tcpip.tcp.recovery import Recovery, make_recovery
from longwire.tcpip.tcp.rtt import RttEstimator
from longwire.tcpip.tcp.scoreboard import Scoreboard
from longwire.tcpip.tcp.send_buffer import SendBuffer
from longwire.tcpip.tcp.state import STEPS, State
from longwire.tcpip.wire.tcp import Segment

__all__ = ["ControlBlock", "TcpEvent", "mss_default"]

# Header octets of TCP and IP, without options.
_FIXED_HEADERS = {4: 40, 16: 60}
_SCALE_MAX = 14


def mss_default(address: Address) -> int:
    """Return what a peer takes that did not say (MUST-15)."""
    return 536 if len(address) == 4 else 1220


class TcpEvent(IntFlag):
    """What happened since the application last asked."""

    CONNECTED = 1
    READABLE = 2
    WRITABLE = 4
    PEER_CLOSED = 8
    URGENT = 16
    CLOSED = 32
    """The connection is gone; ``error`` says why, or is ``None`` after a regular close."""
    SOFT_ERROR = 64
    """An ICMP error that the connection outlives (MUST-54, SHLD-25); ``soft_error`` has it."""
    SLOW = 128
    """R1 was reached: the peer acknowledges nothing (SHLD-9)."""


class ControlBlock:
    """State of one connection. ``local`` and ``remote`` are (address, port)."""

    __slots__ = (
        "ack_at",
        "ack_now",
        "board",
        "challenge_count",
        "challenge_since_ns",
        "close_waits_for_handshake",
        "congestion",
        "counts",
        "error",
        "events",
        "fin_sequence",
        "fin_wait_at",
        "has_sack",
        "has_timestamps",
        "irs",
        "is_cwnd_limited",
        "is_passive",
        "is_scaled",
        "iss",
        "keepalive_at",
        "keepalive_probes",
        "large_octets",
        "last_ack_received_ns",
        "last_ack_sent",
        "last_received_ns",
        "last_sent_ns",
        "last_text_ns",
        "local",
        "max_snd_wnd",
        "mss",
        "mss_offered",
        "notebook",
        "opened_ns",
        "outbox",
        "override_ready",
        "path_mtu",
        "peer_fin",
        "peer_mss",
        "persist_at",
        "persist_backoff",
        "persist_since_ns",
        "profile",
        "quick_acks",
        "rcv_adv",
        "rcv_mss",
        "rcv_nxt",
        "rcv_scale",
        "rcv_up",
        "receive_buffer",
        "recovery",
        "remote",
        "retransmissions",
        "retransmit_at",
        "rtt",
        "send_buffer",
        "small_end",
        "snd_max",
        "snd_nxt",
        "snd_scale",
        "snd_una",
        "snd_up",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
        "soft_error",
        "state",
        "syn_due",
        "syn_retransmissions",
        "time_wait_at",
        "ts_offset",
        "ts_recent",
        "ts_recent_at_ns",
        "unacked_octets",
        "user_closed",
    )

    def __init__(
        self,
        profile: TcpProfile,
        notebook: Notebook,
        local: tuple[Address, int],
        remote: tuple[Address, int],
        *,
        iss: int,
        ts_offset: int,
        path_mtu: int,
        now_ns: int,
        is_passive: bool,
    ) -> None:
        self.profile = profile
        self.notebook = notebook
        self.local = local
        self.remote = remote
        self.is_passive = is_passive
        self.state = State.CLOSED
        self.opened_ns = now_ns
        self.error: Reason | None = None
        self.soft_error: Reason | None = None
        self.events = TcpEvent(0)
        self.counts = Counts()

        # Sending (RFC 9293 figure 3). snd_max is one past the highest ever sent: window probes go
        # beyond snd_nxt.
        self.iss = iss
        self.snd_una = iss
        self.snd_nxt = iss
        self.snd_max = iss
        self.snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.snd_up: int | None = None
        self.snd_scale = 0
        self.large_octets = 0  # the largest packet that the device splits; 0: it does not
        self.max_snd_wnd = 0
        self.small_end = iss
        self.send_buffer = SendBuffer(iss + 1)
        self.fin_sequence: int | None = None
        self.board = Scoreboard()

        # Receiving (figure 4). rcv_adv is the right edge that was announced.
        self.irs = 0
        self.rcv_nxt = 0
        self.rcv_adv = 0
        self.rcv_up: int | None = None
        self.peer_fin: int | None = None
        self.rcv_scale = _scale_for(profile)
        self.is_scaled = profile.window_scaling
        self.receive_buffer = ReceiveBuffer(
            profile.receive_buffer_octets, profile.out_of_order_pieces_max
        )

        # Sizes
        self.path_mtu = path_mtu
        self.peer_mss = mss_default(remote[0])
        self.mss_offered = min(profile.mss_max, path_mtu - _FIXED_HEADERS[len(local[0])])
        self.rcv_mss = min(self.mss_offered, mss_default(remote[0]))
        self.mss = self.rcv_mss

        # Options that both sides agreed on
        self.has_timestamps = False
        self.has_sack = False
        self.ts_offset = ts_offset
        self.ts_recent = 0
        self.ts_recent_at_ns = now_ns
        self.last_ack_sent = 0

        self.rtt = RttEstimator(profile)
        self.congestion: CongestionControl = make_congestion_control(profile, self.mss)
        self.recovery: Recovery = make_recovery(
            profile, self.board, self.congestion, has_sack=False
        )
        self.is_cwnd_limited = False

        # What is to be sent
        self.outbox: list[Segment] = []
        self.syn_due = False
        self.syn_retransmissions = 0
        self.ack_now = False
        self.unacked_octets = 0
        self.quick_acks = profile.quick_acks
        self.override_ready = False

        # Timers: when each runs out
        self.retransmit_at: int | None = None
        self.ack_at: int | None = None
        self.persist_at: int | None = None
        self.keepalive_at: int | None = None
        self.time_wait_at: int | None = None
        self.fin_wait_at: int | None = None
        self.retransmissions = 0
        self.persist_backoff = 0
        self.persist_since_ns: int | None = None
        self.keepalive_probes = 0

        # Closing
        self.user_closed = False
        self.close_waits_for_handshake = False

        # Ages
        self.last_received_ns = now_ns
        self.last_ack_received_ns = now_ns
        self.last_sent_ns = now_ns
        self.last_text_ns = now_ns
        self.challenge_since_ns = now_ns
        self.challenge_count = 0

    # Questions

    @property
    def flight(self) -> int:
        """FlightSize: octets sent and not cumulatively acknowledged (RFC 5681 section 2)."""
        return self.snd_nxt - self.snd_una

    @property
    def rcv_wnd(self) -> int:
        """What the peer may send now."""
        return max(0, self.rcv_adv - self.rcv_nxt)

    @property
    def is_fin_acknowledged(self) -> bool:
        """Whether the peer has our FIN."""
        return self.fin_sequence is not None and self.snd_una > self.fin_sequence

    @property
    def has_unsent(self) -> bool:
        """Whether data, or the FIN, waits to be sent for the first time."""
        if self.snd_nxt < self.send_buffer.end:
            return True
        return self.fin_sequence is not None and self.snd_nxt <= self.fin_sequence

    @property
    def oldest_unacknowledged_ns(self) -> int | None:
        """When what the peer should acknowledge next was sent for the first time."""
        first = self.board.first
        if first is not None:
            return first.first_sent_ns
        if self.state in (State.SYN_SENT, State.SYN_RECEIVED):
            return self.opened_ns
        return self.persist_since_ns

    def timestamp(self, now_ns: int) -> int:
        """Return TSval: milliseconds from a random beginning (RFC 7323 5.4, section 7)."""
        return now_ns // MILLISECOND + self.ts_offset & 0xFFFFFFFF

    # Steps

    def note(self, now_ns: int, reason: Reason, detail: str = "", unit: object = None) -> None:
        """Write down what happened."""
        self.notebook.write(now_ns, reason, detail, unit)

    def enter(self, state: State, now_ns: int, reason: Reason) -> None:
        """Take a step of the state machine."""
        assert state is State.CLOSED or state in STEPS[self.state], (self.state, state)
        self.notebook.write(now_ns, reason, f"{self.state.name} to {state.name}")
        self.state = state

    def update_mss(self) -> None:
        """Compute Eff.snd.MSS (RFC 9293 3.7.1, MUST-16, and RFC 6691)."""
        octets = _FIXED_HEADERS[len(self.local[0])]
        # The option's value does not count options; what is sent must leave room for them.
        room = min(self.peer_mss, self.path_mtu - octets)
        if self.has_timestamps:
            room -= 12
        # Room for four SACK blocks and some text, however small the path claims to be.
        self.mss = max(room, 48)
        self.congestion.mss = self.mss

    def settle_options(self) -> None:
        """Begin congestion control and recovery, now that it is known what both sides speak."""
        self.update_mss()
        self.congestion = make_congestion_control(self.profile, self.mss)
        if self.syn_retransmissions:
            # RFC 5681 3.1: after a lost SYN the initial window is one segment.
            self.congestion.window = self.mss
        self.recovery = make_recovery(
            self.profile, self.board, self.congestion, has_sack=self.has_sack
        )


def _scale_for(profile: TcpProfile) -> int:
    """Return the shift that lets the whole buffer be announced (RFC 7323 2.3: at most 14)."""
    shift = 0
    while profile.window_scaling and shift < _SCALE_MAX:
        if profile.receive_buffer_octets >> shift <= 0xFFFF:
            break
        shift += 1
    return shift
