"""The round-trip time and the retransmission time-out (RFC 6298), in whole nanoseconds."""

from __future__ import annotations

from longwire.tcpip.tcp.profile import TcpProfile

__all__ = ["RttEstimator"]


class RttEstimator:
    """``smoothed_ns`` is SRTT, ``variance_ns`` is RTTVAR; both ``None`` until there is a sample."""

    __slots__ = (
        "_profile",
        "backoff",
        "base_ns",
        "min_ns",
        "samples",
        "smoothed_ns",
        "variance_ns",
    )

    def __init__(self, profile: TcpProfile) -> None:
        self._profile = profile
        self.smoothed_ns: int | None = None
        self.variance_ns = 0
        self.min_ns: int | None = None
        self.samples = 0
        # (2.1) Until a measurement has been made, set RTO to one second.
        self.base_ns = profile.rto_initial_ns
        self.backoff = 0
        """How often the time-out was doubled since the last sample."""

    @property
    def rto_ns(self) -> int:
        """The time-out, doubled as often as it ran out, within its maximum (5.5, 2.5)."""
        return min(self.base_ns << min(self.backoff, 32), self._profile.rto_max_ns)

    def sample(self, rtt_ns: int, samples_per_round: int = 1) -> None:
        """Take a measurement.

        With many measurements in one round trip each weighs less (RFC 7323 4.3), or the filters
        would forget within a fraction of it.
        """
        self.samples += 1
        if self.min_ns is None or rtt_ns < self.min_ns:
            self.min_ns = rtt_ns
        if self.smoothed_ns is None:
            # (2.2) SRTT <- R, RTTVAR <- R/2.
            self.smoothed_ns = rtt_ns
            self.variance_ns = rtt_ns // 2
        else:
            # (2.3) RTTVAR before SRTT; alpha = 1/8, beta = 1/4.
            difference_ns = abs(self.smoothed_ns - rtt_ns)
            weight = max(1, samples_per_round)
            self.variance_ns += (difference_ns - self.variance_ns) // (4 * weight)
            self.smoothed_ns += (rtt_ns - self.smoothed_ns) // (8 * weight)
        self._compute()
        # (5.7 and Karn) A new measurement ends the backing off.
        self.backoff = 0

    def back_off(self) -> None:
        """Double the time-out (5.5)."""
        self.backoff += 1

    def start_after_syn_loss(self) -> None:
        """(5.7) If the SYN's timer ran out and RTO is below 3 s, data begins with 3 s."""
        self.backoff = 0
        if self.smoothed_ns is None:
            self.base_ns = max(self.base_ns, self._profile.rto_after_syn_loss_ns)

    def _compute(self) -> None:
        assert self.smoothed_ns is not None
        profile = self._profile
        margin_ns = max(profile.clock_granularity_ns, 4 * self.variance_ns)
        if profile.rto_min_bounds_variance:
            self.base_ns = self.smoothed_ns + max(margin_ns, profile.rto_min_ns)
        else:
            # (2.4) Below one second, round up.
            self.base_ns = max(self.smoothed_ns + margin_ns, profile.rto_min_ns)
        self.base_ns = min(self.base_ns, profile.rto_max_ns)
