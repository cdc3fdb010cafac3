"""Recovery with selective acknowledgments (RFC 6675)."""

from __future__ import annotations

from longwire.tcpip.tcp.congestion.base import CongestionControl
from longwire.tcpip.tcp.recovery.base import DUPLICATE_THRESHOLD, AckEvent, Phase
from longwire.tcpip.tcp.scoreboard import Record, Scoreboard

__all__ = ["SackRecovery"]


class SackRecovery:
    """State of one connection. The pipe is what the scoreboard counts, as section 4 has it."""

    name = "sack"
    uses_sack = True

    def __init__(
        self, board: Scoreboard, congestion: CongestionControl, *, keep_sacked: bool
    ) -> None:
        self._board = board
        self._congestion = congestion
        self._keep_sacked = keep_sacked
        self.phase = Phase.OPEN
        self.must_resend = False
        self.duplicates = 0
        self._recovery_point: int | None = None
        self._rescued_upto: int | None = None
        self._rescue: Record | None = None

    @property
    def pipe(self) -> int:
        return self._board.pipe

    @property
    def allows_growth(self) -> bool:
        return self.phase is not Phase.RECOVERY

    def on_ack(self, event: AckEvent) -> None:
        board = self._board
        if event.acked:
            self.duplicates = 0
            self._on_progress(event)
        # Section 2: a duplicate is one that selectively acknowledges something new.
        if event.newly_sacked:
            if not event.acked:
                self.duplicates += 1
            if self.phase is Phase.OPEN:
                self.phase = Phase.DISORDER
            limit = board.loss_limit(
                DUPLICATE_THRESHOLD, (DUPLICATE_THRESHOLD - 1) * self._congestion.mss
            )
            if limit is not None:
                board.mark_lost_below(limit)
        if self.phase in (Phase.OPEN, Phase.DISORDER):
            first = board.first
            # Section 5, steps 1 and 2: enough duplicates, or the first octet is lost by itself.
            if first is not None and (
                self.duplicates >= DUPLICATE_THRESHOLD or (first.is_lost and not first.is_resent)
            ):
                self._enter(first, event)

    def _on_progress(self, event: AckEvent) -> None:
        if self._recovery_point is None or event.snd_una < self._recovery_point:
            return
        # Section 5, step A: recovery ends when everything up to RecoveryPoint is acknowledged.
        # The window stays: the pipe has kept up with it all the time.
        self._recovery_point = None
        self._rescued_upto = self._rescue = None
        self.phase = Phase.DISORDER if len(self._board.sacked) else Phase.OPEN

    def _enter(self, first: Record, event: AckEvent) -> None:
        # Section 5: "a new recovery phase must not be initiated until HighACK is at least
        # RecoveryPoint" holds because the phase stays LOSS until then.
        self.phase = Phase.RECOVERY
        self._recovery_point = event.snd_nxt
        self._rescued_upto = self._rescue = None
        self._congestion.on_congestion(event.flight, event.now_ns)
        self._board.mark_lost(first)
        # Step 4.3: the first lost segment goes out whatever the window.
        self.must_resend = True

    def on_timeout(self, snd_nxt: int) -> None:
        # Section 5.1: RecoveryPoint is HighData, and recovery ends.
        self.phase = Phase.LOSS
        self._recovery_point = snd_nxt
        self._rescued_upto = self._rescue = None
        self.duplicates = 0
        self.must_resend = True
        first = self._board.first
        # RFC 2018 8: the segment at the left edge is sent again even if it was sacked: then the
        # peer has reneged, and nothing that it said is kept.
        has_reneged = first is not None and first.is_sacked
        self._board.mark_all_lost(keep_sacked=self._keep_sacked and not has_reneged)

    def next_lost(self) -> Record | None:
        return self._board.next_lost()

    def next_speculative(self, snd_una: int) -> Record | None:
        if self.phase is not Phase.RECOVERY:
            return None
        # NextSeg rule 3: a hole below what is sacked, though it is not known to be lost.
        record = self._board.next_below_sacked()
        if record is not None:
            return record
        # NextSeg rule 4: once for each recovery, the end of the flight.
        if self._rescue is not None and self._rescue.is_resent:
            self._rescued_upto = self._recovery_point
            self._rescue = None
        if self._rescued_upto is not None and snd_una <= self._rescued_upto:
            return None
        record = self._board.last_unsacked()
        self._rescue = None if record is None or record.is_resent else record
        return self._rescue
