"""The one error of a closed connection.

* :exc:`ConnectionClosed`

  * :exc:`ConnectionClosedOK`: both Close frames passed, with 1000, 1001 or no code
  * :exc:`ConnectionClosedError`: everything else

It carries both Close frames, who was first, what was known when it happened, and the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

from longwire.base.codes import close_code_name
from longwire.base.errors import LongwireError
from longwire.net.evidence import Evidence
from longwire.net.verdict import Ending, Verdict, judge
from longwire.websocket.closing import Close

__all__ = ["Closed", "ConnectionClosed", "ConnectionClosedError", "ConnectionClosedOK"]

_OK_CODES = frozenset({1000, 1001, 1005})


class ConnectionClosed(LongwireError):
    """The connection is closed.

    ``rcvd`` and ``sent`` are the Close frames; ``rcvd_then_sent`` tells which came first and is
    ``None`` unless there are both. ``code`` and ``reason`` are the peer's, or 1006 when none came.
    ``verdict`` says why in a code, a sentence and a hint; ``evidence`` has the figures.
    """

    def __init__(
        self,
        rcvd: Close | None,
        sent: Close | None,
        rcvd_then_sent: bool | None,
        verdict: Verdict,
        evidence: Evidence,
    ) -> None:
        super().__init__(rcvd, sent, rcvd_then_sent, verdict, evidence)
        self.rcvd = rcvd
        self.sent = sent
        self.rcvd_then_sent = rcvd_then_sent
        self.verdict = verdict
        self.evidence = evidence

    @property
    def code(self) -> int:
        """The peer's close code; 1005 when its frame had none, 1006 when there was no frame."""
        # RFC 6455 section 7.1.5: the code is that of the first Close frame received, or 1006.
        return 1006 if self.rcvd is None else self.rcvd.code

    @property
    def reason(self) -> str:
        """The peer's reason, or an empty string (RFC 6455 section 7.1.6)."""
        return "" if self.rcvd is None else self.rcvd.reason

    def __str__(self) -> str:
        return f"{self._frames_text()} [{self.verdict}]"

    def _frames_text(self) -> str:
        received = None if self.rcvd is None else f"received {_close_text(self.rcvd)}"
        sent = None if self.sent is None else f"sent {_close_text(self.sent)}"
        if received is None and sent is None:
            return "no Close frame received or sent"
        if received is None:
            return f"{sent}; no Close frame received"
        if sent is None:
            return f"{received}; no Close frame sent"
        first, second = (received, sent) if self.rcvd_then_sent else (sent, received)
        return f"{first}; then {second}"


class ConnectionClosedOK(ConnectionClosed):
    """The connection was closed as it should be."""


class ConnectionClosedError(ConnectionClosed):
    """The connection broke, or was closed with a code that names an error."""


def _close_text(close: Close) -> str:
    text = f"{close.code} ({close_code_name(close.code)})"
    return f"{text} {close.reason}" if close.reason else text


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended; makes a fresh error for everyone who has to be told."""

    ending: Ending
    evidence: Evidence
    verdict: Verdict

    @classmethod
    def from_evidence(cls, ending: Ending, evidence: Evidence) -> Closed:
        return cls(ending, evidence, judge(ending, evidence))

    @property
    def is_ok(self) -> bool:
        received, sent = self.ending.received, self.ending.sent
        return (
            received is not None
            and sent is not None
            and received.code in _OK_CODES
            and sent.code in _OK_CODES
        )

    def error(self) -> ConnectionClosed:
        """Return a new exception: one that is raised twice would drag its first traceback along."""
        kind = ConnectionClosedOK if self.is_ok else ConnectionClosedError
        has_both = self.ending.received is not None and self.ending.sent is not None
        return kind(
            self.ending.received,
            self.ending.sent,
            self.ending.initiator == "remote" if has_both else None,
            self.verdict,
            self.evidence,
        )
