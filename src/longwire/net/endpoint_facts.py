# cython: annotation_typing=False, auto_pickle=False
"""What is known of one WebSocket connection, open or ended."""

from __future__ import annotations

from longwire.net.callbacks import Callbacks
from longwire.net.closed import Closed, ConnectionClosed
from longwire.net.departure import Departure
from longwire.net.direct_link import link_held_bytes
from longwire.net.link import Address, Link
from longwire.net.opening import Opening
from longwire.websocket.connection import State, WebSocketEngine

__all__ = ["EndpointFacts"]

# Read as a plain global, since an enum's members are slow to look up.
_OPEN = State.OPEN


class EndpointFacts:
    """The facts of an ``Endpoint``, which adds what is done with them."""

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_closed",
        "_departure",
        "_link",
        "engine",
        "is_reading_paused",
        "messages_discarded",
        "opened_s",
        "opening",
        "user_data",
    )

    def __init__(self, engine: WebSocketEngine, callbacks: Callbacks, opening: Opening) -> None:
        self.engine = engine
        self.opening = opening
        self.opened_s = 0.0
        """When the link was given to this, on the clock of its loop."""
        self.user_data: object = None
        """Yours."""
        self.messages_discarded = 0
        self.is_reading_paused = False
        """Whether ``pause_reading`` holds. Read only."""
        self._callbacks = callbacks
        self._link: Link
        self._closed: Closed | None = None
        # Made when it is needed: most connections are open.
        self._departure: Departure | None = None

    @property
    def link(self) -> Link:
        return self._link

    @property
    def state(self) -> State:
        return State.CLOSED if self._closed is not None else self.engine.state

    @property
    def closed(self) -> Closed | None:
        """How the connection ended; ``None`` until it has."""
        return self._closed

    @property
    def held_bytes(self) -> int:
        """Bytes sent that the kernel has not taken yet. Stop sending while this grows."""
        return self.held()

    def held(self) -> int:
        """The same as ``held_bytes``, as the hot path asks for it."""
        return link_held_bytes(self._link) + self.engine.unwritten_bytes()

    @property
    def local_address(self) -> Address:
        return self._link.local_address

    @property
    def remote_address(self) -> Address:
        return self._link.remote_address

    @property
    def subprotocol(self) -> str | None:
        return self.opening.subprotocol

    def unread(self) -> tuple[int, int]:
        """Return (messages, bytes) that callbacks were given and the application was not."""
        # Connections in coroutine style have a queue; other callbacks take what comes.
        unread = getattr(self._callbacks, "unread", None)
        return (0, 0) if unread is None else unread()

    # -- the end ----------------------------------------------------------------------------

    def error_now(self) -> ConnectionClosed:
        """Return what a user is told who acts on a connection that is closing."""
        if self._closed is not None:
            return self._closed.error()
        return self._depart().closed(self).error()

    def capture_evidence(self) -> None:
        """Take the evidence of the end, once, at its first sign."""
        self._depart().capture(self)

    def _depart(self) -> Departure:
        if self._departure is None:
            self._departure = Departure()
        return self._departure

    def _check_open(self) -> None:
        if self._closed is not None or self.engine.state is not _OPEN:
            raise self.error_now()
