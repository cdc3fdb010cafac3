"""The proxy that strips Upgrade: what clients and servers see of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import longwire
from longwire.simulation import SimHost, World
from longwire.simulation.http_proxy import HEAD_OCTETS_MAX, HttpProxy


def three_hosts(proxy: HttpProxy) -> tuple[World, SimHost, SimHost]:
    """A client and a server, and the proxy between them on port 8080."""
    world = World(3)
    client, middle, server = world.host("client"), world.host("proxy"), world.host("server")
    world.link(client, middle, delay=0.01)
    world.link(middle, server, delay=0.01)
    world.at(0, lambda: middle.start(proxy.serve(8080)))
    return world, client, server


async def exchange(request: bytes) -> bytes:
    """Send octets to the proxy, and return all that comes back."""
    reader, writer = await asyncio.open_connection("proxy", 8080)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def show_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that answers with the head that it got and five octets of the body."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read(5) if b"Content-Length" in head else b""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + head + body)
    writer.close()


def answer_to(request: bytes, upstream: tuple[str, int] | None = ("server", 80)) -> bytes:
    proxy = HttpProxy(upstream, idle=5)
    world, client, server = three_hosts(proxy)

    async def main() -> bytes:
        await asyncio.sleep(0.1)
        with server:
            await asyncio.start_server(show_request, "0.0.0.0", 80)
        return await client.run(exchange(request))

    answer: bytes = world.run(main())
    status = int(answer.split()[1])
    assert (proxy.forwarded, proxy.refused) == ((1, 0) if status == 200 else (0, 1))
    return answer


def test_fields_of_the_hop_are_stripped_and_the_rest_passes() -> None:
    answer = answer_to(
        b"POST /path?x=1 HTTP/1.1\r\nHost: server\r\nConnection: Upgrade, X-Own\r\n"
        b"Upgrade: websocket\r\nX-Own: 1\r\nKeep-Alive: 5\r\nX-Kept: 2\r\n"
        b"Content-Length: 5\r\n\r\nhello"
    )
    lines = answer.split(b"\r\n\r\n", 1)[1].split(b"\r\n")
    assert lines == [
        *(b"POST /path?x=1 HTTP/1.1", b"Host: server", b"X-Kept: 2", b"Content-Length: 5"),
        *(b"Via: 1.1 proxy", b"Connection: close", b"", b"hello"),
    ]


def test_forward_proxy_goes_where_the_url_says() -> None:
    answer = answer_to(b"GET http://server:80/a?b HTTP/1.1\r\nHost: server\r\n\r\n", None)
    assert b"\r\n\r\nGET /a?b HTTP/1.1\r\n" in answer


@pytest.mark.parametrize(
    ("request_", "upstream", "status"),
    [
        (b"CONNECT server:443 HTTP/1.1\r\n\r\n", ("server", 80), 405),
        (b"GET /path HTTP/1.1\r\n\r\n", None, 400),
        (b"GET https://server/ HTTP/1.1\r\n\r\n", None, 400),
        (b"GET http://server:port/ HTTP/1.1\r\n\r\n", None, 400),
        (b"nonsense\r\n\r\n", ("server", 80), 400),
        (b"GET / HTTP/1.1\r\nno field\r\n\r\n", ("server", 80), 400),
        (b"GET / HTTP/1.1\r\nX: " + bytes(HEAD_OCTETS_MAX + 1), ("server", 80), 431),
        (b"GET / HTTP/1.1\r\n", ("server", 80), 400),  # the rest never comes
        (b"GET / HTTP/1.1\r\n\r\n", ("server", 81), 502),
        (b"GET / HTTP/1.1\r\n\r\n", ("nowhere", 80), 502),
    ],
)
def test_what_cannot_be_forwarded_is_answered(
    request_: bytes, upstream: tuple[str, int] | None, status: int
) -> None:
    assert answer_to(request_, upstream).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(("behaviour", "status"), [("silent", 504), ("closes", 502)])
def test_server_that_does_not_answer(behaviour: str, status: int) -> None:
    world, client, server = three_hosts(HttpProxy(("server", 80), idle=5))

    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if behaviour == "silent":
            await asyncio.sleep(100)
        writer.close()

    async def main() -> bytes:
        await asyncio.sleep(0.1)
        with server:
            await asyncio.start_server(misbehave, "0.0.0.0", 80)
        return await client.run(exchange(b"GET / HTTP/1.1\r\n\r\n"))

    assert world.run(main()).startswith(b"HTTP/1.1 %d " % status)


async def serve_echo() -> None:
    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    serving = await longwire.serve(echo, "0.0.0.0", 80, ping_interval=None)
    await serving.serve_forever()


def test_websocket_handshake_arrives_without_its_upgrade_and_is_refused() -> None:
    world, client, server = three_hosts(HttpProxy(("server", 80)))

    async def talk() -> None:
        with pytest.raises(longwire.HandshakeError) as raised:
            await longwire.connect("ws://proxy:8080/")
        assert "426" in str(raised.value)

    async def main() -> None:
        server.start(serve_echo())
        await asyncio.sleep(1)
        await client.run(talk())

    world.run(main())


def test_proxy_that_knows_upgrade_lets_a_websocket_live_until_it_is_idle() -> None:
    proxy = HttpProxy(("server", 80), strips_upgrade=False, idle=30)
    world, client, server = three_hosts(proxy)

    async def talk() -> float:
        async with longwire.connect("ws://proxy:8080/", ping_interval=None) as connection:
            for _ in range(3):
                await connection.send("hello")
                assert await connection.recv() == "hello"
                await asyncio.sleep(20)
            with pytest.raises(longwire.ConnectionClosed):
                await connection.recv()
            return world.now_s

    async def main() -> float:
        server.start(serve_echo())
        await asyncio.sleep(1)
        return await client.run(talk())

    # The last message passed at 41 s.
    assert 71 < world.run(main()) < 72
