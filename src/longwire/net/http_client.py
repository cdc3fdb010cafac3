"""A small HTTP/1.1 client: for key sets and webhooks, and for clients where WebSocket fails.

No redirects (whoever configures a URL writes the one that answers), no proxy, and everything
bounded. ``fetch`` is one request with a connection of its own; an :class:`HttpClient` keeps
connections to one server open and gives bodies as they come. HTTP is h11's; it is loaded with this
module, which no plain client imports.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any

import h11

from longwire.base.errors import LongwireError
from longwire.base.headers import Headers, HeadersLike
from longwire.base.version import __version__
from longwire.websocket.uri import UriError, WebSocketUri, parse_uri

__all__ = ["FetchError", "Fetched", "HttpClient", "HttpResponse", "fetch"]

READ_BYTES = 64 * 1024

IDLE_S_MAX = 4.0
"""How long a connection that nobody uses may be used again. Servers close theirs after five seconds
(Node.js) or more, and a request that crosses such a close is in doubt."""

IDLE_CONNECTIONS_MAX = 2


class FetchError(LongwireError):
    """There is no answer, or none that can be used. ``cause`` is the exception behind it."""

    def __init__(self, message: str, cause: Exception | None = None) -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, whatever its status."""

    status: int
    headers: Headers
    body: bytes


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: HeadersLike = (),
    body: bytes = b"",
    timeout_s: float,
    body_bytes_max: int,
    tls: ssl.SSLContext | None = None,
) -> Fetched:
    """Send one request and return the answer.

    ``timeout_s`` is for all of it, ``body_bytes_max`` for the body of the answer. Without ``tls``
    the system's certificate authorities are trusted. Raises :exc:`FetchError` that says what
    failed and holds no part of the URL's query. Cancelled, the connection is closed.
    """
    client = HttpClient(url, tls=tls)
    fields = Headers(headers)
    fields.set("Connection", "close")
    try:
        async with asyncio.timeout(timeout_s):
            response = await client.request(method, fields, body)
            received = await response.read(body_bytes_max)
            return Fetched(response.status, response.headers, received)
    except TimeoutError as error:
        raise FetchError(f"no answer within {timeout_s:g} s", error) from None
    finally:
        client.close()


