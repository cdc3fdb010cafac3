"""What a congestion control is told, and what it answers."""

from __future__ import annotations

from typing import Protocol

__all__ = ["THRESHOLD_UNSET", "AckSample", "CongestionControl", "reduced_threshold"]

# RFC 5681 3.1: the initial threshold should be arbitrarily high. Precedent: Linux's value.
THRESHOLD_UNSET = 0x7FFFFFFF


class AckSample:
    """One acknowledgment of new data, as congestion control sees it."""

    __slots__ = ("acked", "flight", "is_window_used", "now_ns", "rtt_ns")

    def __init__(
        self, now_ns: int, acked: int, flight: int, rtt_ns: int | None, is_window_used: bool
    ) -> None:
        self.now_ns = now_ns
        self.acked = acked
        """Octets that were acknowledged."""
        self.flight = flight
        """Octets in flight before it."""
        self.rtt_ns = rtt_ns
        """A measurement that came with it."""
        self.is_window_used = is_window_used
        """Whether the congestion window, and not the application or the peer, set the pace."""


class CongestionControl(Protocol):
    """How many octets may be in the network, and how that changes."""

    name: str
    window: int
    """cwnd, octets; never below one segment."""
    threshold: int
    """ssthresh, octets."""
    mss: int
    """SMSS, octets."""

    def on_ack(self, sample: AckSample) -> None:
        """New data was acknowledged and nothing is being recovered."""

    def on_congestion(self, flight: int, now_ns: int) -> None:
        """A loss was found by acknowledgments. Called once for each window of data.

        ``flight`` is FlightSize, which may be larger than the window: selective acknowledgments
        let new data out while the oldest is repaired.
        """

    def on_timeout(self, flight: int, now_ns: int, *, is_first: bool) -> None:
        """The retransmission timer ran out, for the first time for this segment or again."""

    def on_idle(self, restart_window: int, now_ns: int) -> None:
        """Nothing was sent for longer than a time-out (RFC 5681 4.1)."""

    def on_recovered(self, flight: int) -> None:
        """NewReno has repaired a loss, and ``flight`` octets are in flight now (RFC 6582 3.2)."""


def reduced_threshold(flight: int, mss: int) -> int:
    """Return ssthresh after a loss (RFC 5681 equation 4).

    ``flight`` is no more than the window was: what limited transmit and recovery have sent beyond
    must not count (RFC 5681 3.2 step 2).
    """
    return max(flight // 2, 2 * mss)
