"""CUBIC in whole segments, with the growth worked out anew only now and then, as Linux has it.

Not for use: it shows what that granularity costs (``bench.parity.causes``). Below some thirty
segments CUBIC grows as Reno would, a segment in about two round trips. Who looks at most every
31 ms, and adds whole segments, is late with each of them; at a round-trip time of 10 ms and a loss
in every hundred packets, an epoch lasts only twice as long.
"""

from __future__ import annotations

from longwire.tcpip.tcp.congestion.cubic import Cubic

__all__ = ["GranularCubic"]

_QUIET_MS = 31
_RENO_WINDOWS = (17, 9)
"""Windows of acknowledged octets for which Reno with CUBIC's beta adds a segment: 1 / alpha."""


class GranularCubic(Cubic):
    """Differs from its parent only in when, and by how much at a time, the window grows."""

    _seen_window = 0
    _seen_ms = 0
    _uncounted = 0
    _reno_window = 0
    _octets_for_segment = 0
    _credit = 0

    def _begin_epoch(self, now_ns: int) -> None:
        super()._begin_epoch(now_ns)
        self._seen_window = self._uncounted = self._credit = 0
        self._reno_window = self.window

    def _grow(self, acked: int, elapsed_ms: int) -> None:
        self._uncounted += acked
        if self._seen_window != self.window or elapsed_ms - self._seen_ms > _QUIET_MS:
            self._seen_window, self._seen_ms = self.window, elapsed_ms
            self._look(elapsed_ms)
        if self._credit >= self._octets_for_segment:
            # What was counted while growth was slower is worth one segment, however much it is.
            self._credit = 0
            self.window += self.mss
        self._credit += acked
        segments, self._credit = divmod(self._credit, self._octets_for_segment)
        self.window += segments * self.mss

    def _look(self, elapsed_ms: int) -> None:
        """Work out for how many acknowledged octets the window grows by a segment."""
        numerator, denominator = _RENO_WINDOWS
        step = self.window * numerator // denominator
        segments, self._uncounted = divmod(self._uncounted, step)
        self._reno_window += segments * self.mss
        target = max(self.curve(elapsed_ms + self._smoothed_ms), self._reno_window)
        missing = (target - self.window) // self.mss
        self._octets_for_segment = self.window // missing if missing > 0 else 100 * self.window

    def _reduce(self, flight: int) -> None:
        super()._reduce(flight)
        self.threshold -= self.threshold % self.mss
