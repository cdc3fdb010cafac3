"""``App.test_client``: an application served in the process of its tests."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from longwire.base.errors import LongwireError
from longwire.base.headers import Headers
from longwire.client.client import Client, Token
from longwire.net.client import connect
from longwire.net.listener import Listener
from longwire.server.serve import drain_in_stages, make_http_server
from longwire.server.service import Service
from longwire.server.settings import ServerSettings, Settings, StoreSettings

if TYPE_CHECKING:
    from longwire.server.app import App

__all__ = ["Answer", "TestClient"]

HOST = "127.0.0.1"
REQUEST_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP request brought; a refusal is an answer too."""

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        """The body, as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body, decoded. Raises ``msgspec.DecodeError``."""
        return msgspec.json.decode(self.body)


class TestClient:
    """Serves an application for the time of an ``async with`` block, and is its clients::

        async with app.test_client() as server:
            assert (await server.get("/hello/ann")).json() == {"hello": "ann"}
            async with server.client(token="ann") as ann:
                await ann.publish("chat/room", {"text": "hello"})

    The application runs on the event loop of the test and listens on a free port of this machine,
    so that what is tested is what is served: hooks, permissions, limits, the protocol. Belongs to
    one event loop; an application is served once at a time.
    """

    __test__ = False  # pytest: this is no class of tests

    def __init__(self, app: App, settings: Settings | None = None) -> None:
        self._app = app
        self._settings = _settings_for_tests(app) if settings is None else settings
        self._served: tuple[Service, Listener] | None = None

    async def __aenter__(self) -> TestClient:
        """Start: hooks of ``App.on_start`` run, and what they raise is raised."""
        if self._app.is_served:
            raise LongwireError("an application cannot be served twice at a time")
        service = Service(self._app, self._settings)
        self._http = make_http_server(service)
        listener = Listener(self._http.make_handler, host=HOST, port=0)
        try:
            await service.start()
            await listener.start()
        except BaseException:
            await service.stop()
            raise
        self._served = (service, listener)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop as a server does: clients are told, requests finished, stop hooks run."""
        assert self._served is not None
        (service, listener), self._served = self._served, None
        try:
            await drain_in_stages(service, self._http, listener)
        finally:
            listener.abort()
            await service.stop()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1. Raises ``LongwireError`` outside the block."""
        if self._served is None:
            raise LongwireError("the test client is not started: async with app.test_client() …")
        port: int = self._served[1].sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Of the server, without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    def client(self, *, token: Token | None = None, **options: Any) -> Client:
        """Return a :class:`longwire.Client` of this server, to be used with ``async with``.

        ``options`` are its further arguments.
        """
        return Client(self.url, token=token, **options)

    def websocket(self, path: str, **options: Any) -> connect:
        """Connect to a WebSocket endpoint; ``options`` are those of :func:`longwire.connect`."""
        return connect(f"ws://{HOST}:{self.port}{path}", **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        json: Any = None,
    ) -> Answer:
        """Send an HTTP request; redirects are not followed. ``json`` is encoded as the body.

        Raises ``OSError`` when there is no whole answer, ``TimeoutError`` after 30 s.
        """
        fields = dict(headers or {})
        if json is not None:
            body = msgspec.json.encode(json)
            fields.setdefault("Content-Type", "application/json")
        return await asyncio.to_thread(_exchange, self.port, method, path, fields, body)

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """As ``request``."""
        return await self.request("GET", path, headers=headers)

    async def post(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        json: Any = None,
    ) -> Answer:
        """As ``request``."""
        return await self.request("POST", path, headers=headers, body=body, json=json)


def _settings_for_tests(app: App) -> Settings:
    """Those of the application, but for what would reach out of the test: store, TLS, waiting."""
    settings = app.settings or Settings()
    server = ServerSettings(http2=settings.server.http2)
    return replace(settings, store=StoreSettings(url="memory"), server=server)


def _exchange(port: int, method: str, path: str, fields: dict[str, str], body: bytes) -> Answer:
    # In a thread: the event loop is the server's.
    connection = http.client.HTTPConnection(HOST, port, timeout=REQUEST_TIMEOUT_S)
    try:
        connection.request(method, path, body or None, fields)
        response = connection.getresponse()
        return Answer(response.status, Headers(response.getheaders()), response.read())
    except http.client.HTTPException as error:
        raise ConnectionError(f"{method} {path}: no whole answer: {error!r}") from error
    finally:
        connection.close()
