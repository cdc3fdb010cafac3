"""Both ends, ours and others', with nginx or HAProxy in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets.asyncio.client as websockets_client

import longwire
from tests.interop.exchange import MESSAGE_BYTES_MAX, MESSAGES, exchange
from tests.interop.node import run_node
from tests.interop.proxies import PROXIES
from tests.interop.test_node import CLIENT
from tests.interop.test_python_clients import our_server
from tests.interop.test_python_servers import serve_websockets


@pytest.fixture(params=PROXIES)
def proxy(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@contextlib.asynccontextmanager
async def behind(proxy: str, uri: str, folder: Path) -> AsyncIterator[str]:
    """The URI of ``proxy`` in front of the server at ``uri``."""
    upstream = int(uri.rstrip("/").rpartition(":")[2])
    async with PROXIES[proxy](upstream, folder) as port:
        yield f"ws://127.0.0.1:{port}/"


async def test_our_client_reaches_our_server(proxy: str, tmp_path: Path) -> None:
    async with our_server() as server, behind(proxy, server, tmp_path) as uri:
        await asyncio.wait_for(exchange(uri), 60)


async def test_our_client_reaches_websockets(proxy: str, tmp_path: Path) -> None:
    async with serve_websockets() as server, behind(proxy, server, tmp_path) as uri:
        await asyncio.wait_for(exchange(uri), 60)


async def test_websockets_reaches_our_server(proxy: str, tmp_path: Path) -> None:
    async with (
        our_server() as server,
        behind(proxy, server, tmp_path) as uri,
        websockets_client.connect(uri, max_size=MESSAGE_BYTES_MAX, proxy=None) as connection,
    ):
        for message in MESSAGES:
            await connection.send(message)
            assert await connection.recv() == message
        await connection.close(3001)
    assert connection.close_code == 3001


async def test_npm_ws_reaches_our_server(proxy: str, tmp_path: Path) -> None:
    async with our_server() as server, behind(proxy, server, tmp_path) as uri:
        result = json.loads(await run_node(CLIENT, uri, "ws", packages=("ws", "undici")))
    assert result["echoes"] == [True] * 6
    assert result["code"] == 3456


async def test_client_names_a_proxy_without_a_server(proxy: str, tmp_path: Path) -> None:
    # The port is free again by then: nobody listens behind the proxy.
    async with our_server() as server:
        pass
    async with behind(proxy, server, tmp_path) as uri:
        with pytest.raises(longwire.HandshakeError) as caught:
            await longwire.connect(uri)
    assert caught.value.status in (502, 503)
