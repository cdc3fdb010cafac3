"""Reno: slow start and congestion avoidance (RFC 5681 section 3.1)."""

from __future__ import annotations

from longwire.tcpip.tcp.congestion.base import THRESHOLD_UNSET, AckSample, reduced_threshold

__all__ = ["Reno"]


class Reno:
    """Doubles each round trip below the threshold, adds a segment each round trip above it."""

    name = "reno"

    def __init__(
        self,
        mss: int,
        window: int,
        slow_start_segments: int | None,
        *,
        does_reduce_window: bool = False,
    ) -> None:
        self.mss = mss
        self.window = window
        self.threshold = THRESHOLD_UNSET
        self._slow_start_segments = slow_start_segments
        self._does_reduce_window = does_reduce_window
        self._counted = 0

    def on_ack(self, sample: AckSample) -> None:
        # A window that is not used proves nothing about the network (RFC 7661 section 3).
        if not sample.is_window_used:
            return
        acked = sample.acked
        if self.window < self.threshold:
            # cwnd += min(N, SMSS) (equation 2).
            step = acked
            if self._slow_start_segments is not None:
                step = min(step, self._slow_start_segments * self.mss)
            self.window = min(self.window + step, max(self.threshold, self.window + self.mss))
            return
        # One SMSS for each window's worth of acknowledged octets: "the recommended way".
        self._counted += acked
        if self._counted >= self.window:
            self._counted -= self.window
            self.window += self.mss

    def on_congestion(self, flight: int, now_ns: int) -> None:
        self.threshold = self.window = self._reduced(flight)
        self._counted = 0

    def on_timeout(self, flight: int, now_ns: int, *, is_first: bool) -> None:
        # 3.1: for a segment that was sent again by the timer before, ssthresh is held.
        if is_first:
            self.threshold = self._reduced(flight)
        self.window = self.mss
        self._counted = 0

    def _reduced(self, flight: int) -> int:
        used = self.window if self._does_reduce_window else min(flight, self.window)
        return reduced_threshold(used, self.mss)

    def on_idle(self, restart_window: int, now_ns: int) -> None:
        self.window = min(self.window, restart_window)

    def on_recovered(self, flight: int) -> None:
        # RFC 6582 3.2 step 3, first way: what has left the network meanwhile is not sent at once.
        self.window = min(self.threshold, max(flight, self.mss) + self.mss)
