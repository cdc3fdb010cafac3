"""The Redis store: the contract of ``streams.store``, kept by scripts inside Redis.

Several servers on one Redis serve one set of streams. What one of them appends reaches the others
on the live path (``live``), in the order of the log; whenever that may have missed something, or
the log may have lost its end, everybody who follows a stream is told to ask the log again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from redis.exceptions import ResponseError

from longwire.base.entropy import Entropy
from longwire.base.limits import RedisStoreLimits
from longwire.stores.appending import check_durability, check_same
from longwire.stores.forking import check_fork, find_branch, judge_fork
from longwire.stores.redis.append import (
    append_arguments,
    append_keys,
    creation_arguments,
    parse_appended,
)
from longwire.stores.redis.connections import Connections
from longwire.stores.redis.fork_copy import ForkCopy
from longwire.stores.redis.keys import name_of, stream_keys
from longwire.stores.redis.layout import LiveFlag, LiveMessage, parse_fork, parse_lineage, place
from longwire.stores.redis.reading import LogView, page_after, page_before, parse_view
from longwire.stores.redis.scripts import APPEND, DELETE, ERASE, FORK, READ, REFER
from longwire.stores.redis.wire import RedisAddress
from longwire.streams.entry import Durability, Entry, NewEntry, is_json
from longwire.streams.errors import (
    PositionRefusedError,
    StoreFullError,
    StoreUnavailableError,
    StreamClosedError,
    StreamError,
    StreamGoneError,
    StreamMissingError,
)
from longwire.streams.listener import Listener
from longwire.streams.position import START, Position, draw_epoch
from longwire.streams.store import Append, Appended, Fork, Page, StreamInfo, StreamSettings
from longwire.streams.verdict import (
    Last,
    Reason,
    Start,
    StartAt,
    Verdict,
    judge,
    judge_missing,
)

__all__ = ["RedisStore"]

_CALL_BYTES_MAX = 1 << 20
"""Payloads that go into one call of the script; one larger append goes alone. Redis does nothing
else while a script runs."""

_COPIED_ENTRIES = 1_000
"""Entries that are copied into a fork in one call."""

_CANARIES = "$canary/"
"""What the names of the streams begin with that the store has for itself."""

_FORK_MADE_MS = 60_000
"""Within which a fork is made. A reference to one that is not there after that is of none."""

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
            canary_stream=_CANARIES + self._origin.hex(),
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
            return await self._create_fork(stream, settings, fork, batch, closes)
        request = Append(stream, batch, create=settings, closes=closes)
        call = self._call_append([request], creation_arguments(request))
        epoch, _, is_new, answers, _ = await _finish(call)
        if is_new and settings.ttl_s == 0:  # it is over already, and nothing can be asked of it
            (answer,) = answers
            name = epoch.decode()
            tail = place(answer[-3], name, answer[-2])
            return StreamInfo(stream, name, settings, START, tail, closes, answer[5]), True
        return await self._created(stream, settings, None, closes, epoch if is_new else None)

    async def _created(
        self,
        stream: str,
        settings: StreamSettings,
        fork: Fork | None,
        closes: bool,
        epoch: bytes | None,
    ) -> tuple[StreamInfo, bool]:
        """What there is now; ``epoch`` is that of the stream that was created, if one was."""
        info = await self.info(stream)
        if info is None:
            raise StoreUnavailableError(f"the stream {stream!r} was removed meanwhile")
        is_new = epoch is not None and info.epoch == epoch.decode()
        if not is_new:
            check_same(info, settings, fork, closes)
        return info, is_new

    async def _create_fork(
        self,
        stream: str,
        settings: StreamSettings,
        fork: Fork,
        batch: Sequence[NewEntry],
        closes: bool,
    ) -> tuple[StreamInfo, bool]:
        existing = await self.info(stream)
        if existing is not None:
            check_same(existing, settings, fork, closes)
            return existing, False
        source = await self._view(fork.source, b"info", 0)
        if source is None:
            raise StreamMissingError(fork.source)
        if source.is_deleted:
            raise StreamGoneError(fork.source)
        check_fork(fork, stream, source.settings, settings)
        copy = await self._plan_copy(fork, draw_epoch(self._entropy))
        # The reference comes first: without it the source might go before the fork is there.
        if not await self._refer(fork.source, b"+", stream):
            raise StreamGoneError(fork.source)
        try:
            if not await self._copy(stream, settings, copy):
                return await self._created(stream, settings, fork, closes, None)
            batch = [*copy.rest, *batch]
            request = Append(stream, batch, create=settings, closes=closes)
            arguments = creation_arguments(request, finishes_fork=True)
            epoch = copy.lineage.epoch
            call = self._call_append([request], arguments, epoch=epoch)
            for outcome in await self._read_outcomes([request], call):
                if isinstance(outcome, StreamError):
                    raise outcome
        except BaseException:
            if await self.info(stream) is None:
                await self._release(fork.source, stream)
            raise
        return await self._created(stream, settings, fork, closes, epoch.encode())

    async def _plan_copy(self, fork: Fork, epoch: str) -> ForkCopy:
        """Find where a fork branches off. Raises ``PositionRefusedError``, ``ForkError``."""
        offset = 0 if fork.after is None else fork.after.offset
        view = await self._view(fork.source, b"after", offset)
        if view is None:
            raise StreamMissingError(fork.source)
        start = judge_fork(fork, view)
        following: list[Entry] = []
        position, left = start, fork.sub_offset
        while left > 0:
            page = await self.read(
                fork.source, position, entries_max=_COPIED_ENTRIES, bytes_max=_CALL_BYTES_MAX
            )
            following += page.entries
            position = page.upto
            counts_entries = is_json(view.settings.content_type)
            left -= sum(1 if counts_entries else len(entry.payload) for entry in page.entries)
            if not page.has_more:
                break
        branch = find_branch(start, fork.sub_offset, following, view.settings.content_type)
        rest = () if branch.rest is None else (branch.rest,)
        lineage = view.lineage.branch(branch.upto.offset, epoch)
        return ForkCopy(replace(fork, after=start), view, branch.upto, rest, lineage)

    async def _copy(self, stream: str, settings: StreamSettings, copy: ForkCopy) -> bool:
        """Copy what is inherited; ``False`` when somebody else created the stream meanwhile."""
        links: Sequence[bytes] = ()
        if settings.keeps_latest:
            links = await self._links(copy.fork.source)
        first = copy.first_arguments(settings)
        position = copy.source.floor
        keys = stream_keys(self._prefix, stream)
        while True:
            view = await self._view(
                copy.fork.source, b"after", position.offset, _COPIED_ENTRIES, _CALL_BYTES_MAX
            )
            if view is None or judge(position, view).reason is not None:
                raise StoreUnavailableError(f"{copy.fork.source!r} changed while it was copied")
            packed = copy.wanted(view)
            count = b"%d" % len(links)
            head = [self._now(), copy.lineage.epoch.encode(), b"1" if first else b"0", *first]
            call = self._connections.writes.call(FORK, keys, [*head, count, *links, *packed])
            if not await _finish(call):
                return False
            first, links = [], ()
            if len(packed) < len(view.packed) or not view.has_more:
                return True
            position = view.entries[-1].position

    async def _links(self, stream: str) -> Sequence[bytes]:
        keys = stream_keys(self._prefix, stream)
        call = self._connections.reads.call(READ, keys, [self._now(), b"links", b"0", b"0", b"0"])
        reply = await _finish(call)
        return () if reply is None else parse_view(reply, has_entries=False).packed

    async def _refer(self, source: str, sign: bytes, fork: str) -> Any:
        keys = stream_keys(self._prefix, source)
        arguments = [self._now(), sign, fork.encode()]
        return await _finish(self._connections.writes.call(REFER, keys, arguments))

    async def _release(self, source: str, fork: str) -> None:
        """A fork is gone: it may be the last of a source that was deleted before, and so on."""
        while True:
            origin = parse_fork(await self._refer(source, b"-", fork))
            if origin is None:
                return
            source, fork = origin.source, source

    async def append(self, request: Append) -> Appended:
        (outcome,) = await self.append_many([request])
        if isinstance(outcome, StreamError):
            raise outcome
        return outcome

    async def append_many(self, requests: Sequence[Append]) -> list[Appended | StreamError]:
        outcomes: dict[int, Appended | StreamError] = {}
        calls = []
        if any(request.durability is not Durability.MEMORY for request in requests):
            return await self._append_safe_enough(requests)
        for group in _group(requests):
            chosen = [requests[index] for index in group]
            arguments = [part for request in chosen for part in append_arguments(request)]
            calls.append((group, chosen, self._call_append(chosen, arguments)))
        for group, chosen, call in calls:
            outcomes.update(zip(group, await self._read_outcomes(chosen, call), strict=True))
        return [outcomes[index] for index in range(len(requests))]

    async def _append_safe_enough(self, requests: Sequence[Append]) -> list[Appended | StreamError]:
        """Append those that do not ask for more than there is."""
        outcomes: list[Appended | StreamError] = []
        for request in requests:
            try:
                check_durability(request, self._connections.durability)
            except StreamError as error:
                outcomes.append(error)
            else:
                asked = request._replace(durability=Durability.MEMORY)
                outcomes += await self.append_many([asked])
        return outcomes

    async def info(self, stream: str) -> StreamInfo | None:
        view = await self._view(stream, b"info", 0)
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
            return view.verdict(view.place(view.place_offset, link))
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
        call = self._connections.writes.call(DELETE, keys, [self._now(), self._origin])
        outcome, fork_text = await _finish(call)
        if outcome == 2:
            raise StreamGoneError(stream)
        fork = parse_fork(fork_text)
        if fork is not None:
            await self._release(fork.source, stream)
        return bool(outcome)

    async def erase(self, stream: str, position: Position) -> bool:
        view = await self._view(stream, b"after", position.offset)
        if view is None:
            info = await self.info(stream)
            raise StreamMissingError(stream) if info is None else StreamGoneError(stream)
        verdict = judge(position, view)
        if verdict.reason is Reason.TRIMMED:
            return False
        if verdict.reason is not None:
            raise PositionRefusedError(verdict)
        keys = stream_keys(self._prefix, stream)
        arguments = [self._now(), self._origin, b"%d" % position.offset, position.link]
        return bool(await _finish(self._connections.writes.call(ERASE, keys, arguments)))

    async def names(self) -> AsyncIterator[str]:
        async for page in self._pages_of_names():
            infos = await asyncio.gather(*map(self.info, page))
            for name, info in zip(page, infos, strict=True):
                if info is not None and not info.is_deleted and not name.startswith(_CANARIES):
                    yield name

    async def _pages_of_names(self) -> AsyncIterator[list[str]]:
        """All there are, in pages: what is asked about each is asked of a page at a time, since
        one after the other would take a round trip each."""
        cursor = b"0"
        pattern = self._prefix.replace(b"*", b"?") + b"{*}:m"
        while True:
            cursor, keys = await self._command(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"500")
            names = (name_of(self._prefix, key) for key in keys)
            yield [name for name in names if name is not None]
            if cursor == b"0":
                return

    async def expire(self) -> None:
        """Apply what depends on time to idle streams; of several servers one does it."""
        lease = (b"SET", self._prefix + b"expiry", self._origin, b"NX", b"PX", b"50000")
        if await self._command(*lease) is None:
            return
        async for page in self._pages_of_names():
            await asyncio.gather(*map(self._expire, page))

    async def _expire(self, name: str) -> None:
        await self._view(name, b"info", 0)
        await self._mend_references(name)

    async def _mend_references(self, source: str) -> None:
        """Forget forks that are not there: a fork and its source change in two steps, and who does
        that may die in between. A young reference may be of a fork that is being made."""
        forks = await self._command(b"HGETALL", stream_keys(self._prefix, source)[-1])
        if not forks:
            return
        now_ms = await self._now_ms()
        for name, since_ms in zip(forks[::2], forks[1::2], strict=True):
            fork = await self.info(name.decode())
            if fork is None:
                is_dangling = int(since_ms) + _FORK_MADE_MS < now_ms
            else:
                is_dangling = fork.fork is None or fork.fork.source != source
            if is_dangling:
                await self._release(source, name.decode())

    async def _now_ms(self) -> int:
        if self._clock_ms is not None:
            return self._clock_ms()
        seconds, microseconds = await self._command(b"TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def close(self) -> None:
        await self._connections.stop()

    # -- inside ---------------------------------------------------------------------------------

    def _now(self) -> bytes:
        return b"" if self._clock_ms is None else b"%d" % self._clock_ms()

    def _call_append(
        self, requests: Sequence[Append], arguments: list[bytes], *, epoch: str | None = None
    ) -> Awaitable[list[Any]]:
        limits = self._limits
        fixed = [
            self._now(),
            self._origin,
            (epoch or draw_epoch(self._entropy)).encode(),
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
            epoch, content_type, _, answers, inherited = await _finish(call)
        except StreamError as error:
            return [error] * len(requests)
        durability = self._connections.durability
        lineage = parse_lineage(epoch.decode(), inherited)
        return [
            parse_appended(request, lineage, content_type.decode(), answer, durability)
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
