"""Keepalive and peers that take what we send slowly: not dead, while those that stand still are."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import AsyncIterator

import pytest

import longwire

INTERVAL_S = 0.2
TIMEOUT_S = 1.0
"""Several times what lies between two looks at a peer that takes slowly, on a busy machine too."""

SENT_BYTES = 400_000


class Flood(longwire.Callbacks):
    """Sends much at once, and notes how it ended."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[longwire.ConnectionClosed] = (
            asyncio.get_running_loop().create_future()
        )

    def on_open(self, connection: longwire.Endpoint) -> None:
        connection.send(bytes(SENT_BYTES))

    def on_close(self, connection: longwire.Endpoint, error: longwire.ConnectionClosed) -> None:
        self.closed.set_result(error)


@pytest.fixture
async def flood() -> AsyncIterator[tuple[Flood, int]]:
    flood = Flood()
    async with longwire.serve(
        flood,
        "127.0.0.1",
        0,
        compression=None,
        ping_interval=INTERVAL_S,
        ping_timeout=TIMEOUT_S,
    ) as server:
        yield flood, server.sockets[0].getsockname()[1]


def connect(port: int) -> socket.socket:
    """A WebSocket with little room for what it has not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    return sock


async def test_peer_that_takes_slowly_is_not_taken_for_dead(flood: tuple[Flood, int]) -> None:
    handler, port = flood
    sock = await asyncio.to_thread(connect, port)
    loop = asyncio.get_running_loop()
    begun_s, taken = loop.time(), 0
    # Its own pongs would come after all that lies before the pings.
    while taken < SENT_BYTES:
        chunk = await asyncio.to_thread(sock.recv, 4096)
        assert chunk, f"hung up after {taken} bytes: {handler.closed}"
        taken += len(chunk)
        await asyncio.sleep(0.02)
    assert loop.time() - begun_s > INTERVAL_S + TIMEOUT_S
    sock.close()


async def test_peer_that_stands_still_is_given_up(flood: tuple[Flood, int]) -> None:
    handler, port = flood
    sock = await asyncio.to_thread(connect, port)
    async with asyncio.timeout(20):
        error = await handler.closed
    assert error.verdict.code == "peer_process_stuck"
    sock.close()


class Deaf(Flood):
    """Does not read before the peer has taken what it was sent."""

    def on_open(self, connection: longwire.Endpoint) -> None:
        super().on_open(connection)
        connection.pause_reading()


async def serve_deaf() -> tuple[Deaf, longwire.Server]:
    deaf = Deaf()
    server = await longwire.serve(
        deaf, "127.0.0.1", 0, compression=None, ping_interval=INTERVAL_S, ping_timeout=TIMEOUT_S
    )
    return deaf, server


async def test_peer_that_stands_still_is_given_up_although_it_is_not_read() -> None:
    deaf, server = await serve_deaf()
    async with server:
        sock = await asyncio.to_thread(connect, server.sockets[0].getsockname()[1])
        async with asyncio.timeout(20):
            error = await deaf.closed
        assert error.verdict.code == "peer_process_stuck"
        assert "took nothing of what we sent" in str(error.verdict)
        sock.close()


async def test_peer_that_takes_slowly_is_not_given_up_while_it_is_not_read() -> None:
    deaf, server = await serve_deaf()
    async with server:
        sock = await asyncio.to_thread(connect, server.sockets[0].getsockname()[1])
        loop = asyncio.get_running_loop()
        begun_s, taken = loop.time(), 0
        while taken < SENT_BYTES:
            chunk = await asyncio.to_thread(sock.recv, 4096)
            assert chunk, f"hung up after {taken} bytes: {deaf.closed}"
            taken += len(chunk)
            await asyncio.sleep(0.02)
        # Nothing waits any more, and nobody is asked anything: so it stays.
        assert loop.time() - begun_s > INTERVAL_S + TIMEOUT_S
        await asyncio.sleep(2 * INTERVAL_S + TIMEOUT_S)
        assert not deaf.closed.done()
        sock.close()


class PingCounter(longwire.Callbacks):
    def __init__(self) -> None:
        self.pings = 0

    def on_ping(self, connection: longwire.Endpoint, payload: bytes) -> None:
        self.pings += 1


class Ticker(longwire.Callbacks):
    """Always has something on its way to the peer."""

    def on_open(self, connection: longwire.Endpoint) -> None:
        self._tick(connection)

    def _tick(self, connection: longwire.Endpoint) -> None:
        if connection.closed is None:
            if connection.held_bytes < 1_000_000:
                connection.send(bytes(100_000))
            asyncio.get_running_loop().call_later(0.002, self._tick, connection)


async def test_peer_that_is_sent_to_all_the_time_is_asked_all_the_same() -> None:
    """Its pongs may be all that is ever heard of it."""
    async with longwire.serve(
        Ticker(), "127.0.0.1", 0, compression=None, ping_interval=INTERVAL_S, ping_timeout=TIMEOUT_S
    ) as server:
        counter = PingCounter()
        port = server.sockets[0].getsockname()[1]
        attempt = longwire.connect(f"ws://127.0.0.1:{port}/", compression=None)
        endpoint = await attempt.with_callbacks(counter)
        async with asyncio.timeout(20):
            while counter.pings < 4:
                await asyncio.sleep(0.05)
        assert endpoint.closed is None
        endpoint.abort()
