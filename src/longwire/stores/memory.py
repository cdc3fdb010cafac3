"""The memory store: everything is gone when the process ends, and readers are told so.

A restarted process draws other epochs, so a position of the old one is refused with ``epoch``;
nobody is told "recovered" who was not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from longwire.base.entropy import Entropy
from longwire.base.limits import MemoryStoreLimits
from longwire.stores.local import LocalStore
from longwire.stores.memory_stream import MemoryStream
from longwire.streams.errors import (
    StoreFullError,
    StreamError,
    StreamExistsError,
    StreamMissingError,
)
from longwire.streams.position import START, Position, draw_epoch
from longwire.streams.store import Append, Appended, Page, StreamInfo, StreamSettings
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

    async def create(self, stream: str, settings: StreamSettings) -> tuple[StreamInfo, bool]:
        existing = self._streams.get(stream)
        if existing is None:
            return self._create(stream, settings).info(), True
        if existing.settings != settings:
            raise StreamExistsError(stream, f"other settings: {existing.settings}")
        return existing.info(), False

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
        found = self._fresh(stream)
        return None if found is None else found.info()

    async def seek(self, stream: str, start: Start) -> Verdict:
        found = self._fresh(stream)
        return judge_missing(start) if found is None else found.seek(start)

    async def read(self, stream: str, after: Position, *, entries_max: int, bytes_max: int) -> Page:
        found = self._fresh(stream)
        if found is None:
            verdict = judge_missing(after)
            return Page((), START, START, START, verdict.reason)
        return found.read(after, entries_max, bytes_max)

    async def read_back(
        self, stream: str, before: Position | None, *, entries_max: int, bytes_max: int
    ) -> Page:
        found = self._fresh(stream)
        if found is None:
            reason = None if before is None else judge_missing(before).reason
            return Page((), START, START, START, reason)
        return found.read_back(before, entries_max, bytes_max)

    async def close_stream(self, stream: str) -> StreamInfo:
        found = self._streams.get(stream)
        if found is None:
            raise StreamMissingError(stream)
        found.log.is_closed = True
        return found.info()

    async def delete(self, stream: str) -> bool:
        found = self._streams.pop(stream, None)
        self._filled.pop(stream, None)
        if found is not None:
            self._cost_bytes -= found.cost_bytes
        return found is not None

    async def expire(self) -> None:
        now_ms = self._clock_ms()
        for stream in self._streams.values():
            before = stream.cost_bytes
            stream.expire(now_ms)
            self._cost_bytes += stream.cost_bytes - before

    async def close(self) -> None:
        self._streams.clear()
        self._filled.clear()
        self._cost_bytes = 0

    # -- inside -----------------------------------------------------------------------------

    def _create(self, name: str, settings: StreamSettings) -> MemoryStream:
        streams_max = self._limits.streams_max
        if streams_max is not None and len(self._streams) >= streams_max:
            raise StoreFullError(f"the store holds {streams_max} streams, which is its limit")
        epoch = draw_epoch(self._entropy)
        stream = MemoryStream(name, settings, epoch, self._limits, self._clock_ms())
        self._streams[name] = stream
        return stream

    def _append(self, request: Append) -> Appended:
        stream = self._streams.get(request.stream)
        is_new = stream is None
        if stream is None:
            if request.create is None:
                raise StreamMissingError(request.stream)
            stream = self._create(request.stream, request.create)
        before = stream.cost_bytes
        try:
            appended = stream.append(request, self._clock_ms())
        except StreamError:
            if is_new:
                del self._streams[request.stream]  # a refusal changes nothing
            raise
        finally:
            self._cost_bytes += stream.cost_bytes - before
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

    def _fresh(self, name: str) -> MemoryStream | None:
        """Return the stream with retention by age applied."""
        stream = self._streams.get(name)
        if stream is not None:
            before = stream.cost_bytes
            stream.trim(self._clock_ms())
            self._cost_bytes += stream.cost_bytes - before
        return stream
