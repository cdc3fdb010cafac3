"""CUBIC (RFC 9438), in integers: milliseconds and octets.

Windows of the document are in segments; here they are octets, so that C times a cube of seconds is
``4 * ms**3 * SMSS // (10 * 1000**3)``. Integers make the curve the same on every machine.
"""

from __future__ import annotations

from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.tcp.congestion.base import THRESHOLD_UNSET, AckSample

__all__ = ["Cubic", "cube_root"]

# C = 0.4 (5.1) and beta = 0.7 (4.6), as fractions; both with the denominator 10.
_C = 4
_BETA = 7
_TEN = 10
_CUBIC_MS = 1000**3

# alpha = 3 (1 - beta) / (1 + beta) = 9/17 while W_est is below the window before the loss (4.3).
_ALPHA = (9, 17)


def cube_root(number: int) -> int:
    """Return the largest integer whose cube is not above ``number``."""
    if number <= 0:
        return 0
    root = 1 << (number.bit_length() + 2) // 3
    while True:
        better = (2 * root + number // (root * root)) // 3
        if better >= root:
            return root
        root = better


class Cubic:
    """Grows along a cubic around the window at which the last loss happened."""

    name = "cubic"

    def __init__(
        self,
        mss: int,
        window: int,
        slow_start_segments: int | None,
        *,
        does_alpha_rise: bool = True,
        does_reduce_window: bool = False,
    ) -> None:
        self.mss = mss
        self.window = window
        self.threshold = THRESHOLD_UNSET
        self._slow_start_segments = slow_start_segments
        self._does_alpha_rise = does_alpha_rise
        self._does_reduce_window = does_reduce_window
        self._w_max = 0
        self._window_before = 0
        self._epoch_ns: int | None = None
        self._k_ms = 0
        self._window_epoch = 0
        self._w_est = 0
        self._w_est_rest = 0
        self._growth_rest = 0
        self._used_ns = 0
        self._smoothed_ms = 0

    def curve(self, elapsed_ms: int) -> int:
        """Return W_cubic, octets, that long after the epoch began (equation 1)."""
        distance = elapsed_ms - self._k_ms
        cubed = distance * distance * distance
        # Toward zero on both sides, so that the curve is symmetric around K.
        growth = _C * abs(cubed) * self.mss // (_TEN * _CUBIC_MS)
        return self._w_max + (growth if cubed >= 0 else -growth)

    def on_ack(self, sample: AckSample) -> None:
        if sample.rtt_ns is not None:
            rtt_ms = sample.rtt_ns // MILLISECOND
            self._smoothed_ms += (rtt_ms - self._smoothed_ms) // 8 if self._smoothed_ms else rtt_ms
        if not sample.is_window_used:
            # 5.8: time in which the application sends too little does not count.
            if self._epoch_ns is not None and self._used_ns:
                self._epoch_ns += sample.now_ns - self._used_ns
            self._used_ns = sample.now_ns
            return
        self._used_ns = sample.now_ns
        if self.window < self.threshold:
            step = sample.acked
            if self._slow_start_segments is not None:
                step = min(step, self._slow_start_segments * self.mss)
            self.window = min(self.window + step, max(self.threshold, self.window + self.mss))
            return
        if self._epoch_ns is None:
            self._begin_epoch(sample.now_ns)
        assert self._epoch_ns is not None
        self._grow(sample.acked, (sample.now_ns - self._epoch_ns) // MILLISECOND)

    def _begin_epoch(self, now_ns: int) -> None:
        self._epoch_ns = now_ns
        self._window_epoch = self.window
        self._w_est = self.window
        self._w_est_rest = 0
        if self._w_max <= self.window:
            # 4.8 and 4.10: no loss was seen at a larger window, so the curve starts at its centre.
            self._w_max = self.window
            self._k_ms = 0
        else:
            # K = cubic root of ((W_max - cwnd_epoch) / C) seconds (equation 2).
            distance = (self._w_max - self.window) * _TEN * _CUBIC_MS // (_C * self.mss)
            self._k_ms = cube_root(distance)

    def _grow(self, acked: int, elapsed_ms: int) -> None:
        window = self.window
        # 4.3: what Reno would have by now; after W_est reaches the former window, alpha is 1.
        has_risen = self._does_alpha_rise and self._w_est >= self._window_before
        numerator, denominator = (1, 1) if has_risen else _ALPHA
        estimate = numerator * acked * self.mss + self._w_est_rest
        self._w_est += estimate // (denominator * window)
        self._w_est_rest = estimate % (denominator * window)
        if self.curve(elapsed_ms) < self._w_est:
            self.window = max(window, self._w_est)
            return
        # 4.2: the target is where the curve will be one round trip from now, within 1 to 1.5.
        target = self.curve(elapsed_ms + self._smoothed_ms)
        target = max(window, min(target, window * 3 // 2))
        growth = (target - window) * acked + self._growth_rest
        self.window += growth // window
        self._growth_rest = growth % window

    def _reduce(self, flight: int) -> None:
        window = self.window
        self._window_before = window
        # 4.7, fast convergence: a flow whose window shrinks leaves room for newer ones.
        if window < self._w_max:
            self._w_max = window * (_TEN + _BETA) // (2 * _TEN)
        else:
            self._w_max = window
        # 4.6: beta times what is in flight, and never below two segments.
        used = window if self._does_reduce_window else min(flight, window)
        self.threshold = max(used * _BETA // _TEN, 2 * self.mss)
        self._epoch_ns = None
        self._growth_rest = 0

    def on_congestion(self, flight: int, now_ns: int) -> None:
        self._reduce(flight)
        self.window = self.threshold

    def on_timeout(self, flight: int, now_ns: int, *, is_first: bool) -> None:
        # 4.8: as Reno, with beta of CUBIC.
        if is_first:
            self._reduce(flight)
        self.window = self.mss
        self._epoch_ns = None

    def on_idle(self, restart_window: int, now_ns: int) -> None:
        self.window = min(self.window, restart_window)
        self._epoch_ns = None

    def on_recovered(self, flight: int) -> None:
        self.window = min(self.threshold, max(flight, self.mss) + self.mss)
