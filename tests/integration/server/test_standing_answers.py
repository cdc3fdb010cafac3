"""A 304 for a page of history that is given again is what the gateway would answer, to the last."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from longwire import Access, App
from longwire.base.limits import DurableLimits, RateLimits
from longwire.server.settings import OriginSettings, Settings
from longwire.server.testing import TestClient

PAGE = "/streams/news?offset=-1"


def make_app(settings: Settings | None = None) -> tuple[App, dict[str, bool]]:
    """An application with a stream of three entries, in pages of two; and who may read it."""
    app = App(settings=settings or Settings(durable=DurableLimits(page_entries_max=2)))
    rule = {"allowed": True}

    @app.permit("news", actions=("read",))
    def may(access: Access) -> bool:
        return rule["allowed"]

    @app.on_start
    async def fill() -> None:
        for number in range(3):
            await app.publish("news", {"number": number})

    return app, rule


class Reader:
    """One connection that asks for the page again and again."""

    def __init__(self, test: TestClient) -> None:
        self._test = test
        self.etag = ""

    async def __aenter__(self) -> Reader:
        port = int(self._test.url.rpartition(":")[2])
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.close()

    async def ask(self, *fields: str, times: int = 1) -> list[bytes]:
        """Ask for the page, ``times`` times in one piece; return the heads of the answers."""
        condition = [f"If-None-Match: {self.etag}"] if self.etag else []
        request = "\r\n".join([f"GET {PAGE} HTTP/1.1", "Host: a", *condition, *fields, "", ""])
        self._writer.write(request.encode() * times)
        heads = []
        async with asyncio.timeout(30):
            for _ in range(times):
                head = await self._reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", head)
                if length is not None and not head.startswith(b"HTTP/1.1 304"):
                    await self._reader.readexactly(int(length[1]))
                tag = re.search(rb"ETag: (\S+)", head)
                self.etag = self.etag or ("" if tag is None else tag[1].decode())
                heads.append(head)
        return heads

    async def ask_often(self, count: int = 100) -> list[bytes]:
        return [(await self.ask())[0] for _ in range(count)]


def undated(head: bytes) -> bytes:
    return re.sub(rb"Date: [^\r]+", b"", head)


@contextmanager
def access_log() -> Iterator[list[str]]:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("longwire.access"), Keep()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@pytest.mark.parametrize("allowed", [("same",), ("same", "https://pages.test")])
async def test_all_answers_are_the_same_counted_and_written_down(allowed: tuple[str, ...]) -> None:
    settings = Settings(
        durable=DurableLimits(page_entries_max=2), origins=OriginSettings(allowed=allowed)
    )
    app, _ = make_app(settings)
    with access_log() as lines:
        async with app.test_client() as test, Reader(test) as reader:
            await reader.ask()
            answers = await reader.ask_often()
            piped = await reader.ask(times=20)
            figures = (await test.get("/metrics")).text
    assert answers[0].startswith(b"HTTP/1.1 304 ")
    assert (b"Vary: Origin" in answers[0]) is (len(allowed) > 1)
    assert {undated(head) for head in [*answers, *piped]} == {undated(answers[0])}
    assert 'longwire_http_requests_total{method="GET",status="304"} 120.0' in figures
    assert "longwire_http_request_seconds_count 121.0" in figures
    mine = [line for line in lines if " 304 " in line]
    assert len(mine) == 120
    assert all(re.match(r"127\.0\.0\.1:\d+ GET /streams/news 304 ", line) for line in mine)


async def test_permission_is_asked_every_time() -> None:
    app, rule = make_app()
    async with app.test_client() as test, Reader(test) as reader:
        await reader.ask()
        await reader.ask_often(20)
        rule["allowed"] = False
        assert {head.split()[1] for head in await reader.ask_often(5)} == {b"401"}
        rule["allowed"] = True
        assert {head.split()[1] for head in await reader.ask_often(5)} == {b"304"}


async def test_what_is_erased_is_not_the_page_that_a_reader_has() -> None:
    app, _ = make_app()
    async with app.test_client() as test, Reader(test) as reader:
        await reader.ask()
        await reader.ask_often(20)
        page = await app.service.hub.store.read(
            "news", (await app.service.hub.store.info("news")).floor, entries_max=1, bytes_max=99
        )
        assert await app.erase("news", page.entries[0].position)
        assert {head.split()[1] for head in await reader.ask_often(5)} == {b"200"}


async def test_who_says_more_of_himself_is_answered_for_himself() -> None:
    app, _ = make_app()
    async with app.test_client() as test, Reader(test) as reader:
        await reader.ask()
        await reader.ask_often(20)
        (known,) = await reader.ask("Authorization: Bearer nobody-knows")
        assert known.startswith(b"HTTP/1.1 401 ")
        (part,) = await reader.ask("Origin: https://evil.test")
        assert part.startswith(b"HTTP/1.1 403 ")
        (last,) = await reader.ask("Connection: close")
        assert b"Connection: close" in last


async def test_requests_count_for_their_address_too() -> None:
    settings = Settings(
        durable=DurableLimits(page_entries_max=2), rates=RateLimits(requests_per_address_max=10)
    )
    app, _ = make_app(settings)
    async with app.test_client() as test, Reader(test) as reader:
        await reader.ask()
        statuses = [head.split()[1] for head in await reader.ask_often(200)]
    assert set(statuses) == {b"304", b"429"}
