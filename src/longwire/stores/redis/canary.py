"""The canary: a probe through the whole path, over and over, that must come back on the live path.

Each server appends to a stream of its own, ``$canary/NAME``, with the very script and connections
that publishes take, and hears it on the live path. What does not come back within an interval is a
deaf subscription. Each probe is appended only "if the tail is still here", so the canary's own log
also shows when Redis lost its end or was emptied, even where no connection broke.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable

from longwire.base.errors import LongwireError
from longwire.base.limits import RetentionLimits
from longwire.streams.entry import BYTES, NewEntry
from longwire.streams.errors import TailMovedError
from longwire.streams.position import Position
from longwire.streams.store import Append, Appended, StreamSettings

__all__ = ["Canary"]

logger = logging.getLogger("longwire.stores.redis")

_SETTINGS = StreamSettings(content_type=BYTES, retention=RetentionLimits(entries_max=1))
_PATIENCE = 0.9
"""Part of the interval within which a probe must have come back: from a subscription going deaf to
noticing it never takes more than two intervals."""


class Canary:
    """Sends the probes. ``append`` stores one; ``on_deaf`` is told what did not come back,
    ``on_rollback`` that the log lost its end; both with a sentence."""

    def __init__(
        self,
        stream: str,
        interval_s: float,
        *,
        append: Callable[[Append], Awaitable[Appended]],
        on_deaf: Callable[[str], None],
        on_rollback: Callable[[str], None],
    ) -> None:
        self.stream = stream
        self._interval_s = interval_s
        self._append = append
        self._on_deaf = on_deaf
        self._on_rollback = on_rollback
        self._tail: Position | None = None
        self._before: Position | None = None
        self._heard = asyncio.Event()
        self._due = asyncio.Event()
        self._is_void = False
        self.problem: str | None = None
        """Why the last probe failed; ``None`` when it came back."""
        self.latency_s = 0.0
        """From sending the last probe that came back until it was heard."""
        self.probes = 0
        self.misses = 0

    async def run(self) -> None:
        """Probe until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await self._probe()
            left_s = started + self._interval_s - loop.time()
            try:
                async with asyncio.timeout(max(left_s, 0.01)):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()

    def renewed(self) -> None:
        """The live path is another: probe now. What was sent before may never be heard."""
        self._due.set()
        self._is_void = True
        self._heard.set()

    def heard(self, tail: Position) -> None:
        """The live path has brought something of the canary's stream."""
        # What an earlier probe has brought late does not count.
        if self._before is None or tail.offset > self._before.offset:
            self._heard.set()

    async def _probe(self) -> None:
        loop = asyncio.get_running_loop()
        self._heard.clear()
        self._is_void = False
        self._before = self._tail
        self.probes += 1
        sent_at = loop.time()
        try:
            async with asyncio.timeout(self._interval_s * _PATIENCE):
                await self._store_probe()
                await self._heard.wait()
        except TimeoutError:
            self.misses += 1
            self.problem = f"a probe did not come back within {self._interval_s:g} s"
            self._on_deaf(self.problem)
        except LongwireError as error:
            self.misses += 1
            self.problem = str(error)
        else:
            if self._is_void:
                return
            self.latency_s = loop.time() - sent_at
            if self.problem is not None:
                logger.info("probes come back again")
            self.problem = None

    async def _store_probe(self) -> None:
        # Each is another: a log that was cut short and written on has another link, too.
        probe = Append(
            self.stream,
            (NewEntry(b"%d %s" % (self.probes, os.urandom(8).hex().encode())),),
            content_type=BYTES,
            create=_SETTINGS,
            if_tail=self._tail,
        )
        # Until there is an answer, or when there is none in time, it may be stored or not: the next
        # one follows whatever tail there is.
        self._tail = None
        try:
            appended = await self._append(probe)
        except TailMovedError as error:
            self._tail = error.tail
            if self._before is not None and self._before.offset > 0:
                self._on_rollback(f"the canary's log ends at {error.tail}, not at {self._before}")
            raise
        self._tail = appended.tail
