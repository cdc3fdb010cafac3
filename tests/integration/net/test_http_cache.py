"""The client's cache against a server that counts what reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from longwire import App, Request, Response
from longwire.base.dates import http_date
from longwire.base.headers import Headers
from longwire.net.http_cache import VARIANTS_MAX, Cached, CacheUse, HttpCache
from longwire.net.http_client import FetchError
from longwire.server.settings import CachingSettings, Settings
from longwire.server.testing import TestClient

NONE, FRESH, VALIDATED = CacheUse.NONE, CacheUse.FRESH, CacheUse.VALIDATED
SHARED = CacheUse.SHARED


@dataclass
class Origin:
    """What the server answers next, and what it was asked."""

    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    body: bytes = b"one"
    asked: list[Headers] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)


class Clock:
    """Seconds since 1970, moved by the test; it begins as the server's does."""

    def __init__(self) -> None:
        import time

        self.now_s = time.time()

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Bench:
    origin: Origin
    cache: HttpCache
    clock: Clock
    url: str

    async def get(self, path: str = "/it", **headers: str) -> Cached:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.cache.fetch(
            self.url + path, headers=fields, timeout_s=10, body_bytes_max=10_000
        )


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    origin = Origin()
    app = App()

    origin.may_answer.set()

    @app.route("/{path...}", methods=["GET", "PUT"])
    async def answer(request: Request) -> Response:
        origin.asked.append(request.headers)
        await origin.may_answer.wait()
        return Response(origin.status, dict(origin.headers), origin.body)

    settings = Settings(caching=CachingSettings(routes=None))
    test: TestClient = app.test_client(settings=settings)
    async with test:
        clock = Clock()
        yield Bench(origin, HttpCache(clock_s=clock), clock, test.url)


