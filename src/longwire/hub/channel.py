"""The live end of one stream: who is at the tail, and the newest entries, encoded once for all.

A channel exists while a stream has subscribers. It knows the stream up to ``head``; everything up
to ``flushed`` has been sent to those at the tail, and ``fresh`` is what lies between and leaves at
the next flush of the tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from longwire.base.limits import HubLimits
from longwire.hub.counters import HubCounters
from longwire.hub.records import Recorded, join_frames, split_runs
from longwire.hub.sinks import Encoder
from longwire.hub.subscription import ReaderState, Subscription
from longwire.hub.tail import Tail
from longwire.streams.entry import Entry
from longwire.streams.position import START, Position

__all__ = ["Channel"]


class Channel:
    """The live end of one stream. It has no task and no queue for any subscriber."""

    __slots__ = (
        "_counters",
        "_limits",
        "_recent",
        "_recent_bytes",
        "closed_at",
        "doubts",
        "flushed",
        "fresh",
        "head",
        "name",
        "readers",
        "tails",
    )

    def __init__(self, name: str, limits: HubLimits, counters: HubCounters) -> None:
        self.name = name
        self._limits = limits
        self._counters = counters
        self.head: Position | None = None
        """Up to where the channel knows the stream; ``None`` before anybody has looked."""
        self.flushed: Position | None = None
        self.fresh: list[Recorded] = []
        self.closed_at: Position | None = None
        """Where the stream ends, once it is closed and that is known."""
        self.readers = 0
        """Subscriptions, those being opened included."""
        self.doubts = 0
        """Times that all was forgotten: what was read before does not count after."""
        self.tails: dict[Encoder | None, Tail] = {}
        # A gapless run of entries that ends at head.
        self._recent: list[Recorded] = []
        self._recent_bytes = 0

    # -- what the stream brings ---------------------------------------------------------------

    def place(self, position: Position) -> None:
        """Take ``position`` for the end of the stream, if nothing is known of it yet."""
        if self.head is None:
            self.head = self.flushed = position

    def offer(self, entries: Iterable[Entry]) -> list[Subscription]:
        """Take new entries; return the subscribers at the tail that they do not connect to.

        Entries that are known already are passed over: the store's answer to an append and
        somebody's read may bring the same ones. Others at offsets that were passed already mean
        that the log was rolled back and written on: nothing that is known here counts then.
        """
        cut_off: list[Subscription] = []
        entries = tuple(entries)
        if entries and self._is_passed(entries[-1].position):
            # The links make it one chain: who knows the last of them knows them all.
            return cut_off if self._is_known(entries[-1].position) else self.forget()
        for entry in entries:
            self.place(entry.previous)
            head = self.head
            assert head is not None
            if entry.previous != head:
                if entry.position.epoch == head.epoch and entry.position.offset <= head.offset:
                    continue
                # Something is missing in between, or the stream has begun a new life: those at
                # the tail have to ask the log.
                cut_off += self.rebase(entry.previous)
            self._add(entry)
        return cut_off

    def _add(self, entry: Entry) -> None:
        recorded = Recorded(entry)
        self.head = entry.position
        self.fresh.append(recorded)
        self._remember([recorded])

    def _is_passed(self, position: Position) -> bool:
        head = self.head
        return head is not None and position.epoch == head.epoch and position.offset <= head.offset

    def _is_known(self, position: Position) -> bool:
        if position == self.head:
            return True
        recent = self._recent
        index = position.offset - recent[0].entry.position.offset if recent else -1
        return 0 <= index < len(recent) and recent[index].entry.position == position

    def forget(self) -> list[Subscription]:
        """Know nothing of the stream any more; return those at the tail, who have to ask the log.

        Their positions are judged there, so whoever has seen what is gone is told so.
        """
        cut_off = self.rebase(START)
        self.head = self.flushed = self.closed_at = None
        self.doubts += 1
        return cut_off

    def rebase(self, position: Position) -> list[Subscription]:
        """Start over from ``position``; return those at the tail, who have to ask the log."""
        cut_off = [reader for tail in self.tails.values() for reader in tail]
        for reader in cut_off:
            self.leave_tail(reader, reader.position)
            reader.state = ReaderState.BEHIND
        self.fresh.clear()
        self._recent.clear()
        self._recent_bytes = 0
        self.head = self.flushed = position
        return cut_off

    # -- the newest entries -------------------------------------------------------------------

    def seed(self, records: Sequence[Recorded]) -> None:
        """Keep what somebody read up to the head, if nothing is kept yet."""
        if not self._recent and records and records[-1].entry.position == self.head:
            self._remember(records)

    def _remember(self, records: Sequence[Recorded]) -> None:
        recent = self._recent
        for recorded in records:
            if recent and recent[-1].entry.position != recorded.entry.previous:
                recent.clear()
                self._recent_bytes = 0
            recent.append(recorded)
            self._recent_bytes += len(recorded.entry.payload)
        excess = 0
        while len(recent) - excess > self._limits.recent_entries_max or (
            self._recent_bytes > self._limits.recent_bytes_max and len(recent) - excess > 1
        ):
            self._recent_bytes -= len(recent[excess].entry.payload)
            excess += 1
        if excess:
            del recent[:excess]

    def recent_after(self, position: Position) -> Sequence[Recorded] | None:
        """What follows ``position`` up to the head; ``None`` when the log has to be asked."""
        if position == self.head:
            return ()
        recent = self._recent
        if not recent:
            return None
        index = position.offset - recent[0].entry.previous.offset
        # With superseded entries the chain still is without holes: none is left out of it.
        if 0 <= index < len(recent) and recent[index].entry.previous == position:
            return recent[index:]
        return None

    # -- those at the tail --------------------------------------------------------------------

    def join_tail(self, reader: Subscription) -> None:
        """From the next flush on, ``reader``, who holds everything up to ``flushed``, gets all."""
        assert self.flushed is not None
        assert reader.position == self.flushed
        reader.position = self.flushed  # the one object that all here share
        reader.state = ReaderState.TAIL
        encoder = reader.attachment.encoder
        tail = self.tails.get(encoder)
        if tail is None:
            tail = self.tails[encoder] = Tail()
        tail.add(reader)

    def leave_tail(self, reader: Subscription, position: Position) -> None:
        """Take ``reader``, who holds everything up to ``position``, out of the flushes."""
        encoder = reader.attachment.encoder
        tail = self.tails[encoder]
        tail.remove(reader)
        if not tail:
            del self.tails[encoder]
        reader.position = position

    def note_blocked(self, reader: Subscription) -> None:
        """The connection of ``reader``, who is at the tail, holds too much."""
        self.tails[reader.attachment.encoder].has_blocked = True

    def flush(self) -> list[Subscription]:
        """Send what is fresh to all at the tail; return those who were cut off as too slow."""
        fresh, self.fresh = self.fresh, []
        slow: list[Subscription] = []
        if fresh:
            self._counters.flushes += 1
        for run in split_runs(fresh, self._limits.held_bytes_max):
            before = run[0].entry.previous
            self.flushed = run[-1].entry.position
            for encoder, tail in tuple(self.tails.items()):
                for reader in tail.take_blocked():
                    self.leave_tail(reader, before)
                    slow.append(reader)
                if tail:
                    self._send_to_tail(encoder, tail, run)
        return slow

    def _send_to_tail(self, encoder: Encoder | None, tail: Tail, run: Sequence[Recorded]) -> None:
        held_bytes_max = self._limits.held_bytes_max
        self._counters.delivered_entries += len(run) * len(tail)
        if encoder is None:
            entries = tuple(recorded.entry for recorded in run)
            tail.send_entries(self.name, entries, held_bytes_max)
        else:
            buffer = join_frames(encoder, self.name, run, self._counters)
            tail.send_bytes(buffer, len(run), held_bytes_max)
