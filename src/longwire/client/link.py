"""The way to the server, which comes back by itself: one connection after the other.

When to try, with which token, and what is over for good; nothing of streams.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from longwire.client.backoff import Backoff
from longwire.client.connection import (
    TOKEN_EXPIRED,
    UNAUTHORIZED,
    ClientConnection,
    Ending,
    Timing,
)
from longwire.client.errors import ClientError
from longwire.client.events import State, StateChange, TransportChange
from longwire.client.transports import Transports

__all__ = ["LinkOwner", "ServerLink", "Token"]

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""Who this is: a token, or a function that returns one, asked before each attempt."""


WAKE_CHECK_S = 5.0
"""How often to look whether the machine slept."""

RESTART_AFTER_S = (0.0, 0.1)
"""When to come back from a connection that we gave up ourselves: the server is well."""

RENEW_AT, RENEW_AGAIN_AT = 0.75, 0.25
"""When to renew a token: after this part of its life, and of what is left when that failed."""
RENEW_AGAIN_MIN_S = 1.0


class LinkOwner(Protocol):
    """What the link tells."""

    def hello(self) -> dict[str, Any]:
        """Further members of ``connect``."""

    def welcomed(self, hello: Mapping[str, Any]) -> None:
        """The server has welcomed us: everything is asked and sent anew."""

    def disconnected(self) -> None:
        """The connection is gone; there will be another."""

    def received(self, message: Mapping[str, Any]) -> None:
        """The server sent something that is no answer and no heartbeat."""

    def announce(self, event: Any) -> None:
        """Tell the listeners."""

    async def failed(self, error: ClientError) -> None:
        """The server does not want us back."""


