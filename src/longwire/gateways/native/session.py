"""One connection of the native protocol: its state, its turn-taking, its heartbeats.

The session knows neither socket nor clock. Messages come in by ``receive`` in the order sent and
are taken up one after the other; as long as nothing has to be waited for (a store that waits, an
application that decides in a coroutine) that happens within the call, without a task. What the
messages mean stands in ``operations``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from longwire.gateways.native.answers import encode_answer, encode_error
from longwire.gateways.native.codes import NativeCloseCode, may_reconnect
from longwire.gateways.native.faults import InternalError, RateError
from longwire.gateways.native.requests import (
    BadJsonError,
    BadMessageError,
    decode_request,
    read_id,
)
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.streams.errors import StreamError

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway
    from longwire.gateways.native.operations import Operations
    from longwire.gateways.native.wires import EndpointWire, SocketWire

__all__ = ["NativeSession", "SessionState"]

logger = logging.getLogger("longwire.native")

RATE_WINDOW_S = 10.0
"""Over which the rate of messages is averaged: a burst may be ten seconds' worth."""

BEATS_PER_HEARTBEAT = 2
"""Looks at a connection in each heartbeat interval, so that silence is noticed within it."""

HEARTBEATS_SILENT_MAX = 3
"""Heartbeat intervals without a sign of the client, after which it is given up."""

_PING = b'{"op":"ping"}'


class SessionState(Enum):
    """Where a connection stands."""

    NEW = auto()
    """``connect`` has not been accepted."""
    OPEN = auto()
    DRAINING = auto()
    """The server goes away: new requests are not taken any more."""
    ENDED = auto()


