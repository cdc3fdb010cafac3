"""A stranger's requests of the native protocol over plain HTTP, by docs/protocol.md, 18 alone."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

NDJSON = "application/x-ndjson"
KEY = "0123456789abcdef-of-a-test"
CONNECT = {"op": "connect", "id": 1, "version": 1}
WAIT_S = 20.0


def body_of(*operations: dict[str, Any], connect: dict[str, Any] | None = None) -> bytes:
    """``connect`` and what follows it, a line each."""
    messages = [CONNECT | (connect or {}), *operations]
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


async def ask(
    url: str,
    *operations: dict[str, Any],
    connect: dict[str, Any] | None = None,
    **headers: str,
) -> list[dict[str, Any]]:
    """Send one request that is not refused; return the messages of its answer."""
    status, fields, body = await post(url, body_of(*operations, connect=connect), **headers)
    assert status == 200, body
    assert fields["content-type"] == NDJSON
    return [json.loads(line) for line in body.splitlines()]


Answer = tuple[int, dict[str, str], bytes]
"""Status, header fields with their names in lower case, body."""


async def post(url: str, body: bytes, **headers: str) -> Answer:
    """Send a body as it is."""
    fields = {"content-type": NDJSON}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{url}/ws", body, fields, method="POST")

    def exchange() -> Answer:
        try:
            response = urllib.request.urlopen(request, timeout=WAIT_S)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            names = {name.lower(): value for name, value in response.headers.items()}
            return response.status, names, response.read()

    return await asyncio.to_thread(exchange)


class Events:
    """A response of server-sent events, read as it comes."""

    def __init__(self, reader: asyncio.StreamReader, head: str) -> None:
        self._reader = reader
        self.head = head
        self.all: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any] | None:
        """The next message; ``None`` at the end of the response."""
        lines: list[str] = []
        async with asyncio.timeout(WAIT_S):
            while True:
                line = (await self._reader.readline()).decode()
                if not line:
                    return None
                if line.startswith("data: "):
                    lines.append(line.removeprefix("data: ").rstrip("\n"))
                elif line == "\n" and lines:
                    self.all.append(json.loads("\n".join(lines)))
                    return self.all[-1]

    async def until(self, op: str) -> dict[str, Any]:
        """The next message with this op."""
        while True:
            message = await self.next()
            assert message is not None, f"the response ended before {op}"
            if message["op"] == op:
                return message


@asynccontextmanager
async def events(
    url: str,
    *operations: dict[str, Any],
    connect: dict[str, Any] | None = None,
    **headers: str,
) -> AsyncIterator[Events]:
    """Ask for events; HTTP/1.0, so that there are no chunks to take apart."""
    authority, _, mount = url.removeprefix("http://").partition("/")
    host, port = authority.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
    body = body_of(*operations, connect=connect)
    lines = [
        f"POST {mount and '/' + mount}/ws HTTP/1.0",
        f"Host: {host}",
        f"Content-Type: {NDJSON}",
        "Accept: text/event-stream",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        yield Events(reader, head)
    finally:
        writer.transport.abort()
