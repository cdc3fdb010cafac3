# cython: annotation_typing=False, auto_pickle=False
"""When a silent peer is asked, and when it is given up. Measures latency on the way.

Nothing here runs per message: an inbound byte only moves ``last_received_s`` of the engine, and
the deadline, which may come early, is set right when it is reached.
"""

from __future__ import annotations

from enum import Enum

from longwire.base.entropy import Entropy
from longwire.base.limits import KeepaliveSettings

__all__ = ["Keepalive", "KeepaliveVerdict"]

# Pings whose pongs are still awaited. Keepalive has one at a time; more are the caller's own, and
# of those the oldest are forgotten, since a peer that answers none would collect them for ever.
_PENDING_PINGS_MAX = 64


class KeepaliveVerdict(Enum):
    """What is to be done when the deadline was reached."""

    WAIT = "wait"
    SEND_PING = "send ping"
    GIVE_UP = "give up"


class Keepalive:
    """The timer and the pings of one connection. Any inbound byte counts as life."""

    __slots__ = (
        "_is_paused",
        "_made",
        "_pending",
        "_ping_sent_s",
        "_settings",
        "deadline",
    )

    def __init__(self, settings: KeepaliveSettings, *, now: float) -> None:
        self._settings = settings
        # Times of the pings whose pongs are awaited; made for the first one.
        self._pending: dict[bytes, float] | None = None
        # When the ping was sent whose answer is awaited; None while none is.
        self._ping_sent_s: float | None = None
        self._made = 0
        self._is_paused = False
        self.deadline: float | None = None
        self._wait_for_silence(now)

    def _wait_for_silence(self, last_received_s: float) -> None:
        self._ping_sent_s = None
        interval_s = self._settings.ping_interval_s
        self.deadline = None if interval_s is None else last_received_s + interval_s

    def check(self, now: float, last_received_s: float | None) -> KeepaliveVerdict:
        """Say what is due at ``now`` and set the next deadline.

        After ``SEND_PING`` the caller calls :meth:`ping_sent`.
        """
        if self.deadline is None or now < self.deadline:
            return KeepaliveVerdict.WAIT
        if self._is_paused:
            wait_s = self._settings.ping_timeout_s
            self.deadline = None if wait_s is None else now + wait_s
            return KeepaliveVerdict.WAIT
        ping_sent_s = self._ping_sent_s
        if ping_sent_s is not None and self._settings.ping_timeout_s is not None:
            is_silent = last_received_s is None or last_received_s < ping_sent_s
            if is_silent:
                return KeepaliveVerdict.GIVE_UP
        if last_received_s is not None:
            self._wait_for_silence(last_received_s)
            if now < self.deadline:
                return KeepaliveVerdict.WAIT
        return KeepaliveVerdict.SEND_PING

    def ping_sent(self, now: float) -> None:
        """Begin to wait for a sign of life after a ping that ``check`` asked for."""
        self._ping_sent_s = now
        wait_s = self._settings.ping_timeout_s
        if wait_s is None:
            wait_s = self._settings.ping_interval_s
        self.deadline = None if wait_s is None else now + wait_s

    def awaits_pong(self, last_received_s: float | None) -> bool:
        """Whether a ping that was asked for waits for a sign of life still."""
        sent_s = self._ping_sent_s
        return sent_s is not None and (last_received_s is None or last_received_s < sent_s)

    def pause(self, now: float) -> None:
        """Stop judging: we do not read, so silence says nothing about the peer.

        The deadlines go on, for a driver that sees whether the peer takes what it was sent.
        """
        self._is_paused = True
        self._wait_for_silence(now)

    def resume(self, now: float) -> None:
        """Judge again; the peer gets a full interval from ``now``."""
        if self._is_paused:
            self._is_paused = False
            self._wait_for_silence(now)

    def new_payload(self, entropy: Entropy) -> bytes:
        """Return a payload that cannot be guessed and that no ping in flight has."""
        self._made += 1
        return entropy(4) + (self._made & 0xFFFFFFFF).to_bytes(4, "big")

    def remember(self, payload: bytes, now: float) -> None:
        """Note that a ping was sent, for its latency."""
        if self._pending is None:
            self._pending = {}
        self._pending.pop(payload, None)
        self._pending[payload] = now
        if len(self._pending) > _PENDING_PINGS_MAX:
            del self._pending[next(iter(self._pending))]

    def latency_of(self, payload: bytes, now: float) -> float | None:
        """Return how long the pong ``payload`` took, or ``None`` if it answers no ping of ours.

        RFC 6455 section 5.5.3: a peer may answer the most recent of several pings only, so the
        older ones are settled too.
        """
        if self._pending is None or payload not in self._pending:
            return None
        sent_s = self._pending[payload]
        later = list(self._pending.items())[list(self._pending).index(payload) + 1 :]
        self._pending = dict(later) or None
        return max(0.0, now - sent_s)
