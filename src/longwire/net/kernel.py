"""What the kernel knows about a TCP connection: ``struct tcp_info`` of Linux.

The figures tell a dead path (our bytes stay unacknowledged, retransmissions pile up) from a peer
whose process hangs (its kernel acknowledges everything, nobody answers). RFC 9293 has the states.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["TcpInfo", "borrowed_socket", "parse_tcp_info", "read_tcp_info"]

_TCP_INFO_BYTES = 256

# The struct only ever grows at its end, so what an older kernel leaves out is simply missing.
_HEAD = struct.Struct("=8B 24I")  # up to tcpi_total_retrans, in every kernel since 2.6
_BYTES_ACKED_OFFSET = 120
_NOTSENT_OFFSET = 144
_SND_WND_OFFSET = 228
_U32 = struct.Struct("=I")
_U64 = struct.Struct("=Q")

_STATES = (
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpInfo:
    """A snapshot. Ages are seconds before the snapshot, times are seconds."""

    state: str
    """``ESTABLISHED``, ``CLOSE_WAIT`` …"""
    retransmits: int
    """Timeouts in a row without any acknowledgement of new data."""
    probes: int
    """Unanswered probes of a closed window, or of an idle connection (SO_KEEPALIVE)."""
    backoff: int
    """How often the retransmission timer was doubled."""
    unacked: int
    """Segments sent and not acknowledged."""
    lost: int
    """Segments taken for lost."""
    retrans: int
    """Segments retransmitted and not acknowledged."""
    total_retrans: int
    """Segments retransmitted in this connection's life."""
    rto_s: float
    rtt_s: float
    rtt_variance_s: float
    last_data_sent_age_s: float
    last_data_received_age_s: float
    last_ack_received_age_s: float
    snd_mss: int
    snd_cwnd: int
    unsent_bytes: int | None
    """Bytes in the kernel's send queue that were never sent."""
    snd_wnd: int | None
    """What the peer says it can take, bytes; 0: its process does not read."""

    bytes_acked: int | None = None
    """Bytes that the peer's kernel has taken, in this connection's life."""

    @property
    def is_outstanding(self) -> bool:
        """Whether something is on its way to the peer's kernel."""
        return self.unacked > 0 or bool(self.unsent_bytes)

    def __str__(self) -> str:
        window = "" if self.snd_wnd is None else f", peer's window {self.snd_wnd} B"
        return (
            f"{self.state}, {self.unacked} segments unacknowledged, {self.retransmits} timeouts"
            f" in a row, {self.total_retrans} retransmissions in all, last ACK"
            f" {self.last_ack_received_age_s:.3f} s ago, RTT {self.rtt_s * 1000:.2f} ms{window}"
        )


def parse_tcp_info(data: bytes) -> TcpInfo | None:
    """Read a ``struct tcp_info``; ``None`` when it is too short to be one."""
    if len(data) < _HEAD.size:
        return None
    fields = _HEAD.unpack_from(data)
    state, _, retransmits, probes, backoff = fields[:5]
    words = fields[8:]
    return TcpInfo(
        state=_STATES[state] if state < len(_STATES) else str(state),
        retransmits=retransmits,
        probes=probes,
        backoff=backoff,
        rto_s=words[0] / 1e6,
        snd_mss=words[2],
        unacked=words[4],
        lost=words[6],
        retrans=words[7],
        last_data_sent_age_s=words[9] / 1e3,
        last_data_received_age_s=words[11] / 1e3,
        last_ack_received_age_s=words[12] / 1e3,
        rtt_s=words[15] / 1e6,
        rtt_variance_s=words[16] / 1e6,
        snd_cwnd=words[18],
        total_retrans=words[23],
        unsent_bytes=_word_at(data, _NOTSENT_OFFSET),
        snd_wnd=_word_at(data, _SND_WND_OFFSET),
        bytes_acked=_long_at(data, _BYTES_ACKED_OFFSET),
    )


def _long_at(data: bytes, offset: int) -> int | None:
    if len(data) < offset + _U64.size:
        return None
    long: int = _U64.unpack_from(data, offset)[0]
    return long


def _word_at(data: bytes, offset: int) -> int | None:
    if len(data) < offset + _U32.size:
        return None
    word: int = _U32.unpack_from(data, offset)[0]
    return word


def read_tcp_info(descriptor: int) -> TcpInfo | None:
    """Ask the kernel about the TCP socket behind ``descriptor``.

    ``None`` where there is no such figure: another system, another kind of socket, a closed one.
    """
    if not sys.platform.startswith("linux") or descriptor < 0:
        return None
    try:
        with borrowed_socket(descriptor) as borrowed:
            return parse_tcp_info(
                borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            )
    except OSError:
        return None


@contextlib.contextmanager
def borrowed_socket(descriptor: int) -> Iterator[socket.socket]:
    """A socket object for a descriptor that stays somebody else's: uvloop's sockets lack calls.

    What it is told to be spares asking the kernel; the calls go to what it is. Every connection
    asks at its end, so a duplicate and four questions more would be felt.
    """
    borrowed = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=descriptor
    )
    try:
        yield borrowed
    finally:
        borrowed.detach()
