"""The SQLite store: what is acknowledged is on the disk, and one file is all there is.

One thread writes. What comes while it is at work goes into its next transaction together, so that
many appends share one write to the disk. Others read beside it. Both are reached by
``run_in_executor`` only.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from longwire.base.entropy import Entropy
from longwire.base.errors import StoreError
from longwire.base.limits import MemoryStoreLimits, SqliteStoreLimits
from longwire.stores.appending import cost_bytes, creates_ephemeral
from longwire.stores.local import LocalStore
from longwire.stores.memory import MemoryStore
from longwire.stores.sqlite.database import FileLock, open_database, prepare_database
from longwire.stores.sqlite.reader import Moment, Readers
from longwire.stores.sqlite.writer import Job, Writer
from longwire.streams.entry import NewEntry
from longwire.streams.errors import StoreFullError, StoreUnavailableError, StreamError
from longwire.streams.position import Position
from longwire.streams.store import Append, Appended, Fork, Page, StreamInfo, StreamSettings
from longwire.streams.verdict import Start, Verdict

__all__ = ["SqliteStore"]

logger = logging.getLogger("longwire.sqlite")

T = TypeVar("T")


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class SqliteStore(LocalStore):
    """A :class:`~longwire.streams.store.Store` in the file ``path``, which only it writes to.

    Entries are acknowledged as ``disk``: committed with ``synchronous=FULL`` in WAL mode. Streams
    that are ephemeral live in memory and never touch the file. ``clock_ms`` is Unix time in
    milliseconds, ``entropy`` draws the epochs; both are arguments for tests and simulation.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        limits: SqliteStoreLimits | None = None,
        memory_limits: MemoryStoreLimits | None = None,
        clock_ms: Callable[[], int] = _wall_clock_ms,
        entropy: Entropy = os.urandom,
    ) -> None:
        self._path = Path(path)
        self._limits = limits or SqliteStoreLimits()
        self._clock_ms = clock_ms
        self._entropy = entropy
        self._ephemeral = MemoryStore(limits=memory_limits, clock_ms=clock_ms, entropy=entropy)
        self._lock = FileLock(self._path)
        self._writer: Writer | None = None
        self._readers: Readers | None = None
        self._writing = ThreadPoolExecutor(1, "longwire-sqlite-writer")
        self._reading = ThreadPoolExecutor(self._limits.readers_max, "longwire-sqlite-reader")
        self._queue: list[tuple[Job, asyncio.Future[Any]]] = []
        self._queued_bytes = 0
        self._work: asyncio.Task[None] | None = None
        self._is_closed = False
        self._problem: str | None = None
        self._commits = 0
        self._jobs = 0

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        try:
            await self._run(self._writing, self._open)
        except sqlite3.Error as error:
            self._lock.release()
            raise StoreError(f"{self._path} cannot be used: {error}", retryable=False) from error
        except StoreError:
            self._lock.release()
            raise
        self._sweep()

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        self._connect()
        self._readers = Readers(self._path, self._limits.readers_max)

    def _connect(self) -> None:
        pages_max = None
        if self._limits.file_bytes_max is not None:
            pages_max = self._limits.file_bytes_max // 4096
        connection = open_database(self._path, pages_max=pages_max)
        try:
            prepare_database(connection, self._path)
        except BaseException:
            connection.close()
            raise
        self._writer = Writer(connection, self._limits, self._clock_ms, self._entropy)

    async def close(self) -> None:
        # What is asked for from now on would be waited for without end, or open the file again.
        self._is_closed = True
        while self._work is not None:
            await asyncio.wait((self._work,))
        await self._ephemeral.close()
        await self._run(self._writing, self._shut)
        self._writing.shutdown()

    def _shut(self) -> None:
        # Who reads already gets an answer, and nobody's connection is closed under him.
        self._reading.shutdown()
        if self._readers is not None:
            self._readers.close()
        if self._writer is not None:
            try:
                self._writer.run([Writer.settle])
            except sqlite3.Error as error:
                logger.warning("%s was not written to at the end: %s", self._path, error)
            self._writer.connection.close()
            self._writer = None
        self._lock.release()

    def health(self) -> str | None:
        """Why the last thing that was written failed; ``None`` when it did not."""
        return self._problem

    def figures(self) -> Mapping[str, tuple[str, float, bool]]:
        return {
            "sqlite_commits": ("Transactions written to the disk.", self._commits, True),
            "sqlite_jobs": ("Appends and other changes in them.", self._jobs, True),
            "sqlite_queued_bytes": ("Payloads that wait to be written.", self._queued_bytes, False),
        }

    # -- the contract: writing ------------------------------------------------------------------

    async def create(
        self,
        stream: str,
        settings: StreamSettings,
        *,
        fork: Fork | None = None,
        batch: Sequence[NewEntry] = (),
        closes: bool = False,
    ) -> tuple[StreamInfo, bool]:
        if await self._is_ephemeral(stream, settings):
            return await self._ephemeral.create(
                stream, settings, fork=fork, batch=batch, closes=closes
            )
        cost_bytes = sum(len(entry.payload) for entry in batch)
        return await self._write(
            lambda w: w.create(stream, settings, fork, batch, closes), cost_bytes
        )

    async def append(self, request: Append) -> Appended:
        if await self._is_ephemeral(request.stream, request.create):
            return await self._ephemeral.append(request)
        return await self._write(lambda w: w.append(request), cost_bytes([request]))

    async def append_many(self, requests: Sequence[Append]) -> list[Appended | StreamError]:
        if not self._ephemeral.stream_count and not creates_ephemeral(requests):
            return await self._append_all(requests)
        outcomes: dict[int, Appended | StreamError] = {}
        durable = []
        for index, request in enumerate(requests):
            if await self._is_ephemeral(request.stream, request.create):
                (outcomes[index],) = await self._ephemeral.append_many([request])
            else:
                durable.append(index)
        if durable:
            results = await self._append_all([requests[index] for index in durable])
            outcomes.update(zip(durable, results, strict=True))
        return [outcomes[index] for index in range(len(requests))]

    async def _append_all(self, requests: Sequence[Append]) -> list[Appended | StreamError]:
        try:
            return await self._write(lambda w: w.append_all(requests), cost_bytes(requests))
        except StoreFullError as error:
            return [error] * len(requests)

    async def close_stream(self, stream: str) -> StreamInfo:
        if self._ephemeral.has(stream):
            return await self._ephemeral.close_stream(stream)
        return await self._write(lambda w: w.close_stream(stream))

    async def delete(self, stream: str) -> bool:
        if self._ephemeral.has(stream):
            return await self._ephemeral.delete(stream)
        was_there = await self._write(lambda w: w.delete(stream))
        self._sweep()
        return was_there

    async def erase(self, stream: str, position: Position) -> bool:
        if self._ephemeral.has(stream):
            return await self._ephemeral.erase(stream, position)
        return await self._write(lambda w: w.erase(stream, position))

    async def expire(self) -> None:
        await self._ephemeral.expire()
        after: int | None = 0
        while after is not None:
            after = await self._write(partial(Writer.expire, after=after))
        self._sweep()

    # -- the contract: reading ------------------------------------------------------------------

    async def info(self, stream: str) -> StreamInfo | None:
        if self._ephemeral.has(stream):
            return await self._ephemeral.info(stream)
        answer, _ = await self._look(stream, Moment.info)
        return answer

    async def seek(self, stream: str, start: Start) -> Verdict:
        if self._ephemeral.has(stream):
            return await self._ephemeral.seek(stream, start)
        return await self._use(stream, lambda moment: moment.seek(start))

    async def read(self, stream: str, after: Position, *, entries_max: int, bytes_max: int) -> Page:
        if self._ephemeral.has(stream):
            return await self._ephemeral.read(
                stream, after, entries_max=entries_max, bytes_max=bytes_max
            )
        return await self._use(stream, lambda moment: moment.read(after, entries_max, bytes_max))

    async def read_back(
        self, stream: str, before: Position | None, *, entries_max: int, bytes_max: int
    ) -> Page:
        if self._ephemeral.has(stream):
            return await self._ephemeral.read_back(
                stream, before, entries_max=entries_max, bytes_max=bytes_max
            )
        return await self._use(
            stream, lambda moment: moment.read_back(before, entries_max, bytes_max)
        )

    async def names(self) -> AsyncIterator[str]:
        async for name in self._ephemeral.names():
            yield name
        readers, after = self._open_readers(), 0
        while found := await self._read(partial(readers.names, after, self._clock_ms())):
            for after, name in found:  # noqa: B007
                yield name

    # -- writing --------------------------------------------------------------------------------

    async def _write(self, job: Callable[[Writer], T], cost_bytes: int = 0) -> T:
        """Have a job done in the next transaction; return what it returned."""
        if self._is_closed:
            raise StoreUnavailableError("the store is closed; nothing was stored")
        if self._queued_bytes + cost_bytes > self._limits.queued_bytes_max and self._queued_bytes:
            raise StoreFullError(
                f"{self._queued_bytes} bytes wait for the disk; nothing was stored"
            )
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._queue.append((job, done))
        self._queued_bytes += cost_bytes
        if self._work is None:
            self._work = loop.create_task(self._work_off())
        try:
            return await done
        finally:
            self._queued_bytes -= cost_bytes

    async def _work_off(self) -> None:
        # Once around: what is asked for in this turn of the loop shares the first transaction.
        await asyncio.sleep(0)
        try:
            while self._queue:
                taken, self._queue = self._queue, []
                await self._commit(taken)
        finally:
            self._work = None

    async def _commit(self, taken: list[tuple[Job, asyncio.Future[Any]]]) -> None:
        jobs = [job for job, _ in taken]
        results: Sequence[object]
        try:
            results = await self._run(self._writing, lambda: self._do(jobs))
        except Exception as error:
            explained = self._explain(error)
            results = [explained] * len(taken)
        else:
            self._problem = None
            self._commits += 1
            self._jobs += len(jobs)
        for (_, done), result in zip(taken, results, strict=True):
            if done.done():
                continue  # the caller was cancelled
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)

    def _do(self, jobs: Sequence[Job]) -> list[object]:
        """On the writing thread."""
        if self._writer is None:
            self._connect()
        writer = self._writer
        assert writer is not None
        try:
            return writer.run(jobs)
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                # What a failed write left behind is not known: begin anew from the file.
                self._writer = None
                writer.connection.close()
            raise

    def _explain(self, error: Exception) -> StreamError:
        code = getattr(error, "sqlite_errorcode", None)
        self._problem = f"{self._path.name}: {error}"
        if code == sqlite3.SQLITE_FULL:
            logger.error("%s is full: %s", self._path, error)
            return StoreFullError("the disk or the file is full; nothing was stored")
        logger.error("writing %s failed", self._path, exc_info=error)
        return StoreUnavailableError(f"the store could not write: {error}")

    def _sweep(self) -> None:
        """Delete what removed streams left behind, piece by piece."""

        def again(task: asyncio.Task[bool]) -> None:
            if not task.cancelled() and task.exception() is None and task.result():
                self._sweep()

        asyncio.get_running_loop().create_task(self._write(lambda w: w.sweep())).add_done_callback(
            again
        )

    # -- reading --------------------------------------------------------------------------------

    async def _use(self, stream: str, question: Callable[[Moment], T]) -> T:
        """Answer somebody who reads a stream, which keeps it alive."""
        answer, is_ageing = await self._look(stream, question)
        if is_ageing:
            try:
                await self._write(lambda w: w.touch(stream))
            except StreamError as error:
                logger.warning("%r was read, but that could not be noted: %s", stream, error)
        return answer

    async def _look(self, stream: str, question: Callable[[Moment], T]) -> tuple[T, bool]:
        readers = self._open_readers()
        return await self._read(lambda: readers.look(stream, self._clock_ms(), question))

    async def _read(self, question: Callable[[], T]) -> T:
        if self._is_closed:
            raise StoreUnavailableError("the store is closed")
        try:
            return await self._run(self._reading, question)
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"the store could not be read: {error}") from error

    def _open_readers(self) -> Readers:
        if self._readers is None:
            raise StoreUnavailableError("the store is not open")
        return self._readers

    # -- inside ---------------------------------------------------------------------------------

    async def _is_ephemeral(self, stream: str, create: StreamSettings | None) -> bool:
        if self._ephemeral.has(stream):
            return True
        if create is None or not create.is_ephemeral:
            return False
        return await self.info(stream) is None

    async def _run(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
