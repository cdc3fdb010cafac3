"""Limits of reading streams over HTTP, at the limit and one past it; the drain; HTTP/2."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from longwire import App
from longwire.base.limits import DurableLimits, EventsLimits, HubLimits, RetentionLimits
from longwire.hub.publishing import Publish
from longwire.server.settings import AnonymousSettings, ServerSettings, Settings
from longwire.streams.entry import BYTES as OCTETS
from longwire.streams.entry import NewEntry
from tests import needs
from tests.integration.server.app_servers import serve_app
from tests.integration.server.native_client import TIMEOUT_S
from tests.integration.server.running import RunningServer

BYTES = {"Content-Type": "application/octet-stream"}
JSON = {"Content-Type": "application/json"}
ALL = AnonymousSettings(read=("**",), publish=("**",), manage=("**",))


@asynccontextmanager
async def serving(
    long_poll_timeout_s: float = 25.0, **sections: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, App]]:
    settings = Settings(
        server=ServerSettings(long_poll_timeout_s=long_poll_timeout_s), anonymous=ALL, **sections
    )
    app = App(settings=settings)
    async with (
        serve_app(app, "longwire") as url,
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S, base_url=f"{url}/streams/") as client,
    ):
        yield client, app


async def test_page_ends_with_the_entry_that_passes_its_size() -> None:
    limits = DurableLimits(page_bytes_max=1_000)
    async with serving(durable=limits) as (http, _):
        await http.put("s", headers=BYTES)
        for size in (500, 500, 500, 3_000, 1):
            await http.post("s", headers=BYTES, content=b"x" * size)
        sizes, offset = [], "-1"
        while True:
            page = await http.get("s", params={"offset": offset})
            if not page.content:
                break
            sizes.append(len(page.content))
            offset = page.headers["stream-next-offset"]
    assert sum(sizes) == 4_501
    assert all(size <= 3_000 for size in sizes)
    assert len(sizes) >= 3


@pytest.mark.parametrize("count", [5, 6])
async def test_page_has_so_many_entries_and_no_more(count: int) -> None:
    async with serving(durable=DurableLimits(page_entries_max=5)) as (http, _):
        await http.put("s", headers=JSON, content=json.dumps(list(range(count))))
        page = await http.get("s")
        assert page.json() == list(range(5))
        assert ("stream-up-to-date" in page.headers) is (count == 5)


async def test_response_of_events_ends_in_time_and_says_life_meanwhile() -> None:
    limits = DurableLimits(sse_lifetime_s=0.5)
    async with serving(durable=limits, events=EventsLimits(heartbeat_s=0.1)) as (http, _):
        tail = (await http.put("s", headers=JSON)).headers["stream-next-offset"]
        began = time.monotonic()
        body = (await http.get("s", params={"offset": tail, "live": "sse"})).text
        assert 0.4 < time.monotonic() - began < TIMEOUT_S
    assert body.count("event: control") == 1
    assert body.count("\n:\n") >= 1


async def test_long_poll_takes_no_more_than_a_reader_may_hold() -> None:
    limits = HubLimits(held_bytes_max=1_000)
    async with serving(hub=limits) as (http, app):
        tail = (await http.put("s", headers=BYTES)).headers["stream-next-offset"]
        wait = {"offset": tail, "live": "long-poll"}
        poll = asyncio.create_task(http.get("s", params=wait))
        while not app.service.gateways.durable.waiting.poll_count:
            await asyncio.sleep(0.005)
        # All in one tick of the server, so all are there for the reader at once.
        for _ in range(20):
            publish = Publish("s", (NewEntry(b"x" * 300),), OCTETS)
            app.service.hub.publisher.submit(publish, lambda outcome: None)
        answer = await poll
        assert 300 <= len(answer.content) < 20 * 300
        assert "stream-up-to-date" not in answer.headers
        rest = {"offset": answer.headers["stream-next-offset"], "live": "long-poll"}
        following = await http.get("s", params=rest)
        assert len(answer.content) + len(following.content) == 20 * 300


async def test_slow_reader_of_events_costs_no_memory_and_loses_nothing() -> None:
    """A client that does not read, more than all buffers on the way hold, then it reads."""
    count, size = 400, 50_000
    retention = RetentionLimits(entries_max=None, bytes_max=None)
    async with serving(retention=retention) as (http, app):
        await http.put("s", headers={"Content-Type": "text/plain"})
        where = {"offset": "-1", "live": "sse"}
        async with http.stream("GET", "s", params=where) as response:
            pieces = response.aiter_text()
            text = await anext(pieces)
            for number in range(count):
                payload = f"<{number}>".encode() + b"x" * size
                await app.publish("s", payload, content_type="text/plain")
            assert app.service.hub.counters.readers_blocked == 1
            (held,) = [
                sink._exchange.held_bytes
                for sink in app.service.gateways.durable.waiting._responses._open
            ]
            assert held < 64 * 1024 + 2 * size
            async with asyncio.timeout(TIMEOUT_S):
                while f"<{count - 1}>" not in text[-2 * size :]:
                    text += await anext(pieces)
            assert [int(n) for n in re.findall(r"<(\d+)>", text)] == list(range(count))


async def test_slow_reader_that_retention_passes_is_told_by_its_next_request() -> None:
    retention = RetentionLimits(entries_max=10, bytes_max=None)
    async with serving(retention=retention) as (http, app):
        await http.put("s", headers={"Content-Type": "text/plain"})
        where = {"offset": "-1", "live": "sse"}
        async with http.stream("GET", "s", params=where) as response:
            pieces = response.aiter_text()
            text = await anext(pieces)
            for number in range(400):
                payload = f"<{number}>".encode() + b"x" * 50_000
                await app.publish("s", payload, content_type="text/plain")
            async with asyncio.timeout(TIMEOUT_S):
                async for piece in pieces:
                    text += piece
        seen = [int(number) for number in re.findall(r"<(\d+)>", text)]
        assert seen == list(range(len(seen)))  # no hole, and it ended
        assert len(seen) < 390
        last = re.findall(r'"streamNextOffset":"([^"]+)"', text)[-1]
        answer = await http.get("s", params={"offset": last})
        assert (answer.status_code, answer.json()["reason"]) == (410, "trimmed")


def test_stop_ends_events_answers_long_polls_and_exits_well(tmp_path: Path) -> None:
    curl = needs.require("curl")
    with RunningServer(tmp_path, "--dev", "--store", "memory") as server:
        url = f"{server.url}/streams/s"
        quiet = [curl, "-s", "--noproxy", "*"]
        subprocess.run([*quiet, "-X", "PUT", url], check=True)
        readers = [
            subprocess.Popen(
                [*quiet, "-N", "-w", "%{http_code}", f"{url}?offset=now&live={live}"],
                stdout=subprocess.PIPE,
                text=True,
            )
            for live in ("sse", "long-poll")
        ]
        figures = ""
        give_up_s = time.monotonic() + 20
        while not all(f"durable_{kind} 1.0" in figures for kind in ("long_polls", "event_streams")):
            assert time.monotonic() < give_up_s
            figures = server.request("/metrics").text
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 6  # nothing had to be cut after the drain's 8 s
        events, poll = (reader.communicate(timeout=30)[0] for reader in readers)
    assert "streamNextOffset" in events and events.endswith("200")
    assert poll == "204"


def test_http2_carries_all_of_it(tmp_path: Path) -> None:
    curl = [needs.require("curl"), "-s", "--noproxy", "*", "--http2-prior-knowledge"]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*curl, *arguments], capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    with RunningServer(
        tmp_path,
        *("--dev", "--store", "memory"),
        environment={"LONGWIRE_LONG_POLL_TIMEOUT_S": "0.2", "LONGWIRE_DURABLE_SSE_LIFETIME_S": "1"},
    ) as server:
        url = f"{server.url}/streams/a/b"
        kind = ("-H", "content-type: application/json")
        assert run("-X", "PUT", *kind, "-w", "%{http_code} %{http_version}", url) == "201 2"
        assert run(*kind, "-d", "[1,2]", "-w", "%{http_code}", url) == "204"
        assert run(url) == "[1,2]"
        head = run("-I", url)
        offset = re.search(r"(?m)^stream-next-offset: (\S+)", head)
        assert offset is not None
        live = f"{url}?offset={offset[1]}&live=long-poll"
        assert run("-w", "%{http_code}", live) == "204"
        events = run("-N", f"{url}?offset=-1&live=sse")
        assert "data:[1,2]" in events and '"upToDate":true' in events
        etag = re.search(r"(?m)^etag: (\S+)", run("-D", "-", "-o", "/dev/null", url))
        assert etag is not None
        code = ("-w", "%{http_code}")
        assert run(*code, "-H", f"if-none-match: {etag[1]}", url) == "304"
        assert run(*code, "-X", "DELETE", url) == "204"
        assert run(*code, "-o", "/dev/null", url) == "404"


@asynccontextmanager
async def serving_history(app: App) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str]]]:
    """Serve a stream of some pages; gives headers that ask whether its first page is as it was."""
    async with (
        serve_app(app, "longwire") as url,
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S, base_url=f"{url}/streams/") as http,
    ):
        for number in range(3):
            await app.publish("s", b"x" * 200 + b"%d" % number)
        page = await http.get("s", params={"offset": "-1"})
        assert page.status_code == 200
        yield http, {"If-None-Match": page.headers["ETag"]}


def small_pages() -> Settings:
    return Settings(anonymous=ALL, durable=DurableLimits(page_bytes_max=200))


async def test_who_revalidates_is_told_at_once_until_something_changes() -> None:
    app = App(settings=small_pages())
    async with serving_history(app) as (http, condition):
        ask: dict[str, Any] = {"params": {"offset": "-1"}, "headers": condition}
        first = await http.get("s", **ask)
        again = [await http.get("s", **ask) for _ in range(5)]
        assert {answer.status_code for answer in (first, *again)} == {304}
        for answer in again:
            answer.headers["Date"] = first.headers["Date"]
            assert answer.headers == first.headers
        other = await http.get("s", params={"offset": "-1"}, headers={"If-None-Match": '"other"'})
        assert other.status_code == 200
        assert (await http.get("s", params={"offset": "-1"})).status_code == 200
        ranged = await http.get(
            "s", params={"offset": "-1"}, headers={"Range": "bytes=0-9", "If-None-Match": '"x"'}
        )
        assert ranged.status_code == 206
        await app.service.hub.erase("s", await position_of_first(app))
        assert (await http.get("s", **ask)).status_code == 200
        await http.get("s", **ask)
        await http.delete("s")
        assert (await http.get("s", **ask)).status_code in (404, 410)


async def position_of_first(app: App) -> Any:
    info = await app.service.hub.store.info("s")
    assert info is not None
    page = await app.service.hub.store.read("s", info.floor, entries_max=1, bytes_max=1_000)
    return page.entries[0].position


@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_permission_is_asked_for_each_request(is_coroutine: bool) -> None:
    app = App(settings=Settings(durable=DurableLimits(page_bytes_max=200)))
    answers = []
    is_open = True

    def decide(access: object) -> bool:
        answers.append(is_open)
        return is_open

    async def decide_later(access: object) -> bool:
        return decide(access)

    app.permit("s")(decide_later if is_coroutine else decide)
    async with serving_history(app) as (http, condition):
        ask: dict[str, Any] = {"params": {"offset": "-1"}, "headers": condition}
        count = len(answers)
        for _ in range(4):
            assert (await http.get("s", **ask)).status_code == 304
        assert len(answers) == count + 4
        is_open = False
        assert (await http.get("s", **ask)).status_code == 401
        is_open = True
        assert (await http.get("s", **ask)).status_code == 304
        wrong = {**condition, "Authorization": "Bearer wrong"}
        refused = await http.get("s", params={"offset": "-1"}, headers=wrong)
        assert refused.status_code == 401
