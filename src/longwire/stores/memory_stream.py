"""One stream of the memory store: its log, its producers, and the atomic step of an append."""

from __future__ import annotations

from collections.abc import Sequence

from longwire.base.limits import MemoryStoreLimits
from longwire.stores.memory_log import DenseLog, LatestLog, MemoryLog
from longwire.streams.entry import Durability, Entry, is_acceptable
from longwire.streams.errors import ContentTypeError, StreamClosedError, TailMovedError
from longwire.streams.position import Position, next_link
from longwire.streams.producer import (
    Duplicate,
    ForgottenProducer,
    ProducerState,
    Refuse,
    Result,
    decide,
)
from longwire.streams.store import Append, Appended, Page, StreamInfo, StreamSettings
from longwire.streams.verdict import Last, Start, StartAt, Verdict, judge

__all__ = ["ENTRY_OVERHEAD_BYTES", "MemoryStream"]

ENTRY_OVERHEAD_BYTES = 256
"""What an entry costs beside its payload: its objects and its place in the log."""

_PRODUCERS_SWEPT = 4
"""Producers looked at with each append, so that forgetting costs no pause."""

ProducerKey = tuple[str, str]


class MemoryStream:
    """All methods are one step each: nothing runs in between. ``now_ms`` is the store's clock."""

    __slots__ = (
        "_limits",
        "_newest_ms",
        "_producers",
        "_producers_forgotten",
        "created_ms",
        "log",
        "name",
        "settings",
    )

    def __init__(
        self,
        name: str,
        settings: StreamSettings,
        epoch: str,
        limits: MemoryStoreLimits,
        now_ms: int,
    ) -> None:
        self.name = name
        self.settings = settings
        self.created_ms = now_ms
        self.log: MemoryLog = LatestLog(epoch) if settings.keeps_latest else DenseLog(epoch)
        self._limits = limits
        self._newest_ms = now_ms
        # Both in the order of last use, the longest silent first.
        self._producers: dict[ProducerKey, ProducerState] = {}
        self._producers_forgotten: dict[ProducerKey, ForgottenProducer] = {}

    @property
    def cost_bytes(self) -> int:
        """What the entries cost in memory, about."""
        return self.log.payload_bytes + len(self.log) * ENTRY_OVERHEAD_BYTES

    def info(self) -> StreamInfo:
        return StreamInfo(
            name=self.name,
            epoch=self.log.epoch,
            settings=self.settings,
            floor=self.log.floor,
            tail=self.log.tail,
            is_closed=self.log.is_closed,
            created_ms=self.created_ms,
        )

    # -- append -----------------------------------------------------------------------------

    def append(self, request: Append, now_ms: int) -> Appended:
        """Check, then store; a check that fails has changed nothing."""
        self._forget_silent(now_ms)
        duplicate = self._find_duplicate(request)
        if duplicate is not None:
            return duplicate
        self._check(request)
        entries = self._store(request, now_ms)
        if request.closes:
            self.log.is_closed = True
        first, last = (entries[0], entries[-1]) if entries else (None, None)
        stored = Appended(
            first=first.position if first else None,
            last=last.position if last else None,
            is_duplicate=False,
            durability=Durability.MEMORY,
            tail=self.log.tail,
            entries=tuple(entries),
            is_closed=self.log.is_closed,
        )
        self._remember(request, stored, now_ms)
        self.trim(now_ms)
        return stored

    def _find_duplicate(self, request: Append) -> Appended | None:
        """Apply the producer rule: ``None`` means that the append is new."""
        stamp = request.producer
        if stamp is None:
            return None
        key = (request.principal, stamp.producer_id)
        remembered = self._producers.get(key) or self._producers_forgotten.get(key)
        decision = decide(remembered, stamp)
        if isinstance(decision, Refuse):
            raise decision.error
        if not isinstance(decision, Duplicate):
            return None
        result = decision.result or Result(None, None)
        return Appended(
            first=result.first,
            last=result.last,
            is_duplicate=True,
            durability=Durability.MEMORY,
            tail=self.log.tail,
            is_closed=self.log.is_closed,
        )

    def _check(self, request: Append) -> None:
        if self.log.is_closed:
            raise StreamClosedError(self.name, self.log.tail)
        content_type = self.settings.content_type
        if not is_acceptable(request.content_type, content_type):
            raise ContentTypeError(self.name, content_type, str(request.content_type))
        if request.if_tail is not None and request.if_tail != self.log.tail:
            raise TailMovedError(self.log.tail)

    def _store(self, request: Append, now_ms: int) -> list[Entry]:
        log = self.log
        entries: list[Entry] = []
        # The wall clock may be set back; the times of a stream do not follow it.
        time_ms = self._newest_ms = max(now_ms, self._newest_ms)
        for payload, key in request.batch:
            previous = log.tail
            link = next_link(previous.link, payload)
            position = Position(previous.offset + 1, log.epoch, link)
            entry = Entry(position, previous, payload, time_ms, self.settings.content_type, key)
            log.append(entry)
            entries.append(entry)
        return entries

    def _remember(self, request: Append, stored: Appended, now_ms: int) -> None:
        stamp = request.producer
        if stamp is None:
            return
        key = (request.principal, stamp.producer_id)
        self._producers_forgotten.pop(key, None)
        # Taken out and put back: the dictionary is in the order of last use.
        state = self._producers.pop(key, None) or ProducerState(stamp.epoch)
        state.record(stamp, Result(stored.first, stored.last))
        state.used_ms = now_ms
        self._producers[key] = state
        if len(self._producers) > self._limits.producers_max:
            self._forget(next(iter(self._producers)))

    # -- time and room ----------------------------------------------------------------------

    def _forget_silent(self, now_ms: int, count: int = _PRODUCERS_SWEPT) -> None:
        """Forget some producers that have been silent for too long."""
        silent_ms = self._limits.producer_state_s * 1000
        for _ in range(count):
            key = next(iter(self._producers), None)
            if key is None or now_ms - self._producers[key].used_ms < silent_ms:
                return
            self._forget(key)

    def _forget(self, key: ProducerKey) -> None:
        state = self._producers.pop(key)
        self._producers_forgotten.pop(key, None)
        self._producers_forgotten[key] = ForgottenProducer(state.epoch)
        if len(self._producers_forgotten) > self._limits.producers_forgotten_max:
            del self._producers_forgotten[next(iter(self._producers_forgotten))]

    def trim(self, now_ms: int) -> None:
        """Apply retention."""
        log, keep = self.log, self.settings.retention
        entries_max, bytes_max = keep.entries_max, keep.bytes_max
        oldest_ms = None if keep.age_max_s is None else now_ms - keep.age_max_s * 1000
        while len(log) and (
            (entries_max is not None and len(log) > entries_max)
            or (bytes_max is not None and log.payload_bytes > bytes_max and len(log) > 1)
            or (oldest_ms is not None and log.oldest().time_ms < oldest_ms)
        ):
            log.drop_oldest()

    def expire(self, now_ms: int) -> None:
        """Apply all that depends on time."""
        self.trim(now_ms)
        self._forget_silent(now_ms, len(self._producers))

    # -- reading ----------------------------------------------------------------------------

    def seek(self, start: Start) -> Verdict:
        log = self.log
        if isinstance(start, Position):
            return judge(start, log)
        if start is StartAt.TAIL:
            return Verdict(None, log.tail, log.tail, log.is_closed)
        if start is StartAt.EARLIEST:
            return Verdict(None, log.floor, log.tail, log.is_closed)
        assert isinstance(start, Last)
        if start.entries >= len(log):
            return Verdict(None, log.floor, log.tail, log.is_closed)
        if start.entries <= 0:
            return Verdict(None, log.tail, log.tail, log.is_closed)
        wanted = log.before(log.tail.offset + 1, start.entries)
        return Verdict(None, wanted[0].previous, log.tail, log.is_closed)

    def read(self, after: Position, entries_max: int, bytes_max: int) -> Page:
        log = self.log
        verdict = judge(after, log)
        if verdict.reason is not None:
            return Page(
                (),
                verdict.resume,
                verdict.resume,
                log.tail,
                verdict.reason,
                verdict.resume != log.tail,
                self.log.is_closed,
            )
        found = log.after(after.offset, entries_max)
        entries = _within(found, bytes_max)
        is_end = len(entries) == len(found) < entries_max or (
            bool(entries) and entries[-1].position == log.tail
        )
        upto = log.tail if is_end else entries[-1].position
        return Page(
            entries, after, upto, log.tail, has_more=not is_end, is_closed=self.log.is_closed
        )

    def read_back(self, before: Position | None, entries_max: int, bytes_max: int) -> Page:
        log = self.log
        if before is None:
            offset, upto = log.tail.offset + 1, log.tail
        else:
            verdict = _judge_backwards(before, log)
            if verdict.reason is not None:
                return Page((), verdict.resume, verdict.resume, log.tail, verdict.reason)
            offset, upto = before.offset, before
        found = log.before(offset, entries_max)
        entries = tuple(reversed(_within(tuple(reversed(found)), bytes_max)))
        oldest = entries[0] if entries else None
        has_more = oldest is not None and oldest is not log.oldest()
        after = oldest.previous if oldest is not None else upto
        return Page(entries, after, upto, log.tail, has_more=has_more, is_closed=self.log.is_closed)


def _judge_backwards(before: Position, log: MemoryLog) -> Verdict:
    """Judge a position to read back from: that something after it was dropped does not matter."""
    if before.is_start or (before.epoch == log.epoch and before.offset < log.floor.offset):
        return Verdict(None, before, log.tail)
    return judge(before, log)


def _within(entries: Sequence[Entry], bytes_max: int) -> tuple[Entry, ...]:
    """The first of ``entries`` that together hold at most ``bytes_max`` bytes, and at least one."""
    total = 0
    for index, entry in enumerate(entries):
        total += len(entry.payload)
        if total > bytes_max and index:
            return tuple(entries[:index])
    return tuple(entries)
