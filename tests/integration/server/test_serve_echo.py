"""``/echo`` of ``longwire serve --dev``, driven by ``websockets``."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import connect

from longwire.server.echo import ECHO_HELD_BYTES_MAX
from tests.integration.server.running import RunningServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("serve"), "--dev") as running:
        yield running


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_echo_returns_each_message_with_its_type(
    server: RunningServer, compression: str | None
) -> None:
    url = server.websocket_url + "/echo"
    async with connect(url, compression=compression, max_size=None, proxy=None) as socket_:
        for message in ("", "hé☃", b"\x00\xff", "z" * 300_000, bytes(range(256)) * 8_192):
            await socket_.send(message)
            assert await socket_.recv() == message
        await socket_.send(["in ", "three ", "fragments"])
        assert await socket_.recv() == "in three fragments"


async def test_echo_takes_sixteen_mebibytes_in_many_fragments(server: RunningServer) -> None:
    url = server.websocket_url + "/echo"
    piece = bytes(range(256))
    async with connect(url, compression=None, max_size=None, proxy=None) as socket_:
        await socket_.send([piece] * 65_536)
        assert await socket_.recv() == piece * 65_536


async def test_echo_refuses_a_message_over_its_limit(server: RunningServer) -> None:
    url = server.websocket_url + "/echo"
    # Not as a context: leaving one trips over the connection that the server has closed.
    socket_ = await connect(url, compression=None, max_size=None, proxy=None)
    await socket_.send(b"x" * (16 * 1024 * 1024 + 1))
    with pytest.raises(websockets.ConnectionClosed) as caught:
        await socket_.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


async def test_echo_takes_the_first_subprotocol(server: RunningServer) -> None:
    url = server.websocket_url + "/echo"
    async with connect(url, subprotocols=["one", "two"], proxy=None) as socket_:  # type: ignore[list-item]
        assert socket_.subprotocol == "one"


async def test_7692_echo_negotiates_context_takeover_and_window_bits(
    server: RunningServer,
) -> None:
    url = server.websocket_url + "/echo"
    async with connect(url, compression=None, proxy=None) as socket_:
        assert "Sec-WebSocket-Extensions" not in socket_.response.headers
    offer = (
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits, permessage-deflate"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(
            b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + f"Sec-WebSocket-Extensions: {offer}\r\n\r\n".encode()
        )
        head = raw.recv(4096).decode()
    assert "101 Switching Protocols" in head
    agreed = re.search(r"(?i)sec-websocket-extensions: (.*)\r\n", head)
    assert agreed is not None
    assert "server_max_window_bits=10" in agreed[1]
    assert "no_context_takeover" not in agreed[1]


@pytest.mark.parametrize(
    ("origin", "expected"),
    [(None, 101), ("same", 101), ("http://evil.example", 403), ("null", 403)],
)
async def test_6455_10_2_foreign_page_is_refused(
    server: RunningServer, origin: str | None, expected: int
) -> None:
    sent = server.url if origin == "same" else origin
    for path in ("/echo", "/ws"):
        try:
            async with connect(server.websocket_url + path, origin=sent, proxy=None):  # type: ignore[arg-type]
                status = 101
        except websockets.InvalidStatus as refusal:
            status = refusal.response.status_code
            assert b"evil.example" in refusal.response.body or origin == "null"
        assert status == expected


async def test_client_that_does_not_read_costs_no_memory(server: RunningServer) -> None:
    """It sends as long as it can; what the server then holds for it is bounded."""

    def held_bytes() -> float:
        text = server.request("/metrics").text
        match = re.search(r"^longwire_websocket_held_bytes (\S+)", text, re.MULTILINE)
        assert match is not None
        return float(match[1])

    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(
        b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    # A frame of 64 KiB with the masking key zero.
    frame = b"\x82\xff" + (65_536).to_bytes(8, "big") + bytes(4) + bytes(65_536)
    sent_bytes = 0
    while sent_bytes < 256 * 1024 * 1024:
        writer.write(frame)
        sent_bytes += len(frame)
        try:
            async with asyncio.timeout(2):
                await writer.drain()
        except TimeoutError:
            break
    assert sent_bytes < 256 * 1024 * 1024, "the server went on reading"
    assert 0 < await asyncio.to_thread(held_bytes) <= 2 * ECHO_HELD_BYTES_MAX
    # It goes on once the client reads.
    before = sent_bytes
    received_bytes = 0
    while received_bytes < before // 2:
        received_bytes += len(await reader.read(65_536))
    writer.transport.abort()


async def test_connections_are_counted_and_their_ends_explained(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--dev", "--set", "server.connections_max=3") as server:

        async def figures() -> dict[str, float]:
            text = (await asyncio.to_thread(server.request, "/metrics")).text
            rows = [line.rpartition(" ") for line in text.splitlines() if line[0] != "#"]
            return {name.removeprefix("longwire_"): float(value) for name, _, value in rows}

        url = server.websocket_url + "/echo"
        async with (
            connect(url, compression=None, proxy=None) as first,
            connect(url, compression=None, proxy=None) as second,
        ):
            await first.send("12345")
            await first.recv()
            open_now = await figures()
            assert open_now["websocket_connections"] == 2
            assert open_now["connections"] == 3  # this request has one of its own
            assert open_now['websocket_messages_total{direction="in"}'] == 1
            assert open_now['websocket_bytes_total{direction="out"}'] >= 7
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            reader2, writer2 = await asyncio.open_connection("127.0.0.1", server.port)
            with contextlib.suppress(ConnectionResetError):
                assert await reader2.read() == b""
            writer.close()
            writer2.close()
            await second.close(4000)
        async with asyncio.timeout(20):
            while (await figures())["websocket_connections"]:
                await asyncio.sleep(0.02)
        after = await figures()
        ends = {name for name in after if name.startswith("websocket_closed_total")}
        assert ends == {
            'websocket_closed_total{code="1000",verdict="clean"}',
            'websocket_closed_total{code="4xxx",verdict="peer_said_error"}',
        }
        assert after['websocket_messages_total{direction="in"}'] == 1
        assert after["connections_refused_total"] >= 1
