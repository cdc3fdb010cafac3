"""An application under test: served for the time of a block, with clients and requests for it.

Nothing is imitated. The application listens on a free port of this machine, its streams are in
memory, and what a test sees is what a user's client sees.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from longwire.base.headers import Headers
from longwire.client.client import Client
from longwire.net.client import connect
from longwire.net.http_server import HttpServer
from longwire.server.serve import drain_in_stages, make_listener, start_listening
from longwire.server.service import Service
from longwire.server.settings import ServerSettings, Settings, StoreSettings

if TYPE_CHECKING:
    from longwire.net.listener import Listener
    from longwire.server.app import App

__all__ = ["TestClient", "TestResponse"]

_TIMEOUT_S = 10.0
_DRAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class TestResponse:
    """What a request brought."""

    __test__ = False  # pytest would take it for a test

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


class TestClient:
    """See :meth:`longwire.App.test_client`, which makes it. Use it as an asynchronous context."""

    __test__ = False  # pytest would take it for a test

    def __init__(self, app: App, settings: Settings | None = None) -> None:
        self._app = app
        self._settings = settings or app.settings or Settings()
        self._service: Service | None = None
        self._clients: list[Client] = []
        self._server: HttpServer
        self._listener: Listener

    async def __aenter__(self) -> TestClient:
        settings = replace(
            self._settings,
            server=ServerSettings(port=0, drain_timeout_s=_DRAIN_S),
            store=StoreSettings(url="memory"),
        )
        service = Service(self._app, settings)
        self._server = HttpServer(
            service.dispatcher.handle, limits=settings.http, http2=settings.http2
        )
        self._listener = make_listener(service, self._server, None)
        await service.start()
        self._service = service
        await start_listening(self._listener, settings.server)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        service = self._service
        if service is None:
            return
        self._service = None
        try:
            for client in self._clients:
                await client.close(flush_s=0 if error is not None else _DRAIN_S)
            await drain_in_stages(service, self._server, self._listener)
        finally:
            self._listener.stop_accepting()
            await service.stop()

    @property
    def url(self) -> str:
        """Where the application is served, ``http://127.0.0.1:PORT``."""
        host, port = self._listener.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    async def client(self, token: str | None = None, **options: Any) -> Client:
        """Return a connected :class:`longwire.Client`; it is closed at the end of the block.

        ``options`` are those of the client. Raises :exc:`longwire.ClientError` when the
        application does not let it in.
        """
        client = Client(self.url, token=token, **options)
        await client.start()
        self._clients.append(client)
        await client.connected(timeout=_TIMEOUT_S)
        return client

    def connect(self, path: str, **options: Any) -> connect:
        """Connect to an ``@app.websocket`` route, as :func:`longwire.connect` does."""
        return connect(self.url.replace("http", "ws", 1) + path, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        json: Any = None,
    ) -> TestResponse:
        """Make one request and return its response. Redirects are not followed.

        ``json`` is sent as the body with its content type. Raises ``OSError`` and
        ``http.client.HTTPException`` when there is no response.
        """
        fields = dict(headers or {})
        if json is not None:
            body = _encode_json(json)
            fields.setdefault("content-type", "application/json")
        content = body.encode() if isinstance(body, str) else body
        return await asyncio.to_thread(self._exchange, method, path, fields, content)

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> TestResponse:
        """Make one GET request."""
        return await self.request("GET", path, headers=headers)

    async def post(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        json: Any = None,
    ) -> TestResponse:
        """Make one POST request."""
        return await self.request("POST", path, headers=headers, body=body, json=json)

    def _exchange(
        self, method: str, path: str, fields: dict[str, str], body: bytes
    ) -> TestResponse:
        host, port = self._listener.sockets[0].getsockname()[:2]
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body or None, fields)
            response = connection.getresponse()
            content = response.read()
            return TestResponse(response.status, Headers(response.getheaders()), content)
        finally:
            connection.close()


def _encode_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
