"""One connection to the server, from the first attempt to its end.

Knows requests and their answers, heartbeats and probes, and what the server says when it closes;
nothing of streams. A connection that ended is not used again.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from longwire.base.version import __version__
from longwire.client.carrier import Doubt, MakeCarrier, doubt_of
from longwire.client.errors import ClientError, error_from_answer
from longwire.net.connect_verdict import explain_connect_error
from longwire.net.retry import is_retryable, retry_after_s

__all__ = ["ClientConnection", "ConnectionOwner", "Ending", "Timing"]

logger = logging.getLogger("longwire.client")

UNAUTHORIZED, TOKEN_EXPIRED = 4503, 4002
"""Close codes (docs/protocol.md, 10.2)."""

SLOWEST_BYTES_S = 4096
"""Slower than that no network carries us: what is on the way is given the time that it takes."""

BEHIND_S_MAX = 300.0
"""For how long an answer may stand behind what is being received, on such a network."""

_encode = msgspec.json.Encoder().encode

Answered = Callable[[dict[str, Any]], None]
Refused = Callable[[ClientError], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long to wait for what, seconds."""

    connect_s: float = 10.0
    """From the beginning of an attempt to the server's welcome."""
    answer_s: float = 10.0
    """From a request to its answer, or longer if what is on the way is so much that a slow network
    (4 KiB/s) takes longer for it; then the connection is probed, and given up after ``probe_s``
    more even if it lives: what was asked is lost, and asked again on another one."""
    probe_s: float = 2.0
    """For a sign of life when there is doubt."""
    events_s: float = 3.0
    """For the first of the server-sent events; when it does not come, something on the way holds
    them back."""
    climb_s: float = 30.0
    """On a transport that is not the best one: until a better one is tried again. Twice as long
    after each time that it failed, up to ten minutes."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection, or the attempt to make one, ended."""

    code: int
    reason: str
    can_reconnect: bool
    lived_s: float = 0.0
    """How long it had been connected."""
    after_s: tuple[float, float] | None = None
    """When to come back, if the server said so."""
    error: ClientError | None = None
    """What was refused, when nothing was connected."""
    doubt: Doubt = Doubt.NONE
    """What it says against the transport."""


class _Request(NamedTuple):
    answered: Answered
    refused: Refused
    due_s: float
    """When the answer is overdue."""
    size: int
    """Bytes."""


class ConnectionOwner(Protocol):
    """What a connection tells."""

    def welcomed(self, hello: Mapping[str, Any]) -> None:
        """The server has accepted ``connect``."""

    def received(self, message: Mapping[str, Any]) -> None:
        """The server sent something that is no answer and no heartbeat."""

    def ended(self, ending: Ending) -> None:
        """It is over. The last call."""


