"""The backend of the application, told over HTTP what is appended (``backend.events_url``).

Each stream that is told of has a consumer: what the backend has not taken is written down, survives
a restart, and comes again. One entry of a stream is under way at a time, so they come in order; of
several servers on one store each may have one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from longwire.base.errors import LongwireError
from longwire.base.headers import Headers
from longwire.gateways.native.formats.json_text import JSON_FORMAT
from longwire.hub.consumers import Consumer, Standing
from longwire.hub.hub import Hub
from longwire.hub.sinks import Gap
from longwire.net.http_client import FetchError, HttpClient
from longwire.net.retry import parse_retry_after
from longwire.server.patterns import StreamPattern
from longwire.server.settings import BackendSettings
from longwire.streams.entry import Entry
from longwire.streams.errors import StreamError
from longwire.streams.position import Position
from longwire.streams.verdict import StartAt

__all__ = ["EventCallback"]

logger = logging.getLogger("longwire.server")

CONSUMER = "backend"
"""What the backend is told as the name of the consumer. It stands under an empty one, which no
client may give."""

RETRY_FIRST_S, RETRY_S_MAX = 1.0, 60.0
"""Waits between attempts are drawn from zero to a bound that doubles from the one to the other."""

ACK_WAIT_MARGIN_S = 30.0
"""How much longer than the backend may take an entry is left to the server that tells of it: the
wait for a place among ``backend.events_in_flight_max``."""

GIVE_BACK_S_MAX = 2.0
"""How long that may take; what was not given back comes again after its time."""

REFUSED_STREAMS_MAX = 10_000
"""Streams past ``backend.events_streams_max`` whose names are kept, so that each is logged once and
has the next free place."""

SWEEP_INTERVAL_S = 60.0
"""How often streams that are gone are looked for while others wait for a place: of one whose time
is up nobody tells."""

_JOIN_RETRY_S = 1.0
_UNWANTED = frozenset({400, 410, 413, 415, 422})
"""The backend has understood and does not want this entry, now or later."""


class EventCallback:
    """Tells ``backend.events_url`` of the streams of one hub. Belongs to one event loop."""

    def __init__(self, url: str, hub: Hub, settings: BackendSettings) -> None:
        self.settings = settings
        self.slots = asyncio.Semaphore(settings.events_in_flight_max)
        self._patterns = [StreamPattern(text) for text in settings.events_streams]
        self._hub = hub
        self._client = HttpClient(url)
        self._tellers: dict[str, _Teller] = {}
        self._refused: dict[str, None] = {}
        """Names of streams past ``backend.events_streams_max``, in the order of coming."""
        self._are_more_refused = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._unfollow: Callable[[], None] | None = None
        self.taken = 0
        self.unwanted = 0
        """Entries that the backend does not want."""
        self.failures = 0
        """Attempts that are made again."""

    async def start(self) -> None:
        """Tell of the streams that exist and of those that will. Raises ``StoreError``."""
        self._unfollow = await self._hub.creations.follow(self._found)
        self._hub.on_doubt(self._doubted)
        self.spawn(self._sweep())
        async for name in self._hub.store.names():
            self._found(name)

    async def close(self) -> None:
        """Tell of nothing more. What is under way is given back, to other servers or the next
        start."""
        if self._unfollow is not None:
            self._unfollow()
        self._refused.clear()
        for task in self._tasks:
            task.cancel()
        self._client.close()
        given_back = [teller.give_back() for teller in self._tellers.values() if teller.is_busy]
        if given_back:
            await asyncio.wait(given_back, timeout=GIVE_BACK_S_MAX)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until it is done, or all is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- streams ----------------------------------------------------------------------------

    def _found(self, stream: str) -> None:
        """There is a stream, maybe one that is known."""
        if stream in self._tellers or stream in self._refused or stream.startswith("$"):
            return
        if not any(pattern.matches(stream) for pattern in self._patterns):
            return
        if len(self._tellers) < self.settings.events_streams_max:
            self._begin(stream)
        else:
            self._refuse(stream)

    def _begin(self, stream: str) -> None:
        consumer = self._hub.consumers.get("", stream, "")
        is_shared = self._hub.store.is_shared
        teller = self._tellers[stream] = _Teller(self, consumer, is_shared=is_shared)
        self.spawn(self._join(teller))

    def _refuse(self, stream: str) -> None:
        if len(self._refused) >= REFUSED_STREAMS_MAX:
            if not self._are_more_refused:
                self._are_more_refused = True
                logger.error("backend.events_url: more streams are left out; no more are named")
            return
        self._refused[stream] = None
        logger.error(
            "backend.events_url is not told of the stream %r: there are %d already, "
            "which is backend.events_streams_max",
            stream,
            len(self._tellers),
        )

    async def _join(self, teller: _Teller) -> None:
        while self._tellers.get(teller.consumer.stream) is teller:
            try:
                # A stream that was created while nobody looked is told of from its beginning, too.
                await teller.consumer.join(teller, StartAt.EARLIEST, teller.held)
                break
            except (StreamError, OSError) as error:
                logger.warning("the backend waits for %r: %s", teller.consumer.stream, error)
            await asyncio.sleep(_JOIN_RETRY_S)
        if self._tellers.get(teller.consumer.stream) is not teller:
            teller.consumer.part(teller)

    def forget(self, teller: _Teller) -> None:
        """Nothing more comes in its stream, unless it is created anew: another has its place."""
        if self._tellers.get(teller.consumer.stream) is not teller:
            return
        del self._tellers[teller.consumer.stream]
        if self._refused:
            following = next(iter(self._refused))
            del self._refused[following]
            self._begin(following)

    def _doubted(self, stream: str | None) -> None:
        """A stream may have been deleted (see ``Hub.on_doubt``)."""
        if stream in self._tellers or stream in self._refused:
            self.spawn(self._let_go_if_gone(stream))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            if not self._refused:
                continue
            try:
                missed = {*self._tellers, *self._refused}
                async for name in self._hub.store.names():
                    missed.discard(name)
            except (LongwireError, OSError) as error:
                logger.warning("streams that are gone could not be looked for: %s", error)
                continue
            for stream in missed:
                await self._let_go_if_gone(stream)

    async def _let_go_if_gone(self, stream: str) -> None:
        try:
            if await self._exists(stream):
                return
            self._refused.pop(stream, None)
            teller = self._tellers.get(stream)
            if teller is not None:
                teller.consumer.part(teller)
                # A next life of the stream is told of from its beginning.
                await teller.consumer.forget()
                self.forget(teller)
            if await self._exists(stream):
                self._found(stream)  # it was created anew while it was taken for known
        except (LongwireError, OSError) as error:
            logger.warning("whether %r is gone could not be seen: %s", stream, error)

    async def _exists(self, stream: str) -> bool:
        info = await self._hub.store.info(stream)
        return info is not None and not info.is_deleted

    # -- the backend ------------------------------------------------------------------------

    async def tell(self, stream: str, entry: Entry, attempt: int) -> float | None:
        """Tell the backend of an entry; return when to try again, seconds, or ``None``: it has
        taken it, or does not want it. Never fails, or the stream would come to a halt."""
        async with self.slots:
            try:
                status, retry_after_s = await self._post(stream, entry, attempt)
            except (FetchError, TimeoutError) as error:
                return self._note_failure(stream, attempt, str(error) or "no answer in time", None)
            except Exception as error:
                logger.exception("telling the backend of %s of %r failed", entry.position, stream)
                return self._note_failure(stream, attempt, f"a fault of ours: {error!r}", None)
        if 200 <= status <= 299:
            self.taken += 1
            return None
        if status in _UNWANTED:
            self.unwanted += 1
            logger.warning(
                "backend.events_url refused %s of %r with the status %d; it is passed over",
                entry.position,
                stream,
                status,
            )
            return None
        return self._note_failure(stream, attempt, f"the status {status}", retry_after_s)

    async def _post(self, stream: str, entry: Entry, attempt: int) -> tuple[int, float | None]:
        body = JSON_FORMAT.delivery(CONSUMER, attempt, stream, entry)
        headers = Headers([("Content-Type", "application/json")])
        if self.settings.token is not None:
            headers.add("Authorization", f"Bearer {self.settings.token}")
        async with asyncio.timeout(self.settings.timeout_s):
            response = await self._client.request("POST", headers, body)
            await response.read(self.settings.answer_bytes_max)
        return response.status, parse_retry_after(response.headers.get("Retry-After"))

    def _note_failure(
        self, stream: str, attempt: int, reason: str, retry_after_s: float | None
    ) -> float:
        self.failures += 1
        bound_s = min(RETRY_FIRST_S * 2.0 ** min(attempt - 1, 10), RETRY_S_MAX)
        wait_s = max(random.uniform(0.0, bound_s), retry_after_s or 0.0)
        logger.warning(
            "backend.events_url was not told of an entry of %r (attempt %d, again in %.1f s): %s",
            stream,
            attempt,
            wait_s,
            reason,
        )
        return wait_s

    def figures(self) -> dict[str, tuple[str, float, bool]]:
        """What is counted, for the metrics."""
        streams = "Streams that the backend is told of."
        return {
            "longwire_backend_events_taken": ("Entries that the backend took.", self.taken, True),
            "longwire_backend_events_unwanted": (
                "Entries that the backend refused for good.",
                self.unwanted,
                True,
            ),
            "longwire_backend_events_failures": (
                "Attempts to tell the backend of an entry that are made again.",
                self.failures,
                True,
            ),
            "longwire_backend_events_streams": (streams, len(self._tellers), False),
            "longwire_backend_events_streams_refused": (
                "Streams past backend.events_streams_max, which the backend is not told of.",
                len(self._refused),
                False,
            ),
        }


class _Teller:
    """Tells the backend of one stream: a worker of its consumer."""

    window = 1

    def __init__(self, callback: EventCallback, consumer: Consumer, *, is_shared: bool) -> None:
        # The only server takes up what was under way when it was killed, before anything else.
        self.name = secrets.token_hex(8) if is_shared else CONSUMER
        self.held: Collection[str] | None = None if is_shared else ()
        self.ack_wait_s = callback.settings.timeout_s + ACK_WAIT_MARGIN_S
        self.consumer = consumer
        self._callback = callback
        self.is_busy = False

    @property
    def can_take(self) -> bool:
        return not self.is_busy

    def give_back(self) -> asyncio.Future[Standing]:
        """Leave what is under way to whoever is next; the future is done when that is stored."""
        return self.consumer.give_back(self.name, lambda position: True, 0.0)

    def deliver(self, entry: Entry, attempt: int) -> None:
        self.is_busy = True
        self._callback.spawn(self._tell(entry, attempt))

    async def _tell(self, entry: Entry, attempt: int) -> None:
        """Tell of an entry; take the next one when that is written down, and its wait is over."""
        wait_s = await self._callback.tell(self.consumer.stream, entry, attempt)
        await self._write_down(entry, is_dealt_with=wait_s is None)
        if wait_s is not None:
            await asyncio.sleep(wait_s)
        self.is_busy = False
        self.consumer.look()

    async def _write_down(self, entry: Entry, *, is_dealt_with: bool) -> None:
        """What fails here has the entry come again after ``ack_wait_s``."""
        matches = str(entry.position).__eq__
        try:
            if is_dealt_with:
                await self.consumer.acknowledge(self.name, matches)
            else:
                # Due at once, so that nothing passes it after a restart; we wait before we take it.
                await self.consumer.give_back(self.name, matches, 0.0)
        except StreamError:
            pass  # logged by the consumer
        except Exception:
            logger.exception("where the backend stands in %r was not stored", self.consumer.stream)

    def lost(self, gap: Gap) -> None:
        logger.error(
            "the backend was not told of %s to %s of %r: %s",
            gap.after,
            gap.upto,
            self.consumer.stream,
            gap.reason,
        )

    def closed(self, position: Position) -> None:
        self._callback.forget(self)

    def ended(self, error: StreamError) -> None:
        self._callback.forget(self)
