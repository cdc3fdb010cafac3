"""How subscribers move: from the newest entries in memory, from the log, and to the tail.

A reader that is behind reads the log page by page. Few reads are on the way at a time, whatever
the number of readers, and they take turns; what the hub holds for a reader is its position.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeAlias

from longwire.base.errors import StoreError
from longwire.base.limits import HubLimits
from longwire.hub.channel import Channel
from longwire.hub.counters import HubCounters
from longwire.hub.records import Recorded, split_runs
from longwire.hub.sinks import SKIPPED, SUPERSEDED, Gap
from longwire.hub.subscription import ReaderState, Subscription
from longwire.streams.errors import StreamError
from longwire.streams.position import Position
from longwire.streams.store import Page, Store
from longwire.streams.verdict import Last, Reason

__all__ = ["Readers", "SlowRule"]

logger = logging.getLogger("longwire.hub")

_PAGES_PER_TURN = 4
"""Pages handed out before the event loop gets a turn, when the store never waits."""


class SlowRule(Enum):
    """What becomes of a reader whom retention has passed (docs/protocol.md, 5.5)."""

    REPORT = "report"
    """It is told exactly what is lost, and gets everything that is kept."""
    LATEST = "latest"
    """It goes on with the newest entry, and is told what is skipped."""
    DISCONNECT = "disconnect"
    """Its connection is closed."""


SlowRuleFor: TypeAlias = Callable[[str], SlowRule]


class Readers:
    """Moves readers; none of its methods raises for what a store or a sink does."""

    def __init__(
        self,
        store: Store,
        limits: HubLimits,
        counters: HubCounters,
        release: Callable[[Channel], None],
        slow_rule_for: SlowRuleFor,
    ) -> None:
        self._store = store
        self._limits = limits
        self._counters = counters
        self._release = release
        self._slow_rule_for = slow_rule_for
        self._waiting: deque[Subscription] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._reads = 0
        self._retries: set[asyncio.TimerHandle] = set()

    # -- called by the hub --------------------------------------------------------------------

    def go_on(self, reader: Subscription) -> None:
        """Let a reader move, at once if what it needs is in memory."""
        if not self._move_in_memory(reader):
            self._wait_for_log(reader)

    def unblock(self, reader: Subscription) -> None:
        """The reader's connection has drained."""
        if reader.state is ReaderState.BLOCKED:
            self._counters.readers_blocked -= 1
            reader.state = ReaderState.BEHIND
            self.go_on(reader)

    def end(self, reader: Subscription) -> None:
        """Take a reader out of everything."""
        if reader.state is ReaderState.ENDED:
            return
        if reader.state is ReaderState.TAIL:
            reader.channel.leave_tail(reader, reader.position)
        elif reader.state is ReaderState.BLOCKED:
            self._counters.readers_blocked -= 1
        reader.state = ReaderState.ENDED
        reader.attachment.remove(reader)
        self._counters.subscriptions -= 1
        self._release(reader.channel)

    def flush(self, channel: Channel) -> None:
        """Send what is fresh to those at the tail, and tell them when the stream ends there."""
        for reader in channel.flush():
            self._counters.readers_slowed += 1
            self._block(reader)
        if channel.closed_at is not None and channel.closed_at == channel.head:
            for tail in list(channel.tails.values()):
                for reader in tail:
                    self._close(reader)

    def cut_off(self, readers: Sequence[Subscription]) -> None:
        """These were at the tail, but the channel lost the thread: they ask the log."""
        for reader in readers:
            self._wait_for_log(reader)

    def stop(self) -> None:
        """Read nothing more."""
        self._waiting.clear()
        for handle in self._retries:
            handle.cancel()
        self._retries.clear()
        for worker in self._workers:
            worker.cancel()

    # -- moving -------------------------------------------------------------------------------

    def _move_in_memory(self, reader: Subscription) -> bool:
        """Send what the channel still has; ``False`` when the log has to be asked."""
        channel = reader.channel
        if reader.attachment.is_blocked:
            self._block(reader)
            return True
        records = channel.recent_after(reader.position)
        if records is None:
            return False
        if not self._send(reader, records):
            self._block(reader)
            return True
        if channel.fresh:
            self.flush(channel)
            if reader.state is ReaderState.ENDED:
                return True
        channel.join_tail(reader)
        if channel.closed_at is not None and channel.closed_at == channel.head:
            self._close(reader)
        return True

    def _send(self, reader: Subscription, records: Sequence[Recorded]) -> bool:
        """Send records that connect; ``False`` when the sink had enough before the last run."""
        attachment = reader.attachment
        for run in split_runs(records, self._limits.held_bytes_max):
            if attachment.is_blocked:
                return False
            held = attachment.send_run(reader.stream, run)
            self._counters.delivered_entries += len(run)
            reader.position = run[-1].entry.position
            if held > self._limits.held_bytes_max:
                attachment.block()
        return True

    def _block(self, reader: Subscription) -> None:
        reader.state = ReaderState.BLOCKED
        attachment = reader.attachment
        if attachment.blocked is None:
            attachment.blocked = []
        attachment.blocked.append(reader)
        self._counters.readers_blocked += 1

    def _send_gap(self, reader: Subscription, upto: Position, reason: str) -> None:
        """Tell a reader that it goes on from ``upto``."""
        attachment, stream = reader.attachment, reader.stream
        gap = Gap(reader.position, upto, reason)
        held = attachment.send_gap(stream, gap)
        reader.position = upto
        self._counters.count_gap(reason)
        if held > self._limits.held_bytes_max:
            attachment.block()

    def _close(self, reader: Subscription) -> None:
        """Tell a reader that the stream has ended, and end it."""
        position = reader.position
        self.end(reader)
        reader.attachment.send_closed(reader.stream, position)
        if reader.on_closed is not None:
            reader.on_closed()

    # -- reading the log ----------------------------------------------------------------------

    def _wait_for_log(self, reader: Subscription) -> None:
        reader.state = ReaderState.BEHIND
        self._waiting.append(reader)
        idle = len(self._workers) - self._reads
        if idle < len(self._waiting) and len(self._workers) < self._limits.readers_max:
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        try:
            await self._read_for_all()
        finally:
            # Now, and not at the done callback: who comes to wait in between needs a new worker.
            worker = asyncio.current_task()
            if worker is not None:
                self._workers.discard(worker)

    async def _read_for_all(self) -> None:
        pages = 0
        while self._waiting:
            reader = self._waiting.popleft()
            if reader.state is not ReaderState.BEHIND or self._move_in_memory(reader):
                continue
            channel = reader.channel
            head, doubts = channel.head, channel.doubts
            page = await self._read(reader)
            if page is not None and page.reason is Reason.TRIMMED:
                page = await self._apply_slow_rule(reader, page)
            if page is not None and reader.state is ReaderState.BEHIND:
                if channel.doubts == doubts:
                    self._take_page(reader, page, head)
                else:
                    self._wait_for_log(reader)  # the page may be of a log that is gone
            pages += 1
            if pages % _PAGES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _read(self, reader: Subscription) -> Page | None:
        """Read a page; ``None`` when the store failed and the reader tries again later."""
        self._reads += 1
        try:
            page = await self._store.read(
                reader.stream,
                reader.position,
                entries_max=self._limits.page_entries_max,
                bytes_max=self._limits.page_bytes_max,
            )
        except (StreamError, StoreError, OSError) as error:
            self._retry_later(reader, error)
            return None
        except Exception as error:
            logger.exception("reading %r failed", reader.stream)
            self._retry_later(reader, error)
            return None
        finally:
            self._reads -= 1
        self._counters.pages_read += 1
        return page

    async def _apply_slow_rule(self, reader: Subscription, page: Page) -> Page | None:
        """Retention has passed a reader: do what the rule says; return the page to take."""
        rule = self._slow_rule_for(reader.stream)
        if rule is SlowRule.DISCONNECT and reader.attachment.owner is not None:
            reader.attachment.owner.read_too_slowly(reader.stream)
            return None
        if rule is not SlowRule.LATEST:
            return page
        try:
            verdict = await self._store.seek(reader.stream, Last(1))
        except (StreamError, StoreError, OSError) as error:
            self._retry_later(reader, error)
            return None
        if reader.state is ReaderState.BEHIND:
            self._send_gap(reader, verdict.resume, SKIPPED)
            self._wait_for_log(reader)
        return None

    def _retry_later(self, reader: Subscription, error: Exception) -> None:
        self._counters.store_failures += 1
        logger.warning("a reader of %r waits for the store: %s", reader.stream, error)
        loop = asyncio.get_running_loop()

        def retry() -> None:
            self._retries.discard(handle)
            if reader.state is ReaderState.BEHIND:
                self._wait_for_log(reader)

        handle = loop.call_later(self._limits.store_retry_s, retry)
        self._retries.add(handle)

    def _take_page(self, reader: Subscription, page: Page, head: Position | None) -> None:
        """Hand out a page. ``head`` is what the channel knew when the read began."""
        if page.reason is not None:
            self._send_gap(reader, page.upto, page.reason.value)
            self._wait_for_log(reader)
            return
        records = [Recorded(entry) for entry in page.entries]
        if not self._send_with_gaps(reader, records, page.upto):
            self._block(reader)
            return
        if not page.has_more:
            self._note_end(reader.channel, page, records, head)
        self.go_on(reader)

    def _send_with_gaps(
        self, reader: Subscription, records: Sequence[Recorded], upto: Position
    ) -> bool:
        """Send records between which some are superseded, up to ``upto``."""
        start = 0
        for index, recorded in enumerate(records):
            previous = recorded.entry.previous
            expected = records[index - 1].entry.position if index else reader.position
            if previous != expected:
                if not self._send(reader, records[start:index]):
                    return False
                self._send_gap(reader, previous, SUPERSEDED)
                start = index
        if not self._send(reader, records[start:]):
            return False
        if reader.position != upto:
            self._send_gap(reader, upto, SUPERSEDED)
        return True

    def _note_end(
        self,
        channel: Channel,
        page: Page,
        records: Sequence[Recorded],
        head: Position | None,
    ) -> None:
        """A read has come to the end of the log: let the channel know what it brought."""
        end = page.upto
        if page.is_closed:
            channel.closed_at = end
        channel.place(end)
        known = channel.head
        assert known is not None
        if known == end:
            channel.seed(records)
        elif end.epoch == known.epoch and end.offset > known.offset:
            # The log is ahead: an append that has not told the hub yet, or another server's.
            newer = (e for e in page.entries if e.position.offset > known.offset)
            self.cut_off(channel.offer(newer))
            if channel.fresh:
                self.flush(channel)
        if channel.head != end and channel.head == head and not page.entries:
            # Nothing has changed since the read began, so it is the channel that is wrong.
            self.cut_off(channel.rebase(end))