class ServerLink:
    """Begins with ``begin`` and goes on until ``close``, or until the server ends it for good."""

    def __init__(
        self,
        owner: LinkOwner,
        transports: Transports,
        *,
        token: Token | None,
        timing: Timing,
        backoff: Backoff,
        random: Callable[[], float],
    ) -> None:
        self.user: str | None = None
        """Whom the server takes us for."""
        self.transport: str | None = None
        """What carries it now, or did last."""
        self.state = State.CONNECTING
        self.trouble = ""
        """Why there is no connection: how the last one, or the last attempt, ended."""
        self._owner = owner
        self._transports = transports
        self._token = token
        self._shown = token
        """The one that the server was shown last."""
        self._timing = timing
        self._backoff = backoff
        self._random = random
        self._seat: _Seat | None = None
        self._climbing: _Seat | None = None
        self._climb: asyncio.Task[None] | None = None
        self._climb_timer: asyncio.TimerHandle | None = None
        self._limits: Mapping[str, Any] = {}
        self._closed: ClientError | None = None
        self._should_try_another = False
        self._loop = asyncio.get_running_loop()
        self._opened = self._new_opened()
        self._attempt: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._failing: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._wake_timer: asyncio.TimerHandle | None = None
        self._renew_timer: asyncio.TimerHandle | None = None
        self._expires_s: float | None = None

    def _new_opened(self) -> asyncio.Future[None]:
        opened: asyncio.Future[None] = self._loop.create_future()
        opened.add_done_callback(lambda done: done.cancelled() or done.exception())
        return opened

    # -- for the client -------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to connect."""
        self._begin_attempt()
        self._watch_sleep(time.time(), self._loop.time())

    async def opened(self) -> None:
        """Wait until there is a connection. Raises ``ClientError`` when there never will be."""
        while self._closed is None and self.state is not State.OPEN:
            await asyncio.shield(self._opened)
        if self._closed is not None:
            raise self._closed

    def wake(self) -> None:
        """Have doubts now: ask for a sign of life, or end the wait for a retry."""
        if self.state is State.OPEN and self._seat is not None:
            self._seat.connection.probe()
        elif self.state is State.WAITING:
            self._begin_attempt()

    def restart(self, reason: str) -> None:
        """Give the connection up and make another one."""
        if self._seat is not None:
            self._seat.connection.give_up(reason, RESTART_AFTER_S)

    async def close(self, error: ClientError) -> None:
        """End for good; the error is what waiters are told."""
        if self._closed is not None:
            return
        self._closed = error
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.connection.close(1000, "")
        self._stop_climbing()
        for timer in (self._retry, self._wake_timer, self._renew_timer):
            if timer is not None:
                timer.cancel()
        tasks = [
            task
            for task in (self._attempt, self._renewal, self._climb)
            if task is not None and not task.done() and task is not asyncio.current_task()
        ]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if seat is not None:
            await seat.connection.finish()
        self._change(State.CLOSED)
        if not self._opened.done():
            self._opened.set_exception(error)

    # -- requests -------------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether requests may be sent."""
        return self._seat is not None and self._seat.connection.is_usable

    def limit(self, name: str) -> float:
        """A limit that the server named, or infinity."""
        value = self._limits.get(name)
        return float("inf") if value is None else float(value)

    def request(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Callable[[dict[str, Any]], None],
        refused: Callable[[ClientError], None],
        raw: bytes = b"",
    ) -> None:
        """Send a request on the connection that there is; when that ends before the answer,
        neither is called."""
        if self._seat is not None:
            self._seat.connection.request(op, members, answered, refused, raw)

    def tell(self, op: str, members: Mapping[str, Any]) -> None:
        """Send what has no answer on the connection that there is."""
        if self._seat is not None:
            self._seat.connection.tell(op, members)

    async def ask(
        self, op: str, members: Mapping[str, Any], patience_s: float = 0.0
    ) -> dict[str, Any]:
        """Send a request that is not repeated; return its answer. Waits for a connection.

        Raises :exc:`ClientError`: what the server answered, or ``connection_lost`` when the
        connection ended before the answer, so that it may or may not have taken effect.
        """
        await self.opened()
        assert self._seat is not None
        connection = self._seat.connection
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()

        def answered(message: dict[str, Any]) -> None:
            if not answer.done():
                answer.set_result(message)

        def refused(error: ClientError) -> None:
            if not answer.done():
                answer.set_exception(error)

        connection.request(op, members, answered, refused, lost=refused, patience_s=patience_s)
        return await answer

    def retry_delay_s(self, error: ClientError, failures: int) -> float:
        """How long to wait before what was refused is tried again."""
        after_s = error.details.get("after_s")
        if isinstance(after_s, (int, float)):
            return self._backoff.within(after_s, after_s * 1.5)
        bound_s = min(10.0, 0.2 * 2.0**failures)
        return bound_s / 2 + self._random() * bound_s / 2

    # -- tokens ---------------------------------------------------------------------------------

    async def authenticate(self, token: Token | None) -> None:
        """Show a new token on the connection that there is; without one, begin to use it now."""
        previous = self._token
        if token is not None:
            self._token = token
        if self.state is not State.OPEN:
            self.wake()
            return
        try:
            answer = await self.ask("authenticate", {"token": await self._current_token()})
        except ClientError as error:
            # The connection goes on with the token that it had.
            if error.code != "connection_lost":
                self._token = previous
            raise
        self._shown = self._token
        self._identified(answer)

    async def _current_token(self) -> str | None:
        token = self._token() if callable(self._token) else self._token
        if inspect.isawaitable(token):
            async with asyncio.timeout(self._timing.connect_s):
                return await token
        return token

    def _identified(self, answer: Mapping[str, Any]) -> None:
        """The server has said whom it takes us for, and for how long."""
        self.user = answer.get("user")
        expires_in_s = answer.get("expires_in_s")
        self._expires_s = None if expires_in_s is None else self._loop.time() + expires_in_s
        self._renew_later(RENEW_AT)

    def _renew_later(self, part: float) -> None:
        if self._renew_timer is not None:
            self._renew_timer.cancel()
            self._renew_timer = None
        # A fixed token does not get better by being shown again.
        if self._expires_s is not None and callable(self._token):
            left_s = self._expires_s - self._loop.time()
            delay_s = max(RENEW_AGAIN_MIN_S if part < RENEW_AT else 0.0, left_s * part)
            self._renew_timer = self._loop.call_later(delay_s, self._begin_renewal)

    def _begin_renewal(self) -> None:
        if self.state is State.OPEN:
            self._renewal = self._loop.create_task(self._renew())

    async def _renew(self) -> None:
        try:
            await self.authenticate(None)
        except Exception as error:
            named = error if isinstance(error, ClientError) else _token_failed(error)
            self._owner.announce(named)
            if self.state is State.OPEN:
                self._renew_later(RENEW_AGAIN_AT)

    # -- one attempt after the other ------------------------------------------------------------

    def _begin_attempt(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._closed is None and (self._attempt is None or self._attempt.done()):
            self._change(State.CONNECTING)
            self._attempt = self._loop.create_task(self._try_once())

    async def _try_once(self) -> None:
        """Try one transport after the other, until one works or none may."""
        while True:
            seat = _Seat(self, self._transports.current, self._transports, self._timing)
            self._seat = seat
            try:
                hello = await self._hello()
            except Exception as error:
                self.ended(seat, Ending(0, _token_failed(error).message, True))
                return
            await seat.connection.open(hello)
            await seat.decided
            if seat.is_welcome or not self._should_try_another:
                return

    async def _hello(self) -> dict[str, Any]:
        """What ``connect`` says. Raises whatever the token function does."""
        self._shown = self._token
        token = await self._current_token()
        hello = self._owner.hello()
        if token is not None:
            hello["token"] = token
        return hello

    def welcomed(self, seat: _Seat, hello: Mapping[str, Any]) -> None:
        """The server has welcomed one of our connections."""
        if seat is self._climbing:
            self._change_seats(seat)
        elif seat is not self._seat:
            return
        self._transports.worked(seat.transport)
        self._limits = hello.get("limits", {})
        self._identified(hello)
        self._tell_transport(seat.transport)
        self._change(State.OPEN)
        if not self._opened.done():
            self._opened.set_result(None)
        self._owner.welcomed(hello)
        self._climb_later()

    def received(self, seat: _Seat, message: Mapping[str, Any]) -> None:
        """The server sent something on one of our connections."""
        if seat is self._seat:
            self._owner.received(message)

    def ended(self, seat: _Seat, ending: Ending) -> None:
        """One of our connections has ended."""
        if seat is not self._seat:
            return
        self._seat = None
        self._stop_climbing()
        whole = self._transports.failed(ending)
        self._should_try_another = whole is None and not seat.is_welcome
        if self._should_try_another:
            return
        self._attempt = None
        ending = whole or ending
        if self._renew_timer is not None:
            self._renew_timer.cancel()
        self._owner.disconnected()
        if self._closed is not None:
            return
        # With a function there may be a better token; with a fixed one there is none, unless it was
        # changed meanwhile.
        may_differ = callable(self._token) or self._token != self._shown
        has_other_token = may_differ and ending.code in (UNAUTHORIZED, TOKEN_EXPIRED)
        if not ending.can_reconnect and not has_other_token:
            error = ending.error or ClientError("connection_closed", ending.reason)
            self._owner.announce(error)
            self._change(State.CLOSED, ending)
            self._failing = self._loop.create_task(self._fail(error))
            return
        delay_s = self._delay_s(ending)
        self._change(State.WAITING, ending, delay_s)
        self._retry = self._loop.call_later(delay_s, self._begin_attempt)

    async def _fail(self, error: ClientError) -> None:
        await self.close(error)
        await self._owner.failed(error)

    def _delay_s(self, ending: Ending) -> float:
        now_s = self._loop.time()
        had_lived = self._backoff.lost(now_s, ending.lived_s)
        if ending.after_s is not None:
            return self._backoff.within(*ending.after_s)
        return 0.0 if had_lived else self._backoff.next(now_s)

    def _change(
        self, state: State, ending: Ending | None = None, delay_s: float | None = None
    ) -> None:
        if state is self.state and ending is None:
            return
        previous, self.state = self.state, state
        if previous is State.OPEN and self._opened.done():
            self._opened = self._new_opened()
        reason, code = ("", 0) if ending is None else (ending.reason, ending.code)
        if state is State.OPEN or reason:
            self.trouble = reason
        failures = self._backoff.failures
        self._owner.announce(StateChange(state, previous, reason, code, delay_s, failures))

    # -- transports -----------------------------------------------------------------------------

    def _tell_transport(self, transport: str) -> None:
        if transport != self.transport:
            previous, self.transport = self.transport, transport
            self._owner.announce(TransportChange(transport, previous))

    def _climb_later(self) -> None:
        """Try better transports after a while."""
        self._stop_climbing()
        if self._transports.better():
            delay_s = self._transports.climb_delay_s(self._loop.time(), self._random)
            self._climb_timer = self._loop.call_later(delay_s, self._begin_climb)

    def _begin_climb(self) -> None:
        self._transports.climbing()
        self._climb = self._loop.create_task(self._try_better())

    async def _try_better(self) -> None:
        """Connect beside the connection that there is; it is left when another one works."""
        for transport in self._transports.better():
            seat = _Seat(self, transport, self._transports, self._timing)
            try:
                hello = await self._hello()
                self._climbing = seat
                await seat.connection.open(hello)
                await seat.decided
            except asyncio.CancelledError:
                if seat is not self._seat:  # welcome or not
                    seat.connection.close()
                raise
            except Exception as error:
                self._owner.announce(_token_failed(error))
                break
            if seat.is_welcome:
                return
        self._climbing = None
        self._climb_later()

    def _change_seats(self, seat: _Seat) -> None:
        """Leave the connection that there is for another one."""
        previous, self._seat, self._climbing = self._seat, seat, None
        self._owner.disconnected()
        if previous is not None:
            previous.connection.retire()

    def _stop_climbing(self) -> None:
        self._climbing = None
        if self._climb_timer is not None:
            self._climb_timer.cancel()
            self._climb_timer = None
        if self._climb is not None and self._climb is not asyncio.current_task():
            self._climb.cancel()
        self._climb = None

    # -- sleep ----------------------------------------------------------------------------------

    def _watch_sleep(self, wall_s: float, loop_s: float) -> None:
        """Doubt the connection when the machine slept: the wall clock went on, the loop's did not,
        or the timer itself came much too late."""

        def look() -> None:
            now_s, loop_now_s = time.time(), self._loop.time()
            slept_s = max((now_s - wall_s), (loop_now_s - loop_s)) - WAKE_CHECK_S
            if slept_s > WAKE_CHECK_S:
                self.wake()
            self._watch_sleep(now_s, loop_now_s)

        self._wake_timer = self._loop.call_later(WAKE_CHECK_S, look)


def _token_failed(error: Exception) -> ClientError:
    return ClientError("token_failed", f"the token function failed: {error!r}", retry=True)


class _Seat:
    """One connection of a link, and what it is made with: tells the link which one is speaking."""

    def __init__(
        self, link: ServerLink, transport: str, transports: Transports, timing: Timing
    ) -> None:
        self.transport = transport
        self.connection = ClientConnection(self, timing, transports.make_carrier(transport))
        self.is_welcome = False
        self.decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the server has welcomed it, or it has ended."""
        self._link = link

    def welcomed(self, hello: Mapping[str, Any]) -> None:
        self.is_welcome = True
        self._link.welcomed(self, hello)
        self._decide()

    def received(self, message: Mapping[str, Any]) -> None:
        self._link.received(self, message)

    def ended(self, ending: Ending) -> None:
        self._link.ended(self, ending)
        self._decide()

    def _decide(self) -> None:
        if not self.decided.done():
            self.decided.set_result(None)
