"""One buffer for many connections: whole and in order on each, whatever happens to the others."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

import longwire
from longwire.net.endpoint import Endpoint
from longwire.net.fan_out import FanOut
from longwire.websocket.frames import encode_message
from tests.integration.net.local import eventually

COUNT = 40

OPENING = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Room(longwire.Callbacks):
    """What one says, all others hear."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self.closed = 0

    def on_open(self, connection: Endpoint) -> None:
        self.endpoints.append(connection)

    def on_message(self, connection: Endpoint, message: str | bytes) -> None:
        for endpoint in self.endpoints:
            if endpoint is not connection and endpoint.closed is None:
                endpoint.send(message)

    def on_close(self, connection: Endpoint, error: longwire.ConnectionClosed) -> None:
        self.closed += 1


@asynccontextmanager
async def room_of(count: int) -> AsyncIterator[tuple[Room, list[longwire.Connection]]]:
    """A server's side and the clients, each at the same place."""
    room = Room()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            longwire.serve(room, "127.0.0.1", 0, compression=None)
        )
        host, port = server.sockets[0].getsockname()
        clients = []
        for number in range(count):
            clients.append(
                await stack.enter_async_context(
                    longwire.connect(f"ws://{host}:{port}", compression=None, max_size=None)
                )
            )
            await eventually(lambda number=number: len(room.endpoints) == number + 1)  # type: ignore[misc]
        yield room, clients


@pytest.mark.parametrize("count", [1, 5, COUNT])
async def test_each_has_all_frames_between_what_it_alone_gets(count: int) -> None:
    async with room_of(count) as (room, clients):
        fan_out = FanOut(room.endpoints)
        for number in range(5):
            assert fan_out.send_bytes(encode_message(f"all {number}"), 1, 65_536) == []
            room.endpoints[0].send(f"one {number}")
        for place, client in enumerate(clients):
            for number in range(5):
                assert await client.recv() == f"all {number}"
                if place == 0:
                    assert await client.recv() == f"one {number}"


async def test_what_slow_ones_do_not_take_is_kept_and_comes_in_order() -> None:
    async with room_of(COUNT) as (room, clients):
        fan_out = FanOut(room.endpoints)
        frames = [encode_message(f"{number} " * 5000) for number in range(300)]
        over: set[int] = set()
        # Nobody turns meanwhile, so that the clients read nothing and the kernel's buffers fill.
        for frame in frames:
            over |= set(fan_out.send_bytes(frame, 1, 65_536))
        assert over == set(range(COUNT))
        for client in clients[::8]:
            for number in range(300):
                assert await client.recv() == f"{number} " * 5000


async def test_last_words_of_a_broken_one_come_behind_the_frame_on_all_others() -> None:
    async with room_of(10) as (room, clients):
        loop = asyncio.get_running_loop()
        with socket.socket() as peer:
            peer.setblocking(False)
            await loop.sock_connect(peer, room.endpoints[0].local_address[:2])
            await loop.sock_sendall(peer, OPENING)
            await eventually(lambda: len(room.endpoints) == 11)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.send(encode_masked("last words"))
        # Reset, and what it has said is not read yet: the server hears of both by writing to it.
        message = "for all " * 500_000  # more than a socket takes at once
        fan_out = FanOut([room.endpoints[-1], *room.endpoints[:-1]])
        assert set(fan_out.send_bytes(encode_message(message), 1, 65_536)) >= set(range(1, 11))
        for client in clients:
            assert await client.recv() == message
            assert await client.recv() == "last words"
        await eventually(lambda: room.closed == 1)


def encode_masked(text: str) -> bytes:
    payload = text.encode()
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload
