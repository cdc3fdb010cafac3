# cython: annotation_typing=False, auto_pickle=False
"""The hub: what is published goes into the store, and from there to everybody who reads it.

One delivery mechanism, which is the recovery mechanism: every subscriber is a reader of the log.
Those at the tail share one buffer for all that a tick brought to a stream; who falls behind, or
comes back with a position, reads the log again. See ``channel`` for the tail and ``readers`` for
how readers move.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from longwire.base.errors import StoreError
from longwire.base.limits import (
    ConsumerLimits,
    HubLimits,
    PresenceLimits,
    RateLimits,
    StreamLimits,
)
from longwire.hub.channel import Channel
from longwire.hub.consumers import Consumers
from longwire.hub.counters import HubCounters
from longwire.hub.creations import Creations
from longwire.hub.errors import SubscriptionLimitError
from longwire.hub.following import Follower
from longwire.hub.policy import AllowAll, Policy
from longwire.hub.presence import Presence
from longwire.hub.publishing import Publish, Publisher, SettingsFor
from longwire.hub.rates import Rates
from longwire.hub.readers import Readers, SlowRule
from longwire.hub.sinks import Sink
from longwire.hub.subscription import Attachment, Subscription
from longwire.streams.errors import StoreUnavailableError, StreamError
from longwire.streams.position import Position
from longwire.streams.store import Appended, Fork, Store, StreamInfo, StreamSettings
from longwire.streams.verdict import Start

__all__ = ["Hub"]

logger = logging.getLogger("longwire.hub")

EXPIRE_INTERVAL_S = 60.0
"""How often the store is asked to apply what depends on time to idle streams."""
TURNS_WAITED_MAX = 2
"""Turns of the event loop for which a flush waits for what is about to be stored: one for what was
read since the last append, one for what came while that was stored."""


def _default_settings(stream: str, content_type: str) -> StreamSettings:
    return StreamSettings(content_type=content_type)


def _default_slow_rule(stream: str) -> SlowRule:
    return SlowRule.REPORT


class Hub:
    """Publishing and subscribing on one store, in one process, on one event loop.

    ``policy`` is the application: its hook sees what is published; permissions are for the
    gateways to ask. ``settings_for`` says with what a stream is created when somebody publishes to
    a name that does not exist, ``slow_rule_for`` what becomes of readers whom retention has passed.

    An entry is delivered only after its append has returned. Everything that one tick brought to a
    stream leaves at one flush, at its end or a turn or two of the event loop later; never on a
    timer.
    """

    def __init__(
        self,
        store: Store,
        *,
        policy: Policy | None = None,
        limits: HubLimits | None = None,
        stream_limits: StreamLimits | None = None,
        presence_limits: PresenceLimits | None = None,
        consumer_limits: ConsumerLimits | None = None,
        rate_limits: RateLimits | None = None,
        settings_for: SettingsFor = _default_settings,
        slow_rule_for: Callable[[str], SlowRule] = _default_slow_rule,
    ) -> None:
        self.store = store
        self.policy: Policy = policy or AllowAll()
        self.limits = limits or HubLimits()
        self.stream_limits = stream_limits or StreamLimits()
        self.counters = HubCounters()
        self.settings_for = settings_for
        """With what a stream is created when nothing more is said of it."""
        self._channels: dict[str, Channel] = {}
        self._dirty: dict[Channel, None] = {}
        self._readers = Readers(store, self.limits, self.counters, self._release, slow_rule_for)
        self.publisher = Publisher(
            store,
            self.policy,
            self.stream_limits,
            self.counters,
            settings_for,
            self._stored,
            rate_limits or RateLimits(),
        )
        """Where gateways submit what is published, without a task for each publish."""
        self.creations = Creations(store)
        self.presence = Presence(self, presence_limits or PresenceLimits())
        self.consumers = Consumers(self, consumer_limits or ConsumerLimits())
        self._doubt_tellers: list[Callable[[str | None], None]] = []
        self._follower = Follower(
            self._channels,
            self._readers,
            self._mark_dirty,
            self.creations.noted,
            self._tell_doubt,
        )
        store.listen(self._follower)
        self._tasks: set[asyncio.Task[None]] = set()
        self._maintenance: asyncio.Task[None] | None = None

    @property
    def user_rates(self) -> Rates:
        """How much users publish."""
        return self.publisher.user_rates

    @property
    def stream_rates(self) -> Rates:
        """How much is published to streams."""
        return self.publisher.stream_rates

    @property
    def channel_count(self) -> int:
        """Streams that have subscribers now."""
        return len(self._channels)

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look after idle streams. Call it on the running event loop."""
        if self._maintenance is None:
            self._maintenance = asyncio.get_running_loop().create_task(self._maintain())

    async def finish_publishing(self) -> None:
        """Wait until everything submitted is stored and answered, and is sent to subscribers."""
        await self.publisher.finish()
        self._flush()

    async def close(self) -> None:
        """Finish publishing, stop reading and close the store."""
        await self.finish_publishing()
        if self._maintenance is not None:
            self._maintenance.cancel()
            self._maintenance = None
        self.presence.close()
        self.consumers.close()
        self._readers.stop()
        await self.store.close()

    async def _maintain(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_INTERVAL_S)
            await self._attempt(self.store.expire(), "to expire what is old")
            if self.store.is_shared:
                await self._attempt(self.creations.look_again(), "to say which streams there are")

    async def _attempt(self, work: Awaitable[None], what: str) -> None:
        try:
            await work
        except Exception:
            self.counters.store_failures += 1
            logger.exception("the store failed %s", what)

    # -- publishing -----------------------------------------------------------------------------

    async def publish(self, publish: Publish) -> Appended:
        """Publish and wait until it is stored. Raises ``StreamError``.

        Cancelled, it may or may not be stored.
        """
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()

        def done(outcome: Appended | StreamError) -> None:
            if future.done():
                return
            if isinstance(outcome, StreamError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.publisher.submit(publish, done)
        return await future

    async def create_stream(
        self, publish: Publish, settings: StreamSettings, *, fork: Fork | None = None
    ) -> tuple[StreamInfo, bool]:
        """Create a stream, with first entries and closed if ``publish`` says so; return what it is
        and whether it was created now.

        Raises as ``Store.create`` does, and what speaks against the entries.
        """
        info, is_new = await self.publisher.create(publish, settings, fork)
        if is_new:
            # Who waits for it under its name looks from the start, which may be inherited.
            self._follower.doubt(publish.stream)
            self._note_creation(publish.stream)
        return info, is_new

    async def close_stream(self, stream: str) -> StreamInfo:
        """Let ``stream`` take no more entries; subscribers are told after the last one.

        Raises ``StreamMissingError``.
        """
        info = await self.store.close_stream(stream)
        channel = self._channels.get(stream)
        if channel is not None:
            channel.closed_at = info.tail
            self._mark_dirty(channel)
        return info

    async def delete_stream(self, stream: str) -> bool:
        """Remove ``stream``; subscribers are told by a gap and wait for its next life."""
        is_deleted = await self.store.delete(stream)
        if is_deleted and not self.store.is_shared:
            self._follower.deleted(stream)
        return is_deleted

    async def erase(self, stream: str, position: Position) -> bool:
        """Remove the payload of one entry for good; its place stays. ``False`` when it was gone.

        Raises ``StreamMissingError``, ``PositionRefusedError``. Who has received it already keeps
        what he has.
        """
        is_erased = await self.store.erase(stream, position)
        if is_erased and not self.store.is_shared:
            self._follower.doubt(stream)  # what is in memory of it is not to be shown any more
        return is_erased

    def on_doubt(self, tell: Callable[[str | None], None]) -> None:
        """Have ``tell`` called whenever what was read of a stream (``None``: of any) before may
        not be what the log holds: it was deleted, a payload was erased, its end was lost."""
        self._doubt_tellers.append(tell)

    def _tell_doubt(self, stream: str | None) -> None:
        for tell in self._doubt_tellers:
            tell(stream)

    def _stored(self, stream: str, stored: Sequence[Appended], has_begun: bool) -> None:
        # A shared store tells of everything in the order of the log, which its answers to this
        # process's own appends are not in.
        if not self.store.is_shared and self._follower.follows(stream):
            for appended in stored:
                self._follower.appended(stream, appended.entries, appended.tail, appended.is_closed)
        if has_begun:
            self._note_creation(stream)

    def _note_creation(self, stream: str) -> None:
        task = asyncio.get_running_loop().create_task(self.creations.created_here(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- subscribing ----------------------------------------------------------------------------

    def attach(self, sink: Sink) -> Attachment:
        """Give a connection its place. It costs next to nothing until something is subscribed."""
        return Attachment(self, sink)

    async def open_reader(self, attachment: Attachment, stream: str, start: Start) -> Subscription:
        """Find where a new subscription begins. For ``Attachment.open``."""
        limit = self.limits.subscriptions_max
        if limit is not None and self.counters.subscriptions >= limit:
            raise SubscriptionLimitError("the server", limit)
        channel = self._channels.get(stream)
        if channel is None:
            channel = self._channels[stream] = Channel(stream, self.limits, self.counters)
        channel.readers += 1
        self.counters.subscriptions += 1
        try:
            # The channel exists by now: what is appended from here on is offered to it, so
            # nothing can fall between the store's answer and the channel.
            await self.store.watch(stream)
            doubts = channel.doubts
            verdict = await self.store.seek(stream, start)
            while channel.doubts != doubts:  # the answer may be of a log that is gone
                doubts = channel.doubts
                verdict = await self.store.seek(stream, start)
        except BaseException as error:
            self.counters.subscriptions -= 1
            self._release(channel)
            if isinstance(error, (StoreError, OSError)):
                self.counters.store_failures += 1
                raise StoreUnavailableError(f"the store failed: {error}") from error
            raise
        channel.place(verdict.tail)
        if verdict.is_closed:
            channel.closed_at = verdict.tail
        self.counters.subscribes += 1
        if verdict.reason is not None:
            self.counters.subscribes_refused_position += 1
        return Subscription(attachment, channel, verdict)

    def start_reader(self, reader: Subscription) -> None:
        """Let deliveries begin. For ``Subscription.begin``."""
        self._readers.go_on(reader)

    def resume_reader(self, reader: Subscription) -> None:
        """The connection of this reader has drained. For ``Attachment.drained``."""
        self._readers.unblock(reader)

    def end_reader(self, reader: Subscription) -> None:
        """Deliver nothing more to this reader. For ``Subscription.end``."""
        self._readers.end(reader)

    def _release(self, channel: Channel) -> None:
        channel.readers -= 1
        if channel.readers == 0 and self._channels.get(channel.name) is channel:
            del self._channels[channel.name]
            self._dirty.pop(channel, None)
            self.store.unwatch(channel.name)

    # -- the flush of the tick ------------------------------------------------------------------

    def _mark_dirty(self, channel: Channel) -> None:
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush, TURNS_WAITED_MAX)
        self._dirty[channel] = None

    def _flush(self, turns_left: int = 0) -> None:
        """Send what is fresh. A stream for which more is about to be stored waits for it, a turn of
        the event loop at a time: what is sent together costs the many who get it one send."""
        dirty, is_busy = self._dirty, self.publisher.is_busy
        waiting = [channel for channel in dirty if is_busy(channel.name)] if turns_left else []
        self._dirty = dict.fromkeys(waiting)
        if waiting:
            asyncio.get_running_loop().call_soon(self._flush, turns_left - 1)
        for channel in dirty:
            if channel not in self._dirty:
                self._readers.flush(channel)
