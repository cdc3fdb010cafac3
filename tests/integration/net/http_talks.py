"""HTTP servers over real sockets, and clients that talk to them in bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from longwire.net.http_exchange import HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from tests.integration.net import local
from tests.integration.net.local import end_writing, open_raw

__all__ = ["LAST", "get", "hello", "http", "talk", "websocket_handshake"]

Serve = tuple[HttpServer, Listener, int]


@contextlib.asynccontextmanager
async def http(
    handler: Callable[[HttpExchange], Awaitable[None] | None], **settings: Any
) -> AsyncIterator[Serve]:
    server = HttpServer(handler, **settings)
    listener = Listener(server.make_handler, host="127.0.0.1", port=0, ssl=local.SERVER_TLS)
    await listener.start()
    try:
        yield server, listener, listener.sockets[0].getsockname()[1]
    finally:
        await listener.close(5)
        assert await server.finished(5) == []


async def hello(exchange: HttpExchange) -> None:
    await exchange.respond(200, {"Content-Type": "text/plain"}, b"hello\n")


async def talk(port: int, request: bytes, *, is_half_closed: bool = False) -> bytes:
    """Send bytes, return all that comes back until the server closes."""
    reader, writer = await open_raw(port)
    writer.write(request)
    if is_half_closed:
        end_writing(writer)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


def get(path: str = "/", *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def websocket_handshake() -> bytes:
    return get(
        "/",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )


LAST = "Connection: close"
