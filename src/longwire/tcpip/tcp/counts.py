"""What a connection has counted, for ``info``."""

from __future__ import annotations

__all__ = ["Counts"]


class Counts:
    """Segments and octets since the connection was opened."""

    __slots__ = (
        "data_segments_received",
        "data_segments_sent",
        "octets_acknowledged",
        "octets_received",
        "octets_retransmitted",
        "octets_sent",
        "out_of_order",
        "segments_received",
        "segments_retransmitted",
        "segments_sent",
        "timeouts",
    )

    def __init__(self) -> None:
        self.segments_sent = 0
        self.segments_received = 0
        self.data_segments_sent = 0
        self.data_segments_received = 0
        self.octets_sent = 0
        """Text, retransmissions included."""
        self.octets_retransmitted = 0
        self.segments_retransmitted = 0
        self.octets_acknowledged = 0
        self.octets_received = 0
        """Text that came in order."""
        self.out_of_order = 0
        """Segments that came too early."""
        self.timeouts = 0