class HttpClient:
    """Requests to one URL, with connections that are used again. Belongs to one event loop.

    ``connect_options`` are further arguments of ``asyncio.open_connection``. Raises
    :exc:`FetchError` for a URL that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        **connect_options: Any,
    ) -> None:
        self._target = _parse(url)
        self._tls = tls
        self._server_hostname = server_hostname
        self._options: dict[str, Any] = {
            "host": self._target.host,
            "port": self._target.port,
            **connect_options,
        }
        self._idle: list[tuple[float, _Connection]] = []
        self._open: set[_Connection] = set()

    async def request(
        self, method: str, headers: HeadersLike = (), body: bytes = b""
    ) -> HttpResponse:
        """Send a request; return when the head of its answer is there.

        Raises :exc:`FetchError`: the request may have taken effect all the same. Cancelled, its
        connection is closed.
        """
        with _named_errors():
            connection = self._take_idle() or await self._connect()
            self._open.add(connection)
            try:
                head = await connection.exchange(self._head(method, headers, body), body)
            except BaseException:
                self.dropped(connection)
                raise
        return HttpResponse(self, connection, head)

    def close(self) -> None:
        """Close all connections, whatever they are doing."""
        for connection in [*self._open, *(connection for _, connection in self._idle)]:
            connection.abort()
        self._open.clear()
        self._idle.clear()

    # -- connections ----------------------------------------------------------------------------

    def _take_idle(self) -> _Connection | None:
        while self._idle:
            since_s, connection = self._idle.pop()
            if time.monotonic() - since_s < IDLE_S_MAX and connection.is_usable:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        options = self._options
        if self._target.secure:
            context = self._tls or ssl.create_default_context()
            name = self._server_hostname or self._target.host
            options = options | {"ssl": context, "server_hostname": name}
        return _Connection(*await asyncio.open_connection(**options))

    def released(self, connection: _Connection) -> None:
        """An answer is complete. For the response."""
        self._open.discard(connection)
        if connection.begin_anew() and len(self._idle) < IDLE_CONNECTIONS_MAX:
            self._idle.append((time.monotonic(), connection))
        else:
            connection.abort()

    def dropped(self, connection: _Connection) -> None:
        """An answer is not wanted any more, or broke off. For the response."""
        self._open.discard(connection)
        connection.abort()

    def _head(self, method: str, headers: HeadersLike, body: bytes) -> h11.Request:
        fields = Headers(headers)
        fields.set("Host", self._target.authority)
        if "User-Agent" not in fields:
            fields.set("User-Agent", f"longwire/{__version__}")
        if body or method not in ("GET", "HEAD", "DELETE"):
            fields.set("Content-Length", str(len(body)))
        return h11.Request(method=method, target=self._target.target, headers=list(fields))


class HttpResponse:
    """The answer to one request: read it to its end, or close it."""

    def __init__(self, client: HttpClient, connection: _Connection, head: h11.Response) -> None:
        self.status = head.status_code
        self.headers = Headers(
            [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers]
        )
        self._client = client
        self._connection = connection
        self._is_over = False

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises :exc:`FetchError` when it breaks off."""
        with _named_errors():
            try:
                while (piece := await self._connection.next_piece()) is not None:
                    yield piece
            except BaseException:
                self.close()
                raise
        if not self._is_over:
            self._is_over = True
            self._client.released(self._connection)

    async def read(self, bytes_max: int) -> bytes:
        """The whole body. Raises :exc:`FetchError`, also when it is longer than ``bytes_max``."""
        received = bytearray()
        async with contextlib.aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                received += piece
                if len(received) > bytes_max:
                    raise FetchError(f"the answer has more than {bytes_max} bytes")
        return bytes(received)

    def close(self) -> None:
        """Read no more of it; its connection is closed. Does nothing at its end."""
        if not self._is_over:
            self._is_over = True
            self._client.dropped(self._connection)


class _Connection:
    """One TCP connection and where HTTP stands on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    @property
    def is_usable(self) -> bool:
        """Whether the server has not closed it."""
        return not (self._reader.at_eof() or self._writer.transport.is_closing())

    async def exchange(self, request: h11.Request, body: bytes) -> h11.Response:
        """Send a request; return the head of the answer."""
        sent = [self._http.send(request)]
        if body:
            sent.append(self._http.send(h11.Data(data=body)))
        sent.append(self._http.send(h11.EndOfMessage()))
        self._writer.write(b"".join(part for part in sent if part))
        # A server may answer, and close, before it has read all.
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return event

    async def next_piece(self) -> bytes | None:
        """The next piece of the body; ``None`` at its end."""
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return None

    async def _next_event(self) -> Any:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._reader.read(READ_BYTES))

    def begin_anew(self) -> bool:
        """Get ready for another request; ``False``: there can be none."""
        try:
            self._http.start_next_cycle()
        except h11.ProtocolError:
            return False
        return self.is_usable

    def abort(self) -> None:
        """Close it."""
        self._writer.transport.abort()


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Turn what the network and the other side do wrong into a sentence."""
    try:
        yield
    except ssl.SSLError as error:
        raise FetchError(f"TLS failed: {error.reason or error}", error) from None
    except OSError as error:
        raise FetchError(f"no connection: {error.strerror or error}", error) from None
    except h11.ProtocolError as error:
        raise FetchError(f"the answer is not HTTP/1.1: {error}", error) from None


def _parse(url: str) -> WebSocketUri:
    if not url.startswith(("http://", "https://")):
        raise FetchError("the URL begins with neither http:// nor https://")
    try:
        return parse_uri(url.partition("#")[0])
    except UriError as error:
        raise FetchError(str(error)) from None
