"""Requests of HTTP that look like one connection: events or polls down, other requests up.

What lasts (``standing``) is asked for by the request whose answer is being read; when that
changes, the request is ended and another one asks for everything. What does not last is sent by
requests beside it: one after the other, so that the order of publishes holds, and calls each by
one of its own, since they may take their time. Whatever fails ends the carrier: the connection
above is lost, and made again as always.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from longwire.client.carrier import CarrierOwner, Doubt
from longwire.client.connection import SLOWEST_BYTES_S
from longwire.client.errors import ClientError
from longwire.client.standing import Standing

if TYPE_CHECKING:
    from longwire.client.connection import Timing
    from longwire.client.http_requests import HttpRequests, RequestFailed

__all__ = ["EventsCarrier", "HttpCarrier", "PollCarrier", "draw_client_key"]

BATCH_MESSAGES_MAX = 64
BATCH_BYTES_MAX = 256 * 1024
"""What goes up in one request, unless one message alone is longer."""

RESPONSE_OVER = 4005
UNAUTHORIZED = 4503
"""Close codes (docs/protocol.md, 10.2)."""

WAIT_S_MAX = 25.0
"""How long a poll asks to wait; below the 30 s after which some proxies end a silent request."""

_PASSING = (408, 425, 429)
"""Statuses of 4xx that may be others the next time."""

COLLECTED_S = 1.0
"""A poll without its answers for so long is collected on the way: others need not wait for it."""

PAUSE_S = 0.1
"""Between polls that bring nothing although they end sooner than this."""

_TOO_LARGE = 413

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class HttpCarrier(ABC):
    """See :class:`~longwire.client.carrier.Carrier`. ``url`` is one of ``http`` or ``https``."""

    def __init__(
        self,
        owner: CarrierOwner,
        url: str,
        options: Mapping[str, Any],
        timing: Timing,
        client_key: str,
    ) -> None:
        self._owner = owner
        self._url = url
        self._options = options
        self._timing = timing
        self._client_key = client_key
        self._loop = asyncio.get_running_loop()
        self._standing = Standing()
        self._connect: dict[str, Any] = {}
        self._is_welcome = False
        self._is_established = False
        """Whether the request that is being read has been welcomed."""
        self._heartbeat_s = 0.0
        self._up: list[bytes] = []
        self._batch_messages_max = BATCH_MESSAGES_MAX
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._told = 0
        """Messages that were passed on."""
        self._is_stale = False
        """Whether what stands has changed since the request that is being read."""
        self._is_urgent = False
        """Whether the next request is to be answered at once, as a sign of life."""
        self._turning: asyncio.Handle | None = None
        self._tokens: dict[int, str] = {}
        """Those that the server has been shown and not judged yet, by request."""
        self._is_over = False
        self._requests: HttpRequests
        self._is_open = False
        """Whether there are ``_requests``: it may be closed while a token is still waited for."""

    # -- Carrier --------------------------------------------------------------------------------

    @property
    def received_bytes(self) -> int:
        return 0

    async def open(self) -> None:
        from longwire.client.http_requests import HttpRequests

        self._requests = HttpRequests(self._url, self._options, self._client_key)
        self._is_open = True

    def send(self, op: str, text: bytes) -> None:
        if self._is_over or op == "pong":
            return
        members = _decode(text)
        if op == "connect":
            self._connect = members
            self._begin(self._follow)
        elif op == "ping" and "id" not in members:
            self._turn_soon(is_urgent=True)
        elif op in ("ack", "nack"):
            self._send_up(self._with_answer(members))
        else:
            if op == "authenticate":
                self._tokens[members["id"]] = members["token"]
            answers = self._standing.take(members, text)
            if answers is not None:
                self._answer_soon(answers)
                self._turn_soon()
            elif op == "call":
                self._begin(partial(self._ask_up, [text]))
            else:
                self._send_up(text)

    def close(self, code: int, reason: str) -> None:
        # What was said last is to arrive; what is read is not needed any more.
        self._is_over = True
        if self._reading is not None:
            self._reading.cancel()
        if self._sending is None:
            self.abort()
        else:
            self._sending.add_done_callback(lambda _: self.abort())
            self._loop.call_later(self._timing.probe_s, self.abort)

    async def finish(self) -> None:
        if self._sending is not None:
            await asyncio.wait((self._sending,), timeout=self._timing.probe_s)

    def abort(self) -> None:
        self._is_over = True
        if self._turning is not None:
            self._turning.cancel()
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        if self._is_open:
            self._requests.close()

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        task = self._loop.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Whatever fails is the end of the carrier."""
        from longwire.client.http_requests import RequestFailed

        try:
            await work()
        except RequestFailed as failed:
            self._request_failed(failed)
        except TimeoutError:
            self._lose(1006, "an HTTP request was not answered in time", doubt=Doubt.SOME)
        except ClientError as error:
            self._lose(1006, error.message)

    # -- what goes up ---------------------------------------------------------------------------

    def _send_up(self, text: bytes) -> None:
        self._up.append(text)
        if self._sending is None:
            # Everything that is said in this turn of the loop goes in one request.
            self._sending = self._begin(self._send_all)

    async def _send_all(self) -> None:
        try:
            while self._up:
                await self._post(self._take_batch())
        finally:
            self._sending = None

    async def _post(self, texts: list[bytes]) -> None:
        from longwire.client.http_requests import RequestFailed

        # Nobody above waits for some of them: an acknowledgement without an answer would hold up
        # all that follow.
        limit_s = self._timing.answer_s + sum(map(len, texts)) / SLOWEST_BYTES_S
        try:
            async with asyncio.timeout(limit_s + self._timing.probe_s):
                await self._ask_up(texts)
        except RequestFailed as failed:
            if failed.status != _TOO_LARGE:
                raise
            self._divide(texts, failed.reason)

    def _divide(self, texts: list[bytes], reason: str) -> None:
        """What is too long together goes in several requests; one that alone is too long is
        refused, or it would be sent again for ever."""
        if len(texts) > 1:
            self._up = texts + self._up
            self._batch_messages_max = len(texts) // 2
            return
        head = {"op": "error", "id": _decode(texts[0]).get("id")}
        self._tell_answer(head | {"code": "entry_too_large", "message": reason, "retry": False})

    def _take_batch(self) -> list[bytes]:
        count, size = 0, 0
        for text in self._up[: self._batch_messages_max]:
            size += len(text)
            if count and size > BATCH_BYTES_MAX:
                break
            count += 1
        batch, self._up = self._up[:count], self._up[count:]
        return batch

    async def _ask_up(self, texts: list[bytes]) -> None:
        request = [_encode(self._connect), *texts]
        async with contextlib.aclosing(self._requests.messages(request)) as messages:
            async for message in messages:
                if message["op"] not in ("connected", "ping"):
                    self._tell_answer(message)
                if message["op"] == "closing":
                    self._lose(1006, "the server ended the response")

    def _tell_answer(self, message: dict[str, Any]) -> None:
        token = self._tokens.pop(message.get("id", 0), None)
        if token is not None and message["op"] == "authenticated":
            self._connect["token"] = token
            self._turn_soon()
        self._tell(self._standing.receive(message))

    def _with_answer(self, members: dict[str, Any]) -> bytes:
        """An acknowledgement, with a number: what it names is not held any more when the server has
        it, and not before."""
        key = (members["stream"], members["consumer"])
        upto, positions = members.get("upto"), set(members.get("positions", ()))

        def is_meant(position: str) -> bool:
            return position <= upto if upto is not None else position in positions

        def answered(answer: dict[str, Any]) -> list[dict[str, Any]]:
            self._standing.acknowledged(key, is_meant)
            if answer["op"] == "error":
                return [{name: value for name, value in answer.items() if name != "id"}]
            return []

        asked = {name: value for name, value in members.items() if name != "op"}
        return self._standing.own(members["op"], asked, answered)

    # -- what comes down ------------------------------------------------------------------------

    async def _follow(self) -> None:
        while not self._is_over:
            self._is_stale = False
            self._is_established = False
            self._reading = self._loop.create_task(self._read_one())
            try:
                await asyncio.wait((self._reading,))
            finally:
                self._reading.cancel()
            if not self._reading.cancelled():
                self._reading.result()
            elif not self._is_stale:
                return  # closed

    @abstractmethod
    async def _read_one(self) -> None:
        """Read the answer to one request that asks for what stands."""

    @abstractmethod
    def _may_turn(self) -> bool:
        """Whether the request that is being read may be ended for another one."""

    def _request(self) -> list[bytes]:
        connect = self._connect | self._standing.connect_members()
        if not self._is_welcome:
            connect.setdefault("inbox", "tail")
        return [_encode(connect), *self._standing.operations()]

    def _take(self, message: dict[str, Any]) -> None:
        """Take a message of the answer that is being read."""
        op = message["op"]
        if op == "connected":
            self._is_established = True
            self._owner.heard()
            if self._is_welcome:
                self._tell(self._standing.connected_anew(message))
            else:
                self._is_welcome = True
                self._heartbeat_s = float(message.get("heartbeat_s", 0))
                self._standing.welcomed(message)
                self._owner.received(message)
        elif op == "ping":
            self._owner.heard()
        elif op == "closing" and message.get("code") == RESPONSE_OVER:
            return  # it goes on with the next one
        else:
            self._tell(self._standing.receive(message))
        if self._is_stale:
            self._turn_soon()

    def _turn_soon(self, *, is_urgent: bool = False) -> None:
        """Ask for everything anew when this turn of the loop is over."""
        self._is_stale = True
        self._is_urgent |= is_urgent
        if self._turning is None:
            self._turning = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = None
        if self._is_stale and not self._is_over and self._reading is not None and self._may_turn():
            self._reading.cancel()

    # -- to the owner ---------------------------------------------------------------------------

    def _tell(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            if not self._is_over:
                self._told += 1
                self._owner.received(message)

    def _answer_soon(self, answers: list[dict[str, Any]]) -> None:
        # The client has not noted its request yet.
        if answers:
            self._loop.call_soon(self._tell, answers)

    def _request_failed(self, failed: RequestFailed) -> None:
        problem = failed.problem
        after_s = None if failed.after_s is None else (failed.after_s, failed.after_s * 1.5)
        if problem is not None and not self._is_welcome and problem["code"] != "closing":
            names = ("type", "title", "status", "detail")
            members = {name: value for name, value in problem.items() if name not in names}
            head = {"op": "error", "id": self._connect["id"], "message": problem.get("detail", "")}
            is_retryable = problem["status"] in (429, 503)
            self._owner.received({"retry": is_retryable, **head, **members})
            return
        if problem is not None and problem["code"] == "unauthorized":
            self._lose(UNAUTHORIZED, failed.reason, can_reconnect=False)
            return
        is_final = not self._is_welcome and 400 <= failed.status < 500
        self._lose(
            1006,
            failed.reason,
            can_reconnect=not is_final or failed.status in _PASSING,
            after_s=after_s,
            doubt=_doubt_of(failed),
        )

    def _lose(
        self,
        code: int,
        reason: str,
        *,
        can_reconnect: bool = True,
        after_s: tuple[float, float] | None = None,
        doubt: Doubt = Doubt.NONE,
    ) -> None:
        if not self._is_over:
            self._is_over = True
            self._owner.lost(
                code, reason, can_reconnect=can_reconnect, after_s=after_s, doubt=doubt
            )


class EventsCarrier(HttpCarrier):
    """Server-sent events down."""

    async def _read_one(self) -> None:
        is_first = True
        stream = self._requests.messages(self._request(), kind="events")
        async with contextlib.aclosing(stream) as messages:
            while True:
                # Answers to other requests are no sign that this one's connection lives.
                limit_s = self._timing.events_s if is_first else 2 * self._heartbeat_s or None
                try:
                    async with asyncio.timeout(limit_s):
                        message = await anext(messages, None)
                except TimeoutError:
                    doubt = Doubt.SOME if self._is_welcome else Doubt.CERTAIN
                    self._lose(1006, f"no event came within {limit_s:g} s", doubt=doubt)
                    return
                if message is None:
                    break
                is_first = False
                self._take(message)
                if message["op"] == "closing" and message.get("code") != RESPONSE_OVER:
                    self._lose(1006, "the server ended the response")
                    return
                if message["op"] == "closing":
                    return
        self._lose(1006, "the response of events ended")

    def _may_turn(self) -> bool:
        return self._is_established and self._standing.may_be_passed


class PollCarrier(HttpCarrier):
    """One long-poll after the other."""

    _waits = False
    _is_collected = False
    """Whether something on the way seems to keep the answers until the end of the poll."""

    async def _read_one(self) -> None:
        standing = self._standing
        is_urgent, self._is_urgent = self._is_urgent, False
        if self._is_welcome and not standing.is_needed and not is_urgent:
            # Nothing can come; what remains is to notice when the server goes.
            self._waits = True
            await asyncio.sleep(self._heartbeat_s or WAIT_S_MAX)
        self._waits = self._is_welcome and not standing.is_pending and not is_urgent
        wait_s = self._wait_s() if self._waits else 0.0
        began_s, told = self._loop.time(), self._told
        self._is_collected = False
        collected = self._loop.call_later(COLLECTED_S, self._assume_collected)
        stream = self._requests.messages(self._request(), wait_s=wait_s)
        try:
            async with (
                asyncio.timeout(wait_s + self._timing.answer_s),
                contextlib.aclosing(stream) as messages,
            ):
                async for message in messages:
                    self._take(message)
                    if message["op"] == "closing":
                        self._lose(1006, "the server ended the response")
                        return
        finally:
            collected.cancel()
        took_s = self._loop.time() - began_s
        if self._waits and took_s < PAUSE_S and self._told == told:
            await asyncio.sleep(PAUSE_S - took_s)

    def _assume_collected(self) -> None:
        self._is_collected = True
        self._turn()

    def _wait_s(self) -> float:
        # Whoever collects responses on the way brings nothing until the end of each.
        return min(WAIT_S_MAX, self._heartbeat_s) if self._heartbeat_s > 0 else WAIT_S_MAX

    def _may_turn(self) -> bool:
        return self._waits and (self._is_collected or self._standing.may_be_passed)


def _doubt_of(failed: RequestFailed) -> Doubt:
    if failed.status in (429, 503) or failed.problem is not None:
        return Doubt.NONE
    if isinstance(failed.cause, (ConnectionRefusedError, socket.gaierror)):
        return Doubt.NONE
    is_refused = 200 <= failed.status < 500 and failed.status != 408
    return Doubt.CERTAIN if is_refused else Doubt.SOME


def draw_client_key() -> str:
    """A key for the requests of one client (docs/protocol.md, 18.4)."""
    return hashlib.sha256(secrets.token_bytes(32)).hexdigest()
