"""A proxy like those of some companies: it refuses Upgrade, and keeps responses until they end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import h11

from tests.integration.client.cutting import reset

__all__ = ["HinderingProxy"]

_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class HinderingProxy:
    """Forwards requests, one after the other on each connection."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.refuses_upgrade = False
        self.buffers_events = False
        self.upgrades_refused = 0
        self.holds_up: Callable[[bytes], bool] = lambda request: False
        """Asked of each request; one that is held up comes to the server ``hold_s`` later, even if
        the client has gone away meanwhile."""
        self.hold_s = 0.3
        self.request_bytes_max: int | None = None
        """Longer ones are answered 413."""
        self.held_up = 0
        self.answered = 0
        """Requests whose answers have ended."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> HinderingProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut_all(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            reset(writer)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {to_client, to_server}
        try:
            with contextlib.suppress(OSError, h11.ProtocolError):
                await self._forward(client, to_client, server, to_server)
        finally:
            self._writers -= {to_client, to_server}
            for writer in (to_client, to_server):
                reset(writer)

    async def _forward(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        asked = h11.Connection(h11.SERVER)
        while True:
            head, request = await _read_message(asked, client, h11.Request)
            if head is None:
                return
            fields = {bytes(name).lower(): bytes(value) for name, value in head.headers}
            if b"upgrade" in fields:
                if self.refuses_upgrade:
                    self.upgrades_refused += 1
                    to_client.write(_REFUSAL)
                    await to_client.drain()
                    return
                to_server.write(request + asked.trailing_data[0])
                await _relay_both(client, to_client, server, to_server)
                return
            if self.request_bytes_max is not None and len(request) > self.request_bytes_max:
                to_client.write(_TOO_LARGE)
                await to_client.drain()
                return
            if self.holds_up(request):
                self.held_up += 1
                await asyncio.sleep(self.hold_s)
            to_server.write(request)
            is_held = self.buffers_events and fields.get(b"accept") == b"text/event-stream"
            await _answer(server, to_client, is_held=is_held)
            self.answered += 1
            asked.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            asked.send(h11.EndOfMessage())
            asked.start_next_cycle()


async def _read_message(
    http: h11.Connection, reader: asyncio.StreamReader, kind: type
) -> tuple[h11.Request | None, bytes]:
    """A whole request and its bytes; ``None`` at the end of the connection."""
    head: h11.Request | None = None
    raw = b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            if head is not None and any(name == b"upgrade" for name, _ in head.headers):
                return head, raw
            data = await reader.read(65536)
            if not data:
                return None, b""
            raw += data
            http.receive_data(data)
        elif isinstance(event, kind):
            head = event
        elif isinstance(event, h11.EndOfMessage) or event is h11.PAUSED:
            return head, raw


async def _answer(
    server: asyncio.StreamReader, to_client: asyncio.StreamWriter, *, is_held: bool
) -> None:
    """Pass an answer on, as it comes or at its end."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="POST", target="/", headers=[("Host", "x")]))
    http.send(h11.EndOfMessage())
    held = b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            data = await server.read(65536)
            http.receive_data(data)
            if is_held:
                held += data
            else:
                to_client.write(data)
                await to_client.drain()
        elif isinstance(event, h11.EndOfMessage):
            break
    to_client.write(held)
    await to_client.drain()


async def _relay_both(
    client: asyncio.StreamReader,
    to_client: asyncio.StreamWriter,
    server: asyncio.StreamReader,
    to_server: asyncio.StreamWriter,
) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    ways = [
        asyncio.create_task(relay(client, to_server)),
        asyncio.create_task(relay(server, to_client)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
