"""Readers of server-sent events that others wrote, on a stream whose server is killed and comes
back, and on a route of an application: npm's ``eventsource`` and ``curl``."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import longwire
from longwire import App, Request, Response
from tests import needs
from tests.integration.browser.driving import DevelopmentServer
from tests.integration.server.app_servers import serve_app
from tests.interop.node import run_node

pytestmark = pytest.mark.slow

WAIT_S = 40.0
COUNT = 120

FOLLOWER = """
import { EventSource } from 'eventsource';
const [url, last] = process.argv.slice(1);
const source = new EventSource(url);
const report = { data: [], ids: [], opens: 0, verdicts: [] };
source.onopen = () => { report.opens += 1; };
source.addEventListener('subscribed', ({ data }) => report.verdicts.push(JSON.parse(data)));
source.addEventListener('gap', ({ data }) => report.data.push(data));
source.onmessage = ({ data, lastEventId }) => {
  if (!report.data.length) console.log('reading');
  report.data.push(JSON.parse(data).n);
  report.ids.push(lastEventId);
  if (report.data.at(-1) !== Number(last)) return;
  source.close();
  console.log(JSON.stringify(report));
  process.exit(0);
};
"""

# What every reader of a route must see of it (WHATWG HTML 9.2.6), each with its last event id.
ROUTE_READER = """
import { EventSource } from 'eventsource';
const source = new EventSource(process.argv[1]);
const seen = [];
const take = ({ type, data, lastEventId }) => {
  seen.push([type, data, lastEventId]);
  if (data !== 'end') return;
  source.close();
  console.log(JSON.stringify(seen));
  process.exit(0);
};
for (const type of ['message', 'named', 'again']) source.addEventListener(type, take);
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DevelopmentServer]:
    running = DevelopmentServer(tmp_path / "log", "--store", f"sqlite:{tmp_path / 'streams.db'}")
    running.start()
    try:
        yield running
    finally:
        running.ensure_ended()


async def publish_all(server: DevelopmentServer, *, restart_at: int) -> None:
    """Publish the numbers to ``COUNT``; the server is killed meanwhile and comes back."""
    async with longwire.Client(f"ws://127.0.0.1:{server.port}/ws") as client:
        for number in range(1, COUNT + 1):
            if number == restart_at:
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            await client.publish("news", {"n": number})
            await asyncio.sleep(0.01)


@pytest.mark.timeout(120)
async def test_eventsource_follows_over_a_kill_of_the_server(server: DevelopmentServer) -> None:
    url = f"http://127.0.0.1:{server.port}/streams/news?offset=-1"
    folder = needs.require_node_modules("eventsource")
    process = await asyncio.create_subprocess_exec(
        needs.require("node"),
        *("--input-type=module", "--eval", FOLLOWER, "--", url, str(COUNT)),
        cwd=folder,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        publishing = asyncio.create_task(publish_all(server, restart_at=COUNT // 2))
        async with asyncio.timeout(WAIT_S):
            assert await process.stdout.readline() == b"reading\n"
            await publishing
            report = json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert report["data"] == list(range(1, COUNT + 1))
    assert report["ids"] == sorted(set(report["ids"]))
    assert report["opens"] == len(report["verdicts"]) >= 2
    assert [verdict.get("recovered") for verdict in report["verdicts"][1:]] == [True] * (
        report["opens"] - 1
    )


class Curl:
    """``curl -N`` on one URL, again and again with the last position that it printed."""

    def __init__(self, url: str, *, is_durable: bool) -> None:
        self.url = url
        self.is_durable = is_durable
        self.numbers: list[int] = []
        self.position = "-1"

    async def follow(self) -> None:
        while COUNT not in self.numbers:
            arguments = ["-N", "-s", "--noproxy", "*"]
            if self.is_durable:
                arguments += [f"{self.url}?live=sse&offset={self.position}"]
            else:
                arguments += ["-H", "Accept: text/event-stream", f"{self.url}?offset=-1"]
                if self.position != "-1":
                    arguments += ["-H", f"Last-Event-ID: {self.position}"]
            process = await asyncio.create_subprocess_exec(
                needs.require("curl"), *arguments, stdout=subprocess.PIPE
            )
            assert process.stdout is not None
            try:
                async for line in process.stdout:
                    self.take(line.decode())
                    if COUNT in self.numbers:
                        return
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
            await asyncio.sleep(0.05)  # the server is not there

    def take(self, line: str) -> None:
        place = re.search(r'^id: (\S+)|"streamNextOffset":"([^"]+)"', line)
        if place is not None:
            self.position = place[1] or place[2]
        self.numbers += map(int, re.findall(r'{"n": ?(\d+)}', line))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("is_durable", [True, False], ids=["live=sse", "EventSource"])
async def test_curl_follows_over_a_kill_of_the_server(
    server: DevelopmentServer, is_durable: bool
) -> None:
    curl = Curl(f"http://127.0.0.1:{server.port}/streams/news", is_durable=is_durable)
    async with longwire.Client(f"ws://127.0.0.1:{server.port}/ws") as client:
        await client.publish("news", {"n": 0})
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        group.create_task(curl.follow())
        group.create_task(publish_all(server, restart_at=COUNT // 2))
    assert curl.numbers == list(range(COUNT + 1))


async def test_eventsource_reads_a_route_and_comes_back_with_its_last_event_id() -> None:
    app = App()

    async def begin() -> AsyncIterator[bytes]:
        yield b"retry: 50\n\ndata: one\n\n"
        yield b"id: 2\r\ndata: two\r\ndata: lines\r\n\r\n"
        yield "event: named\rid: 3\rdata: é ☃\r\r: a comment\n\n".encode()

    async def go_on(last: str) -> AsyncIterator[bytes]:
        yield b"event: again\ndata: " + last.encode("latin-1") + b"\n\ndata: end\n\n"

    @app.route("/events")
    def events(request: Request) -> Response:
        last = request.headers.get("Last-Event-ID")
        return Response.bytes(begin() if last is None else go_on(last), "text/event-stream")

    async with serve_app(app, "longwire") as url:
        line = await run_node(ROUTE_READER, f"{url}/events", packages=("eventsource",))
    seen = json.loads(line)
    assert seen[:3] == [
        ["message", "one", ""],
        ["message", "two\nlines", "2"],
        ["named", "é ☃", "3"],
    ]
    # Of events without an id this package forgets the last one when it comes back.
    assert [event[:2] for event in seen[3:]] == [["again", "3"], ["message", "end"]]
