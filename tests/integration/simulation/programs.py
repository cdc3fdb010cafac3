"""Conversations of unmodified libraries in a world; each returns the world when it has ended.

Run as ``python -m tests.integration.simulation.programs NAME [CERTIFICATE KEY]`` it prints the
hash of the capture, which other processes are to repeat.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

import longwire
from longwire.simulation import SimHost, World

IDLE_S = 3600
NAME = "longwire"  # the default names the version of Python


def pair(seed: int = 5) -> tuple[World, SimHost, SimHost]:
    world = World(seed)
    server, client = world.host("server"), world.host("client")
    world.link(server, client, delay=0.025, loss=0.005, jitter=0.001)
    return world, server, client


def contexts(certificate: str, key: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's and a client's context."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    serving.num_tickets = 0  # tickets hold the real time
    asking = ssl.create_default_context(cafile=certificate)
    asking.check_hostname = False
    return serving, asking


def run_longwire(certificate: str = "", key: str = "") -> World:
    world, server, client = pair()
    serving, asking = contexts(certificate, key) if certificate else (None, None)

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async def main() -> None:
        url = "wss://server:443/" if serving else "ws://server:443/"
        with server:
            listening = await longwire.serve(echo, "0.0.0.0", 443, ssl=serving, server_header=NAME)
        with client:
            async with longwire.connect(url, ssl=asking, user_agent_header=NAME) as connection:
                for size in (1, 200, 70_000):
                    await connection.send("x" * size)
                    assert await connection.recv() == "x" * size
                await asyncio.sleep(IDLE_S)
                await connection.send(b"still there")
                assert await connection.recv() == b"still there"
        listening.close()
        await listening.wait_closed()

    world.run(main())
    return world


def run_websockets(certificate: str = "", key: str = "") -> World:
    import websockets

    world, server, client = pair()
    serving, asking = contexts(certificate, key) if certificate else (None, None)

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async def main() -> None:
        url = "wss://server:443/" if serving else "ws://server:443/"
        with server:
            listening = await websockets.serve(echo, "0.0.0.0", 443, ssl=serving)
        with client:
            async with websockets.connect(url, ssl=asking) as connection:
                for size in (1, 200, 70_000):
                    await connection.send("x" * size)
                    assert await connection.recv() == "x" * size
                await asyncio.sleep(IDLE_S)
                await connection.send(b"still there")
                assert await connection.recv() == b"still there"
        listening.close()
        await listening.wait_closed()

    world.run(main())
    return world


def run_aiohttp(*_: str) -> World:
    import aiohttp
    from aiohttp import web

    world, server, client = pair()

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=bytes(200_000))

    async def echo(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        async for message in connection:
            await connection.send_str(message.data)
        return connection

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get("http://server/") as response:
                assert await response.read() == bytes(200_000)
            async with session.ws_connect("http://server/ws") as connection:
                await connection.send_str("hello")
                assert (await connection.receive()).data == "hello"

    async def main() -> None:
        app = web.Application()
        app.add_routes([web.get("/", page), web.get("/ws", echo)])
        runner = web.AppRunner(app)
        with server:
            await runner.setup()
            await web.TCPSite(runner, "0.0.0.0", 80).start()
        await client.run(ask())
        with server:
            await runner.cleanup()

    world.run(main())
    return world


def run_uvicorn_and_httpx(*_: str) -> World:
    import httpx
    import uvicorn

    world, server, client = pair()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    async def ask() -> None:
        async with httpx.AsyncClient() as session:
            for _ in range(3):
                response = await session.get("http://server/")
                assert response.text == "hello"
                # A pooled connection is asked with poll() whether it lives.
                await asyncio.sleep(1)
            assert response.headers["date"].startswith("Thu, 01 Jan 2026 00:00:")

    async def main() -> None:
        settings = uvicorn.Config(
            app, host="0.0.0.0", port=80, lifespan="off", loop="asyncio", log_level="error"
        )
        serving = uvicorn.Server(settings)
        program = server.start(serving.serve())
        await asyncio.sleep(1)
        await client.run(ask())
        serving.should_exit = True
        await program.wait()

    world.run(main())
    return world


def run_redis(*_: str) -> World:
    import redis.asyncio

    world, server, client = pair()
    values: dict[bytes, bytes] = {}

    async def command(reader: asyncio.StreamReader) -> list[bytes]:
        count = int((await reader.readline())[1:])
        words = []
        for _ in range(count):
            length = int((await reader.readline())[1:])
            words.append((await reader.readexactly(length + 2))[:-2])
        return words

    async def serve_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                name, *words = await command(reader)
            except ValueError:
                break
            answer = b"+OK\r\n"
            if name.upper() == b"SET":
                values[words[0]] = words[1]
            elif name.upper() == b"GET":
                answer = b"$%d\r\n%s\r\n" % (len(values[words[0]]), values[words[0]])
            elif name.upper() == b"PING":
                answer = b"+PONG\r\n"
            writer.write(answer)
        writer.close()

    async def ask() -> None:
        async with redis.asyncio.Redis(host="server", protocol=2) as store:
            assert await store.ping()
            await store.set("name", "longwire")
            assert await store.get("name") == b"longwire"

    async def main() -> None:
        with server:
            listening = await asyncio.start_server(serve_client, "0.0.0.0", 6379)
        await client.run(ask())
        listening.close()

    world.run(main())
    return world


def run_start_tls(certificate: str, key: str) -> World:
    world, server, client = pair()
    serving, asking = contexts(certificate, key)

    async def serve_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"GO\n")
        await writer.start_tls(serving)
        writer.write(await reader.readline())
        writer.close()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("server", 25)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"GO\n"
        await writer.start_tls(asking, server_hostname="server")
        writer.write(b"secret\n")
        assert await reader.readline() == b"secret\n"
        writer.close()

    async def main() -> None:
        with server:
            listening = await asyncio.start_server(serve_client, "0.0.0.0", 25)
        await client.run(ask())
        listening.close()

    world.run(main())
    return world


PROGRAMS = {
    "longwire": run_longwire,
    "websockets": run_websockets,
    "aiohttp": run_aiohttp,
    "uvicorn": run_uvicorn_and_httpx,
    "redis": run_redis,
    "start_tls": run_start_tls,
}

if __name__ == "__main__":
    sys.stdout.write(PROGRAMS[sys.argv[1]](*sys.argv[2:]).capture_digest())
