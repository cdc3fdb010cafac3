"""What one run has brought."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """Octets that the receiving application has read, segments that were sent again."""

    octets: int
    retransmissions: int
    timeouts: int = 0
    late: float = 0.0
    """Share of the packets that a busy machine has moved later than they were due."""
