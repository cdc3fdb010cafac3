"""A window that never changes: for teaching, and for tests of everything else."""

from __future__ import annotations

from longwire.tcpip.tcp.congestion.base import THRESHOLD_UNSET, AckSample

__all__ = ["Fixed"]


class Fixed:
    """``segments`` segments, whatever happens."""

    name = "fixed"

    def __init__(self, mss: int, segments: int) -> None:
        self._segments = segments
        self.mss = mss
        self.threshold = THRESHOLD_UNSET

    @property
    def window(self) -> int:
        return self._segments * self.mss

    @window.setter
    def window(self, octets: int) -> None:
        """Whoever would set it finds it as it was."""

    def on_ack(self, sample: AckSample) -> None:
        """Nothing changes."""

    def on_congestion(self, flight: int, now_ns: int) -> None:
        """Nothing changes."""

    def on_timeout(self, flight: int, now_ns: int, *, is_first: bool) -> None:
        """Nothing changes."""

    def on_idle(self, restart_window: int, now_ns: int) -> None:
        """Nothing changes."""

    def on_recovered(self, flight: int) -> None:
        """Nothing changes."""
