"""The Redis store: the contract of ``streams.store``, kept by scripts inside Redis.

Several servers on one Redis serve one set of streams. What one of them appends reaches the others
on the live path (``live``), in the order of the log; whenever that may have missed something, or
the log may have lost its end, everybody who follows a stream is told to ask the log again.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from longwire.base.entropy import Entropy
from longwire.base.limits import RedisStoreLimits
from longwire.stores.appending import check_same
from longwire.stores.redis.append import (
    append_arguments,
    append_keys,
    creation_arguments,
    parse_appended,
)
from longwire.stores.redis.connections import Connections
from longwire.stores.redis.keys import name_of, stream_keys
from longwire.stores.redis.layout import LiveFlag, LiveMessage, place
from longwire.stores.redis.reading import LogView, page_after, page_before, parse_view
from longwire.stores.redis.scripts import APPEND, DELETE, READ
from longwire.stores.redis.wire import RedisAddress
from longwire.streams.entry import NewEntry
from longwire.streams.errors import (
    ForkError,
    StoreFullError,
    StoreUnavailableError,
    StreamClosedError,
    StreamError,
    StreamMissingError,
)
from longwire.streams.listener import Listener
from longwire.streams.position import START, Position, draw_epoch
from longwire.streams.store import Append, Appended, Fork, Page, StreamInfo, StreamSettings
from longwire.streams.verdict import Last, Start, StartAt, Verdict, judge, judge_missing

__all__ = ["RedisStore"]

_CALL_BYTES_MAX = 1 << 20
"""Payloads that go into one call of the script; one larger append goes alone. Redis does nothing
else while a script runs."""

_APPEND_OVERHEAD_BYTES = 4096
"""What an append counts for beside its payload: checks and the producer's state take as long as
that many bytes, so a call has at most 256 appends."""


class RedisStore:
    """A :class:`~longwire.streams.store.Store` in Redis 7 or later.

    ``start`` connects; ``close`` ends it. ``clock_ms`` is for tests: without it Redis's own clock
    counts, which all servers share.
    """

    is_shared = True

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "longwire:",
        limits: RedisStoreLimits | None = None,
        clock_ms: Callable[[], int] | None = None,
        entropy: Entropy = os.urandom,
    ) -> None:
        self._limits = limits or RedisStoreLimits()
        self._prefix = prefix.encode()
        self._clock_ms = clock_ms
        self._entropy = entropy
        self._origin = os.urandom(8)
        self._listener: Listener | None = None
        self._connections = Connections(
            RedisAddress(url),
            self._prefix,
            self._limits,
            canary_stream=f"$canary/{self._origin.hex()}",
            append=self.append,
            on_message=self._hear,
            on_doubt=self._doubt,
        )

    async def start(self) -> None:
        """Connect. Raises ``StoreError`` when Redis cannot be reached or is too old."""
        await self._connections.start()

    # -- what others append ---------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Have ``listener`` told what is appended to watched streams."""
        self._listener = listener

    async def watch(self, stream: str) -> None:
        """Tell the listener of everything appended to ``stream`` from this call's return on."""
        await self._connections.live.watch(stream)

    def unwatch(self, stream: str) -> None:
        """Tell it nothing more of ``stream``."""
        self._connections.live.unwatch(stream)

    def _hear(self, stream: str, message: LiveMessage) -> None:
        listener = self._listener
        if listener is None:
            return
        if message.flags & LiveFlag.DELETED:
            listener.deleted(stream)
        elif message.flags & LiveFlag.OMITTED:
            listener.doubt(stream)
        else:
            is_closed = bool(message.flags & LiveFlag.CLOSED)
            listener.appended(stream, message.entries(), message.tail, is_closed)

    def _doubt(self) -> None:
        if self._listener is not None:
            self._listener.doubt(None)

    # -- health ---------------------------------------------------------------------------------

    def health(self) -> str | None:
        """Why the store is not usable now; ``None`` when it is."""
        return self._connections.health()

    def figures(self) -> Mapping[str, tuple[str, float, bool]]:
        """What the store counts, for the metrics: (meaning, value, whether it only grows)."""
        return self._connections.figures()

    # -- the contract ---------------------------------------------------------------------------

    async def create(
        self,
        stream: str,
        settings: StreamSettings,
        *,
        fork: Fork | None = None,
        batch: Sequence[NewEntry] = (),
        closes: bool = False,
    ) -> tuple[StreamInfo, bool]:
        if fork is not None:
            raise ForkError("streams in Redis cannot be forked yet")
        request = Append(stream, batch, create=settings, closes=closes)
        call = self._call_append([request], creation_arguments(request))
        epoch, _, is_new, _ = await _finish(call)
        info = await self.info(stream)
        if info is None:
            raise StoreUnavailableError(f"the stream {stream!r} was removed meanwhile")
        is_new = is_new == 1 and info.epoch == epoch.decode()
        if not is_new:
            check_same(info, settings, fork, closes)
        return info, is_new

    async def append(self, request: Append) -> Appended:
        (outcome,) = await self.append_many([request])
        if isinstance(outcome, StreamError):
            raise outcome
        return outcome

    async def append_many(self, requests: Sequence[Append]) -> list[Appended | StreamError]:
        outcomes: dict[int, Appended | StreamError] = {}
        calls = []
        for group in _group(requests):
            chosen = [requests[index] for index in group]
            arguments = [part for request in chosen for part in append_arguments(request)]
            calls.append((group, chosen, self._call_append(chosen, arguments)))
        for group, chosen, call in calls:
            outcomes.update(zip(group, await self._read_outcomes(chosen, call), strict=True))
        return [outcomes[index] for index in range(len(requests))]

    async def info(self, stream: str) -> StreamInfo | None:
        view = await self._view(stream, b"after", 0)
        return None if view is None else view.info(stream)

    async def seek(self, stream: str, start: Start) -> Verdict:
        if isinstance(start, Position):
            view = await self._view(stream, b"after", start.offset)
            return judge_missing(start) if view is None else judge(start, view)
        if isinstance(start, Last):
            view = await self._view(stream, b"last", start.entries)
            if view is None:
                return judge_missing(start)
            link = view.place_link
            assert link is not None
            return view.verdict(place(view.place_offset, view.epoch, link))
        view = await self._view(stream, b"after", 0)
        if view is None:
            return judge_missing(start)
        return view.verdict(view.tail if start is StartAt.TAIL else view.floor)

    async def read(self, stream: str, after: Position, *, entries_max: int, bytes_max: int) -> Page:
        view = await self._view(stream, b"after", after.offset, entries_max, bytes_max)
        if view is None:
            return Page((), START, START, START, judge_missing(after).reason)
        return page_after(view, after)

    async def read_back(
        self, stream: str, before: Position | None, *, entries_max: int, bytes_max: int
    ) -> Page:
        if before is not None and before.is_start:
            entries_max = 0
        offset = 0 if before is None else before.offset
        view = await self._view(stream, b"before", offset, entries_max, bytes_max)
        if view is None:
            reason = None if before is None else judge_missing(before).reason
            return Page((), START, START, START, reason)
        return page_before(view, before)

    async def close_stream(self, stream: str) -> StreamInfo:
        try:
            await self.append(Append(stream, (), closes=True))
        except StreamClosedError:
            pass
        info = await self.info(stream)
        if info is None:
            raise StreamMissingError(stream)
        return info

    async def delete(self, stream: str) -> bool:
        keys = stream_keys(self._prefix, stream)
        reply = await _finish(self._connections.writes.call(DELETE, keys, [self._origin]))
        return bool(reply)

    async def erase(self, stream: str, position: Position) -> bool:
        raise StoreUnavailableError("entries in Redis cannot be erased yet")

    async def names(self) -> AsyncIterator[str]:
        cursor = b"0"
        pattern = self._prefix.replace(b"*", b"?") + b"{*}:m"
        while True:
            cursor, keys = await self._command(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"500")
            for key in keys:
                name = name_of(self._prefix, key)
                if name is not None:
                    yield name
            if cursor == b"0":
                return

    async def expire(self) -> None:
        """Apply what depends on time to idle streams; of several servers one does it."""
        lease = (b"SET", self._prefix + b"expiry", self._origin, b"NX", b"PX", b"50000")
        if await self._command(*lease) is None:
            return
        async for name in self.names():
            await self._view(name, b"after", 0)

    async def close(self) -> None:
        await self._connections.stop()

    # -- inside ---------------------------------------------------------------------------------

    def _now(self) -> bytes:
        return b"" if self._clock_ms is None else b"%d" % self._clock_ms()

    def _call_append(
        self, requests: Sequence[Append], arguments: list[bytes]
    ) -> Awaitable[list[Any]]:
        limits = self._limits
        fixed = [
            self._now(),
            self._origin,
            draw_epoch(self._entropy).encode(),
            b"%d" % round(limits.producer_state_s * 1000),
            b"%d" % limits.producers_max,
            b"%d" % limits.producers_forgotten_max,
            b"%d" % limits.live_bytes_max,
            b"0" if limits.replicas_min is None else b"1",
        ]
        keys = append_keys(self._prefix, requests)
        return self._connections.writes.call(APPEND, keys, fixed + arguments)

    async def _read_outcomes(
        self, requests: Sequence[Append], call: Awaitable[list[Any]]
    ) -> Sequence[Appended | StreamError]:
        try:
            epoch, content_type, _, answers = await _finish(call)
        except StreamError as error:
            return [error] * len(requests)
        durability = self._connections.durability
        return [
            parse_appended(request, epoch.decode(), content_type.decode(), answer, durability)
            for request, answer in zip(requests, answers, strict=True)
        ]

    async def _view(
        self, stream: str, mode: bytes, offset: int, entries_max: int = 0, bytes_max: int = 0
    ) -> LogView | None:
        keys = stream_keys(self._prefix, stream)
        numbers = [b"%d" % number for number in (offset, entries_max, bytes_max)]
        call = self._connections.reads.call(READ, keys, [self._now(), mode, *numbers])
        reply = await _finish(call)
        return None if reply is None else parse_view(reply)

    async def _command(self, *parts: bytes) -> Any:
        return await _finish(self._connections.reads.call(None, (), parts))


def _group(requests: Sequence[Append]) -> list[list[int]]:
    """Indexes of appends that go into one call: those to one stream, up to a size."""
    groups: list[list[int]] = []
    open_groups: dict[str, tuple[list[int], int]] = {}
    for index, request in enumerate(requests):
        size = sum(len(entry.payload) for entry in request.batch) + _APPEND_OVERHEAD_BYTES
        group, bytes_so_far = open_groups.get(request.stream, ([], 0))
        if not group or bytes_so_far + size > _CALL_BYTES_MAX:
            group, bytes_so_far = [], 0
            groups.append(group)
        group.append(index)
        open_groups[request.stream] = group, bytes_so_far + size
    return groups


async def _finish(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except ResponseError as error:
        raise _explain(error) from error


def _explain(error: ResponseError) -> StreamError:
    """What an error reply means. A script that fails has changed nothing."""
    text = str(error)
    if "OOM" in text or "maxmemory" in text:
        return StoreFullError("Redis has reached its maxmemory; nothing was stored")
    return StoreUnavailableError(f"Redis refused: {text}")
