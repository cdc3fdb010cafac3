"""The end of a WebSocket connection, from its first sign to the error that everyone is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longwire.net.closed import Closed
from longwire.net.evidence import Evidence, LinkEnd, take_evidence
from longwire.net.verdict import Ending
from longwire.websocket.connection import TransportAction

if TYPE_CHECKING:
    from longwire.net.endpoint import Endpoint
    from longwire.net.endpoint_facts import EndpointFacts

__all__ = ["Departure"]

LINGER_S = 10.0
"""How long what was written may take to leave after the engine has no deadline of its own."""

GIVE_UP_LINGER_S = 0.25
"""How long our Close frame may take to leave for a peer that we take for dead."""


class Departure:
    """What was seen of the end of one connection. Made with the first sign of it."""

    __slots__ = ("_evidence", "_link_end", "_link_error")

    def __init__(self) -> None:
        self._evidence: Evidence | None = None
        self._link_end: LinkEnd = "open"
        self._link_error: OSError | None = None

    @property
    def has_evidence(self) -> bool:
        return self._evidence is not None

    def link_ended(self, how: LinkEnd) -> None:
        """The transport ends, in an orderly way; the first to say so is right."""
        if self._link_end == "open":
            self._link_end = how

    def link_broke(self, error: OSError) -> None:
        """The transport failed, whatever it was about to do."""
        self._link_end = "error"
        self._link_error = error

    def end_transport(self, endpoint: Endpoint, now: float) -> None:
        """Do to the transport what the engine asks for, and see to it that this has an end."""
        engine, link = endpoint.engine, endpoint.link
        deadline = engine.deadline
        if engine.transport_action is TransportAction.HALF_CLOSE:
            link.write_eof()
        elif engine.transport_action is TransportAction.CLOSE:
            self.link_ended("closed_by_us")
            link.close()
            if engine.keepalive_expired:
                deadline = now + GIVE_UP_LINGER_S
            elif deadline is None:
                deadline = now + LINGER_S
        else:
            endpoint.abort()
        link.set_deadline(deadline)

    def capture(self, endpoint: EndpointFacts) -> None:
        """Take the evidence, once, while the descriptor is open and the trail is warm."""
        if self._evidence is None:
            self._evidence = self._take(endpoint)

    def closed(self, endpoint: EndpointFacts) -> Closed:
        """Judge the end by what is known now."""
        engine = endpoint.engine
        ending = Ending(
            received=engine.close_received,
            sent=engine.close_sent,
            initiator=engine.close_initiator,
            failure=engine.failure,
        )
        return Closed.from_evidence(ending, self._evidence or self._take(endpoint))

    def _take(self, endpoint: EndpointFacts) -> Evidence:
        return take_evidence(
            endpoint.engine,
            endpoint.link,
            link_end=self._link_end,
            link_error=self._link_error,
            opened_s=endpoint.opened_s,
            unread=endpoint.unread(),
            messages_discarded=endpoint.messages_discarded,
            reading_paused=endpoint.is_reading_paused,
        )
