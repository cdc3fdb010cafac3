"""Server-sent events over real sockets: in process for what needs a hand on the hub."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from longwire.base.limits import EventsLimits, HubLimits, RetentionLimits
from longwire.gateways.events.gateway import EventsGateway
from longwire.hub.hub import Hub
from longwire.hub.policy import AllowAll
from longwire.hub.publishing import Publish
from longwire.net.http_exchange import HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from longwire.stores.memory import MemoryStore
from longwire.streams.entry import BYTES, NewEntry
from longwire.streams.position import START
from longwire.streams.store import StreamSettings
from tests.unit.gateways.events.reading import read_events

WAIT_S = 20.0


class Rules(AllowAll):
    def may(self, principal, action, stream):
        return stream != "secret"


class Site:
    """A hub and an HTTP server whose paths are streams."""

    def __init__(self, entries_max: int | None = None, **limits: float) -> None:
        retention = RetentionLimits(entries_max=entries_max, bytes_max=None)
        self.hub = Hub(
            MemoryStore(),
            policy=Rules(),
            limits=HubLimits(held_bytes_max=64 * 1024),
            settings_for=lambda stream, content_type: StreamSettings(
                content_type=content_type, retention=retention
            ),
        )
        self.gateway = EventsGateway(self.hub, limits=EventsLimits(**limits))
        self.server = HttpServer(self.handle)
        self.listener = Listener(self.server.make_handler, host="127.0.0.1", port=0)

    async def handle(self, exchange: HttpExchange) -> None:
        path, _, query = exchange.request.target.partition("?")
        offset = query.removeprefix("offset=") if query else None
        await self.gateway.serve(exchange, path.removeprefix("/streams/"), offset=offset)

    async def publish(self, *payloads: bytes, stream: str = "s", **more: object) -> list[str]:
        positions = []
        for payload in payloads:
            appended = await self.hub.publish(Publish(stream, (NewEntry(payload),), **more))
            positions.append(str(appended.last))
        return positions


@asynccontextmanager
async def site(**options: object) -> AsyncIterator[Site]:
    running = Site(**options)
    await running.listener.start()
    try:
        yield running
    finally:
        await running.listener.close()
        await running.server.finished(1.0)
        await running.hub.close()


class Reader:
    """An HTTP/1.1 client for one response, chunks taken apart."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.events: list[tuple[str, str, str]] = []
        self.is_complete = False
        self._unread = b""

    @classmethod
    async def get(cls, running: Site, target: str, method: str = "GET", **headers: str) -> Reader:
        port = running.listener.sockets[0].getsockname()[1]
        shared = socket.socket()
        # Little room in the kernel, so that a client that does not read is soon held up.
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        shared.connect(("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=shared, limit=16 * 1024)
        lines = [f"{method} /streams/{target} HTTP/1.1", "Host: x", "Accept: text/event-stream"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        self = cls(reader, writer)
        status, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(status.split()[1])
        for field in fields:
            name, _, value = field.partition(": ")
            self.headers[name.lower()] = value
        return self

    async def read_chunk(self) -> None:
        size = int(await self._reader.readline(), 16)
        chunk = await self._reader.readexactly(size)
        self.body += chunk[:10_000]
        whole, end, self._unread = (self._unread + chunk).rpartition(b"\n\n")
        self.events += read_events(whole + end)
        assert await self._reader.readexactly(2) == b"\r\n"
        self.is_complete = size == 0

    async def read_until(self, count: int) -> list[tuple[str, str, str]]:
        """Read until there are that many events."""
        async with asyncio.timeout(WAIT_S):
            while len(self.events) < count:
                await self.read_chunk()
        return self.events

    async def read_to_end(self) -> list[tuple[str, str, str]]:
        async with asyncio.timeout(WAIT_S):
            while not self.is_complete:
                await self.read_chunk()
        return self.events


async def test_first_event_tells_the_position_before_anything_was_published() -> None:
    async with site() as running:
        reader = await Reader.get(running, "s")
        assert reader.status == 200
        assert reader.headers["content-type"] == "text/event-stream"
        assert "no-store" in reader.headers["cache-control"]
        (event,) = await reader.read_until(1)
        assert event[::2] == ("subscribed", str(START))
        assert json.loads(event[1]) == {"stream": "s", "position": str(START), "tail": str(START)}
        assert b"retry: 2000\n" in reader.body
        positions = await running.publish(b'{"n":1}', b'"\xe4\xbd\xa0"')
        events = await reader.read_until(3)
        assert events[1:] == [
            ("message", '{"n":1}', positions[0]),
            ("message", '"你"', positions[1]),
        ]


async def test_last_event_id_goes_on_and_beats_offset() -> None:
    async with site() as running:
        positions = await running.publish(b"0", b"1", b"2")
        reader = await Reader.get(running, "s?offset=-1", Last_Event_ID=positions[0])
        events = await reader.read_until(3)
        assert json.loads(events[0][1])["recovered"] is True
        assert events[0][2] == positions[0]
        assert [event[1] for event in events[1:]] == ["1", "2"]


@pytest.mark.parametrize(
    ("query", "seen"),
    [("", []), ("?offset=now", []), ("?offset=-1", ["0", "1"]), ("?offset=earliest", ["0", "1"])],
)
async def test_offset_says_where_to_begin(query: str, seen: list[str]) -> None:
    async with site() as running:
        await running.publish(b"0", b"1")
        reader = await Reader.get(running, "s" + query)
        await reader.read_until(1)
        await running.publish(b"2")
        events = await reader.read_until(len(seen) + 2)
        assert [event[1] for event in events[1:]] == [*seen, "2"]
        assert json.loads(events[0][1])["encoding"] == "json"


async def test_refused_position_is_told_in_the_first_event() -> None:
    async with site(entries_max=2) as running:
        positions = await running.publish(*[b"%d" % n for n in range(5)])
        reader = await Reader.get(running, "s", Last_Event_ID=positions[0])
        events = await reader.read_until(3)
        told = json.loads(events[0][1])
        assert (told["recovered"], told["reason"]) == (False, "trimmed")
        assert (told["held"], told["position"]) == (positions[0], positions[2])
        assert [event[1] for event in events[1:]] == ["3", "4"]


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        ("s", {"Last_Event_ID": "12"}, 400, "bad_position"),
        ("s?offset=12", {}, 400, "bad_position"),
        ("a//b", {}, 400, "bad_stream_name"),
        ("secret", {}, 401, "permission_denied"),
    ],
)
async def test_refusals_have_a_status_and_a_problem_document(
    target: str, headers: dict[str, str], status: int, code: str
) -> None:
    async with site() as running:
        reader = await Reader.get(running, target, Accept="application/json", **headers)
        assert reader.status == status
        length = int(reader.headers["content-length"])
        problem = json.loads(await reader._reader.readexactly(length))
        assert problem["code"] == code
        assert running.gateway.response_count == 0


async def test_closed_stream_ends_the_response_and_then_answers_204() -> None:
    async with site() as running:
        await running.publish(b"0")
        reader = await Reader.get(running, "s?offset=-1")
        await reader.read_until(2)
        positions = await running.publish(b"1")
        await running.hub.close_stream("s")
        events = await reader.read_to_end()
        assert [event[0] for event in events] == ["subscribed", "message", "message", "closed"]
        assert events[-1][2] == positions[0]
        again = await Reader.get(running, "s", Last_Event_ID=positions[0])
        assert again.status == 204
        late = await Reader.get(running, "s?offset=-1")
        assert [event[0] for event in await late.read_to_end()][-1] == "closed"


async def test_silent_response_gets_comments() -> None:
    async with site(heartbeat_s=0.05) as running:
        reader = await Reader.get(running, "s")
        async with asyncio.timeout(WAIT_S):
            while reader.body.count(b":\n\n") < 3:
                await reader.read_chunk()
        assert len(reader.events) == 1


async def test_client_that_goes_away_is_forgotten() -> None:
    async with site() as running:
        reader = await Reader.get(running, "s")
        await reader.read_until(1)
        assert running.gateway.response_count == 1
        reader.writer.transport.abort()
        async with asyncio.timeout(WAIT_S):
            while running.gateway.response_count:
                await asyncio.sleep(0.01)
        assert running.hub.counters.subscriptions == 0
        await running.publish(b"0")


async def test_drain_ends_responses_so_that_browsers_come_back() -> None:
    async with site() as running:
        reader = await Reader.get(running, "s")
        await reader.read_until(1)
        running.gateway.drain()
        assert len(await reader.read_to_end()) == 1


async def test_subscribers_share_the_encoded_text() -> None:
    async with site() as running:
        readers = [await Reader.get(running, "s") for _ in range(20)]
        for reader in readers:
            await reader.read_until(1)
        await running.publish(*[b"%d" % n for n in range(10)])
        for reader in readers:
            events = await reader.read_until(11)
            assert [event[1] for event in events[1:]] == [str(n) for n in range(10)]
        assert running.hub.counters.encoded_entries == 10


async def test_slow_client_holds_little_and_loses_nothing() -> None:
    async with site() as running:
        slow = await Reader.get(running, "s")
        quick = await Reader.get(running, "s")
        payload = b'"' + b"x" * 10_000 + b'"'
        for _ in range(600):  # 6 MB: more than the kernel takes for one who does not read
            await running.publish(payload)
            await asyncio.sleep(0)
        assert len(await quick.read_until(601)) == 601
        assert not slow.events
        assert running.hub.counters.readers_blocked == 1
        (held,) = [e.held_bytes for e in running.server.exchanges if e.held_bytes > 10_000]
        assert held < 400_000
        events = await slow.read_until(601)
        assert len({event[2] for event in events[1:]}) == 600


async def test_bytes_are_sent_in_base64() -> None:
    async with site() as running:
        await running.publish(b"\x00\xff", content_type=BYTES)
        reader = await Reader.get(running, "s?offset=-1")
        events = await reader.read_until(2)
        assert json.loads(events[0][1])["encoding"] == "base64"
        assert events[1][1] == "AP8="


async def test_head_is_answered_without_a_stream() -> None:
    async with site() as running:
        reader = await Reader.get(running, "s", method="HEAD")
        assert (reader.status, reader.headers["content-type"]) == (200, "text/event-stream")
        assert running.gateway.response_count == 0