class ClientConnection:
    """``open`` makes one attempt; everything else is told to the owner."""

    def __init__(self, owner: ConnectionOwner, timing: Timing, make_carrier: MakeCarrier) -> None:
        self._owner = owner
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._carrier = make_carrier(self)
        self._requests: dict[int, _Request] = {}
        self._unanswered_bytes = 0
        self._lost: dict[int, Refused] = {}
        self._next_id = 1
        self._heartbeat_s = 0.0
        self._heard_s = self._loop.time()
        self._connected_s: float | None = None
        self._probe_until_s: float | None = None
        self._doubted_s: float | None = None
        """Since when an answer is overdue, or there was progress after that."""
        self._is_pong_due = False
        self._received_bytes = 0
        self._closing: Mapping[str, Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self._is_retired = False

    @property
    def is_usable(self) -> bool:
        """Whether requests may be sent."""
        return self._connected_s is not None and not self._is_over and self._closing is None

    # -- the beginning --------------------------------------------------------------------------

    async def open(self, hello: Mapping[str, Any]) -> None:
        """Connect and say ``connect``; the owner is told what comes of it. Cancelled, it is over
        without a word."""
        try:
            async with asyncio.timeout(self._timing.connect_s):
                await self._carrier.open()
        except Exception as error:
            self._end_attempt(error)
            return
        except asyncio.CancelledError:
            self._is_over = True
            raise
        if self._is_over:
            self._carrier.abort()
            return
        self._set_timer(self._timing.connect_s)
        members = {"version": 1, "client": f"longwire-python/{__version__}", **hello}
        self._ask("connect", members, self._welcomed, self._unwelcome)

    def _end_attempt(self, error: Exception) -> None:
        can_retry = is_retryable(error)
        wait_s = retry_after_s(error)
        reason = str(explain_connect_error(error))
        if isinstance(error, TimeoutError):
            reason = f"no connection within {self._timing.connect_s:g} s"
        refusal = None if can_retry else ClientError("connection_refused", reason)
        after_s = None if wait_s is None else (wait_s, wait_s * 1.5)
        doubt = doubt_of(error)
        self._end(Ending(0, reason, can_retry, after_s=after_s, error=refusal, doubt=doubt))

    def _welcomed(self, hello: dict[str, Any]) -> None:
        self._connected_s = self._loop.time()
        self._heartbeat_s = float(hello.get("heartbeat_s", 0))
        self._watch()
        self._owner.welcomed(hello)

    def _unwelcome(self, error: ClientError) -> None:
        # The server closes too, but its code would say less than the error does.
        after_s = error.details.get("after_s")
        hint = (float(after_s), float(after_s) * 1.5) if isinstance(after_s, (int, float)) else None
        code = UNAUTHORIZED if error.code == "unauthorized" else 0
        self._drop(Ending(code, error.message, error.retry, 0.0, hint, error))

    # -- requests -------------------------------------------------------------------------------

    def request(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Answered,
        refused: Refused,
        raw: bytes = b"",
        lost: Refused | None = None,
        patience_s: float = 0.0,
    ) -> None:
        """Send a request; one of the two is called, unless the connection ends before; then
        ``lost`` is, if there is one.

        ``raw`` are further members, encoded already. The answer may take ``patience_s`` longer
        than others.
        """
        if not self.is_usable:
            if lost is not None:
                lost(ClientError("connection_lost", "there is no connection now", retry=True))
            return
        if lost is not None:
            self._lost[self._next_id] = lost
        self._ask(op, members, answered, refused, raw, patience_s)

    def _ask(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Answered,
        refused: Refused,
        raw: bytes = b"",
        patience_s: float = 0.0,
    ) -> None:
        number = self._next_id
        self._next_id += 1
        text = _encode({"op": op, "id": number, **members})
        if raw:
            text = text[:-1] + b"," + raw + b"}"
        self._unanswered_bytes += len(text)
        sending_s = self._unanswered_bytes / SLOWEST_BYTES_S
        due_s = self._loop.time() + max(self._timing.answer_s, sending_s) + patience_s
        self._requests[number] = _Request(answered, refused, due_s, len(text))
        self._carrier.send(op, text)

    def tell(self, op: str, members: Mapping[str, Any]) -> None:
        """Send what has no answer."""
        if self.is_usable:
            self._carrier.send(op, _encode({"op": op, **members}))

    # -- what comes -----------------------------------------------------------------------------

    def heard(self) -> None:
        """The server lives."""
        self._heard_s = self._loop.time()
        self._received_bytes = self._carrier.received_bytes
        if self._probe_until_s is not None:
            self._probe_until_s = None
            self._watch()

    def received(self, message: dict[str, Any]) -> None:
        """The server said something."""
        if self._is_over:
            return
        self.heard()
        op = message["op"]
        if op == "closing":
            self._closing = message
        elif "id" in message:
            self._answer(op, message)
        elif op == "pong":
            self._is_pong_due = False
        elif not self._is_retired:
            self._owner.received(message)

    def _answer(self, op: str, answer: dict[str, Any]) -> None:
        request = self._requests.pop(answer["id"], None)
        self._lost.pop(answer["id"], None)
        if request is None:
            return
        self._unanswered_bytes -= request.size
        if op == "error":
            request.refused(error_from_answer(answer))
        else:
            request.answered(answer)
        if self._is_retired and not self._requests:
            self.close()

    # -- doubts ---------------------------------------------------------------------------------

    def probe(self) -> None:
        """Ask for a sign of life; without one the connection is given up."""
        if not self.is_usable or self._probe_until_s is not None:
            return
        self._probe_until_s = self._loop.time() + self._timing.probe_s
        self._is_pong_due = True
        self._carrier.send("ping", b'{"op":"ping"}')
        self._watch()

    def _watch(self) -> None:
        """Have the timer go off when the next thing may be overdue."""
        now = self._loop.time()
        ends = [now + self._timing.answer_s / 2]
        if self._heartbeat_s:
            ends.append(self._heard_s + 2 * self._heartbeat_s)
        if self._probe_until_s is not None:
            ends.append(self._probe_until_s)
        if self._doubted_s is None:
            ends.append(self._due_s())
        else:
            ends.append(self._doubted_s + self._timing.probe_s)
        self._set_timer(max(0.0, min(ends) - now))

    def _set_timer(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, self._check)

    def _check(self) -> None:
        if self._is_over:
            return
        if self._connected_s is None:
            reason = f"no welcome within {self._timing.connect_s:g} s"
            self._drop(Ending(1006, reason, True, doubt=Doubt.SOME))
            return
        now = self._loop.time()
        if self._carrier.received_bytes != self._received_bytes:
            self.heard()  # a part of a message, which may take long to be whole
        if self._probe_until_s is not None and now >= self._probe_until_s:
            self.give_up(f"no sign of life within {self._timing.probe_s:g} s when asked for one")
        elif self._heartbeat_s and now >= self._heard_s + 2 * self._heartbeat_s:
            # The sum of ``_watch``: a difference may round otherwise, and the timer would go off
            # again and again until the clock has moved on.
            self.give_up(f"nothing came for {2 * self._heartbeat_s:g} s")
        elif now < self._due_s():
            self._doubted_s = None
            self._watch()
        elif self._doubted_s is None:
            self._doubted_s = now
            self.probe()
            self._watch()
        elif now < self._doubted_s + self._timing.probe_s:
            self._watch()
        elif self._is_behind(now, self._doubted_s):
            self._doubted_s = now
            self._watch()
        else:
            self.give_up(f"a request was not answered within {self._timing.answer_s:g} s")

    def _is_behind(self, now: float, since_s: float) -> bool:
        """Whether the answer, like that to our ping, seems to stand behind what is coming."""
        is_receiving = self._heard_s > since_s
        return is_receiving and self._is_pong_due and now < self._due_s() + BEHIND_S_MAX

    def _due_s(self) -> float:
        """When the first answer is overdue."""
        return min((request.due_s for request in self._requests.values()), default=math.inf)

    # -- the end --------------------------------------------------------------------------------

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End it in order; the owner is told nothing more."""
        self._is_over = True
        self._cancel_timer()
        self._tell_lost("the client was closed")
        self._carrier.close(code, reason)

    async def finish(self) -> None:
        """After ``close``: wait until what was said has left."""
        await self._carrier.finish()

    def retire(self) -> None:
        """Another connection has taken its place: it ends when what was asked on it, and is not
        asked for again on the other one, has been answered."""
        self._is_retired = True
        self._requests = {n: one for n, one in self._requests.items() if n in self._lost}
        if not self._requests:
            self.close()

    def lost(
        self,
        code: int,
        reason: str,
        *,
        can_reconnect: bool = True,
        after_s: tuple[float, float] | None = None,
        doubt: Doubt = Doubt.NONE,
    ) -> None:
        """The carrier is gone."""
        closing = self._closing
        if closing is None:
            self._drop(Ending(code, reason, can_reconnect, self._lived_s(), after_s, doubt=doubt))
            return
        range_s = closing.get("after_s")
        self._drop(
            Ending(
                int(closing.get("code", code)),
                str(closing.get("reason", "")) or reason,
                closing.get("reconnect") is not False,
                self._lived_s(),
                (float(range_s[0]), float(range_s[1])) if isinstance(range_s, list) else None,
            )
        )

    def give_up(self, reason: str, after_s: tuple[float, float] | None = None) -> None:
        """Take it for lost; ``after_s`` is when to come back if that is known."""
        self._drop(Ending(1006, reason, True, self._lived_s(), after_s))

    def _drop(self, ending: Ending) -> None:
        """End it without waiting for the server, who may be gone."""
        self._end(ending)
        self._carrier.abort()

    def _lived_s(self) -> float:
        return 0.0 if self._connected_s is None else self._loop.time() - self._connected_s

    def _end(self, ending: Ending) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._cancel_timer()
        self._requests.clear()
        self._tell_lost(ending.reason)
        if not self._is_retired:
            self._owner.ended(ending)

    def _tell_lost(self, reason: str) -> None:
        lost, self._lost = self._lost, {}
        for refused in lost.values():
            refused(
                ClientError(
                    "connection_lost",
                    f"the connection ended before the answer: {reason}",
                    retry=True,
                )
            )

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
