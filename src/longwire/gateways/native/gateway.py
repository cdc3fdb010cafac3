# cython: annotation_typing=False, auto_pickle=False
"""All connections of the native protocol in this process: accepting, timing, draining, counting."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterator

from longwire.base.codes import CloseCode
from longwire.base.limits import MemoryStoreLimits, NativeLimits
from longwire.base.version import __version__
from longwire.gateways.native.codes import NativeCloseCode
from longwire.gateways.native.crowds import Crowd
from longwire.gateways.native.formats.choice import find_format
from longwire.gateways.native.formats.format import Format
from longwire.gateways.native.operations import begin
from longwire.gateways.native.publishing import Publishing
from longwire.gateways.native.requests import Request
from longwire.gateways.native.session import NativeSession
from longwire.gateways.native.wires import (
    EndpointWire,
    MessageSocket,
    SessionWire,
    SocketWire,
)
from longwire.hub.hub import Hub
from longwire.hub.rates import Rates
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.net.callbacks import Callbacks
from longwire.net.closed import ConnectionClosed
from longwire.net.endpoint import Endpoint
from longwire.net.link import Address
from longwire.net.loop_state import loop_state
from longwire.net.timers import TimerWheel

__all__ = ["NativeGateway"]

logger = logging.getLogger("longwire.native")

DRAIN_AFTER_S = (0.0, 3.0)
"""Clients of a server that goes away come back within this time, spread evenly."""


class NativeGateway:
    """Serves the native protocol on one hub.

    A WebSocket of ``longwire.net`` gets the callbacks that ``callbacks`` returns; any other one is
    served by ``serve``. Belongs to one event loop.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        limits: NativeLimits | None = None,
        message_bytes_max: int | None = None,
        producer_state_s: float = MemoryStoreLimits().producer_state_s,
        messages_per_address_max: float | None = None,
        server: str = f"longwire/{__version__}",
    ) -> None:
        self.hub = hub
        self.limits = limits or NativeLimits()
        self.publishing = Publishing(hub, self.limits)
        self.server = server
        self.message_bytes_max = message_bytes_max
        self.connections_total = 0
        self.errors: dict[str, int] = {}
        """Errors answered, by code."""
        self.closed: dict[str, int] = {}
        """Connections closed with a word, by close code."""
        self.users = Crowd("this user", self.limits.connections_per_user_max)
        self.addresses = Crowd("this address", self.limits.connections_per_address_max)
        self.address_rates = Rates(messages_per_address_max, "from this address")
        self._sessions: set[NativeSession] = set()
        self._kept: dict[str, set[NativeSession]] = {}
        self._wheel: TimerWheel | None = None
        self._clock: Callable[[], float] | None = None
        self.announced_limits = {
            "message_bytes": message_bytes_max,
            "entry_bytes": hub.stream_limits.entry_bytes_max,
            "batch_entries": hub.stream_limits.batch_entries_max,
            "subscriptions": hub.limits.subscriptions_per_connection_max,
            "in_flight": self.limits.in_flight_max,
            "producer_in_flight": self.limits.producer_in_flight_max,
            "history_entries": self.limits.history_entries_max,
            "producer_state_s": int(producer_state_s),
            "key_bytes": self.limits.key_bytes_max,
            "calls_in_flight": self.limits.calls_in_flight_max,
            "call_timeout_s": self.limits.call_timeout_s,
            "consumers": hub.consumers.limits.consumers_per_connection_max,
            "consumer_window": hub.consumers.limits.window_max,
            "presence_members": hub.presence.limits.members_max,
            "presence_data_bytes": hub.presence.limits.data_bytes_max,
        }

    @property
    def connection_count(self) -> int:
        """Connections now."""
        return len(self._sessions)

    def now(self) -> float:
        """The event loop's clock, seconds."""
        return self.clock()

    @property
    def clock(self) -> Callable[[], float]:
        """What tells ``now``, for those who ask often."""
        return self._time()[1]

    # -- connections ------------------------------------------------------------------------------

    def callbacks(
        self,
        on_close: Callable[[Endpoint], None] | None = None,
        principal: Principal = ANONYMOUS,
    ) -> Callbacks:
        """Return what a new WebSocket of ``longwire.net`` is to call; ``on_close`` comes last.

        ``principal`` is who the handshake showed the client to be.
        """
        return _EndpointCallbacks(self, on_close, principal)

    async def serve(
        self,
        socket: MessageSocket,
        subprotocol: str | None = None,
        address: str = "",
        principal: Principal = ANONYMOUS,
    ) -> None:
        """Serve one WebSocket that sends and receives whole messages, until it ends.

        ``principal`` is who the handshake showed the client to be. Cancelled, it leaves the socket
        open; who cancels closes it.
        """
        format_ = find_format(subprotocol)
        wire = SocketWire(socket, format_, self.hub.limits.held_bytes_max)
        session = self.begin(wire, format_, address, principal)
        transmitting = asyncio.create_task(wire.transmit(session.drained))
        receiving = asyncio.create_task(wire.receive(lambda m: session.receive(m, self.now())))
        try:
            await asyncio.wait((transmitting, receiving), return_when=asyncio.FIRST_COMPLETED)
            if wire.is_closing:
                await transmitting  # what was said last, and the close
        finally:
            session.lost()
            for task in (transmitting, receiving):
                task.cancel()
            outcomes = await asyncio.gather(transmitting, receiving, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionClosed):
                raise outcome

    def begin(
        self,
        wire: SessionWire,
        format_: Format,
        address: str = "",
        principal: Principal = ANONYMOUS,
        name: str | None = None,
    ) -> NativeSession:
        """Begin a session on a connection that is open. Those with the same ``name`` are of one
        client; without one it is drawn at random."""
        now = self.now()
        is_kept = name is not None
        name = secrets.token_hex(8) if name is None else name
        session = NativeSession(self, wire, format_, name, now, address, principal)
        if is_kept:
            session.is_kept = True
            self._kept.setdefault(name, set()).add(session)
        self._sessions.add(session)
        self.connections_total += 1
        self.deadline_moved(session)
        return session

    def forget(self, session: NativeSession) -> None:
        """The session has ended. For the session."""
        self._sessions.discard(session)
        self._time()[0].discard(session)
        kept = self._kept.get(session.name)
        if kept is not None:
            kept.discard(session)
            if not kept:
                del self._kept[session.name]

    def siblings(self, session: NativeSession) -> Iterator[NativeSession]:
        """The other sessions here that are of the same client. For the session."""
        return (other for other in self._kept.get(session.name, ()) if other is not session)

    def begin_request(self, session: NativeSession, request: Request) -> Awaitable[None] | None:
        """Begin with a request; return what is left to await. For the session."""
        return begin(self, session, request)

    def count_error(self, code: str) -> None:
        """Count an error that was answered. For the session."""
        self.errors[code] = self.errors.get(code, 0) + 1

    def count_closed(self, code: int) -> None:
        """Count a connection that is closed with a word, by close code. For the session."""
        self.closed[str(code)] = self.closed.get(str(code), 0) + 1

    # -- time -------------------------------------------------------------------------------------

    def _time(self) -> tuple[TimerWheel, Callable[[], float]]:
        if self._wheel is None or self._clock is None:
            state = loop_state(asyncio.get_running_loop())
            self._wheel, self._clock = state.wheel, state.clock
        return self._wheel, self._clock

    def deadline_moved(self, session: NativeSession) -> None:
        """The session has another deadline than when it was last called. For the session."""
        if session in self._sessions and session.deadline is not None:
            self._time()[0].set(session, session.deadline)

    def end_where(self, is_meant: Callable[[Principal], bool], reason: str) -> None:
        """Close the connections of those who are meant, who shall not come back."""
        for session in list(self._sessions):
            if is_meant(session.principal):
                session.end(NativeCloseCode.ENDED, reason)

    # -- the end ----------------------------------------------------------------------------------

    async def drain(
        self,
        code: int = CloseCode.SERVICE_RESTART,
        reason: str = "the server restarts",
        after_s: tuple[float, float] = DRAIN_AFTER_S,
    ) -> None:
        """Take no new requests, answer those on the way, then tell all clients and close.

        Cancelled, some connections may not have been told.
        """
        for session in list(self._sessions):
            session.begin_drain()
        await self.hub.finish_publishing()
        for session in list(self._sessions):
            session.end(code, reason, after_s)


