"""Random appends to streams over HTTP, read back in every way: by pages, long-polls and events,
from any offset that was given out, and always the same bytes."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from longwire.base.headers import Headers
from longwire.base.limits import DurableLimits, HubLimits, RetentionLimits, StreamLimits
from longwire.gateways.durable.gateway import DurableGateway
from longwire.gateways.durable.request import StreamRequest
from longwire.hub.hub import Hub
from longwire.identity.principal import ANONYMOUS
from longwire.stores.memory import MemoryStore
from longwire.streams.store import StreamSettings
from tests.unit.gateways.events.reading import read_events

KEEP_ALL = RetentionLimits(entries_max=None, bytes_max=None, age_max_s=None)


@dataclass
class Exchange:
    """An HTTP exchange whose client takes everything at once, and goes when it has everything."""

    body: bytes = b""
    status: int = 0
    headers: Headers = field(default_factory=Headers)
    answer: bytes = b""
    closed: bool = False
    is_open_ended: bool = False
    held_bytes: int = 0
    request: Any = None
    bare: None = None
    has_all: asyncio.Event = field(default_factory=asyncio.Event)

    async def read_body(self) -> bytes:
        return self.body

    async def respond(self, status: int, headers: Any = (), body: bytes = b"") -> None:
        self.start(status, headers)
        self.write(body)
        self.finish()

    def start(self, status: int, headers: Any = ()) -> None:
        self.status, self.headers = status, Headers(headers)

    def write(self, data: bytes) -> None:
        self.answer += data
        if b'"upToDate":true' in data:
            self.has_all.set()

    def finish(self) -> None:
        self.closed = True

    async def drain(self) -> None:
        pass

    async def wait_shutdown(self) -> None:
        await self.has_all.wait()

    @property
    def next_offset(self) -> str:
        return self.headers["Stream-Next-Offset"]


class Site:
    def __init__(self, content_type: str, page_entries: int, page_bytes: int, held: int) -> None:
        self.content_type = content_type
        self.hub = Hub(
            MemoryStore(),
            limits=HubLimits(held_bytes_max=held, page_entries_max=page_entries),
            stream_limits=StreamLimits(entry_bytes_max=16),
            settings_for=lambda stream, kind: StreamSettings(content_type=kind, retention=KEEP_ALL),
        )
        limits = DurableLimits(
            page_entries_max=page_entries,
            page_bytes_max=page_bytes,
            page_cache_bytes_max=2_000,
        )
        self.gateway = DurableGateway(self.hub, limits=limits, long_poll_timeout_s=0.001)

    async def ask(self, method: str, body: bytes = b"", /, **query: str) -> Exchange:
        exchange = Exchange(body)
        fields = Headers({"Content-Type": self.content_type})
        if query.pop("close", ""):
            fields.set("Stream-Closed", "true")
        request = StreamRequest(
            method=method,
            stream="s",
            headers=fields,
            query=list(query.items()),
            principal=ANONYMOUS,
            mount="/streams/",
            url="/streams/s",
        )
        await self.gateway.serve(exchange, request)
        return exchange

    def values(self, body: bytes) -> Any:
        """A body as something that can be added up."""
        return json.loads(body) if self.content_type == "application/json" else body

    async def read_pages(self, offset: str, live: dict[str, str]) -> Any:
        whole = self.values(b"[]") if self.content_type == "application/json" else b""
        while True:
            page = await self.ask("GET", offset=offset, **live)
            if page.status == 200:
                whole += self.values(page.answer)
                assert page.next_offset >= offset or offset == "-1"
            is_end = page.status == 204 or (not live and "Stream-Up-To-Date" in page.headers)
            offset = page.next_offset
            if is_end:
                assert ("Stream-Closed" in page.headers) is self.is_closed
                return whole

    async def read_events(self, offset: str) -> Any:
        whole = self.values(b"[]") if self.content_type == "application/json" else b""
        exchange = await self.ask("GET", offset=offset, live="sse")
        events = read_events(exchange.answer)
        for kind, data, _ in events:
            if kind == "data" and self.content_type == "application/json":
                whole += json.loads(data)
            elif kind == "data":
                whole += base64.b64decode(data)
        last = json.loads(events[-1][1])
        assert events[-1][0] == "control" and last["upToDate"]
        assert last.get("streamClosed", False) is self.is_closed
        return whole

    is_closed = False


JSON_BODIES = st.lists(st.integers(-9, 99) | st.text("ab\n ☃", max_size=2), min_size=1, max_size=6)


@settings(max_examples=60)
@given(
    bodies=st.lists(JSON_BODIES | st.binary(min_size=1, max_size=60), max_size=8),
    is_json=st.booleans(),
    page_entries=st.integers(1, 5),
    page_bytes=st.integers(1, 40),
    held=st.integers(1, 60),
    is_closed=st.booleans(),
)
async def test_every_way_to_read_gives_what_was_appended(
    bodies: list[Any],
    is_json: bool,
    page_entries: int,
    page_bytes: int,
    held: int,
    is_closed: bool,
) -> None:
    content_type = "application/json" if is_json else "application/octet-stream"
    site = Site(content_type, page_entries, page_bytes, held)
    created = await site.ask("PUT")
    assert created.status == 201
    whole: Any = [] if is_json else b""
    places = [("-1", 0), (created.next_offset, 0)]
    for body in bodies:
        if is_json and isinstance(body, bytes):
            body = [body.hex()[:8]]
        elif not is_json and isinstance(body, list):
            body = json.dumps(body).encode()
        sent = json.dumps(body).encode() if is_json else body
        appended = await site.ask("POST", sent)
        assert appended.status == 204
        whole += body
        places.append((appended.next_offset, len(whole)))
    if is_closed:
        await site.ask("POST", close="yes")
        site.is_closed = True
    assert [place for place, _ in places[1:]] == sorted({place for place, _ in places[1:]})
    for offset, seen in places:
        assert await site.read_pages(offset, {}) == whole[seen:]
        assert await site.read_pages(offset, {"live": "long-poll"}) == whole[seen:]
        assert await site.read_events(offset) == whole[seen:]
    assert site.hub.counters.subscriptions == 0
    await site.hub.close()