class NativeSession:
    """One connection. All methods are called on the event loop's thread, none raises."""

    __slots__ = (
        "__weakref__",
        "_bad_messages",
        "_beats_silent",
        "_gateway",
        "_has_received",
        "_has_task_begun",
        "_held_at_beat",
        "_is_output_full",
        "_is_reading_paused",
        "_operations",
        "_queue",
        "_rate_left",
        "_rate_s",
        "_task",
        "attachment",
        "client",
        "deadline",
        "name",
        "principal",
        "state",
        "wire",
    )

    def __init__(
        self, gateway: NativeGateway, wire: EndpointWire | SocketWire, name: str, now: float
    ) -> None:
        self.wire = wire
        self.attachment = gateway.hub.attach(wire)
        self.name = name
        self.client = ""
        self.principal: Principal = ANONYMOUS
        self.state = SessionState.NEW
        self.deadline: float | None = now + gateway.limits.connect_timeout_s
        """When ``handle_deadline`` wants to be called."""
        self._gateway = gateway
        self._operations: Operations = gateway.operations(self)
        self._queue: deque[str | bytes] = _NOTHING_QUEUED
        self._task: asyncio.Task[None] | None = None
        self._has_task_begun = False
        self._is_reading_paused = False
        self._is_output_full = False
        self._held_at_beat = 0
        self._has_received = False
        self._beats_silent = 0
        self._bad_messages = 0
        rate = gateway.limits.messages_per_s_max
        self._rate_left = 0.0 if rate is None else rate * RATE_WINDOW_S
        self._rate_s = now

    # -- from the connection ----------------------------------------------------------------------

    def receive(self, message: str | bytes, now: float) -> None:
        """Take one message."""
        self._has_received = True
        if self.state in (SessionState.DRAINING, SessionState.ENDED):
            return
        if not self._is_within_rate(now):
            self.refuse(read_id(message), self._rate_error())
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

    def lost(self) -> None:
        """The connection is gone."""
        if self.state is not SessionState.ENDED:
            self._leave()

    def handle_deadline(self, now: float) -> None:
        """Look after time; to be called when ``deadline`` has come."""
        self.deadline = None
        if self.state is SessionState.NEW:
            self.end(NativeCloseCode.CONNECT_TIMEOUT, "no connect message came in time")
        elif self.state is SessionState.OPEN:
            self._beat(now)

    # -- to the connection ------------------------------------------------------------------------

    def answer(self, text: bytes) -> None:
        """Send an answer. Who does not read answers is not read from either."""
        if self.state is SessionState.ENDED:
            return
        self.wire.send(text)
        if (
            not self._is_output_full
            and self.wire.held_bytes > self._gateway.hub.limits.held_bytes_max
        ):
            self._is_output_full = True
            self._adjust_reading()

    def refuse(self, request_id: int | None, error: StreamError) -> None:
        """Answer with an error."""
        self._gateway.count_error(error.code)
        self.answer(encode_error(request_id, error))

    def open(self, principal: Principal, client: str, now: float) -> None:
        """The client is who it says: heartbeats begin."""
        self.state = SessionState.OPEN
        self.principal, self.client = principal, client
        self._schedule_beat(now)
        self._gateway.deadline_moved(self)

    def is_new(self) -> bool:
        """Whether ``connect`` has not been accepted."""
        return self.state is SessionState.NEW

    def begin_drain(self) -> None:
        """Take no new requests; what is on the way is answered."""
        if self.state is not SessionState.ENDED:
            self.state = SessionState.DRAINING

    def end(self, code: int, reason: str, after_s: tuple[float, float] | None = None) -> None:
        """Say why, and close."""
        if self.state is SessionState.ENDED:
            return
        members: dict[str, Any] = {
            "code": int(code),
            "reason": reason,
            "reconnect": may_reconnect(code),
        }
        if after_s is not None:
            members["after_s"] = after_s
        self.wire.send(encode_answer("closing", None, **members))
        self._leave()
        self.wire.close(code, reason)

    def _leave(self) -> None:
        self.state = SessionState.ENDED
        self.deadline = None
        self._queue = _NOTHING_QUEUED
        self.attachment.detach()
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
            request = decode_request(message)
        except (BadJsonError, BadMessageError) as error:
            self._count_bad(read_id(message), error)
            return None
        request_id = getattr(request, "id", None)
        try:
            waiting = self._operations.begin(request)
        except Exception as error:
            self._failed(request_id, error)
            return None
        return None if waiting is None else self._guard(request_id, waiting)

    async def _guard(self, request_id: int | None, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        except Exception as error:
            self._failed(request_id, error)

    def _failed(self, request_id: Any, error: Exception) -> None:
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
            self.end(NativeCloseCode.BAD_MESSAGES, "too many malformed messages")

    async def _work(self, waiting: Awaitable[None]) -> None:
        """Wait, then take what has queued up meanwhile."""
        self._has_task_begun = True
        await waiting
        while self._queue and self.state in (SessionState.NEW, SessionState.OPEN):
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
        if should_pause == self._is_reading_paused or self.state is SessionState.ENDED:
            return
        self._is_reading_paused = should_pause
        if should_pause:
            self.wire.pause_reading()
        else:
            self.wire.resume_reading()

    # -- time -------------------------------------------------------------------------------------

    def _is_within_rate(self, now: float) -> bool:
        rate = self._gateway.limits.messages_per_s_max
        if rate is None:
            return True
        full = rate * RATE_WINDOW_S
        self._rate_left = min(full, self._rate_left + max(0.0, now - self._rate_s) * rate)
        self._rate_s = now
        if self._rate_left < 1.0:
            return False
        self._rate_left -= 1.0
        return True

    def _rate_error(self) -> RateError:
        rate = self._gateway.limits.messages_per_s_max or 1.0
        return RateError(rate, round((1.0 - self._rate_left) / rate, 3))

    def _schedule_beat(self, now: float) -> None:
        interval_s = self._gateway.limits.heartbeat_s
        self.deadline = now + interval_s / BEATS_PER_HEARTBEAT if interval_s > 0 else None

    def _beat(self, now: float) -> None:
        """Was anything sent since the last look, did anything come?"""
        has_heard = self.wire.take_heard() or self._has_received
        self._has_received = False
        held = self.wire.held_bytes
        if held < self._held_at_beat:
            has_heard = True  # slow, but it takes what we send
        self._held_at_beat = held
        if self._is_reading_paused and not self._is_output_full:
            has_heard = True  # it is we who do not listen
        self._beats_silent = 0 if has_heard else self._beats_silent + 1
        if self._beats_silent >= HEARTBEATS_SILENT_MAX * BEATS_PER_HEARTBEAT:
            self.end(NativeCloseCode.HEARTBEAT_TIMEOUT, "heartbeats were not answered")
            return
        if not self.wire.has_sent:
            self.wire.send(_PING)
        self.wire.has_sent = False
        self._schedule_beat(now)


_NOTHING_QUEUED: deque[str | bytes] = deque(maxlen=0)
"""Shared by all connections that have nothing queued, which are nearly all."""
