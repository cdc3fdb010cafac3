"""Hostile requests through nginx and HAProxy, which share connections to us among their clients.

A request is smuggled when we answer one that the proxy did not send: each that it did is marked.
What is left over in a shared connection would answer the next client, who asks for something of
his own after every vector.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from longwire.base.limits import HttpLimits
from longwire.net.http_exchange import ExchangeClosed, HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from tests.interop.proxies import SHARING_PROXIES
from tests.unit.http.smuggling_vectors import ONE_REQUEST, REFUSED, SMUGGLED, Vector

AT_A_TIME = 64


class Site:
    """Answers each request with its target; remembers all, and whether a proxy had sent them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def handle(self, exchange: HttpExchange) -> None:
        request = exchange.request
        source = "front" if "Front" in request.headers else "nobody"
        self.asked.append(f"{source} {request.method} {request.target}")
        with contextlib.suppress(ExchangeClosed):
            if request.target != "/early":
                await exchange.read_body()
            await exchange.respond(200, {}, request.target.encode())


@contextlib.asynccontextmanager
async def behind(proxy: str, folder: Path) -> AsyncIterator[tuple[Site, int]]:
    """A site, and the port of the proxy in front of it."""
    site = Site()
    # One of the vectors leaves the proxy waiting for the rest of a body.
    server = HttpServer(site.handle, limits=HttpLimits(body_timeout_s=1.0))
    listener = Listener(server.make_handler, host="127.0.0.1", port=0)
    await listener.start()
    try:
        upstream = listener.sockets[0].getsockname()[1]
        async with SHARING_PROXIES[proxy](upstream, folder) as port:
            yield site, port
    finally:
        await listener.close(5)
        await server.finished(5)


async def send(port: int, data: bytes) -> bytes:
    """Send all, return what comes until the proxy closes, which it does after a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    output = b""
    with contextlib.suppress(OSError):
        writer.write(data)
        while piece := await reader.read(65_536):
            output += piece
    writer.close()
    return output


async def check_own(port: int, number: int) -> None:
    """The next client of the proxy gets the answer to what he asked, and nobody else's."""
    own = f"/own-{number}"
    request = f"GET {own} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    output = await send(port, request.encode())
    head, _, body = output.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), output
    assert body == own.encode()


def numbered(vector: Vector, number: int) -> bytes:
    """The vector with what it smuggles, whose target tells its number."""
    rest = b"\r\n0\r\n\r\n" if vector in ONE_REQUEST else b""
    return (vector.data + SMUGGLED + rest).replace(b"/smuggled", b"/smug-%03d" % number)


@pytest.mark.parametrize("proxy", SHARING_PROXIES)
async def test_nothing_is_smuggled_past_a_proxy(proxy: str, tmp_path: Path) -> None:
    early = [
        vector._replace(name=f"{vector.name}, answered early", data=_early(vector.data))
        for vector in ONE_REQUEST
    ]
    vectors = [*REFUSED, *ONE_REQUEST, *early]
    gate = asyncio.Semaphore(AT_A_TIME)
    failures: list[str] = []

    async def attempt(port: int, number: int) -> None:
        async with gate:
            try:
                async with asyncio.timeout(20):
                    await send(port, numbered(vectors[number], number))
                    await check_own(port, number)
            except (AssertionError, TimeoutError) as error:
                failures.append(f"{vectors[number].name}: {error!r}")

    async with behind(proxy, tmp_path) as (site, port), asyncio.TaskGroup() as group:
        for number in range(len(vectors)):
            group.create_task(attempt(port, number))
    smuggled = [line for line in site.asked if not line.startswith("front ")]
    assert not smuggled
    assert not failures, "\n".join(failures)
    own = sum("/own-" in line for line in site.asked)
    assert own == len(vectors)
    assert len(site.asked) > own + 30, "the proxy let hardly anything through"


def _early(data: bytes) -> bytes:
    return data.replace(b" / ", b" /early ", 1)
