"""Calls of scripts over one connection that one task owns: what a tick brings goes in one write.

Answers are read beside, so a connection that breaks is noticed also when nothing is asked. Calls
take effect in the order in which they were made.
"""

from __future__ import annotations

import asyncio
import logging
import math
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

_WRITE_BYTES_MAX = 1 << 20
"""Handed to the connection at a time; one larger call goes alone."""


class _Call:
    """One call on its way."""

    __slots__ = (
        "arguments",
        "covers",
        "future",
        "has_source",
        "made_at",
        "reply",
        "script",
        "size",
    )

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
        self.has_source = False
        """Whether the script goes along, since Redis does not know it."""
        self.size = sum(map(len, arguments))
        self.covers: list[_Call] = []
        """For a WAIT: the calls before it, which are answered when their replicas have them."""
        self.reply: Any = None

    def packed(self) -> bytes:
        if self.script is None:
            return pack(*self.arguments)
        if self.has_source:
            return pack(b"EVAL", self.script.source, *self.arguments)
        return pack(b"EVALSHA", self.script.sha, *self.arguments)

    def finish(self, reply: Any) -> None:
        if not self.future.done():
            self.future.set_result(reply)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # nobody may wait any more, and that is no news


class Pipe:
    """A connection, its owner task, and the calls on their way.

    ``greet`` is awaited with every new connection before any call goes over it; it may raise
    ``StoreError`` to refuse it. Then ``prepare`` is, which may take its time. A call that is not
    answered in ``call_timeout_s``, waiting for a connection included, fails with
    ``StoreUnavailableError``: whether it took effect is open. So it does when fewer than
    ``replicas_min`` replicas have taken what it wrote.
    """

    def __init__(
        self,
        address: RedisAddress,
        limits: RedisStoreLimits,
        greet: Callable[[RedisConnection], Awaitable[None]],
        prepare: Callable[[RedisConnection], Awaitable[None]],
        *,
        replicas_min: int | None = None,
    ) -> None:
        self._address = address
        self._limits = limits
        self._greet = greet
        self._prepare = prepare
        self._replicas_min = replicas_min
        self._waiting: deque[_Call] = deque()
        self._sent: deque[_Call] = deque()
        # Calls of scripts that Redis did not know: sent again, in order, once all are answered.
        self._unknown: list[_Call] = []
        self._bytes = 0
        self._wakeup = asyncio.Event()
        self._connection: RedisConnection | None = None
        self._connected_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self.problem: str | None = "not connected yet"
        """Why there is no connection; ``None`` when there is one."""
        self.connects = 0
        self.writes = 0

    async def start(self) -> None:
        """Connect for the first time. Raises ``StoreError``."""
        await self._connect()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._own()), loop.create_task(self._watch_deadlines())]

    async def stop(self) -> None:
        """End the owner, then fail what is on its way."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._disconnect("the store is closed")
        self._fail_waiting(math.inf)

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
        if not self._tasks:
            call.fail(StoreUnavailableError("the store is closed"))
        elif self._bytes and self._bytes + call.size > self._limits.queued_bytes_max:
            waiting = f"{self._bytes} bytes are on their way"
            call.fail(StoreUnavailableError(f"{self._address.shown} does not keep up: {waiting}"))
        else:
            self._waiting.append(call)
            self._bytes += call.size
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
        """Connect anew: this connection leads nowhere, or to a server that has changed."""
        connection = self._connection
        if connection is not None and self.problem is None:
            logger.warning("%s: a connection is dropped: %s", self._address.shown, reason)
            self.problem = reason
            connection.abort()  # which wakes the owner

    # -- the owner ------------------------------------------------------------------------------

    async def _own(self) -> None:
        failures = 0
        while True:
            try:
                if self._connection is None:
                    await self._connect()
                failures = 0
                await self._use_connection()
            except (StoreError, TimeoutError) as error:
                problem = self.problem or str(error) or "no answer in time"
            except Exception as error:
                logger.exception("%s: the owner of the connection failed", self._address.shown)
                problem = f"{type(error).__name__}: {error}"
            if self.problem is None:
                logger.warning("%s", problem)
            await self._disconnect(problem)
            # Full jitter, so that many servers do not come back in step.
            limits = self._limits
            failures = min(failures + 1, 16)
            longest_s = min(limits.reconnect_max_s, limits.reconnect_first_s * 2**failures)
            await asyncio.sleep(random.uniform(0, longest_s))

    async def _connect(self) -> None:
        connection = self._address.make_connection()
        try:
            await connection.open(self._limits.connect_timeout_s)
            async with asyncio.timeout(self._limits.connect_timeout_s):
                await self._greet(connection)
                await connection.exchange(
                    [(b"SCRIPT", b"LOAD", script.source) for script in SCRIPTS]
                )
            await self._prepare(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self._connected_at = asyncio.get_running_loop().time()
        self.problem = None
        self.connects += 1
        self._wakeup.set()

    async def _disconnect(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        self.problem = reason
        if connection is not None:
            await connection.close()
        # Those that were sent may have taken effect; those that Redis did not know have not.
        lost = f"{self._address.shown}: the connection was lost: {reason}"
        while self._sent:
            call = self._forget(self._sent.popleft())
            for affected in (call, *call.covers):
                affected.fail(StoreUnavailableError(lost))
        self._waiting.extendleft(reversed(self._unknown))
        self._unknown.clear()

    async def _use_connection(self) -> None:
        """Send and receive until the connection is lost, which raises ``StoreError``."""
        connection = self._connection
        assert connection is not None
        writer = asyncio.get_running_loop().create_task(self._write_calls(connection))
        try:
            while True:
                self._take_reply(await connection.receive())
        finally:
            writer.cancel()

    async def _write_calls(self, connection: RedisConnection) -> None:
        try:
            while True:
                await self._wakeup.wait()
                self._wakeup.clear()
                # A turn of the loop, so that what this tick brings goes along.
                await asyncio.sleep(0)
                while self._waiting and not self._unknown:
                    batch = self._take_batch()
                    if self._replicas_min is not None:
                        batch.append(self._make_wait(batch))
                    self._sent.extend(batch)
                    self.writes += 1
                    await connection.send([call.packed() for call in batch])
        except StoreError:
            connection.abort()  # which the owner notices

    def _take_reply(self, reply: Any) -> None:
        if not self._sent:
            raise StoreError(f"{self._address.shown} answers what was not asked", retryable=True)
        call = self._sent.popleft()
        if isinstance(reply, NoScriptError) and not call.has_source:
            # SCRIPT FLUSH, by somebody: nothing was done.
            call.has_source = True
            self._unknown.append(call)
        else:
            self._forget(call)
            if isinstance(reply, ReadOnlyError):
                # It was the master and is a replica now: whoever is master has the same address.
                problem = "it has become a replica"
                call.fail(StoreUnavailableError(f"{self._address.shown}: {problem}"))
                self.drop_connection(problem)
            elif isinstance(reply, ResponseError):
                for affected in (call, *call.covers):
                    if affected not in self._unknown:
                        affected.fail(reply)
            elif call.covers:
                self._finish_covered(call.covers, reply)
            elif self._replicas_min is not None:
                call.reply = reply
            else:
                call.finish(reply)
        if self._unknown and not self._sent:
            self._waiting.extendleft(reversed(self._unknown))
            self._unknown.clear()
            self._wakeup.set()

    def _make_wait(self, batch: list[_Call]) -> _Call:
        """WAIT, which answers how many replicas have all that this connection wrote before."""
        loop = asyncio.get_running_loop()
        timeout_ms = round(self._limits.call_timeout_s * 500)
        arguments = (b"WAIT", b"%d" % (self._replicas_min or 0), b"%d" % timeout_ms)
        wait = _Call(None, arguments, loop.create_future(), batch[0].made_at)
        wait.covers = batch[:]
        self._bytes += wait.size
        return wait

    def _finish_covered(self, calls: list[_Call], replicas: int) -> None:
        wanted = self._replicas_min or 0
        for call in calls:
            if call in self._unknown:
                continue  # nothing was done yet
            if replicas >= wanted:
                call.finish(call.reply)
            else:
                call.fail(
                    StoreUnavailableError(
                        f"{self._address.shown}: {replicas} replicas have it, {wanted} are wanted"
                    )
                )

    def _take_batch(self) -> list[_Call]:
        batch: list[_Call] = []
        size = 0
        while self._waiting and (not batch or size + self._waiting[0].size <= _WRITE_BYTES_MAX):
            call = self._waiting.popleft()
            size += call.size
            batch.append(call)
        return batch

    def _forget(self, call: _Call) -> _Call:
        self._bytes -= call.size
        return call

    # -- what has waited too long ---------------------------------------------------------------

    async def _watch_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        timeout_s = self._limits.call_timeout_s
        while True:
            await asyncio.sleep(timeout_s / 10)
            too_old = loop.time() - timeout_s
            # What has waited for the connection says nothing against it.
            if self._sent and max(self._sent[0].made_at, self._connected_at) <= too_old:
                self.drop_connection(f"no answer within {timeout_s:g} s")
            self._fail_sent(too_old)
            self._fail_waiting(too_old)

    def _fail_sent(self, made_until: float) -> None:
        """Answer for calls that are too old; their replies come to nobody."""
        error = f"{self._address.shown}: no answer within {self._limits.call_timeout_s:g} s"
        for call in self._sent:
            if call.made_at > made_until:
                return
            for affected in (call, *call.covers):
                affected.fail(StoreUnavailableError(error))

    def _fail_waiting(self, made_until: float) -> None:
        while self._waiting and self._waiting[0].made_at <= made_until:
            call = self._forget(self._waiting.popleft())
            call.fail(StoreUnavailableError(f"{self._address.shown}: {self.problem}"))
