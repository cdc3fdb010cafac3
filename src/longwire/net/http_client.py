"""A small HTTP/1.1 client for what a server itself asks for: sets of keys, webhooks.

One request for each connection, no redirects (whoever configures a URL writes the one that
answers), no proxy, and everything bounded: the time, the head, the body. HTTP is h11's; it is
loaded with this module, which no plain client imports.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass

import h11

from longwire.base.errors import LongwireError
from longwire.base.headers import Headers, HeadersLike
from longwire.base.version import __version__
from longwire.websocket.uri import UriError, WebSocketUri, parse_uri

__all__ = ["FetchError", "Fetched", "fetch"]

READ_BYTES = 64 * 1024


class FetchError(LongwireError):
    """There is no answer, or none that can be used."""


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
    target = _parse(url)
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await _open(target, tls)
            try:
                request = _make_request(target, method, headers, body)
                return await _exchange(reader, writer, request, body, body_bytes_max)
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise FetchError(f"no answer within {timeout_s:g} s") from None
    except ssl.SSLError as error:
        raise FetchError(f"TLS failed: {error.reason or error}") from None
    except OSError as error:
        raise FetchError(f"no connection: {error.strerror or error}") from None
    except h11.ProtocolError as error:
        raise FetchError(f"the answer is not HTTP/1.1: {error}") from None


def _parse(url: str) -> WebSocketUri:
    if not url.startswith(("http://", "https://")):
        raise FetchError("the URL begins with neither http:// nor https://")
    try:
        return parse_uri(url.partition("#")[0])
    except UriError as error:
        raise FetchError(str(error)) from None


async def _open(
    target: WebSocketUri, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if not target.secure:
        return await asyncio.open_connection(target.host, target.port)
    context = tls or ssl.create_default_context()
    return await asyncio.open_connection(
        target.host, target.port, ssl=context, server_hostname=target.host
    )


def _make_request(
    target: WebSocketUri, method: str, headers: HeadersLike, body: bytes
) -> h11.Request:
    fields = Headers(headers)
    fields.set("Host", target.authority)
    fields.set("User-Agent", f"longwire/{__version__}")
    fields.set("Connection", "close")
    if body or method not in ("GET", "HEAD", "DELETE"):
        fields.set("Content-Length", str(len(body)))
    return h11.Request(method=method, target=target.target, headers=list(fields))


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    request: h11.Request,
    body: bytes,
    body_bytes_max: int,
) -> Fetched:
    connection = h11.Connection(h11.CLIENT)
    sent = [connection.send(request)]
    if body:
        sent.append(connection.send(h11.Data(data=body)))
    sent.append(connection.send(h11.EndOfMessage()))
    writer.write(b"".join(part for part in sent if part))
    # A server may answer, and close, before it has read all.
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    response: h11.Response | None = None
    received = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            received += event.data
            if len(received) > body_bytes_max:
                raise FetchError(f"the answer has more than {body_bytes_max} bytes")
        elif isinstance(event, h11.EndOfMessage) and response is not None:
            return Fetched(response.status_code, _headers(response), bytes(received))


def _headers(response: h11.Response) -> Headers:
    return Headers(
        [(name.decode("ascii"), value.decode("latin-1")) for name, value in response.headers]
    )
