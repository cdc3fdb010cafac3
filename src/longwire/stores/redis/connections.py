"""The three connections of a server to Redis, and what watches over them.

Appends go over one, reads over another so that no large page is in an append's way, and the live
path has its own. Each new connection is asked which life of Redis it leads to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from longwire.base.errors import LongwireError, StoreError
from longwire.base.limits import RedisStoreLimits
from longwire.stores.redis.append_only_file import renew_append_only_file
from longwire.stores.redis.canary import Canary
from longwire.stores.redis.keys import stream_keys
from longwire.stores.redis.layout import LAYOUT_VERSION, LiveMessage
from longwire.stores.redis.live import LivePath
from longwire.stores.redis.pipe import Pipe
from longwire.stores.redis.server_facts import Incarnation, ServerFacts, ask_facts
from longwire.stores.redis.wire import RedisAddress, RedisConnection
from longwire.streams.entry import Durability
from longwire.streams.store import Append, Appended

__all__ = ["Connections"]

logger = logging.getLogger("longwire.stores.redis")

_EVICTS_NOTHING = ("noeviction", "")


class Connections:
    """Opens, watches and closes them.

    ``on_doubt`` is called whenever something may have gone unheard or may be gone: everybody who
    follows a stream has to ask the log again.
    """

    def __init__(
        self,
        address: RedisAddress,
        prefix: bytes,
        limits: RedisStoreLimits,
        *,
        canary_stream: str,
        append: Callable[[Append], Awaitable[Appended]],
        on_message: Callable[[str, LiveMessage], None],
        on_doubt: Callable[[], None],
    ) -> None:
        self._address = address
        self._prefix = prefix
        self._limits = limits
        self._on_message = on_message
        self._on_doubt = on_doubt
        self._incarnation: Incarnation | None = None
        self.durability = Durability.MEMORY
        """What an append that is acknowledged now survives."""
        self.deaf_times = 0
        self.rollbacks = 0
        self.writes = Pipe(
            address, limits, self._greet, self._prepare, replicas_min=limits.replicas_min
        )
        self.reads = Pipe(address, limits, self._greet, self._prepare)
        self.live = LivePath(
            address,
            prefix,
            limits,
            greet=self._greet,
            on_message=self._hear,
            on_restored=self._restored,
        )
        self.canary = Canary(
            canary_stream,
            limits.canary_interval_s,
            append=append,
            on_deaf=self._deaf,
            on_rollback=self._rolled_back,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect. Raises ``StoreError``; nothing is left open then."""
        try:
            await self.writes.start()
            await self.reads.start()
            await self.live.start()
            await self.live.watch(self.canary.stream)
        except TimeoutError:
            await self.stop()
            problem = f"{self._address.shown} took the connection and did not answer in time"
            raise StoreError(problem, retryable=True) from None
        except BaseException:
            await self.stop()
            raise
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self.canary.run()), loop.create_task(self._look_after())]

    async def stop(self) -> None:
        """Close everything."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.live.stop()
        await self.reads.stop()
        await self.writes.stop()

    # -- health ---------------------------------------------------------------------------------

    def health(self) -> str | None:
        """Why the store is not usable now; ``None`` when it is."""
        return self.writes.problem or self.reads.problem or self.live.problem or self.canary.problem

    def figures(self) -> dict[str, tuple[str, float, bool]]:
        """What is counted, for the metrics: (meaning, value, whether it only grows)."""
        connects = self.writes.connects + self.reads.connects + self.live.connects
        writes = self.writes.writes + self.reads.writes
        return {
            "redis_connects": ("Connections made to Redis.", connects, True),
            "redis_pipelines": ("Pipelines sent to Redis.", writes, True),
            "redis_live_messages": ("Messages of the live path.", self.live.messages, True),
            "redis_streams_watched": ("Streams on the live path now.", self.live.watched, False),
            "redis_canary_latency_seconds": (
                "From appending the last probe that came back until it was heard.",
                self.canary.latency_s,
                False,
            ),
            "redis_canary_probes": ("Probes sent.", self.canary.probes, True),
            "redis_canary_misses": ("Probes that did not come back.", self.canary.misses, True),
            "redis_deaf": ("Times that the live path was found deaf.", self.deaf_times, True),
            "redis_rollbacks": (
                "Times that Redis came back as another, or with less than it had.",
                self.rollbacks,
                True,
            ),
        }

    async def _check_layout(self, connection: RedisConnection) -> None:
        key, ours = self._prefix + b"layout", b"%d" % LAYOUT_VERSION
        _, found = await connection.exchange([(b"SET", key, ours, b"NX"), (b"GET", key)])
        # Without room for even that (maxmemory) there is no answer, and nothing can be written.
        if isinstance(found, bytes) and found != ours:
            shown = found.decode(errors="replace")
            raise StoreError(
                f"{self._address.shown} holds streams in layout {shown} and this longwire writes "
                f"{LAYOUT_VERSION}: use the version that wrote them, or another store.redis_prefix",
                retryable=False,
            )

    # -- what connections lead to -----------------------------------------------------------------

    async def _greet(self, connection: RedisConnection) -> None:
        facts = await ask_facts(connection.exchange)
        if not facts.is_master:
            raise StoreError(f"{self._address.shown} is a replica, not the master", retryable=True)
        await self._check_layout(connection)
        self._note(facts)

    async def _prepare(self, connection: RedisConnection) -> None:
        """Before anything is written: reads write too, when a stream was last used."""

        async def exchange(commands: Sequence[tuple[bytes, ...]]) -> list[Any]:
            async with asyncio.timeout(self._limits.call_timeout_s):
                return await connection.exchange(commands)

        await renew_append_only_file(exchange, self._address.shown)

    def _note(self, facts: ServerFacts) -> None:
        durability = Durability.DISK if facts.is_synced_always else Durability.MEMORY
        if self._limits.replicas_min is not None:
            durability = Durability.REPLICATED
        known, self._incarnation = self._incarnation, facts.incarnation
        if known is None or durability is not self.durability:
            logger.info(
                "%s: version %s, appends are acknowledged as %r",
                self._address.shown,
                facts.version,
                durability.value,
            )
            if facts.eviction_policy not in _EVICTS_NOTHING:
                logger.warning(
                    "%s: maxmemory-policy is %s: streams may vanish; set it to noeviction",
                    self._address.shown,
                    facts.eviction_policy,
                )
        self.durability = durability
        if known is not None and known != facts.incarnation:
            self._rolled_back("it is another process or goes on from a replica")

    def _rolled_back(self, problem: str) -> None:
        """The logs may have lost their ends: all connections are made anew, and all ask again."""
        self.rollbacks += 1
        logger.warning("%s: %s: readers ask the log again", self._address.shown, problem)
        # Some may lead to the old master still.
        for link in (self.writes, self.reads, self.live):
            link.drop_connection(problem)
        self._on_doubt()

    def _deaf(self, problem: str) -> None:
        # While it is made anew it looks after itself: a probe from before must not end that.
        if self.writes.problem is None and self.live.problem is None:
            self.deaf_times += 1
            self.live.drop_connection(problem)

    def _restored(self) -> None:
        self.canary.renewed()
        self._on_doubt()

    def _hear(self, stream: str, message: LiveMessage) -> None:
        if stream == self.canary.stream:
            self.canary.heard(message.tail)
        else:
            self._on_message(stream, message)

    # -- in between -------------------------------------------------------------------------------

    async def _look_after(self) -> None:
        """Let the canary's keys end with its server, and notice a changed configuration."""
        lifetime_s = 20 * self._limits.canary_interval_s + 60
        keys = stream_keys(self._prefix, self.canary.stream)
        expiry = [(b"EXPIRE", key, b"%d" % lifetime_s) for key in keys]
        while True:
            await asyncio.sleep(self._limits.canary_interval_s)
            try:
                await self.writes.exchange(expiry)
                self._note(await ask_facts(self.writes.exchange))
            except LongwireError as error:
                logger.debug("cannot look after the connections: %s", error)
