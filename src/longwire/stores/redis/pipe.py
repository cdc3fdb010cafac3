"""Calls of scripts over one connection that one task owns: what a tick brings goes in one write.

While a round trip is under way the next calls gather, so many small appends cost one. Calls are
answered in the order in which they were made.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from longwire.base.errors import StoreError
from longwire.base.limits import RedisStoreLimits
from longwire.stores.redis.scripts import SCRIPTS, Script
from longwire.stores.redis.wire import RedisAddress, RedisConnection, pack
from longwire.streams.errors import StoreUnavailableError

__all__ = ["Pipe"]

logger = logging.getLogger("longwire.stores.redis")

_BATCH_BYTES_MAX = 1 << 20
"""Written in one round trip; one larger call goes alone."""


class _Call:
    """One call on its way."""

    __slots__ = ("arguments", "future", "made_at", "script", "size")

    def __init__(
        self,
        script: Script | None,
        arguments: Sequence[bytes],
        future: asyncio.Future[Any],
        made_at: float,
    ) -> None:
        self.script = script
        self.arguments = arguments
        self.future = future
        self.made_at = made_at
        self.size = sum(map(len, arguments))

    def packed(self, *, with_source: bool = False) -> bytes:
        if self.script is None:
            return pack(*self.arguments)
        if with_source:
            return pack(b"EVAL", self.script.source, *self.arguments)
        return pack(b"EVALSHA", self.script.sha, *self.arguments)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # nobody may wait any more, and that is no news


class Pipe:
    """A connection, its owner task, and the calls that wait for it.

    ``greet`` is awaited with every new connection before any call goes over it. It may raise
    ``StoreError`` to refuse it. When Redis cannot be reached, calls wait for ``call_timeout_s`` at
    most and fail with ``StoreUnavailableError``, which leaves open whether they took effect.
    """

    def __init__(
        self,
        address: RedisAddress,
        limits: RedisStoreLimits,
        greet: Callable[[RedisConnection], Awaitable[None]],
    ) -> None:
        self._address = address
        self._limits = limits
        self._greet = greet
        self._waiting: deque[_Call] = deque()
        self._waiting_bytes = 0
        self._wakeup = asyncio.Event()
        self._connection: RedisConnection | None = None
        self._owner: asyncio.Task[None] | None = None
        self.problem: str | None = "not connected yet"
        """Why there is no connection; ``None`` when there is one."""
        self.connects = 0
        self.round_trips = 0

    async def start(self) -> None:
        """Connect for the first time. Raises ``StoreError``."""
        await self._connect()
        self._owner = asyncio.get_running_loop().create_task(self._own())

    async def stop(self) -> None:
        """End the owner, then fail what waits."""
        if self._owner is not None:
            self._owner.cancel()
            await asyncio.wait([self._owner])
        await self._disconnect("the store is closed")
        self._fail_waiting(lambda call: True)

    def call(
        self, script: Script | None, keys: Sequence[bytes], arguments: Sequence[bytes]
    ) -> asyncio.Future[Any]:
        """Call a script, or with ``None`` the command that ``arguments`` is.

        The future gets the reply, an error reply as ``ResponseError``, or StoreUnavailableError.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if script is not None:
            arguments = [b"%d" % len(keys), *keys, *arguments]
        call = _Call(script, arguments, future, loop.time())
        if self._owner is None or self._owner.done():
            call.fail(StoreUnavailableError("the store is closed"))
            return future
        if self._waiting_bytes + call.size > self._limits.queued_bytes_max and self._waiting:
            waiting = f"{self._waiting_bytes} bytes wait for it"
            call.fail(StoreUnavailableError(f"{self._address.shown} does not keep up: {waiting}"))
            return future
        self._waiting.append(call)
        self._waiting_bytes += call.size
        self._wakeup.set()
        return future

    async def exchange(self, commands: Sequence[tuple[bytes, ...]]) -> list[Any]:
        """Send commands in one go; return their replies, error replies among them.

        Raises ``StoreUnavailableError``.
        """
        calls = [self.call(None, (), command) for command in commands]
        replies = await asyncio.gather(*calls, return_exceptions=True)
        for reply in replies:
            if isinstance(reply, StoreUnavailableError):
                raise reply
        return replies

    def drop_connection(self, reason: str) -> None:
        """Connect anew before the next call."""
        if self._connection is not None and self.problem is None:
            self.problem = reason
            self._wakeup.set()

    # -- the owner ------------------------------------------------------------------------------

    async def _own(self) -> None:
        failures = 0
        while True:
            try:
                if self.problem is not None:
                    await self._disconnect(self.problem)
                    await asyncio.sleep(self._backoff_s(failures))
                    await self._connect()
                await self._wakeup.wait()
                self._wakeup.clear()
                while self._waiting and self.problem is None:
                    await self._round_trip()
                failures = 0
            except (StoreError, TimeoutError) as error:
                failures = min(failures + 1, 16)
                self._note_problem(str(error) or "no answer in time")
                self._expire_waiting()
            except Exception as error:
                logger.exception("%s: the owner of the connection failed", self._address.shown)
                failures = min(failures + 1, 16)
                self._note_problem(f"{type(error).__name__}: {error}")
                self._expire_waiting()

    def _note_problem(self, problem: str) -> None:
        if self.problem != problem:
            logger.warning("%s", problem)
        self.problem = problem

    def _backoff_s(self, failures: int) -> float:
        # Full jitter, so that many servers do not come back in step.
        limits = self._limits
        return random.uniform(
            0, min(limits.reconnect_max_s, limits.reconnect_first_s * 2**failures)
        )

    async def _connect(self) -> None:
        connection = self._address.make_connection()
        try:
            await connection.open(self._limits.connect_timeout_s)
            async with asyncio.timeout(self._limits.connect_timeout_s):
                await self._greet(connection)
                await connection.exchange(
                    [(b"SCRIPT", b"LOAD", script.source) for script in SCRIPTS]
                )
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self.problem = None
        self.connects += 1
        self._wakeup.set()

    async def _disconnect(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        self.problem = reason
        if connection is not None:
            await connection.close()

    async def _round_trip(self) -> None:
        batch = self._take_batch()
        try:
            replies = await self._exchange([call.packed() for call in batch])
            # A script that Redis does not know (SCRIPT FLUSH) has done nothing, nor has what
            # followed it under the same name: send those again, in order, with their source.
            unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                again = await self._exchange([batch[i].packed(with_source=True) for i in unknown])
                for i, reply in zip(unknown, again, strict=True):
                    replies[i] = reply
        except BaseException as error:
            reason = str(error) or "no answer in time"
            for call in batch:
                call.fail(StoreUnavailableError(f"{self._address.shown} failed: {reason}"))
            raise
        for call, reply in zip(batch, replies, strict=True):
            if isinstance(reply, ReadOnlyError):
                # It was the master and is a replica now: whoever is master has the same address.
                self.problem = "it has become a replica"
                reply = StoreUnavailableError(f"{self._address.shown}: {self.problem}")
            if isinstance(reply, (ResponseError, StoreUnavailableError)):
                call.fail(reply)
            elif not call.future.done():
                call.future.set_result(reply)

    async def _exchange(self, packed: list[bytes]) -> list[Any]:
        connection = self._connection
        assert connection is not None
        self.round_trips += 1
        async with asyncio.timeout(self._limits.call_timeout_s):
            await connection.send(packed)
            return [await connection.receive() for _ in packed]

    def _take_batch(self) -> list[_Call]:
        batch: list[_Call] = []
        size = 0
        while self._waiting and (not batch or size + self._waiting[0].size <= _BATCH_BYTES_MAX):
            call = self._waiting.popleft()
            self._waiting_bytes -= call.size
            size += call.size
            batch.append(call)
        return batch

    # -- what has waited too long ---------------------------------------------------------------

    def _expire_waiting(self) -> None:
        oldest = asyncio.get_running_loop().time() - self._limits.call_timeout_s
        self._fail_waiting(lambda call: call.made_at <= oldest)

    def _fail_waiting(self, is_over: Callable[[_Call], bool]) -> None:
        while self._waiting and is_over(self._waiting[0]):
            call = self._waiting.popleft()
            self._waiting_bytes -= call.size
            call.fail(StoreUnavailableError(f"{self._address.shown}: {self.problem}"))
