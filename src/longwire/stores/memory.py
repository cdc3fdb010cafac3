# cython: annotation_typing=False, auto_pickle=False
"""The memory store: everything is gone when the process ends, and readers are told so.

A restarted process draws other epochs, so a position of the old one is refused with ``epoch``;
nobody is told "recovered" who was not.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from longwire.base.entropy import Entropy
from longwire.base.limits import MemoryStoreLimits
from longwire.stores.appending import check_same
from longwire.stores.forking import check_fork, find_branch, judge_fork
from longwire.stores.local import LocalStore
from longwire.stores.memory_log import MemoryLog
from longwire.stores.memory_stream import MemoryStream
from longwire.stores.pages import missing_page
from longwire.streams.entry import NewEntry
from longwire.streams.errors import (
    StoreFullError,
    StreamError,
    StreamGoneError,
    StreamMissingError,
)
from longwire.streams.position import Position, draw_epoch
from longwire.streams.store import Append, Appended, Fork, Page, StreamInfo, StreamSettings
from longwire.streams.verdict import Start, Verdict, judge_missing

__all__ = ["MemoryStore"]


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class MemoryStore(LocalStore):
    """A :class:`~longwire.streams.store.Store` in the memory of this process.

    No method ever waits. ``clock_ms`` is Unix time in milliseconds, ``entropy`` draws the epochs;
    both are arguments for tests and simulation.

    What is bounded how: entries of a stream by its retention; entries of all streams by
    ``limits.bytes_max``, where the streams that were written to the longest time ago lose their
    oldest entries; streams by ``limits.streams_max``. A producer that was silent for
    ``limits.producer_state_s``, or the one silent for longest when a stream has more than
    ``limits.producers_max``, is forgotten: its next publish under the same epoch is refused with
    :exc:`~longwire.streams.errors.ProducerUnknownError`. Only after ``producers_forgotten_max``
    others have been forgotten in the same stream is it taken for new.
    """

    def __init__(
        self,
        *,
        limits: MemoryStoreLimits | None = None,
        clock_ms: Callable[[], int] = _wall_clock_ms,
        entropy: Entropy = os.urandom,
    ) -> None:
        self._limits = limits or MemoryStoreLimits()
        self._clock_ms = clock_ms
        self._entropy = entropy
        self._streams: dict[str, MemoryStream] = {}
        # Those with entries, in the order of the last append, the longest untouched first.
        self._filled: dict[str, MemoryStream] = {}
        self._cost_bytes = 0

    @property
    def cost_bytes(self) -> int:
        """Payloads of all streams and the overhead of their entries, bytes."""
        return self._cost_bytes

    @property
    def stream_count(self) -> int:
        """How many streams there are."""
        return len(self._streams)

    async def create(
        self,
        stream: str,
        settings: StreamSettings,
        *,
        fork: Fork | None = None,
        batch: Sequence[NewEntry] = (),
        closes: bool = False,
    ) -> tuple[StreamInfo, bool]:
        existing = self._find(stream)
        if existing is not None:
            check_same(existing.info(), settings, fork, closes)
            return existing.info(), False
        created = self._create(stream, settings, fork, batch, closes)
        return created.info(), True

    async def append(self, request: Append) -> Appended:
        return self._append(request)

    async def append_many(self, requests: Sequence[Append]) -> list[Appended | StreamError]:
        results: list[Appended | StreamError] = []
        for request in requests:
            try:
                results.append(self._append(request))
            except StreamError as error:
                results.append(error)
        return results

    async def info(self, stream: str) -> StreamInfo | None:
        found = self._find(stream)
        if found is None:
            return None
        self._trim(found)
        return found.info()

    async def seek(self, stream: str, start: Start) -> Verdict:
        found = self._use(stream)
        return judge_missing(start) if found is None else found.seek(start)

    async def read(self, stream: str, after: Position, *, entries_max: int, bytes_max: int) -> Page:
        found = self._use(stream)
        if found is None:
            return missing_page(after)
        return found.read(after, entries_max, bytes_max)

    async def read_back(
        self, stream: str, before: Position | None, *, entries_max: int, bytes_max: int
    ) -> Page:
        found = self._use(stream)
        if found is None:
            return missing_page(before)
        return found.read_back(before, entries_max, bytes_max)

    async def close_stream(self, stream: str) -> StreamInfo:
        found = self._get(stream)
        found.log.is_closed = True
        return found.info()

    async def delete(self, stream: str) -> bool:
        found = self._find(stream)
        if found is None:
            return False
        if found.is_deleted:
            raise StreamGoneError(stream)
        self._delete(found)
        return True

    async def erase(self, stream: str, position: Position) -> bool:
        found = self._get(stream)
        before = found.cost_bytes
        is_erased = found.erase(position)
        self._cost_bytes += found.cost_bytes - before
        return is_erased

    async def names(self) -> AsyncIterator[str]:
        for name in list(self._streams):
            found = self._find(name)
            if found is not None and not found.is_deleted:
                yield name

    async def expire(self) -> None:
        now_ms = self._clock_ms()
        for name in list(self._streams):
            stream = self._find(name)
            if stream is not None:
                before = stream.cost_bytes
                stream.expire(now_ms)
                self._cost_bytes += stream.cost_bytes - before

    async def close(self) -> None:
        self._streams.clear()
        self._filled.clear()
        self._cost_bytes = 0

    # -- inside -----------------------------------------------------------------------------

    def has(self, stream: str) -> bool:
        """Whether there is such a stream."""
        return self._find(stream) is not None

    def _find(self, name: str, now_ms: int | None = None) -> MemoryStream | None:
        """Return a stream unless its life is over, also one that is deleted but has forks."""
        stream = self._streams.get(name)
        if stream is None or stream.is_deleted or not stream.is_mortal:
            return stream
        if not stream.is_expired(self._clock_ms() if now_ms is None else now_ms):
            return stream
        self._delete(stream)
        return stream if stream.is_deleted else None

    def _get(self, name: str) -> MemoryStream:
        stream = self._find(name)
        if stream is None:
            raise StreamMissingError(name)
        if stream.is_deleted:
            raise StreamGoneError(name)
        return stream

    def _use(self, name: str) -> MemoryStream | None:
        """Return the stream for somebody who reads it, with retention by age applied."""
        stream = self._find(name)
        if stream is None or stream.is_deleted:
            return None
        self._trim(stream)
        stream.touch(self._clock_ms())
        return stream

    def _trim(self, stream: MemoryStream) -> None:
        before = stream.cost_bytes
        stream.trim(self._clock_ms())
        self._cost_bytes += stream.cost_bytes - before

    def _create(
        self,
        name: str,
        settings: StreamSettings,
        fork: Fork | None = None,
        batch: Sequence[NewEntry] = (),
        closes: bool = False,
    ) -> MemoryStream:
        streams_max = self._limits.streams_max
        if streams_max is not None and len(self._streams) >= streams_max:
            raise StoreFullError(f"the store holds {streams_max} streams, which is its limit")
        epoch = draw_epoch(self._entropy)
        if fork is None:
            log = MemoryStream.begin_log(settings, epoch)
        else:
            source = self._get(fork.source)
            log, fork, rest = _branch(source, name, settings, fork, epoch)
            batch = [*rest, *batch]
            source.fork_count += 1
        now_ms = self._clock_ms()
        stream = MemoryStream(name, settings, log, self._limits, now_ms, fork)
        self._streams[name] = stream
        stream.append(Append(name, batch, closes=closes), now_ms)
        self._cost_bytes += stream.cost_bytes
        if len(stream.log):
            self._filled[name] = stream
            self._make_room()
        return stream

    def _delete(self, stream: MemoryStream) -> None:
        """Remove a stream, or what it holds if there are forks of it."""
        self._filled.pop(stream.name, None)
        self._cost_bytes -= stream.cost_bytes
        stream.log = MemoryStream.begin_log(stream.settings, stream.log.lineage.epoch)
        stream.is_deleted = True
        # A fork that goes may be the last one of a source that was deleted before, and so on.
        doomed: MemoryStream | None = stream
        while doomed is not None and doomed.is_deleted and doomed.fork_count == 0:
            doomed.is_deleted = False
            del self._streams[doomed.name]
            doomed = None if doomed.fork is None else self._streams[doomed.fork.source]
            if doomed is not None:
                doomed.fork_count -= 1

    def _append(self, request: Append) -> Appended:
        now_ms = self._clock_ms()
        stream = self._find(request.stream, now_ms)
        if stream is not None and stream.is_deleted:
            raise StreamGoneError(request.stream)
        is_new = stream is None
        if stream is None:
            if request.create is None:
                raise StreamMissingError(request.stream)
            stream = self._create(request.stream, request.create)
        before = stream.cost_bytes
        try:
            appended = stream.append(request, now_ms)
        except StreamError:
            if is_new:
                del self._streams[request.stream]  # a refusal changes nothing
            raise
        finally:
            self._cost_bytes += stream.cost_bytes - before
        stream.touch(now_ms)
        if appended.entries:
            self._filled.pop(request.stream, None)
            self._filled[request.stream] = stream
            self._make_room()
        return appended

    def _make_room(self) -> None:
        """Let the streams untouched for longest lose their oldest entries."""
        bytes_max = self._limits.bytes_max
        while bytes_max is not None and self._cost_bytes > bytes_max:
            name, stream = next(iter(self._filled.items()))
            before = stream.cost_bytes
            while len(stream.log) and self._cost_bytes - before + stream.cost_bytes > bytes_max:
                stream.log.drop_oldest()
            self._cost_bytes += stream.cost_bytes - before
            if not len(stream.log):
                del self._filled[name]


def _branch(
    source: MemoryStream, name: str, settings: StreamSettings, fork: Fork, epoch: str
) -> tuple[MemoryLog, Fork, list[NewEntry]]:
    """The log of a fork, the fork with its place, and what its own first entry is, if any."""
    check_fork(fork, name, source.settings, settings)
    start = judge_fork(fork, source.log)
    following = source.log.after(start.offset, len(source.log)) if fork.sub_offset else ()
    branch = find_branch(start, fork.sub_offset, following, source.settings.content_type)
    log = source.log.branch(branch.upto.offset, epoch)
    rest = [] if branch.rest is None else [branch.rest]
    return log, replace(fork, after=start), rest
