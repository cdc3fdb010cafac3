"""Servers on free local ports, raw peers, and waiting without a clock."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import longwire

__all__ = [
    "RawServer",
    "accept_key",
    "echo",
    "end_writing",
    "eventually",
    "open_links",
    "open_raw",
    "reset",
    "serving",
    "uri_at",
    "uri_of",
]

SERVER_TLS: ssl.SSLContext | None = None
"""What ``serving`` encrypts with, unless its caller says: set by the driver ``reactor-tls``."""


async def echo(connection: longwire.Connection) -> None:
    async for message in connection:
        await connection.send(message)


def uri_of(server: Any, scheme: str = "ws", host: str = "127.0.0.1", path: str = "/") -> str:
    """The URI of a server on its first socket, ours or another library's."""
    return f"{scheme}://{host}:{next(iter(server.sockets)).getsockname()[1]}{path}"


@contextlib.asynccontextmanager
async def serving(
    handler: Any = echo, **settings: Any
) -> AsyncIterator[tuple[longwire.Server, str]]:
    """A longwire server, and its URI."""
    is_tls = settings.setdefault("ssl", SERVER_TLS) is not None
    async with longwire.serve(handler, "127.0.0.1", 0, **settings) as server:
        yield server, uri_of(server, "wss" if is_tls else "ws")


async def open_raw(
    where: str | int, **settings: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams to the server at a URI or local port, encrypted if servers here are."""
    port = where if isinstance(where, int) else urlsplit(where).port
    context = None if SERVER_TLS is None else ssl.create_default_context()
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, **settings)


def connect_blocking(port: int) -> socket.socket:
    """A blocking socket to the server at a local port, encrypted if servers here are."""
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    if SERVER_TLS is None:
        return client
    return ssl.create_default_context().wrap_socket(client, server_hostname="127.0.0.1")


def uri_at(port: int, scheme: str = "ws") -> str:
    """The URI of a server on this machine, encrypted if servers here are."""
    return f"{scheme}{'' if SERVER_TLS is None else 's'}://127.0.0.1:{port}/"


def end_writing(writer: asyncio.StreamWriter) -> None:
    """Say that nothing more comes, where streams can: they cannot over TLS."""
    if writer.can_write_eof():
        writer.write_eof()


def open_links(server: longwire.Server) -> list[Any]:
    """The links of a server that are past TLS's handshake, if they have one."""
    return [
        link for link in server.listener.links if link.tls is None or link.tls.version() is not None
    ]


async def eventually(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Wait until ``condition`` holds; the time-out only ends a test that has failed."""
    async with asyncio.timeout(timeout_s):
        while not (value := condition()):
            await asyncio.sleep(0.005)
        return value


def reset(writer: asyncio.StreamWriter) -> None:
    """Make TCP send an RST instead of a FIN."""
    sock = writer.get_extra_info("socket")
    if sock is None:
        return  # the other side was faster
    duplicate = socket.socket(fileno=sock.fileno())
    duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    duplicate.detach()
    writer.transport.abort()


class RawServer:
    """A TCP server that is played by the test: ``async with RawServer() as raw``."""

    def __init__(self, play: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> None:
        self._play = play
        self.requests: list[bytes] = []

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.uri = f"ws://127.0.0.1:{self.port}/"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            await self._play(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def accept(self, *headers: str) -> bytes:
        """The 101 that accepts the latest request."""
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_key(self.requests[-1])}",
            *headers,
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def accept_key(request: bytes) -> str:
    from longwire.websocket.handshake import accept_value

    for line in request.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "sec-websocket-key":
            return accept_value(value)
    raise AssertionError(f"no key in {request!r}")
