# cython: annotation_typing=False, auto_pickle=False
"""One connection of the native protocol: its state, its turn-taking, its heartbeats.

The session knows neither socket nor clock. Messages come in by ``receive`` in the order sent and
are taken up one after the other; as long as nothing has to be waited for (a store that waits, an
application that decides in a coroutine) that happens within the call, without a task. What the
messages mean stands in ``operations``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from longwire.base.errors import ProtocolError
from longwire.gateways.native.codes import NativeCloseCode, may_reconnect
from longwire.gateways.native.faults import InternalError
from longwire.gateways.native.formats.format import Format, error_members
from longwire.gateways.native.requests import BadMessageError
from longwire.hub.errors import RateError
from longwire.hub.rates import RATE_WINDOW_S
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.net.cancellation import is_cancelled_itself
from longwire.net.timers import WheelEntry
from longwire.streams.errors import StreamError
from longwire.websocket.closing import clip_reason

if TYPE_CHECKING:
    from longwire.gateways.native.consuming import SessionWorker
    from longwire.gateways.native.gateway import NativeGateway
    from longwire.gateways.native.patterns import Patterns
    from longwire.gateways.native.presence import SessionPresence
    from longwire.gateways.native.publishing import Flights
    from longwire.gateways.native.wires import SessionWire

__all__ = ["NativeSession", "SessionState"]

logger = logging.getLogger("longwire.native")

BEATS_PER_HEARTBEAT = 2
"""Looks at a connection in each heartbeat interval, so that silence is noticed within it."""

HEARTBEATS_SILENT_MAX = 3
"""Heartbeat intervals without a sign of the client, after which it is given up."""

TOKEN_GRACE_S = 10.0
"""How long a connection outlives its token (docs/protocol.md, 2.4)."""


class SessionState(Enum):
    """Where a connection stands."""

    NEW = auto()
    """``connect`` has not been accepted."""
    OPEN = auto()
    DRAINING = auto()
    """The server goes away: new requests are not taken any more."""
    ENDED = auto()


# Read as plain globals, since an enum's members are slow to look up.
_NEW, _OPEN = SessionState.NEW, SessionState.OPEN
_DRAINING, _ENDED = SessionState.DRAINING, SessionState.ENDED


class NativeSession(WheelEntry):
    """One connection, and its entry on the loop's timer wheel.

    All methods are called on the event loop's thread, none raises.
    """

    __slots__ = (
        "__weakref__",
        "_bad_messages",
        "_beats_silent",
        "_counted_user",
        "_expires_s",
        "_gateway",
        "_has_received",
        "_has_task_begun",
        "_held_bytes_max",
        "_is_output_full",
        "_is_reading_paused",
        "_next_beat_s",
        "_queue",
        "_rate",
        "_rate_left",
        "_rate_s",
        "_taken_at_beat",
        "_task",
        "address",
        "attachment",
        "calls",
        "client",
        "flights",
        "format",
        "has_inbox_unasked",
        "is_kept",
        "name",
        "patterns",
        "presence",
        "principal",
        "state",
        "wire",
        "workers",
    )

    def __init__(
        self,
        gateway: NativeGateway,
        wire: SessionWire,
        format_: Format,
        name: str,
        now: float,
        address: str = "",
        principal: Principal = ANONYMOUS,
    ) -> None:
        super().__init__()
        self.wire = wire
        self.format = format_
        self.attachment = gateway.hub.attach(wire)
        self.attachment.owner = self
        self.name = name
        self.is_kept = False
        """Whether requests with the same key are one connection, so that another one may go on
        with the work of this one (docs/protocol.md, 18.4)."""
        self.has_inbox_unasked = True
        """Whether ``connect`` subscribes to the inbox also without a word of it."""
        self.address = address
        """Of the network; empty when it is not known."""
        self.client = ""
        self.principal = principal
        """Until ``connect`` is accepted: who the handshake showed the client to be."""
        self.state = _NEW
        # When ``handle_deadline`` wants to be called.
        self.deadline = now + gateway.limits.connect_timeout_s
        self._gateway = gateway
        self.flights: Flights | None = None
        """Publishes without an answer; made with the first of them."""
        self._counted_user: str | None = None
        self.patterns: Patterns | None = None
        self.presence: SessionPresence | None = None
        self.workers: dict[tuple[str, str], SessionWorker] | None = None
        """Consumers that the connection works for, by stream and name; made with the first."""
        self.calls: set[asyncio.Task[None]] | None = None
        """Calls of the application that run; made with the first."""
        self._expires_s: float | None = None
        self._next_beat_s: float | None = None
        self._queue: deque[str | bytes] = _NOTHING_QUEUED
        self._task: asyncio.Task[None] | None = None
        self._has_task_begun = False
        self._is_reading_paused = False
        self._is_output_full = False
        self._held_bytes_max = gateway.hub.limits.held_bytes_max
        self._taken_at_beat: int | None = None
        """What the client had taken at the last look at it, if it was silent then."""
        self._has_received = False
        self._beats_silent = 0
        self._bad_messages = 0
        rate = self._rate = gateway.limits.messages_per_s_max
        self._rate_left = 0.0 if rate is None else rate * RATE_WINDOW_S
        self._rate_s = now

    # -- from the connection ----------------------------------------------------------------------

    def receive(self, message: str | bytes, now: float) -> None:
        """Take one message."""
        self._has_received = True
        if self.state is _DRAINING or self.state is _ENDED:
            return
        try:
            self._demand_rate(now)
        except RateError as error:
            self.refuse(self.format.read_id(message), error)
            return
        if self._task is not None:
            if self._queue is _NOTHING_QUEUED:
                self._queue = deque()
            self._queue.append(message)
            self._adjust_reading()
            return
        waiting = self._take(message)
        if waiting is not None:
            self._has_task_begun = False
            self._task = asyncio.get_running_loop().create_task(self._work(waiting))

    def drained(self) -> None:
        """The connection holds little again."""
        self._beats_silent = 0
        if self._is_output_full:
            self._is_output_full = False
            self._adjust_reading()
        self.attachment.drained()
        if self.presence is not None:
            self.presence.drained()
        for worker in (self.workers or {}).values():
            worker.drained()

    def lost(self) -> None:
        """The connection is gone."""
        if self.state is not _ENDED:
            self._leave()

    def deadline_reached(self, now: float) -> None:
        self.handle_deadline(now)
        self._gateway.deadline_moved(self)

    def handle_deadline(self, now: float) -> None:
        """Look after time; to be called when ``deadline`` has come."""
        self.deadline = None
        if self.state is _NEW:
            self.end(NativeCloseCode.CONNECT_TIMEOUT, "no connect message came in time")
        elif self.state is _OPEN:
            if self._expires_s is not None and now >= self._expires_s:
                self.end(NativeCloseCode.TOKEN_EXPIRED, "the token has expired")
            elif self._next_beat_s is not None and now >= self._next_beat_s:
                self._beat(now)
            else:
                self._set_deadline()

    # -- to the connection ------------------------------------------------------------------------

    def reply(self, op: str, request_id: int | None, **members: Any) -> None:
        """Send an answer, or a message of the server's own."""
        if self.state is not _ENDED:
            self.answer(self.format.answer(op, request_id, members))

    @property
    def takes_more(self) -> bool:
        """Whether the client reads what it is sent: little of that is held."""
        return self.wire.held_bytes <= self._held_bytes_max

    def answer(self, message: bytes) -> None:
        """Send an answer. Who does not read answers is not read from either."""
        if self.state is _ENDED:
            return
        self.wire.send(message)
        if not self._is_output_full and self.wire.held_bytes > self._held_bytes_max:
            self._is_output_full = True
            self._adjust_reading()

    def refuse(self, request_id: int | None, error: StreamError) -> None:
        """Answer with an error."""
        self._gateway.count_error(error.code)
        self.reply("error", request_id, **error_members(error))

    def open(self, principal: Principal, client: str, now: float) -> None:
        """The client is who it says: heartbeats begin."""
        self.state = _OPEN
        self.client = client
        self._schedule_beat(now)
        self.renew(principal, now)

    def count(self, principal: Principal) -> None:
        """Count the connection for its user and its address. Raises ``ConnectionsLimitError``."""
        self._uncount()
        self._gateway.users.join(principal.name)
        try:
            self._gateway.addresses.join(self.address)
        except StreamError:
            self._gateway.users.leave(principal.name)
            raise
        self._counted_user = principal.name

    def _uncount(self) -> None:
        if self._counted_user is not None:
            self._gateway.users.leave(self._counted_user)
            self._gateway.addresses.leave(self.address)
            self._counted_user = None

    def renew(self, principal: Principal, now: float) -> None:
        """The client has shown a token, the first or another one."""
        self.principal = principal
        self._expires_s = None
        if principal.expires_at_s is not None:
            self._expires_s = now + principal.expires_at_s - time.time() + TOKEN_GRACE_S
        self._set_deadline()
        self._gateway.deadline_moved(self)

    def _set_deadline(self) -> None:
        ends = [when for when in (self._next_beat_s, self._expires_s) if when is not None]
        self.deadline = min(ends, default=None)

    @property
    def reads_anything(self) -> bool:
        """Whether anything may come that is no answer."""
        is_watching = self.presence is not None and bool(self.presence.watched)
        return bool(
            self.attachment.subscriptions
            or (self.patterns is not None and self.patterns.are_any)
            or self.workers
            or is_watching
        )

    async def settled(self) -> None:
        """Wait until everything that was received has been taken up. Cancel-safe."""
        # The end of the connection cancels the task, which then stays where it is.
        while self._task is not None and not self._task.done():
            await asyncio.wait((self._task,))

    @property
    def has_ended(self) -> bool:
        """Whether the connection is gone."""
        return self.state is _ENDED

    def is_new(self) -> bool:
        """Whether ``connect`` has not been accepted."""
        return self.state is _NEW

    def begin_drain(self) -> None:
        """Take no new requests; what is on the way is answered."""
        if self.state is not _ENDED:
            self.state = _DRAINING

    def end(
        self,
        code: int,
        reason: str,
        after_s: tuple[float, float] | None = None,
        *,
        is_failed: bool = False,
    ) -> None:
        """Say why, and close; ``is_failed``: for what the client did, without waiting for it."""
        if self.state is _ENDED:
            return
        reason = clip_reason(reason)  # it may name a stream, or be the application's
        members: dict[str, Any] = {
            "code": int(code),
            "reason": reason,
            "reconnect": may_reconnect(code),
        }
        if after_s is not None:
            members["after_s"] = after_s
        self._gateway.count_closed(int(code))
        self.wire.send(self.format.answer("closing", None, members))
        self._leave()
        if is_failed:
            self.wire.fail(ProtocolError(code, reason))
        else:
            self.wire.close(code, reason)

    def read_too_slowly(self, stream: str) -> None:
        """As the hub's ``Owner``."""
        self.end(NativeCloseCode.TOO_SLOW, f"{stream} was read too slowly")

    def _leave(self) -> None:
        self.state = _ENDED
        self.deadline = None
        self._queue = _NOTHING_QUEUED
        self.attachment.detach()
        if self.patterns is not None:
            self.patterns.close()
        if self.presence is not None:
            self.presence.lost()
        for worker in (self.workers or {}).values():
            worker.connection_lost()
        self._uncount()
        for call in self.calls or ():
            call.cancel()
        # A task that has not begun is left to find that the connection has ended: cancelled now, it
        # would never await what it was given.
        task = self._task
        if task is not None and self._has_task_begun and task is not asyncio.current_task():
            task.cancel()
        self._gateway.forget(self)

    # -- one message after the other --------------------------------------------------------------

    def _take(self, message: str | bytes) -> Awaitable[None] | None:
        """Begin with a message; what it returns has to be awaited before the next one."""
        try:
            request = self.format.decode(message)
        except StreamError as error:
            self._count_bad(self.format.read_id(message), error)
            return None
        request_id = getattr(request, "id", None)
        try:
            waiting = self._gateway.begin_request(self, request)
        except Exception as error:
            self._failed(request_id, error)
            return None
        return None if waiting is None else self._guard(request_id, waiting)

    async def _guard(self, request_id: int | None, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        except asyncio.CancelledError as error:
            if is_cancelled_itself():
                raise
            # What it waited for was cancelled: without an answer all that follows would wait, too.
            self._failed(request_id, error)
        except Exception as error:
            self._failed(request_id, error)

    def _failed(self, request_id: Any, error: BaseException) -> None:
        known_id = request_id if isinstance(request_id, int) else None
        if isinstance(error, BadMessageError):
            self._count_bad(known_id, error)
        elif isinstance(error, StreamError):
            self.refuse(known_id, error)
        else:
            logger.error("connection %s: a request failed", self.name, exc_info=error)
            self.refuse(known_id, InternalError(self.name))

    def _count_bad(self, request_id: int | None, error: StreamError) -> None:
        self.refuse(request_id, error)
        self._bad_messages += 1
        if self._bad_messages >= self._gateway.limits.bad_messages_max:
            reason = "too many malformed messages"
            self.end(NativeCloseCode.BAD_MESSAGES, reason, is_failed=True)

    async def _work(self, waiting: Awaitable[None]) -> None:
        """Wait, then take what has queued up meanwhile."""
        self._has_task_begun = True
        await waiting
        while self._queue and self.state in (_NEW, _OPEN):
            following = self._take(self._queue.popleft())
            if following is not None:
                await following
            self._adjust_reading()
        self._queue = _NOTHING_QUEUED
        self._task = None
        self._adjust_reading()

    def _adjust_reading(self) -> None:
        """Read from the client as long as it reads its answers and its requests find room."""
        queued, limit = len(self._queue), self._gateway.limits.queued_messages_max
        room_wanted = limit // 2 if self._is_reading_paused else limit - 1
        should_pause = self._is_output_full or queued > room_wanted
        if should_pause == self._is_reading_paused or self.state is _ENDED:
            return
        self._is_reading_paused = should_pause
        if should_pause:
            self.wire.pause_reading()
        else:
            self.wire.resume_reading()

    # -- time -------------------------------------------------------------------------------------

    def _demand_rate(self, now: float) -> None:
        """Count a message. Raises ``RateError``."""
        if self._gateway.address_rates.is_limited:
            self._gateway.address_rates.take(self.address, now)
        rate = self._rate
        if rate is None:
            return
        full = rate * RATE_WINDOW_S
        self._rate_left = min(full, self._rate_left + max(0.0, now - self._rate_s) * rate)
        self._rate_s = now
        if self._rate_left < 1.0:
            after_s = round((1.0 - self._rate_left) / rate, 3)
            raise RateError(rate, "from this connection", after_s)
        self._rate_left -= 1.0

    def _schedule_beat(self, now: float) -> None:
        interval_s = self._gateway.limits.heartbeat_s
        self._next_beat_s = now + interval_s / BEATS_PER_HEARTBEAT if interval_s > 0 else None
        self._set_deadline()

    def _beat(self, now: float) -> None:
        """Was anything sent since the last look, did anything come?"""
        has_heard = self.wire.take_heard() or self._has_received
        self._has_received = False
        if not has_heard:
            before, (taken, is_outstanding) = self._taken_at_beat, self.wire.count_taken()
            self._taken_at_beat = taken
            # Who is slow sees our pings late, but takes what lies before them.
            has_heard = before is not None and taken > before and is_outstanding
        else:
            self._taken_at_beat = None
        if self._is_reading_paused and not self._is_output_full:
            has_heard = True  # it is we who do not listen
        self._beats_silent = 0 if has_heard else self._beats_silent + 1
        if self._beats_silent >= HEARTBEATS_SILENT_MAX * BEATS_PER_HEARTBEAT:
            self.end(NativeCloseCode.HEARTBEAT_TIMEOUT, "heartbeats were not answered")
            return
        if not self.wire.take_sent():
            self.wire.send(self.format.answer("ping", None, {}))
            self.wire.take_sent()  # a ping of ours does not spare the next one
        self._schedule_beat(now)


_NOTHING_QUEUED: deque[str | bytes] = deque(maxlen=0)
"""Shared by all connections that have nothing queued, which are nearly all."""
