"""Many connections that end in every way: nothing is logged as a bug, nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random

import pytest

import longwire
from longwire.net.http_exchange import HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from longwire.net.loop_state import loop_state
from tests.integration.net import local
from tests.integration.net.local import echo, end_writing, eventually, open_raw, reset, serving

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
TEXT = b"\x81\x82\0\0\0\0hi"
SCRIPTS = [
    b"",
    b"GET / HT",
    b"\r\n\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    UPGRADE,
    UPGRADE + TEXT,
    UPGRADE + TEXT * 500,
    UPGRADE + TEXT + b"\x88\x80\0\0\0\0",
    UPGRADE + b"\x88\x82\0\0\0\0\x03\xe8" + TEXT,
    UPGRADE + b"\x81\x02hi",  # not masked
    UPGRADE + b"\xc1\x85\0\0\0\0\xff\xff\xff\xff\xff",  # no deflate data
    UPGRADE + b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"\0\0\0\0",
    UPGRADE + b"\x89\x84\0\0\0\0ping" * 50,
    UPGRADE + b"\x01\x81\0\0\0\0a",  # a message that never ends
]


async def misbehave(port: int, chooser: random.Random) -> None:
    """One connection: send something, perhaps cut into pieces, perhaps read, end somehow."""
    reader, writer = await open_raw(port)
    script = chooser.choice(SCRIPTS)
    cut = chooser.randrange(len(script) + 1)
    try:
        for part in (script[:cut], script[cut:]):
            writer.write(part)
            for _ in range(chooser.randrange(4)):
                await asyncio.sleep(0)
        if chooser.random() < 0.5:
            await asyncio.wait_for(reader.read(1000), chooser.random() * 0.05)
    except (OSError, TimeoutError):
        pass
    ending = chooser.randrange(3)
    if ending == 0:
        reset(writer)
    elif ending == 1:
        if not writer.is_closing():
            with contextlib.suppress(OSError):
                end_writing(writer)
        await asyncio.sleep(chooser.random() * 0.02)
        writer.close()
    else:
        writer.close()


async def is_quiet_and_empty(
    listener: Listener, problems: list[dict[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    await eventually(lambda: not listener.links)
    assert problems == []
    errors = [record.getMessage() for record in caplog.records if record.levelno > logging.WARNING]
    assert errors == []
    assert loop_state(asyncio.get_running_loop()).lag._users == 0
    gc.collect()


@pytest.mark.parametrize("style", ["coroutines", "callbacks"])
async def test_serve_survives_clients_of_every_kind(
    style: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Echo(longwire.Callbacks):
        def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
            connection.send(message)

    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    chooser = random.Random(6455)
    handler = echo if style == "coroutines" else Echo()
    async with serving(handler, open_timeout=0.5, close_timeout=0.2) as (server, uri):
        port = server.sockets[0].getsockname()[1]
        for _ in range(12):
            await asyncio.gather(*(misbehave(port, chooser) for _ in range(40)))
        async with longwire.connect(uri) as ws:
            await ws.send("still served")
            assert await ws.recv() == "still served"
        await is_quiet_and_empty(server.listener, problems, caplog)


async def test_http_server_survives_clients_of_every_kind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(exchange: HttpExchange) -> None:
        if exchange.request.protocol == "websocket":
            await echo(exchange.upgrade_websocket())
        elif exchange.request.method == "POST":
            await exchange.respond(200, {}, await exchange.read_body())
        else:
            exchange.start(200)
            for _ in range(5):
                exchange.write(b"piece")
                await exchange.drain()
            exchange.finish()

    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    chooser = random.Random(9112)
    server = HttpServer(handler)
    listener = Listener(server.make_handler, host="127.0.0.1", port=0, ssl=local.SERVER_TLS)
    await listener.start()
    port = listener.sockets[0].getsockname()[1]
    for _ in range(12):
        await asyncio.gather(*(misbehave(port, chooser) for _ in range(40)))
    await listener.close(1)
    assert await server.finished(20) == []
    await is_quiet_and_empty(listener, problems, caplog)


async def test_clients_survive_servers_of_every_kind(caplog: pytest.LogCaptureFixture) -> None:
    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    chooser = random.Random(7692)
    answers = [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"garbage\r\n\r\n",
        None,
    ]

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from tests.integration.net.local import accept_key

        try:
            request = await reader.readuntil(b"\r\n\r\n")
            answer = chooser.choice(answers)
            if answer is None:
                answer = (
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
                    + accept_key(request).encode()
                    + b"\r\n\r\n"
                    + chooser.choice([b"", b"\x81\x02hi" * 9, b"\x88\x00", b"\x81\x82xxxxhi"])
                )
            cut = chooser.randrange(len(answer) + 1)
            writer.write(answer[:cut])
            await asyncio.sleep(0)
            writer.write(answer[cut:])
            if chooser.random() < 0.5:
                reset(writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def visit(uri: str) -> None:
        try:
            async with asyncio.timeout(chooser.random() * 0.2):
                async with longwire.connect(uri, close_timeout=0.1) as ws:
                    async for _ in ws:
                        await ws.send("answer")
        except (OSError, TimeoutError, longwire.LongwireError):
            pass

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    for _ in range(10):
        await asyncio.gather(*(visit(uri) for _ in range(30)))
    server.close()
    assert problems == []
    await eventually(lambda: loop_state(asyncio.get_running_loop()).lag._users == 0)
