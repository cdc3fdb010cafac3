"""The native gateway on our own WebSocket connections: slow clients, many, shared frames."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from longwire.base.limits import NativeLimits, RetentionLimits
from longwire.gateways.native.formats.choice import choose_subprotocol
from longwire.gateways.native.gateway import NativeGateway
from longwire.hub.hub import Hub
from longwire.hub.publishing import Publish
from longwire.net.http_exchange import HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from longwire.net.settings import WebSocketSettings
from longwire.stores.memory import MemoryStore
from longwire.streams.entry import NewEntry
from longwire.streams.store import StreamSettings
from longwire.websocket.deflate import DeflateOptions

WAIT_S = 30.0


class Site:
    """A hub, its native gateway and an HTTP server in this process."""

    def __init__(self, entries_max: int | None = None, **limits: Any) -> None:
        retention = RetentionLimits(entries_max=entries_max, bytes_max=None)
        self.hub = Hub(
            MemoryStore(),
            settings_for=lambda stream, content_type: StreamSettings(
                content_type=content_type, retention=retention
            ),
        )
        self.gateway = NativeGateway(self.hub, limits=NativeLimits(**limits))
        self.closed: list[object] = []
        self.server = HttpServer(self.handle)
        self.listener = Listener(self.server.make_handler, host="127.0.0.1", port=0)

    async def handle(self, exchange: HttpExchange) -> None:
        exchange.upgrade_callbacks(
            self.gateway.callbacks(self.closed.append),
            settings=WebSocketSettings(deflate=DeflateOptions()),
            select_subprotocol=choose_subprotocol,
        )

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.listener.sockets[0].getsockname()[:2]
        return host, port

    async def open(self, **options: Any) -> ClientConnection:
        """Connect a client and let it say ``connect``."""
        shared = socket.socket()
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        shared.setblocking(False)
        await asyncio.get_running_loop().sock_connect(shared, self.address)
        client = await connect(
            "ws://site/ws",
            sock=shared,
            proxy=None,
            subprotocols=["longwire.v1.json"],  # type: ignore[list-item]
            ping_interval=None,
            **options,
        )
        answer = await ask(client, op="connect", id=1, version=1)
        assert answer["op"] == "connected"
        return client

    async def publish(self, *payloads: bytes, stream: str = "s") -> None:
        for payload in payloads:
            await self.hub.publish(Publish(stream, (NewEntry(payload),)))


@asynccontextmanager
async def site(**options: Any) -> AsyncIterator[Site]:
    running = Site(**options)
    await running.listener.start()
    try:
        yield running
    finally:
        await running.gateway.drain()
        await running.listener.close(5.0)
        await running.hub.close()


async def ask(client: ClientConnection, **message: Any) -> dict[str, Any]:
    await client.send(json.dumps(message))
    async with asyncio.timeout(WAIT_S):
        answer: dict[str, Any] = json.loads(await client.recv())
    return answer


async def entries(client: ClientConnection, count: int) -> list[Any]:
    """The data of the next entries, each connecting to the one before."""
    seen: list[dict[str, Any]] = []
    async with asyncio.timeout(WAIT_S):
        while len(seen) < count:
            message = json.loads(await client.recv())
            if message["op"] == "ping":
                continue
            assert message["op"] == "entry", message
            assert not seen or message["after"] == seen[-1]["position"]
            seen.append(message)
    return [message["data"] for message in seen]


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_shared_frames_reach_clients_with_and_without_compression(
    compression: str | None,
) -> None:
    async with site() as running:
        clients = [await running.open(compression=compression) for _ in range(5)]
        for client in clients:
            await ask(client, op="subscribe", id=2, stream="s")
        payloads = [json.dumps("é" * size).encode() for size in (0, 1, 60, 61, 62, 40_000)]
        await running.publish(*payloads)
        for client in clients:
            assert await entries(client, 6) == [json.loads(payload) for payload in payloads]
            has_deflate = bool(client.protocol.extensions)
            assert has_deflate is (compression == "deflate")
        assert running.hub.counters.encoded_entries == 6
        for client in clients:
            await client.close()
        async with asyncio.timeout(WAIT_S):
            while len(running.closed) < 5:
                await asyncio.sleep(0.01)
        assert running.gateway.connection_count == running.hub.counters.subscriptions == 0


async def test_slow_client_holds_little_and_gets_everything_retained() -> None:
    async with site() as running:
        slow, quick = await running.open(max_queue=1), await running.open()
        for client in (slow, quick):
            await ask(client, op="subscribe", id=2, stream="s")
        payload = b'"' + b"x" * 10_000 + b'"'
        reading = asyncio.ensure_future(entries(quick, 600))
        for _ in range(600):
            await running.publish(payload)
            await asyncio.sleep(0)
        assert len(await reading) == 600
        assert running.hub.counters.readers_blocked == 1
        held = [session.wire.held_bytes for session in running.gateway._sessions]
        assert max(held) < 400_000
        assert len(await entries(slow, 600)) == 600
        assert running.hub.counters.gaps == {}
        await running.publish(b'"live again"')
        assert await entries(slow, 1) == ["live again"]
        assert running.hub.counters.readers_blocked == 0


async def test_slow_client_is_told_the_exact_interval_that_retention_took() -> None:
    async with site(entries_max=50) as running:
        slow = await running.open(max_queue=1)
        await ask(slow, op="subscribe", id=2, stream="s")
        for n in range(1000):
            await running.publish(b'{"n":%d,"x":"%s"}' % (n, b"x" * 10_000))
            await asyncio.sleep(0)
        seen: list[int] = []
        gaps = []
        held = None
        async with asyncio.timeout(WAIT_S):
            while not seen or seen[-1] != 999:
                message = json.loads(await slow.recv())
                assert held is None or message["after"] == held
                if message["op"] == "gap":
                    gaps.append(message)
                    held = message["upto"]
                else:
                    seen.append(message["data"]["n"])
                    held = message["position"]
        (gap,) = gaps
        assert (gap["reason"], gap["lost"]) == ("trimmed", True)
        first, last = int(gap["after"][:16]), int(gap["upto"][:16])
        assert seen == [*range(first), *range(last, 1000)]
        assert last == 950


async def test_publisher_that_does_not_read_its_answers_is_slowed_by_tcp() -> None:
    async with site() as running:
        reader, writer = await asyncio.open_connection(*running.address, limit=1024)
        writer.transport.set_write_buffer_limits(0)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")

        def frame(message: dict[str, Any]) -> bytes:
            text = json.dumps(message).encode()
            # A masking key of zeros leaves the payload as it is.
            return b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text

        writer.write(frame({"op": "connect", "id": 1, "version": 1, "client": "x" * 100}))
        request = frame({"op": "history", "id": 2**52, "stream": "none" + "/x" * 50})

        async def ask_without_end() -> None:
            while True:
                writer.write(request * 200)
                await writer.drain()

        asking = asyncio.create_task(ask_without_end())
        (session,) = running.gateway._sessions
        link = session.wire._endpoint.link  # type: ignore[union-attr]
        async with asyncio.timeout(WAIT_S):
            while not link.is_reading_paused:
                await asyncio.sleep(0.01)
        assert session.wire.held_bytes < 400_000
        asking.cancel()
        writer.transport.abort()


async def test_a_thousand_subscribers_share_one_stream() -> None:
    async with site() as running:
        clients = [await running.open() for _ in range(100)]
        for client in clients:
            for n in range(10):
                await ask(client, op="subscribe", id=2 + n, stream=f"s{n}")
        assert running.hub.counters.subscriptions == 1000
        for n in range(10):
            await running.publish(b"%d" % n, stream=f"s{n}")
        for client in clients:
            seen = [json.loads(await client.recv()) for _ in range(10)]
            assert sorted(message["data"] for message in seen) == list(range(10))
        assert running.hub.counters.encoded_entries == 10


async def test_first_heartbeat_does_not_wait_for_the_time_that_connect_has() -> None:
    async with site(heartbeat_s=0.8, connect_timeout_s=3600) as running:
        client = await running.open()
        async with asyncio.timeout(WAIT_S):
            assert json.loads(await client.recv()) == {"op": "ping"}


async def test_heartbeats_keep_an_idle_connection_and_end_a_dead_one() -> None:
    async with site(heartbeat_s=0.8) as running:
        alive, dead = await running.open(), await running.open()
        dead.transport.pause_reading()  # answers nothing any more
        async with asyncio.timeout(WAIT_S):
            while running.gateway.connection_count > 1:
                message = json.loads(await alive.recv())
                assert message == {"op": "ping"}
                await alive.send('{"op":"pong"}')
        dead.transport.resume_reading()
        await dead.wait_closed()
        assert dead.close_code == 4001
        assert (await ask(alive, op="history", id=5, stream="s"))["op"] in ("history", "ping")