def _host_of(address: Address) -> str:
    # Behind a proxy thousands of connections have one address: one text will do.
    return sys.intern(str(address[0])) if isinstance(address, tuple) else ""


class _EndpointCallbacks(Callbacks):
    """One session on one WebSocket of ours."""

    __slots__ = ("_clock", "_gateway", "_on_close", "_principal", "_session")

    def __init__(
        self,
        gateway: NativeGateway,
        on_close: Callable[[Endpoint], None] | None,
        principal: Principal,
    ) -> None:
        self._gateway = gateway
        self._on_close = on_close
        self._principal = principal
        self._clock: Callable[[], float]
        self._session: NativeSession

    def on_open(self, connection: Endpoint) -> None:
        self._clock = self._gateway.clock
        # The hub waits for on_drain as soon as more than this is held.
        high = self._gateway.hub.limits.held_bytes_max
        connection.link.set_write_limits(high, high // 4)
        format_ = find_format(connection.subprotocol)
        wire = EndpointWire(connection, format_)
        connection.opening.forget_heads()
        address = _host_of(connection.remote_address)
        self._session = self._gateway.begin(wire, format_, address, self._principal)

    def on_message(self, connection: Endpoint, message: str | bytes) -> None:
        self._session.receive(message, self._clock())

    def on_drain(self, connection: Endpoint) -> None:
        self._session.drained()

    def on_close(self, connection: Endpoint, error: ConnectionClosed) -> None:
        self._session.lost()
        if self._on_close is not None:
            self._on_close(connection)
