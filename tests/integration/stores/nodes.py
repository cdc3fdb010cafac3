"""Servers without sockets, a hub on a store each, and a proxy before Redis that can break."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from longwire.base.limits import RedisStoreLimits
from longwire.hub.hub import Hub
from longwire.stores.redis.store import RedisStore
from longwire.streams.entry import NewEntry
from longwire.streams.producer import ProducerStamp
from longwire.streams.store import Append, StreamSettings
from longwire.streams.verdict import Start, StartAt
from tests.unit.hub.collectors import EntrySink, StreamRecord, publish, subscribe

DEADLINE_S = 30.0

QUICK = RedisStoreLimits(
    call_timeout_s=5.0, reconnect_first_s=0.01, reconnect_max_s=0.1, canary_interval_s=0.5
)
"""Waits that suit a test."""


class Node:
    """What one server is to the others."""

    def __init__(self, url: str, limits: RedisStoreLimits = QUICK) -> None:
        self.store = RedisStore(url, limits=limits)
        self.hub = Hub(self.store)

    async def publish(self, *payloads: bytes, stream: str = "s", stamp=None, **more):
        return await self.hub.publish(publish(*payloads, stream=stream, stamp=stamp, **more))

    async def subscribe(self, start: Start = StartAt.TAIL, stream: str = "s") -> StreamRecord:
        sink = EntrySink()
        await subscribe(self.hub, sink, start, stream)
        return sink.of(stream)


@contextlib.asynccontextmanager
async def nodes(
    count: int, url: str, limits: RedisStoreLimits = QUICK
) -> AsyncIterator[list[Node]]:
    """That many servers on one Redis."""
    made = [Node(url, limits) for _ in range(count)]
    try:
        for node in made:
            await node.store.start()
        yield made
    finally:
        for node in made:
            await node.hub.close()


async def until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"in {deadline_s:g} s: not {what}"
        await asyncio.sleep(0.005)


def request(payload: bytes, *, stream: str = "s", stamp: tuple[str, int, int] | None = None):
    """An append that creates its stream."""
    producer = ProducerStamp(*stamp) if stamp else None
    return Append(stream, [NewEntry(payload)], producer=producer, create=StreamSettings())


class Proxy:
    """Passes bytes on to a port of this machine, until told to be silent or to lead elsewhere."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.is_silent = False
        """New bytes are taken and kept from going on, and nothing is closed: a black hole."""
        self.bytes_left: int | None = None
        """After so many more, whatever connection they are on, that connection is cut."""
        self.lost: bytes | None = None
        """These bytes are not passed on the next time that they come, whatever is around them."""
        self.delay_s = 0.0
        """A new connection is passed on only after this long."""
        self.latency_s = 0.0
        """An answer is passed on only after this long."""
        self._server: asyncio.Server | None = None
        self._pairs: list[_Pair] = []

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Close all connections at once."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.abort()

    def swallow(self, index: int) -> None:
        """Let the connection that was made as this one be a black hole, and no other."""
        self._pairs[index].is_silent = True

    @property
    def connections(self) -> int:
        return len(self._pairs)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.delay_s)
        try:
            onward = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(self, writer, onward[1])
        self._pairs.append(pair)
        await asyncio.gather(
            pair.pass_on(reader, onward[1]), pair.pass_on(onward[0], writer), return_exceptions=True
        )
        pair.abort()


class _Pair:
    def __init__(self, proxy: Proxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._near = near
        self._far = far
        self.is_silent = False

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            left = self._proxy.bytes_left
            if left is not None and len(data) >= left:
                self._proxy.bytes_left = None
                writer.write(data[:left])
                await writer.drain()
                self.abort_after_flush(writer)
                return
            if left is not None:
                self._proxy.bytes_left = left - len(data)
            lost = self._proxy.lost
            if lost is not None and lost in data:
                self._proxy.lost = None
                data = data.replace(lost, b"", 1)
            if writer is self._near:
                await asyncio.sleep(self._proxy.latency_s)
            if not (self.is_silent or self._proxy.is_silent):
                writer.write(data)
                await writer.drain()
        writer.close()

    def abort_after_flush(self, writer: asyncio.StreamWriter) -> None:
        """What was passed on arrives; the other way round nothing more does."""
        writer.close()
        (self._near if writer is self._far else self._far).transport.abort()

    def abort(self) -> None:
        self._near.transport.abort()
        self._far.transport.abort()
