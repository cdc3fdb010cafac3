"""What loss recovery is told, and what it answers."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from longwire.tcpip.tcp.scoreboard import Record

__all__ = ["DUPLICATE_THRESHOLD", "AckEvent", "Phase", "Recovery"]

# RFC 5681 3.2, RFC 6675 2: three duplicates show a loss.
DUPLICATE_THRESHOLD = 3


class Phase(Enum):
    """Values are the kernel's, as ``tcpi_ca_state`` has them; 2 is for ECN."""

    OPEN = 0
    DISORDER = 1
    RECOVERY = 3
    LOSS = 4


class AckEvent:
    """One acknowledgment, as recovery sees it, after the scoreboard has taken it in."""

    __slots__ = ("acked", "flight", "is_duplicate", "newly_sacked", "now_ns", "snd_nxt", "snd_una")

    def __init__(
        self,
        now_ns: int,
        *,
        acked: int,
        newly_sacked: int,
        is_duplicate: bool,
        flight: int,
        snd_una: int,
        snd_nxt: int,
    ) -> None:
        self.now_ns = now_ns
        self.acked = acked
        """Octets that the cumulative acknowledgment moved on by."""
        self.newly_sacked = newly_sacked
        """Octets that were selectively acknowledged for the first time."""
        self.is_duplicate = is_duplicate
        """A duplicate by RFC 5681 section 2."""
        self.flight = flight
        """Octets between SND.UNA and SND.NXT before it."""
        self.snd_una = snd_una
        self.snd_nxt = snd_nxt


class Recovery(Protocol):
    """Decides over retransmissions; when congestion control is told of a loss, and of its end."""

    name: str
    uses_sack: bool
    """Whether selective acknowledgments are entered into the scoreboard."""
    phase: Phase
    must_resend: bool
    """The next lost record goes out whatever the window: it is the fast retransmit."""
    duplicates: int
    """Duplicate acknowledgments in a row."""

    @property
    def pipe(self) -> int:
        """Octets to hold against the congestion window."""

    @property
    def allows_growth(self) -> bool:
        """Whether acknowledgments may open the congestion window now."""

    def on_ack(self, event: AckEvent) -> None:
        """An acknowledgment came."""

    def on_timeout(self, snd_nxt: int) -> None:
        """The retransmission timer ran out."""

    def next_lost(self) -> Record | None:
        """Return what is lost and not sent again."""

    def next_speculative(self, snd_una: int) -> Record | None:
        """Return what may be sent again when there is room and nothing new to send."""
