"""A piece of a body that many responses get reads like any other, however each is framed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from longwire.http.h1_writer import shared_chunk
from longwire.net.http_exchange import HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from tests.integration.net import local
from tests.integration.net.local import eventually, open_raw, reset

PIECES = [b"one", b"x" * 5000, b"", b"two", b"y" * 300_000, b"three", b"three"]
BODY = b"".join(PIECES)


def request(target: str, version: str = "1.1") -> bytes:
    return f"GET {target} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


class Crowd:
    """Responses that have begun and wait for pieces."""

    def __init__(self) -> None:
        self.exchanges: list[HttpExchange] = []
        self.are_over = asyncio.Event()

    async def handle(self, exchange: HttpExchange) -> None:
        headers = {"Content-Length": str(len(BODY))} if exchange.request.target == "/sized" else {}
        exchange.start(200, headers)
        self.exchanges.append(exchange)
        await self.are_over.wait()

    def write_shared(self, data: bytes) -> list[int]:
        return [exchange.connection.write_shared(exchange, data) for exchange in self.exchanges]


@contextlib.asynccontextmanager
async def crowd() -> AsyncIterator[tuple[Crowd, int]]:
    waiting = Crowd()
    server = HttpServer(waiting.handle)
    listener = Listener(server.make_handler, host="127.0.0.1", port=0, ssl=local.SERVER_TLS)
    await listener.start()
    try:
        yield waiting, listener.sockets[0].getsockname()[1]
    finally:
        waiting.are_over.set()
        await listener.close(5)
        assert await server.finished(5) == []


def dechunk(data: bytes) -> bytes:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if int(size, 16) == 0:
            assert data == b"\r\n"
            return body
        body += data[: int(size, 16)]
        assert data[int(size, 16) : int(size, 16) + 2] == b"\r\n"
        data = data[int(size, 16) + 2 :]


async def test_every_response_gets_every_piece_in_its_own_framing() -> None:
    requests = [request("/"), request("/", "1.0"), request("/sized"), request("/")]
    async with crowd() as (waiting, port), asyncio.timeout(30):
        readers = []
        for sent in requests:
            reader, writer = await open_raw(port)
            writer.write(sent)
            readers.append((reader, writer))
            await eventually(lambda: len(waiting.exchanges) == len(readers))
        for number, piece in enumerate(PIECES):
            if number == 3:
                # One takes it by itself, before and after the others share.
                for exchange in waiting.exchanges:
                    exchange.write(piece)
            else:
                waiting.write_shared(piece)
            await asyncio.sleep(0)
        reading = asyncio.gather(*(reader.read() for reader, _ in readers))
        waiting.are_over.set()
        answers = await reading
        for answer, sent in zip(answers, requests, strict=True):
            head, _, body = answer.partition(b"\r\n\r\n")
            is_chunked = b"Transfer-Encoding: chunked" in head
            assert is_chunked is (sent == request("/"))
            assert (dechunk(body) if is_chunked else body) == BODY
        for _, writer in readers:
            writer.close()


async def test_who_is_done_or_gone_gets_nothing_more() -> None:
    async with crowd() as (waiting, port), asyncio.timeout(30):
        reader, writer = await open_raw(port)
        writer.write(request("/"))
        _, gone = await open_raw(port)
        gone.write(request("/"))
        await eventually(lambda: len(waiting.exchanges) == 2)
        waiting.write_shared(b"before")
        reset(gone)
        await eventually(lambda: any(exchange.closed for exchange in waiting.exchanges))
        (left,) = [exchange for exchange in waiting.exchanges if not exchange.closed]
        waiting.write_shared(b"after")
        left.finish()
        assert waiting.write_shared(b"too late") == [0, 0]
        assert dechunk((await reader.read()).partition(b"\r\n\r\n")[2]) == b"beforeafter"
        writer.close()


async def test_what_a_slow_client_does_not_take_is_told_as_held() -> None:
    async with crowd() as (waiting, port), asyncio.timeout(30):
        reader, writer = await open_raw(port)
        writer.write(request("/"))
        await eventually(lambda: waiting.exchanges)
        piece, count, held = b"z" * 100_000, 1, 0
        while not held:
            waiting.write_shared(piece)
            count += 1
            await asyncio.sleep(0.01)  # what was written has left, or is held
            held = waiting.exchanges[0].held_bytes
        (more,) = waiting.write_shared(piece)
        assert more >= held + len(piece)
        draining = asyncio.create_task(waiting.exchanges[0].drain())
        head = await reader.readuntil(b"\r\n\r\n")
        waiting.are_over.set()
        body = dechunk(await reader.read())
        assert b"chunked" in head
        assert body == piece * count
        await draining
        writer.close()


@pytest.mark.parametrize(("size", "is_shared"), [(0, False), (262_144, True), (262_145, False)])
def test_pieces_up_to_a_size_are_copied_once_for_all(size: int, is_shared: bool) -> None:
    data = b"x" * size
    chunk = shared_chunk(data)
    assert (chunk is not None) is is_shared
    if chunk is not None:
        assert chunk == b"40000\r\n" + data + b"\r\n"
        assert shared_chunk(data) is chunk
