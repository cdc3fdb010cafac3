# cython: annotation_typing=False, auto_pickle=False
"""From a publish to the store: checks, the application's hook, and one queue for each busy stream.

Publishes to one stream are stored in the order in which they were submitted, hooks included.
What comes while the store is at work on a stream goes to it together, in one call.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from longwire.base.errors import StoreError
from longwire.base.limits import RateLimits, StreamLimits
from longwire.base.tuples import make, parts
from longwire.hub.counters import HubCounters
from longwire.hub.errors import ApplicationError, PublishRefused
from longwire.hub.payloads import check_batch, check_payloads
from longwire.hub.policy import Policy, PublishHook
from longwire.hub.rates import Rates
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.net.cancellation import is_cancelled_itself
from longwire.streams.entry import BYTES, JSON, Durability, NewEntry
from longwire.streams.errors import (
    PayloadError,
    StoreUnavailableError,
    StreamError,
    StreamMissingError,
)
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position
from longwire.streams.producer import ProducerStamp
from longwire.streams.store import Append, Appended, Fork, Store, StreamInfo, StreamSettings

__all__ = ["Done", "Outcome", "Publish", "Publisher", "SettingsFor"]

logger = logging.getLogger("longwire.hub")

Outcome: TypeAlias = Appended | StreamError
Done: TypeAlias = Callable[[Outcome], None]

SettingsFor: TypeAlias = Callable[[str, str], StreamSettings | None]
"""With what to create a stream of this name for this content type; ``None``: not at all."""


class Publish(NamedTuple):
    """A request to store entries in a stream and to deliver them."""

    stream: str
    batch: tuple[NewEntry, ...]
    content_type: str = JSON
    """Normalized."""
    principal: Principal = ANONYMOUS
    producer: ProducerStamp | None = None
    if_tail: Position | None = None
    closes: bool = False
    is_checked: bool = False
    """The payloads are known to be of the content type: a decoder has seen them."""
    durability: Durability = Durability.MEMORY
    """How safely it is to be kept at least."""
    is_from_server: bool = False
    """The application itself publishes: no hook, and names with ``$`` are allowed."""
    may_create: bool = True
    """Whether a stream that does not exist is created, if the settings for its name allow it."""
    application_sequence: str | None = None
    """As in :class:`~longwire.streams.store.Append`."""


class Publisher:
    """Stores what is published. Permissions have been asked before."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        limits: StreamLimits,
        counters: HubCounters,
        settings_for: SettingsFor,
        on_stored: Callable[[str, Sequence[Appended], bool], None],
        rates: RateLimits,
    ) -> None:
        self._store = store
        self._policy = policy
        self._limits = limits
        self._counters = counters
        self._settings_for = settings_for
        self._on_stored = on_stored
        self.user_rates = Rates(rates.entries_per_user_max, "from this user")
        self.stream_rates = Rates(rates.entries_per_stream_max, "to this stream")
        self._has_rates = self.user_rates.is_limited or self.stream_rates.is_limited
        self._queues: dict[str, deque[tuple[Publish, Done]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, publish: Publish, done: Done) -> None:
        """Take a publish; ``done`` is called once, at once or later, with what became of it.

        Publishes to one stream are stored in the order of the calls.
        """
        try:
            self._check(publish)
        except StreamError as error:
            self._finish(done, error)
            return
        queue = self._queues.get(publish.stream)
        if queue is not None:
            queue.append((publish, done))
            return
        self._queues[publish.stream] = deque([(publish, done)])
        task = asyncio.get_running_loop().create_task(self._work(publish.stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def is_busy(self, stream: str) -> bool:
        """Whether something published to ``stream`` is not stored yet."""
        return stream in self._queues

    async def create(
        self, publish: Publish, settings: StreamSettings, fork: Fork | None
    ) -> tuple[StreamInfo, bool]:
        """Create a stream with the entries of ``publish``, of which there may be none.

        Raises as ``Store.create`` does, and what speaks against the entries.
        """
        self._check_entries(publish)
        batch = await self._pass_hook(publish)
        try:
            return await self._store.create(
                publish.stream, settings, fork=fork, batch=batch, closes=publish.closes
            )
        except (StoreError, OSError) as error:
            logger.warning("the store failed on %r: %s", publish.stream, error)
            raise _unavailable() from error

    async def finish(self) -> None:
        """Wait until everything that was submitted is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _check(self, publish: Publish) -> None:
        _, batch, _, _, _, _, closes, _, _, _, _, _ = parts(publish)
        if not batch and not closes:
            raise PayloadError("there is no entry to publish")
        self._check_entries(publish)

    def _check_entries(self, publish: Publish) -> None:
        stream, batch, kind, principal, _, _, _, is_checked, _, is_from_server, _, _ = parts(
            publish
        )
        check_stream_name(stream, is_reserved_allowed=is_from_server)
        check_batch(batch, self._limits)
        if not is_checked:
            check_payloads(batch, kind, self._limits)
        if self._has_rates and not is_from_server:
            now, count = asyncio.get_running_loop().time(), len(batch)
            self.user_rates.take(principal.name, now, count)
            self.stream_rates.take(stream, now, count)

    async def _work(self, stream: str) -> None:
        queue = self._queues[stream]
        try:
            while queue:
                taken = list(queue)
                queue.clear()
                await self._store_all(stream, taken)
        finally:
            # Cancelled, which the hub does at the very end: nobody is left without an answer.
            del self._queues[stream]
            for _, done in queue:
                self._finish(done, StoreUnavailableError("the server is shutting down"))

    async def _store_all(self, stream: str, taken: list[tuple[Publish, Done]]) -> None:
        has_hook = self._policy.publish_hook is not None
        requests: list[Append] = []
        may_create: list[bool] = []
        waiting: list[Done] = []
        for publish, done in taken:
            # Taken apart at once: to ask a named tuple for a member is a call.
            _, batch, kind, principal, producer, tail, closes, _, durability, _, creates, order = (
                parts(publish)
            )
            if has_hook:
                try:
                    batch = await self._pass_hook(publish)
                except StreamError as error:
                    self._finish(done, error)
                    continue
            waiting.append(done)
            may_create.append(creates)
            values = (
                stream,
                batch,
                # What there is nothing of can not be of a wrong kind.
                kind if batch else None,
                producer,
                principal.name,
                None,
                tail,
                order,
                closes,
                durability,
            )
            requests.append(make(Append, values))
        if not requests:
            return
        try:
            outcomes = await self._append_or_create(stream, requests, may_create)
        except asyncio.CancelledError:
            for done in waiting:
                self._finish(done, _unavailable())
            raise
        has_begun = self._count(outcomes)
        # Subscribers are told at the end of this tick, the publishers now.
        stored = [each for each in outcomes if isinstance(each, Appended)]
        self._on_stored(stream, stored, has_begun)
        for outcome, done in zip(outcomes, waiting, strict=True):
            self._answer(done, outcome)

    async def _append_or_create(
        self, stream: str, requests: list[Append], may_create: list[bool]
    ) -> list[Outcome]:
        """Append; create the stream where there is none and the settings allow it."""
        outcomes = await self._append(stream, requests)
        missing = [
            index
            for index, outcome in enumerate(outcomes)
            if isinstance(outcome, StreamMissingError) and may_create[index]
        ]
        if not missing:
            return outcomes
        settings = self._settings_for(stream, requests[missing[0]].content_type or BYTES)
        if settings is None:
            return outcomes
        again = [requests[index]._replace(create=settings) for index in missing]
        for index, outcome in zip(missing, await self._append(stream, again), strict=True):
            outcomes[index] = outcome
        return outcomes

    async def _append(self, stream: str, requests: list[Append]) -> list[Outcome]:
        outcomes: list[Outcome]
        try:
            outcomes = await self._store.append_many(requests)
        except (StreamError, StoreError, OSError) as error:
            logger.warning("the store failed on %r: %s", stream, error)
            outcomes = [_unavailable()] * len(requests)
        except Exception:
            logger.exception("the store failed on %r", stream)
            outcomes = [_unavailable()] * len(requests)
        return outcomes

    async def _pass_hook(self, publish: Publish) -> tuple[NewEntry, ...]:
        """Return the batch as the application wants it stored. Raises ``StreamError``."""
        hook = self._policy.publish_hook
        if hook is None or publish.is_from_server or not publish.batch:
            return publish.batch
        try:
            return await self._call_hook(hook, publish)
        except StreamError:
            raise
        except asyncio.CancelledError:
            if is_cancelled_itself():
                raise
            logger.exception("the publish hook on %r waited for what was cancelled", publish.stream)
        except Exception:
            logger.exception("the publish hook failed on %r", publish.stream)
        raise ApplicationError("the application failed on this entry")

    async def _call_hook(self, hook: PublishHook, publish: Publish) -> tuple[NewEntry, ...]:
        before = [entry.payload for entry in publish.batch]
        after = hook(publish.principal, publish.stream, list(before), publish.content_type)
        if inspect.isawaitable(after):
            after = await after
        if after == before:
            return publish.batch
        if len(after) != len(before):
            raise PublishRefused(
                f"the application made {len(after)} entries out of {len(before)}; it may change "
                "entries or refuse them all"
            )
        batch = tuple(
            NewEntry(payload, entry.key)
            for payload, entry in zip(after, publish.batch, strict=True)
        )
        check_batch(batch, self._limits)
        check_payloads(batch, publish.content_type, self._limits)
        return batch

    def _finish(self, done: Done, outcome: Outcome) -> None:
        self._count([outcome])
        self._answer(done, outcome)

    def _count(self, outcomes: Sequence[Outcome]) -> bool:
        """Count what became of publishes to one stream; tell whether its first entry is among
        what was stored."""
        counters = self._counters
        published = published_entries = published_bytes = 0
        has_begun = False
        for outcome in outcomes:
            if not isinstance(outcome, Appended):
                counters.count_refusal(outcome.code)
                continue
            _, _, is_duplicate, _, _, entries, _, _ = parts(outcome)
            if is_duplicate:
                counters.duplicates += 1
                continue
            published += 1
            for entry in entries:
                position, _, payload, _, _, _, _ = parts(entry)
                offset, _, _ = parts(position)
                published_entries += 1
                published_bytes += len(payload)
                has_begun = has_begun or offset == 1
        counters.published += published
        counters.published_entries += published_entries
        counters.published_bytes += published_bytes
        return has_begun

    def _answer(self, done: Done, outcome: Outcome) -> None:
        try:
            done(outcome)
        except Exception:
            logger.exception("a publisher failed on its answer")


def _unavailable() -> StoreUnavailableError:
    return StoreUnavailableError(
        "the store failed or did not answer; whether the entries were stored is not known"
    )
