# cython: annotation_typing=False, auto_pickle=False
"""One stream of the memory store: its log, its producers, and the atomic step of an append."""

from __future__ import annotations

from longwire.base.limits import MemoryStoreLimits
from longwire.stores.appending import appended, chain, check_append, find_duplicate
from longwire.stores.memory_log import DenseLog, LatestLog, MemoryLog
from longwire.stores.pages import judge_backwards, page_after, page_before, refused_page
from longwire.streams.entry import Durability, Entry
from longwire.streams.errors import PositionRefusedError
from longwire.streams.lineage import Lineage
from longwire.streams.position import Position
from longwire.streams.producer import ForgottenProducer, ProducerState, Result
from longwire.streams.store import Append, Appended, Fork, Page, StreamInfo, StreamSettings
from longwire.streams.verdict import Last, Start, StartAt, Verdict, judge

__all__ = ["ENTRY_OVERHEAD_BYTES", "MemoryStream"]

ENTRY_OVERHEAD_BYTES = 256
"""What an entry costs beside its payload: its objects and its place in the log."""

_PRODUCERS_SWEPT = 4
"""Producers looked at with each append, so that forgetting costs no pause."""

ProducerKey = tuple[str, str]

# An enum's member is slow to look up.
_MEMORY = Durability.MEMORY


class MemoryStream:
    """All methods are one step each: nothing runs in between. ``now_ms`` is the store's clock."""

    __slots__ = (
        "_limits",
        "_newest_ms",
        "_producers",
        "_producers_forgotten",
        "_used_ms",
        "application_sequence",
        "created_ms",
        "fork",
        "fork_count",
        "is_deleted",
        "log",
        "name",
        "settings",
    )

    def __init__(
        self,
        name: str,
        settings: StreamSettings,
        log: MemoryLog,
        limits: MemoryStoreLimits,
        now_ms: int,
        fork: Fork | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.created_ms = self._used_ms = now_ms
        self.log = log
        self.fork = fork
        self.fork_count = 0
        """Streams that branched off from this one and are still there."""
        self.is_deleted = False
        """Deleted, but forks are there."""
        self.application_sequence: str | None = None
        self._limits = limits
        self._newest_ms = now_ms
        # Both in the order of last use, the longest silent first.
        self._producers: dict[ProducerKey, ProducerState] = {}
        self._producers_forgotten: dict[ProducerKey, ForgottenProducer] = {}

    @staticmethod
    def begin_log(settings: StreamSettings, epoch: str) -> MemoryLog:
        """The empty log of a new stream."""
        lineage = Lineage(epoch)
        return LatestLog(lineage) if settings.keeps_latest else DenseLog(lineage)

    @property
    def tail(self) -> Position:
        return self.log.tail

    @property
    def is_closed(self) -> bool:
        return self.log.is_closed

    @property
    def cost_bytes(self) -> int:
        """What the entries cost in memory, about."""
        return self.log.payload_bytes + len(self.log) * ENTRY_OVERHEAD_BYTES

    def info(self) -> StreamInfo:
        return StreamInfo(
            name=self.name,
            epoch=self.log.lineage.epoch,
            settings=self.settings,
            floor=self.log.floor,
            tail=self.log.tail,
            is_closed=self.log.is_closed,
            created_ms=self.created_ms,
            fork=self.fork,
            is_deleted=self.is_deleted,
        )

    # -- append -----------------------------------------------------------------------------

    def append(self, request: Append, now_ms: int) -> Appended:
        """Check, then store; a check that fails has changed nothing."""
        self._forget_silent(now_ms)
        duplicate = find_duplicate(self._remembered(request), request, self, _MEMORY)
        if duplicate is not None:
            return duplicate
        check_append(request, self, _MEMORY)
        entries = self._store(request, now_ms)
        if request.closes:
            self.log.is_closed = True
        if request.application_sequence is not None:
            self.application_sequence = request.application_sequence
        stored = appended(entries, self, _MEMORY)
        self._remember(request, stored, now_ms)
        self.trim(now_ms)
        return stored

    def _remembered(self, request: Append) -> ProducerState | ForgottenProducer | None:
        if request.producer is None:
            return None
        key = (request.principal, request.producer.producer_id)
        return self._producers.get(key) or self._producers_forgotten.get(key)

    def _store(self, request: Append, now_ms: int) -> list[Entry]:
        log = self.log
        # The wall clock may be set back; the times of a stream do not follow it.
        time_ms = self._newest_ms = max(now_ms, self._newest_ms)
        content_type, epoch = self.settings.content_type, log.lineage.epoch
        entries = chain(request.batch, log.tail, epoch, time_ms, content_type)
        for entry in entries:
            log.append(entry)
        return entries

    def erase(self, position: Position) -> bool:
        """Take the payload out of the entry at a position."""
        verdict = judge(position, self.log)
        if verdict.reason is not None:
            raise PositionRefusedError(verdict)
        entry = self.log.find(position.offset)
        if entry is None or entry.is_erased:
            return False
        self.log.replace(entry._replace(payload=b"", is_erased=True))
        return True

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

    def touch(self, now_ms: int) -> None:
        """The stream is used: its idle time begins anew."""
        self._used_ms = now_ms

    @property
    def is_mortal(self) -> bool:
        """Whether its life can come to an end by itself."""
        settings = self.settings
        return settings.expires_ms is not None or settings.ttl_s is not None

    def is_expired(self, now_ms: int) -> bool:
        """Whether the stream has come to the end of its life."""
        settings = self.settings
        if settings.expires_ms is not None and now_ms >= settings.expires_ms:
            return True
        return settings.ttl_s is not None and now_ms >= self._used_ms + settings.ttl_s * 1000

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
        count = len(log)
        while count and (
            (entries_max is not None and count > entries_max)
            or (bytes_max is not None and log.payload_bytes > bytes_max and count > 1)
            or (oldest_ms is not None and log.oldest().time_ms < oldest_ms)
        ):
            log.drop_oldest()
            count -= 1

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
            return refused_page(verdict)
        found = log.after(after.offset, entries_max)
        return page_after(log, after, found, entries_max=entries_max, bytes_max=bytes_max)

    def read_back(self, before: Position | None, entries_max: int, bytes_max: int) -> Page:
        log = self.log
        if before is not None:
            verdict = judge_backwards(before, log)
            if verdict.reason is not None:
                return refused_page(verdict)
        offset = log.tail.offset + 1 if before is None else before.offset
        found = log.before(offset, entries_max)
        oldest = log.oldest().position.offset if len(log) else 0
        return page_before(log, before, found, oldest_offset=oldest, bytes_max=bytes_max)
