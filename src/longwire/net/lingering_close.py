"""The last of an HTTP connection: a response that is still on its way to the client.

RFC 9112 section 9.6: closed at once, with bytes of the client unread, TCP would reset the
connection, and the client might never see the response. So we end our direction, read on and drop,
for a moment, or for as long as the client takes something of what we hold for it.
"""

from __future__ import annotations

from longwire.net.link import Link
from longwire.net.stall_watch import StallWatch

__all__ = ["LingeringClose"]

LINGER_S = 2.0
"""How long we read on and drop after our last response, when the peer may still be sending."""


class LingeringClose:
    """A link that carries nothing new any more. ``stall_timeout_s`` is for a client that takes
    nothing of the last response."""

    __slots__ = ("_link", "_stall_timeout_s", "_watch")

    def __init__(self, link: Link, stall_timeout_s: float) -> None:
        self._link = link
        self._stall_timeout_s = stall_timeout_s
        self._watch: StallWatch

    def begin(self, *, reads_on: bool) -> None:
        """Send no more than what was written; ``reads_on`` while the client may be sending."""
        link = self._link
        if reads_on:
            link.write_eof()
            link.resume_reading()
        else:
            link.close()
        now = link.now()
        self._look(now)
        link.set_deadline(now + LINGER_S)

    def eof_received(self) -> None:
        """The client has seen the end, or wants no more."""
        self._link.close()

    def deadline_reached(self, now: float) -> None:
        """Wait for a client that still takes our last response, and not for any other."""
        link = self._link
        if self._watch.has_taken(link.held_bytes):
            self._look(now)
        elif not link.held_bytes or now >= self._watch.due_s:
            link.abort()
            return
        link.set_deadline(now + LINGER_S)

    def _look(self, now: float) -> None:
        self._watch = StallWatch(now + self._stall_timeout_s, self._link.held_bytes)
