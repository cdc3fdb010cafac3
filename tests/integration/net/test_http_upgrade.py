"""WebSockets that begin as requests of the HTTP server, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

import longwire
from longwire.net.http_exchange import HttpExchange
from tests.integration.net.http_talks import LAST, get, hello, http, talk, websocket_handshake
from tests.integration.net.local import (
    echo,
    end_writing,
    eventually,
    open_raw,
    reset,
    uri_at,
)


async def test_websocket_upgrade_in_coroutine_style() -> None:
    async def handler(exchange: HttpExchange) -> None:
        if exchange.request.protocol != "websocket":
            await hello(exchange)
            return
        connection = exchange.upgrade_websocket(subprotocols=["chat"], headers={"X-Id": "7"})
        assert exchange.closed and exchange.status == 101
        await connection.send("welcome")
        await echo(connection)

    async with http(handler) as (_, _, port):
        async with longwire.connect(uri_at(port), subprotocols=["chat"]) as ws:
            assert ws.subprotocol == "chat"
            assert ws.response.headers["X-Id"] == "7"
            assert await ws.recv() == "welcome"
            await ws.send("x" * 1000)
            assert await ws.recv() == "x" * 1000
        assert ws.closed is not None and ws.closed.is_ok
        assert (await talk(port, get("/", LAST))).endswith(b"hello\n")


async def test_websocket_upgrade_in_callback_style_outlives_the_handler() -> None:
    class Echo(longwire.Callbacks):
        def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
            connection.send(message)

    async def handler(exchange: HttpExchange) -> None:
        exchange.upgrade_callbacks(Echo())

    async with (
        http(handler) as (server, _, port),
        longwire.connect(uri_at(port)) as ws,
    ):
        await eventually(lambda: not server.exchanges)
        await ws.send("x")
        assert await ws.recv() == "x"


async def test_refused_upgrade_can_still_be_answered() -> None:
    async def handler(exchange: HttpExchange) -> None:
        try:
            exchange.upgrade_websocket(is_origin_allowed=lambda origin: False)
        except longwire.HandshakeError as error:
            response = error.response()
            await exchange.respond(error.status, {}, response.body)

    async with http(handler) as (_, _, port):
        with pytest.raises(longwire.HandshakeError) as caught:
            await longwire.connect(uri_at(port), origin="https://evil.example")
        assert caught.value.status == 403


async def test_websocket_handler_that_fails_closes_with_1011() -> None:
    async def handler(exchange: HttpExchange) -> None:
        exchange.upgrade_websocket()
        raise ZeroDivisionError

    async with http(handler) as (_, _, port):
        ws = await longwire.connect(uri_at(port))
        await ws.wait_closed()
        assert ws.close_code == 1011


async def test_frames_right_behind_the_upgrade_are_not_lost() -> None:
    async def handler(exchange: HttpExchange) -> None:
        await asyncio.sleep(0.02)
        connection = exchange.upgrade_websocket()
        await connection.send(await connection.recv())

    async with http(handler) as (_, _, port):
        reader, writer = await open_raw(port)
        writer.write(websocket_handshake() + b"\x81\x82\0\0\0\0hi")
        async with asyncio.timeout(20):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(4) == b"\x81\x02hi"
        writer.close()


@pytest.mark.parametrize("leave", [end_writing, reset], ids=["end of its direction", "reset"])
async def test_client_that_left_before_its_upgrade_was_accepted_is_noticed(
    leave: Callable[[asyncio.StreamWriter], None], caplog: pytest.LogCaptureFixture
) -> None:
    asked, gate, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(exchange: HttpExchange) -> None:
        try:
            asked.set()
            await gate.wait()
            async for _ in exchange.upgrade_websocket():
                pass
        finally:
            ended.set()

    async with http(handler) as (_, listener, port):
        _, writer = await open_raw(port)
        writer.write(websocket_handshake())
        await asked.wait()
        (link,) = listener.links
        leave(writer)
        if leave is reset or link.tls is not None:
            writer.close()
            await eventually(lambda: not listener.links or link.handler.has_eof)
        else:
            await eventually(lambda: link.handler.has_eof)
        gate.set()
        async with asyncio.timeout(20):
            await ended.wait()
    assert "failed" not in caplog.text
