"""Opening handshakes cut at every byte, on both sides."""

from __future__ import annotations

import asyncio

import pytest

import longwire
from longwire.websocket.handshake import RequestHead, ResponseHead
from tests.integration.net.local import RawServer, open_raw, serving

REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
FRAMES = b"\x81\x82\0\0\0\0hi\x82\x81\0\0\0\0\xff"


async def exchange(uri: str, *parts: bytes) -> bytes:
    reader, writer = await open_raw(uri)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        frames = await reader.readexactly(7)
    writer.close()
    assert head.startswith(b"HTTP/1.1 101 ")
    return frames


@pytest.mark.parametrize("has_hook", [False, True])
async def test_server_takes_the_handshake_cut_anywhere(has_hook: bool) -> None:
    async def hook(connection: longwire.Connection, request: RequestHead) -> ResponseHead | None:
        await asyncio.sleep(0)
        return None

    whole = REQUEST + FRAMES
    async with serving(process_request=hook if has_hook else None) as (_, uri):
        assert await exchange(uri, whole) == b"\x81\x02hi\x82\x01\xff"
        assert await exchange(uri, *(whole[i : i + 1] for i in range(len(whole)))) == (
            b"\x81\x02hi\x82\x01\xff"
        )
        for cut in range(1, len(whole), 3):
            assert await exchange(uri, whole[:cut], whole[cut:]) == b"\x81\x02hi\x82\x01\xff"


async def test_client_takes_the_answer_cut_anywhere() -> None:
    cut = 0

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = raw.accept() + b"\x81\x02hi\x82\x01\xff"
        sizes.append(len(whole))
        parts = (
            [whole[i : i + 1] for i in range(len(whole))]
            if cut == 0
            else [whole[:cut], whole[cut:]]
        )
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    sizes: list[int] = []
    async with RawServer(play) as raw:
        while True:
            ws = await longwire.connect(raw.uri)
            assert await ws.recv() == "hi"
            assert await ws.recv() == b"\xff"
            ws.endpoint.abort()
            cut += 3
            if cut >= sizes[0]:
                break


async def test_prepared_response_may_be_used_many_times() -> None:
    refusal = ResponseHead(418, "I'm a teapot", body=b"short and stout\n")
    async with serving(process_request=lambda connection, request: refusal) as (_, uri):
        for _ in range(3):
            with pytest.raises(longwire.HandshakeError, match="short and stout") as caught:
                await longwire.connect(uri)
            assert caught.value.headers.get_all("Connection") == ["close"]
            assert len(caught.value.headers.get_all("Date")) == 1
    assert refusal.headers.items() == []


@pytest.mark.parametrize("name", ["process_request", "process_response"])
async def test_hook_that_answers_nonsense_is_a_500(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = ResponseHead(401, "No")
    bad.headers.add("X-Bad", "two\r\nlines")
    for answer in ("nonsense", bad):
        async with serving(**{name: lambda *args, answer=answer: answer}) as (_, uri):
            with pytest.raises(longwire.HandshakeError) as caught:
                await longwire.connect(uri)
            assert caught.value.status == 500
    assert "opening handshake with" in caplog.text


async def test_hook_that_never_answers_is_cut_by_open_timeout() -> None:
    cancelled = asyncio.Event()

    async def hook(connection: longwire.Connection, request: RequestHead) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving(process_request=hook, open_timeout=0.2) as (_, uri):
        with pytest.raises(longwire.HandshakeError) as caught:
            await longwire.connect(uri)
        assert caught.value.status == 408
        async with asyncio.timeout(20):
            await cancelled.wait()
