"""Hostile HTTP/1.x against a real server: no byte is answered as a request that is not one.

What the engine makes of the same bytes, cut in every way, is shown in tests/unit/http; here a
socket, a driver and handlers that run on their own are in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

import h11

from longwire.base.limits import HttpLimits
from longwire.net.http_exchange import ExchangeClosed, HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from tests.integration.net.hostile_talks import TALKS, Answer, Talk
from tests.unit.http.smuggling_vectors import ONE_REQUEST, REFUSED, SMUGGLED, Vector
from tests.unit.http.wire import read_answers

LIMITS = HttpLimits(head_timeout_s=0.5, body_timeout_s=0.5)
"""Short enough to wait for; whoever sends at once is far from them."""

AT_A_TIME = 16

AnyVector = TypeVar("AnyVector", Vector, Talk)


class Site:
    """Answers each request with its target, and remembers whom it answered."""

    def __init__(self) -> None:
        self.asked: dict[bytes, list[str]] = {}

    async def handle(self, exchange: HttpExchange) -> None:
        target, client = exchange.request.target, exchange.remote_address
        self.asked.setdefault(repr(client).encode(), []).append(target)
        with contextlib.suppress(ExchangeClosed):
            if target != "/early":
                await exchange.read_body()
            await exchange.respond(200, {}, target.encode())


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[tuple[Site, int]]:
    site = Site()
    server = HttpServer(site.handle, limits=LIMITS)
    listener = Listener(server.make_handler, host="127.0.0.1", port=0)
    await listener.start()
    try:
        yield site, listener.sockets[0].getsockname()[1]
    finally:
        await listener.close(5)
        assert await server.finished(5) == []


class Outcome:
    """What one conversation brought: the bytes of all answers, and the targets that were seen."""

    def __init__(self) -> None:
        self.output = b""
        self.asked: list[str] = []

    def statuses(self, method: str) -> list[int]:
        return [each.status for each in read_answers(self.output, method, is_closed=True)]


async def converse(site: Site, port: int, steps: Iterable[bytes | Answer]) -> Outcome:
    """Send bytes, wait for an answer where a step says so. Then read to the end."""
    outcome, answers = Outcome(), 0
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        name = repr(writer.get_extra_info("sockname")).encode()
        # Who sends more to a server that has closed may be told so by a reset.
        with contextlib.suppress(OSError):
            for step in steps:
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                    continue
                answers += 1
                while outcome.output.count(b"HTTP/1.1 ") < answers:
                    data = await reader.read(65_536)
                    assert data, f"the connection ended before answer {answers}"
                    outcome.output += data
            writer.write_eof()
            outcome.output += await reader.read()
        writer.close()
    outcome.asked = site.asked.pop(name, [])
    return outcome


async def check_health(site: Site, port: int) -> None:
    """Another client, alone on its connection, gets what it asks for."""
    ask = b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    outcome = await converse(site, port, [ask])
    assert outcome.output.endswith(b"\r\n\r\n/health"), outcome.output
    assert outcome.asked == ["/health"]


async def all_at(vectors: Iterable[AnyVector], one: Callable[[AnyVector], Awaitable[None]]) -> None:
    """Try every vector, some side by side; say which failed."""
    gate = asyncio.Semaphore(AT_A_TIME)
    failures: list[str] = []

    async def attempt(vector: AnyVector) -> None:
        async with gate:
            try:
                await one(vector)
            except (AssertionError, TimeoutError, h11.RemoteProtocolError) as error:
                failures.append(f"{vector.name}: {error}")

    async with asyncio.TaskGroup() as group:
        for vector in vectors:
            group.create_task(attempt(vector))
    assert not failures, "\n".join(failures)


async def test_ambiguous_requests_get_one_refusal_and_the_next_is_never_answered() -> None:
    async with running() as (site, port):

        async def one(vector: Vector) -> None:
            outcome = await converse(site, port, [vector.data + SMUGGLED + SMUGGLED])
            assert outcome.statuses("GET") == [vector.status]
            assert "/smuggled" not in outcome.asked
            await check_health(site, port)

        await all_at(REFUSED, one)


async def test_ambiguous_requests_after_a_good_one_are_refused_in_their_turn() -> None:
    first = b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n"
    async with running() as (site, port):

        async def one(vector: Vector) -> None:
            outcome = await converse(site, port, [first + vector.data + SMUGGLED])
            assert outcome.statuses("GET") == [200, vector.status]
            assert outcome.asked[0] == "/first"
            assert "/smuggled" not in outcome.asked

        await all_at(REFUSED, one)
        await check_health(site, port)


async def test_bytes_of_a_body_are_no_request() -> None:
    async with running() as (site, port):

        async def one(vector: Vector) -> None:
            method = vector.data.partition(b" ")[0].decode()
            outcome = await converse(site, port, [vector.data + SMUGGLED + b"\r\n0\r\n\r\n"])
            first, *rest = [each for each in outcome.statuses(method) if each >= 200]
            assert first == vector.status
            # After a body of stated length the chunk that ends others is no request.
            assert rest in ([], [400])
            assert len(outcome.asked) == 1
            assert "/smuggled" not in outcome.asked
            await check_health(site, port)

        await all_at(ONE_REQUEST, one)


async def test_neither_pauses_nor_early_answers_make_a_request_of_a_body() -> None:
    async with running() as (site, port):

        async def one(talk: Talk) -> None:
            first = next(step for step in talk.steps if isinstance(step, bytes))
            outcome = await converse(site, port, talk.steps)
            assert outcome.statuses(first.partition(b" ")[0].decode()) == talk.statuses
            assert outcome.asked == talk.asked
            await check_health(site, port)

        await all_at(TALKS, one)
