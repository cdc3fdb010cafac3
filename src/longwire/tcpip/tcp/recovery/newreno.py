"""NewReno (RFC 6582, with limited transmit, RFC 3042): recovery from cumulative ACKs alone.

The document inflates the congestion window for each duplicate; here the same number of octets is
taken off the pipe instead, which lets the same segments out and leaves the window alone.
"""

from __future__ import annotations

from longwire.tcpip.tcp.congestion.base import CongestionControl
from longwire.tcpip.tcp.recovery.base import DUPLICATE_THRESHOLD, AckEvent, Phase
from longwire.tcpip.tcp.scoreboard import Record, Scoreboard

__all__ = ["NewRenoRecovery"]


class NewRenoRecovery:
    """State of one connection."""

    name = "newreno"
    uses_sack = False

    def __init__(self, board: Scoreboard, congestion: CongestionControl) -> None:
        self._board = board
        self._congestion = congestion
        self.phase = Phase.OPEN
        self.must_resend = False
        self.duplicates = 0
        # "recover": where the data ended when the last loss was found. None: there was none.
        self._recover: int | None = None
        self._inflation = 0

    @property
    def pipe(self) -> int:
        return max(0, self._board.pipe - self._inflation)

    @property
    def allows_growth(self) -> bool:
        return self.phase is not Phase.RECOVERY

    def on_ack(self, event: AckEvent) -> None:
        if event.acked:
            self._on_progress(event)
        elif event.is_duplicate:
            self._on_duplicate(event)

    def _on_duplicate(self, event: AckEvent) -> None:
        self.duplicates += 1
        mss = self._congestion.mss
        if self.phase is Phase.RECOVERY:
            # RFC 6582 3.2 step 2 keeps RFC 5681's: each duplicate means that a segment has left.
            self._inflation += mss
            return
        if self.phase is Phase.LOSS:
            return
        if self.duplicates < DUPLICATE_THRESHOLD:
            # RFC 3042: one new segment for each of the first two.
            self.phase = Phase.DISORDER
            self._inflation = self.duplicates * mss
            return
        # RFC 6582 3.2 step 1: duplicates of what was retransmitted before do not start another.
        if self._recover is not None and event.snd_una <= self._recover:
            return
        if self.duplicates == DUPLICATE_THRESHOLD:
            self._enter(event)

    def _enter(self, event: AckEvent) -> None:
        self.phase = Phase.RECOVERY
        self._recover = event.snd_nxt
        self._congestion.on_congestion(event.flight, event.now_ns)
        self._inflation = DUPLICATE_THRESHOLD * self._congestion.mss
        self._resend_first()

    def _on_progress(self, event: AckEvent) -> None:
        self.duplicates = 0
        if self.phase in (Phase.OPEN, Phase.DISORDER):
            self.phase = Phase.OPEN
            self._inflation = 0
            return
        assert self._recover is not None
        if event.snd_una >= self._recover:
            # 3.2 step 3, full acknowledgment.
            if self.phase is Phase.RECOVERY:
                self._congestion.on_recovered(event.snd_nxt - event.snd_una)
            self.phase = Phase.OPEN
            self._inflation = 0
            return
        if self.phase is Phase.RECOVERY:
            # 3.2 step 3, partial acknowledgment: the next hole is lost too. Deflate by what was
            # acknowledged, even below the threshold, and add back one segment if it was at least
            # that: about the threshold is in flight when recovery ends.
            mss = self._congestion.mss
            self._inflation -= event.acked
            if event.acked >= mss:
                self._inflation += mss
            self._resend_first()

    def _resend_first(self) -> None:
        first = self._board.first
        if first is not None:
            self._board.mark_lost(first)
            self.must_resend = not first.is_resent

    def on_timeout(self, snd_nxt: int) -> None:
        # RFC 6582 3.2 step 4: the highest number sent goes into "recover"; recovery ends.
        self._recover = snd_nxt
        self.phase = Phase.LOSS
        self.duplicates = 0
        self._inflation = 0
        self.must_resend = True
        self._board.mark_all_lost(keep_sacked=False)

    def next_lost(self) -> Record | None:
        return self._board.next_lost()

    def next_speculative(self, snd_una: int) -> Record | None:
        return None
