"""The live path: a connection of its own on which Redis tells what was appended to watched streams.

One task owns the connection. When it is lost, or found to be deaf, the task connects anew, watches
everything again and then says so: what was told in between went unheard, and readers ask the log.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from longwire.base.errors import StoreError
from longwire.base.limits import RedisStoreLimits
from longwire.stores.redis.keys import meta_key
from longwire.stores.redis.layout import LiveMessage, parse_live_message
from longwire.stores.redis.wire import RedisAddress, RedisConnection, pack
from longwire.streams.errors import StoreUnavailableError

__all__ = ["LivePath"]

logger = logging.getLogger("longwire.stores.redis")

_CHANNELS_PER_WRITE = 1_000


class _Watch:
    """A stream that is watched, and whether Redis has confirmed that."""

    __slots__ = ("confirmed", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.confirmed = asyncio.Event()


class LivePath:
    """Watches streams.

    ``on_message(stream, message)`` is called with everything that is told, in the order of the
    stream; ``on_restored()`` when all is watched again after the connection was lost.
    """

    def __init__(
        self,
        address: RedisAddress,
        prefix: bytes,
        limits: RedisStoreLimits,
        *,
        greet: Callable[[RedisConnection], Awaitable[None]],
        on_message: Callable[[str, LiveMessage], None],
        on_restored: Callable[[], None],
    ) -> None:
        self._address = address
        self._prefix = prefix
        self._limits = limits
        self._greet = greet
        self._on_message = on_message
        self._on_restored = on_restored
        self._watches: dict[bytes, _Watch] = {}
        # Confirmations that are still to come, by channel: watching, leaving and watching again is
        # confirmed by the last of them only.
        self._unconfirmed: Counter[bytes] = Counter()
        self._restoring: set[bytes] | None = None
        self._commands: list[bytes] = []
        self._has_commands = asyncio.Event()
        self._connection: RedisConnection | None = None
        self._owner: asyncio.Task[None] | None = None
        self.problem: str | None = "not connected yet"
        """Why nothing is heard; ``None`` while connected and everything is watched."""
        self.connects = 0
        self.messages = 0

    @property
    def watched(self) -> int:
        """How many streams are watched."""
        return len(self._watches)

    async def start(self) -> None:
        """Connect for the first time. Raises ``StoreError``."""
        await self._connect()
        self._owner = asyncio.get_running_loop().create_task(self._own())

    async def stop(self) -> None:
        """End the owner."""
        if self._owner is not None:
            self._owner.cancel()
            await asyncio.wait([self._owner])
        await self._disconnect("the store is closed")

    async def watch(self, stream: str) -> None:
        """Hear of everything appended to ``stream`` from the return of this call on.

        Raises ``StoreUnavailableError`` when Redis does not confirm it in time; the stream is
        watched then as soon as it can be, until ``unwatch``.
        """
        channel = meta_key(self._prefix, stream)
        watch = self._watches.get(channel)
        if watch is None:
            watch = self._watches[channel] = _Watch(stream)
            if self._connection is not None:
                self._subscribe(channel)
        try:
            async with asyncio.timeout(self._limits.call_timeout_s):
                await watch.confirmed.wait()
        except TimeoutError:
            problem = self.problem or "no answer in time"
            if self._restoring is None:
                # The confirmation may be lost, and would be waited for by all who come after.
                self.drop_connection("a stream that is watched was not confirmed in time")
            raise StoreUnavailableError(
                f"{self._address.shown} did not confirm that {stream!r} is watched: {problem}"
            ) from None

    def unwatch(self, stream: str) -> None:
        """Hear nothing more of ``stream``."""
        channel = meta_key(self._prefix, stream)
        if self._watches.pop(channel, None) is not None and self._connection is not None:
            self._write(pack(b"SUNSUBSCRIBE", channel))

    def drop_connection(self, reason: str) -> None:
        """Connect anew: this one is deaf, or leads to a server that has changed."""
        connection = self._connection
        if connection is not None:
            logger.warning("%s: the live path is dropped: %s", self._address.shown, reason)
            self.problem = reason
            connection.abort()  # which wakes the owner, who waits for what will not come

    # -- the owner ------------------------------------------------------------------------------

    async def _own(self) -> None:
        failures = 0
        while True:
            try:
                if self._connection is None:
                    await self._connect()
                failures = 0
                await self._listen()
            except (StoreError, TimeoutError) as error:
                problem = self.problem or str(error) or "no answer in time"
                logger.warning("the live path is lost: %s", problem)
                await self._disconnect(problem)
            except Exception as error:
                logger.exception("%s: the owner of the live path failed", self._address.shown)
                await self._disconnect(f"{type(error).__name__}: {error}")
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
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self.connects += 1
        self._unconfirmed.clear()
        self._commands.clear()
        self._restoring = set(self._watches)
        for channel in self._watches:
            self._subscribe(channel)
        self._check_restored()
        self._expect_progress()

    async def _disconnect(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        self.problem = reason
        for watch in self._watches.values():
            watch.confirmed.clear()
        if connection is not None:
            await connection.close()

    async def _listen(self) -> None:
        connection = self._connection
        assert connection is not None
        writer = asyncio.get_running_loop().create_task(self._write_commands(connection))
        try:
            while True:
                kind, channel, data = await connection.receive()
                if kind == b"smessage":
                    self._take_message(channel, data)
                elif kind == b"ssubscribe":
                    self._take_confirmation(channel)
                elif channel in self._watches and not self._unconfirmed[channel]:
                    # Redis has ended it by itself: a slot has moved to another node.
                    raise StoreError(f"{self._address.shown} ended a subscription", retryable=True)
        finally:
            writer.cancel()

    def _take_message(self, channel: bytes, data: bytes) -> None:
        self.messages += 1
        watch = self._watches.get(channel)
        if watch is not None:
            self._on_message(watch.name, parse_live_message(data))

    def _take_confirmation(self, channel: bytes) -> None:
        self._unconfirmed[channel] -= 1
        if self._unconfirmed[channel] > 0:
            return
        del self._unconfirmed[channel]
        watch = self._watches.get(channel)
        if watch is not None:
            watch.confirmed.set()
        if self._restoring is not None:
            self._restoring.discard(channel)
            self._check_restored()

    def _expect_progress(self) -> None:
        """Until all is watched again, streams must be confirmed in every ``call_timeout_s``.

        The canary may be heard while the confirmation of another stream is lost.
        """
        connection, missing = self._connection, len(self._restoring or ())

        def check() -> None:
            if self._connection is not connection or not self._restoring:
                return
            if len(self._restoring) == missing:
                self.drop_connection(
                    f"that {missing} streams are watched was not confirmed in time"
                )
            else:
                self._expect_progress()

        if missing:
            asyncio.get_running_loop().call_later(self._limits.call_timeout_s, check)

    def _check_restored(self) -> None:
        if self._restoring is not None and not self._restoring:
            self._restoring = None
            self.problem = None
            self._on_restored()

    # -- writing --------------------------------------------------------------------------------

    def _subscribe(self, channel: bytes) -> None:
        # One channel a command: in a cluster those of a command must share their slot.
        self._unconfirmed[channel] += 1
        self._write(pack(b"SSUBSCRIBE", channel))

    def _write(self, command: bytes) -> None:
        self._commands.append(command)
        self._has_commands.set()

    async def _write_commands(self, connection: RedisConnection) -> None:
        try:
            while True:
                await self._has_commands.wait()
                commands = self._commands[:_CHANNELS_PER_WRITE]
                del self._commands[:_CHANNELS_PER_WRITE]
                if not self._commands:
                    self._has_commands.clear()
                if commands:
                    await connection.send(commands)
        except StoreError:
            connection.abort()  # which the owner notices