async def test_what_is_fresh_costs_no_request(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=60"}
    assert (await bench.get()).use is NONE
    bench.clock.now_s += 50
    again = await bench.get()
    assert (again.use, again.answer.status, again.answer.body) == (FRESH, 200, b"one")
    assert int(again.answer.headers["Age"]) in range(49, 53)
    assert len(bench.origin.asked) == 1


async def test_what_has_expired_is_asked_about_by_tag_and_date(bench: Bench) -> None:
    modified = http_date(bench.clock.now_s - 1000)
    bench.origin.headers = {
        "Cache-Control": "max-age=60",
        "ETag": '"v1"',
        "Last-Modified": modified,
    }
    await bench.get()
    bench.clock.now_s += 100
    # The server's clock has not moved: by its Date the 304 is as old as that.
    found = await bench.get()
    assert (found.use, found.answer.status, found.answer.body) == (VALIDATED, 200, b"one")
    asked = bench.origin.asked[1]
    assert (asked.get("If-None-Match"), asked.get("If-Modified-Since")) == ('"v1"', modified)
    bench.origin.headers["ETag"], bench.origin.body = '"v2"', b"two"
    bench.clock.now_s += 100
    changed = await bench.get()
    assert (changed.use, changed.answer.body) == (NONE, b"two")


async def test_304_makes_fresh_again(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=1", "ETag": '"v1"'}
    await bench.get()
    bench.clock.now_s += 2
    bench.origin.headers["Cache-Control"] = "max-age=3600"
    assert (await bench.get()).use is VALIDATED
    assert (await bench.get()).use is FRESH
    assert len(bench.origin.asked) == 2


async def test_date_alone_validates_and_expires_is_the_fallback(bench: Bench) -> None:
    now_s = bench.clock.now_s
    bench.origin.headers = {
        "Last-Modified": http_date(now_s - 1000),
        "Expires": http_date(now_s + 60),
    }
    await bench.get()
    assert (await bench.get()).use is FRESH
    bench.clock.now_s += 120
    assert (await bench.get()).use is VALIDATED
    assert "If-None-Match" not in bench.origin.asked[-1]


@pytest.mark.parametrize(
    ("headers", "use"),
    [
        ({"Cache-Control": "no-store, max-age=60"}, NONE),
        ({"Cache-Control": "no-cache", "ETag": '"v1"'}, VALIDATED),
        ({"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, VALIDATED),  # no heuristics
        ({"Cache-Control": "max-age=60", "Vary": "*"}, NONE),
        ({}, NONE),
    ],
)
async def test_what_is_not_given_unasked(
    bench: Bench, headers: dict[str, str], use: CacheUse
) -> None:
    bench.origin.headers = headers
    await bench.get()
    assert (await bench.get()).use is use
    assert len(bench.origin.asked) == 2


async def test_request_may_insist(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=60", "ETag": '"v1"'}
    await bench.get()
    assert (await bench.get(Cache_Control="no-cache")).use is VALIDATED
    assert (await bench.get(Cache_Control="max-age=30")).use is FRESH
    missing = await bench.get("/other", Cache_Control="only-if-cached")
    assert (missing.use, missing.answer.status) == (NONE, 504)
    assert len(bench.origin.asked) == 2


async def test_variants_and_people_are_kept_apart(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=60", "Vary": "Accept"}
    for fields in ({"Accept": "a/b"}, {"Accept": "c/d"}, {"Accept": "a/b", "Cookie": "ann"}):
        bench.origin.body = str(fields).encode()
        assert (await bench.get(**fields)).use is NONE
        again = await bench.get(**fields)
        assert (again.use, again.answer.body) == (FRESH, bench.origin.body)
    for number in range(VARIANTS_MAX):
        await bench.get(Accept=f"x/{number}")
    assert (await bench.get(Accept="a/b")).use is NONE


async def test_change_makes_the_cache_forget(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=60"}
    await bench.get()
    options: dict[str, Any] = {"timeout_s": 10, "body_bytes_max": 100}
    bench.origin.status = 404
    await bench.cache.fetch(bench.url + "/it", method="PUT", body=b"x", **options)
    assert (await bench.get()).use is FRESH  # it was refused
    bench.origin.status = 200
    await bench.cache.fetch(bench.url + "/it#part", method="PUT", body=b"x", **options)
    assert (await bench.get()).use is NONE


async def test_own_conditions_pass_through(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=60", "ETag": '"v1"'}
    await bench.get()
    found = await bench.get(If_None_Match='"v1"')
    assert (found.use, found.answer.status) == (NONE, 304)


async def test_failing_server_takes_nothing_away(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=1", "ETag": '"v1"'}
    await bench.get()
    bench.clock.now_s += 2
    bench.origin.status = 500
    assert (await bench.get()).answer.status == 500
    bench.origin.status = 200
    assert (await bench.get()).use is VALIDATED
    with pytest.raises(FetchError):
        await bench.cache.fetch("http://127.0.0.1:1/", timeout_s=1, body_bytes_max=1)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_requests_alike_and_under_way_are_made_once(bench: Bench) -> None:
    bench.origin.may_answer.clear()
    alike = [asyncio.create_task(bench.get()) for _ in range(5)]
    other = asyncio.create_task(bench.get(Accept="text/html"))
    await until(lambda: len(bench.origin.asked) == 2)
    alike[0].cancel()  # who asked first need not be who waits longest
    bench.origin.may_answer.set()
    answers = await asyncio.gather(*alike[1:], other)
    assert [one.answer.body for one in answers] == [b"one"] * 5
    assert [one.use for one in answers] == [*[SHARED] * 4, NONE]
    # Nothing was said of keeping it: the next one asks.
    assert (await bench.get()).use is NONE
    assert len(bench.origin.asked) == 3


async def test_request_that_nobody_waits_for_is_given_up(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=60"}
    bench.origin.may_answer.clear()
    alike = [asyncio.create_task(bench.get()) for _ in range(3)]
    await until(lambda: len(bench.origin.asked) == 1)
    for one in alike:
        one.cancel()
    again = asyncio.create_task(bench.get())
    await until(lambda: len(bench.origin.asked) == 2)
    bench.origin.may_answer.set()
    assert (await again).use is NONE
    assert all(one.cancelled() for one in await settled(alike))


async def settled(tasks: list[asyncio.Task[Cached]]) -> list[asyncio.Task[Cached]]:
    await asyncio.wait(tasks)
    return tasks


async def test_failure_is_that_of_all_who_asked(bench: Bench) -> None:
    def ask() -> Any:
        return bench.cache.fetch("http://127.0.0.1:1/", timeout_s=10, body_bytes_max=1)

    outcomes = await asyncio.gather(ask(), ask(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [FetchError, FetchError]


async def test_clients_do_not_push_each_other_out(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=60"}
    cookies = [f"session={number}" for number in range(2 * VARIANTS_MAX)]
    for cookie in cookies:
        assert (await bench.get(Cookie=cookie)).use is NONE
    for cookie in cookies:
        assert (await bench.get(Cookie=cookie)).use is FRESH
    assert (await bench.get()).use is NONE
    bench.cache.forget(f"{bench.url}/it")
    assert bench.cache.size_bytes == 0


async def test_size_is_limited_and_the_least_used_goes_first(bench: Bench) -> None:
    bench.origin.headers = {"Cache-Control": "max-age=60"}
    bench.origin.body = b"x" * 2_000
    bench.cache = HttpCache(bytes_max=12_000, clock_s=bench.clock)
    for number in range(12):
        await bench.get(f"/{number}")
        await bench.get("/0")
        assert bench.cache.size_bytes <= 12_000
    assert (await bench.get("/0")).use is FRESH
    assert (await bench.get("/1")).use is NONE
    bench.origin.body = b"x" * 3_001  # more than a quarter
    await bench.get("/large")
    assert (await bench.get("/large")).use is NONE
    for number in range(12):
        bench.cache.forget(f"{bench.url}/{number}")
    assert bench.cache.size_bytes == 0
