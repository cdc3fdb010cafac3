"""Our client against the servers of other Python libraries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp.web
import picows
import pytest
import websockets.asyncio.server as websockets_server

from tests.interop.exchange import MESSAGE_BYTES_MAX, exchange

Serving = Callable[[], AbstractAsyncContextManager[str]]


@contextlib.asynccontextmanager
async def serve_websockets() -> AsyncIterator[str]:
    async def handler(connection: websockets_server.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets_server.serve(
        handler, "127.0.0.1", 0, subprotocols=["chat"], max_size=MESSAGE_BYTES_MAX
    ) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


@contextlib.asynccontextmanager
async def serve_aiohttp() -> AsyncIterator[str]:
    async def handler(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
        connection = aiohttp.web.WebSocketResponse(
            protocols=["chat"], max_msg_size=MESSAGE_BYTES_MAX
        )
        await connection.prepare(request)
        async for message in connection:
            if message.type is aiohttp.WSMsgType.TEXT:
                await connection.send_str(message.data)
            else:
                await connection.send_bytes(message.data)
        return connection

    application = aiohttp.web.Application()
    application.router.add_get("/", handler)
    runner = aiohttp.web.AppRunner(application)
    await runner.setup()
    try:
        await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


class PicowsEcho(picows.WSListener):
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.PONG:
            pass
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes(), frame.fin)


@contextlib.asynccontextmanager
async def serve_picows() -> AsyncIterator[str]:
    def listener(request: picows.WSUpgradeRequest) -> picows.WSUpgradeResponseWithListener:
        response = picows.WSUpgradeResponse.create_101_response(
            extra_headers={"Sec-WebSocket-Protocol": "chat"}
        )
        return picows.WSUpgradeResponseWithListener(response, PicowsEcho())

    server = await picows.ws_create_server(listener, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("serve", [serve_websockets, serve_aiohttp, serve_picows])
async def test_client_speaks_with_a_server_of(serve: Serving, compression: Any) -> None:
    async with serve() as uri:
        # aiohttp answers a Close frame with 1000, whatever it says.
        code = 1000 if serve is serve_aiohttp else 3002
        await asyncio.wait_for(exchange(uri, compression=compression, answers_close_with=code), 60)
