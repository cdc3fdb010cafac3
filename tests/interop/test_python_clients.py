"""Clients of other libraries against our server: websockets, aiohttp, picows, libcurl."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import picows
import pycurl
import pytest
import websockets.asyncio.client as websockets_client

import longwire
from tests import needs
from tests.interop.exchange import MESSAGE_BYTES_MAX, MESSAGES, echo

CURL_ATTEMPTS_MAX = 10_000


@contextlib.asynccontextmanager
async def our_server(**options: Any) -> AsyncIterator[str]:
    async with longwire.serve(
        echo, "127.0.0.1", 0, subprotocols=["chat"], max_size=MESSAGE_BYTES_MAX, **options
    ) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_server_speaks_with_websockets(compression: Any) -> None:
    async with (
        our_server() as uri,
        websockets_client.connect(
            uri,
            subprotocols=["chat"],  # type: ignore[list-item]
            compression=compression,
            max_size=MESSAGE_BYTES_MAX,
            proxy=None,
        ) as connection,
    ):
        assert connection.subprotocol == "chat"
        for message in MESSAGES:
            await connection.send(message)
            assert await connection.recv() == message
        await connection.send(["frag", "", "ments"])
        assert await connection.recv() == "fragments"
        assert await (await connection.ping()) > 0
        await connection.close(3001, "done")
    assert connection.close_code == 3001


@pytest.mark.parametrize("window_bits", [0, 9, 15])
async def test_server_speaks_with_aiohttp(window_bits: int) -> None:
    async with (
        our_server() as uri,
        aiohttp.ClientSession() as session,
        session.ws_connect(
            uri, protocols=["chat"], compress=window_bits, max_msg_size=MESSAGE_BYTES_MAX
        ) as connection,
    ):
        assert connection.protocol == "chat"
        for message in MESSAGES:
            if isinstance(message, str):
                await connection.send_str(message)
            else:
                await connection.send_bytes(message)
            assert (await connection.receive()).data == message
        await connection.close(code=3003)
        assert connection.close_code == 3003


class PicowsClient(picows.WSListener):
    def __init__(self) -> None:
        self.received: asyncio.Queue[object] = asyncio.Queue()
        self.parts: list[bytes] = []

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            self.received.put_nowait(int(frame.get_close_code()))
            transport.disconnect()
            return
        self.parts.append(frame.get_payload_as_bytes())
        if frame.fin:
            self.received.put_nowait(b"".join(self.parts))
            self.parts = []


async def test_server_speaks_with_picows() -> None:
    async with our_server() as uri:
        transport, listener = await picows.ws_connect(PicowsClient, uri)
        assert isinstance(listener, PicowsClient)
        for message in MESSAGES:
            is_text = isinstance(message, str)
            payload = message.encode() if isinstance(message, str) else message
            transport.send(picows.WSMsgType.TEXT if is_text else picows.WSMsgType.BINARY, payload)
            assert await listener.received.get() == payload
        transport.send_close(picows.WSCloseCode.OK)
        assert await listener.received.get() == 1000


def curl_exchange(uri: str) -> dict[str, Any]:
    """Send and receive with libcurl's own WebSocket, in a thread: it is a blocking library."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, uri)
    curl.setopt(pycurl.CONNECT_ONLY, 2)
    curl.setopt(pycurl.PROXY, "")
    curl.perform()
    seen: dict[str, Any] = {"status": curl.getinfo(pycurl.RESPONSE_CODE), "echoes": []}
    for message in MESSAGES[:-1]:
        payload = message.encode() if isinstance(message, str) else message
        send_with_curl(
            curl, payload, pycurl.WS_TEXT if isinstance(message, str) else pycurl.WS_BINARY
        )
        seen["echoes"].append(receive_with_curl(curl, len(payload)))
    send_with_curl(curl, b"\x03\xe8", pycurl.WS_CLOSE)
    seen["close"] = receive_with_curl(curl, 2)
    curl.close()
    return seen


def send_with_curl(curl: Any, payload: bytes, flags: int) -> None:
    sent = 0
    for _ in range(CURL_ATTEMPTS_MAX):
        try:
            # The whole length with the first call, 0 with those that go on.
            sent += curl.ws_send(payload[sent:], flags)
        except BlockingIOError:
            continue
        if sent >= len(payload):
            return
    raise AssertionError("libcurl could not send")


def receive_with_curl(curl: Any, size: int) -> bytes:
    received = b""
    for _ in range(CURL_ATTEMPTS_MAX):
        try:
            chunk, meta = curl.ws_recv(65536)
        except BlockingIOError:
            continue
        received += chunk
        if meta.bytesleft == 0 and len(received) >= size:
            return received
    raise AssertionError(f"libcurl received {len(received)} of {size} bytes")


async def test_server_speaks_with_libcurl() -> None:
    async with our_server() as uri:
        seen = await asyncio.to_thread(curl_exchange, uri)
    assert seen["status"] == 101
    assert seen["close"] == b"\x03\xe8"
    for message, echoed in zip(MESSAGES, seen["echoes"], strict=False):
        assert echoed == (message.encode() if isinstance(message, str) else message)


async def test_server_tells_plain_curl_what_to_do() -> None:
    curl = needs.require("curl")
    async with our_server() as uri:
        done = await asyncio.to_thread(
            subprocess.run,
            [curl, "-s", "-w", "%{json}", "-o", "/dev/stderr", uri.replace("ws", "http", 1)],
            capture_output=True,
            text=True,
            check=True,
        )
    assert json.loads(done.stdout)["http_code"] == 426
    assert "WebSocket" in done.stderr
