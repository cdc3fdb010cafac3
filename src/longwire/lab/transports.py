"""The transports side by side: bytes and time for each message, of one reader and one publisher.

The client under test reaches the server through a relay that counts the bytes of TCP's payload in
both directions, heads and frames of every layer above among them. What is at the other end uses a
WebSocket past the relay, so that only one thing differs.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import string
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from longwire.client.client import Client

__all__ = ["Figures", "Load", "measure_transport"]

_READ_BYTES = 65_536
_TIMEOUT_S = 120.0
_STREAM = "bench/transports"
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent."""

    messages: int = 200
    per_s: float = 20.0
    payload_bytes: int = 100


@dataclass(frozen=True, slots=True)
class Figures:
    """One transport in one direction; bytes are those of one message on average."""

    transport: str
    work: str
    """``reading`` or ``publishing``."""
    p50_ms: float
    p99_ms: float
    bytes_down: float
    bytes_up: float


class _Relay:
    """Forwards connections and counts."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()
        self.down = 0
        self.up = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Accept connections in the block; gives the URL to reach the server by."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._forward_both(client, to_client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward_both(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        server, to_server = await asyncio.open_connection(*self._target)
        ways = [
            asyncio.ensure_future(self._forward(client, to_server, is_up=True)),
            asyncio.ensure_future(self._forward(server, to_client, is_up=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for writer in (to_client, to_server):
                writer.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                if is_up:
                    self.up += len(data)
                else:
                    self.down += len(data)
                writer.write(data)
                await writer.drain()


async def measure_transport(host: str, port: int, transport: str, load: Load) -> list[Figures]:
    """Measure one transport against a server at ``host``, ``port`` that anyone may use.

    Raises ``ClientError`` and ``TimeoutError`` when something does not arrive.
    """
    relay = _Relay(host, port)
    async with (
        relay.running() as url,
        Client(f"http://{host}:{port}", transports=["websocket"]) as other,
        Client(url, transports=[transport]) as client,
        asyncio.timeout(_TIMEOUT_S + load.messages / load.per_s),
    ):
        await client.connected()
        await other.connected()
        return [
            await _measure_reading(relay, client, other, transport, load),
            await _measure_publishing(relay, client, transport, load),
        ]


async def _measure_reading(
    relay: _Relay, client: Client, writer: Client, transport: str, load: Load
) -> Figures:
    took_s: list[float] = []
    sent_s: list[float] = []
    all_came = asyncio.get_running_loop().create_future()

    def receive(message: Any) -> None:
        took_s.append(time.perf_counter() - sent_s[message.data["n"]])
        if len(took_s) == load.messages:
            all_came.set_result(None)

    stream = f"{_STREAM}/{transport}/{time.time_ns():x}"
    subscription = client.subscribe(stream, receive)
    await subscription.ready()
    down, up = relay.down, relay.up
    async for number in _in_time(load):
        sent_s.append(time.perf_counter())
        await writer.publish(stream, _payload(number, load))
    await all_came
    figures = _figures(transport, "reading", took_s, relay.down - down, relay.up - up)
    subscription.unsubscribe()
    return figures


async def _measure_publishing(relay: _Relay, client: Client, transport: str, load: Load) -> Figures:
    took_s: list[float] = []
    stream = f"{_STREAM}/{transport}/{time.time_ns():x}"
    down, up = relay.down, relay.up
    async for number in _in_time(load):
        began_s = time.perf_counter()
        await client.publish(stream, _payload(number, load))
        took_s.append(time.perf_counter() - began_s)
    return _figures(transport, "publishing", took_s, relay.down - down, relay.up - up)


async def _in_time(load: Load) -> AsyncIterator[int]:
    """Number the messages, each at its time or as soon after it as can be."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for number in range(load.messages):
        await asyncio.sleep(max(0.0, began_s + number / load.per_s - loop.time()))
        yield number


def _payload(number: int, load: Load) -> dict[str, Any]:
    """Text that is not the same again and again, so that compression does not make it vanish."""
    head = len('{"n":,"x":""}') + len(str(number))
    letters = random.Random(number).choices(_LETTERS, k=max(0, load.payload_bytes - head))
    return {"n": number, "x": "".join(letters)}


def _figures(transport: str, work: str, took_s: Sequence[float], down: int, up: int) -> Figures:
    count = len(took_s)
    return Figures(
        transport,
        work,
        1000 * statistics.median(took_s),
        1000 * sorted(took_s)[min(count - 1, count * 99 // 100)],
        down / count,
        up / count,
    )
