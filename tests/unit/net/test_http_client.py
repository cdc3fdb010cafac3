"""The small HTTP client, against servers that answer as they like."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from longwire.net.http_client import Fetched, FetchError, fetch
from tests.integration.server.certificates import make_certificate


@asynccontextmanager
async def answering(
    answer: bytes, *, stays: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that sends ``answer`` to each request; gives its port and the requests."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length)) if length else b""
            requests.append(head + body)
            writer.write(answer)
            await writer.drain()
            if stays:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], requests


async def get(port: int, path: str = "/", **options: object) -> Fetched:
    settings: dict[str, object] = {"timeout_s": 10.0, "body_bytes_max": 1000} | options
    return await fetch(f"http://127.0.0.1:{port}{path}", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
            ),
            b"hello",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_answer_is_read_in_every_framing(answer: bytes, body: bytes) -> None:
    async with answering(answer) as (port, requests):
        fetched = await get(port, "/a?b=c#fragment")
    assert (fetched.status, fetched.body) == (200, body)
    (request,) = requests
    assert request.startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{port}\r\n".encode() in request.lower()


async def test_request_has_method_headers_and_body() -> None:
    answer = b"HTTP/1.1 201 Created\r\nX-Name: value\r\nContent-Length: 0\r\n\r\n"
    async with answering(answer) as (port, requests):
        fetched = await get(port, method="POST", headers={"X-Mine": "1"}, body=b'{"a":1}')
    assert (fetched.status, fetched.headers.get("x-name")) == (201, "value")
    assert requests[0].startswith(b"POST / HTTP/1.1\r\n")
    assert requests[0].endswith(b'\r\n\r\n{"a":1}')
    assert b"X-Mine: 1\r\n" in requests[0]


async def test_body_at_the_limit_and_one_past_it() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000
    async with answering(answer) as (port, _):
        assert len((await get(port)).body) == 1000
        with pytest.raises(FetchError, match="more than 999 bytes"):
            await get(port, body_bytes_max=999)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"junk\r\n\r\n", "not HTTP/1.1"),
        (b"", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "not HTTP/1.1"),
    ],
)
async def test_answers_that_are_none(answer: bytes, says: str) -> None:
    async with answering(answer) as (port, _):
        with pytest.raises(FetchError, match=says):
            await get(port)


async def test_silence_ends_at_the_time_limit() -> None:
    for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha"):
        async with answering(answer, stays=True) as (port, _):
            with pytest.raises(FetchError, match=r"within 0\.2 s"):
                await get(port, timeout_s=0.2)


@pytest.mark.parametrize("url", ["ftp://a/", "a/b", "http://", "http://a b/", "http://a:0/"])
async def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(FetchError):
        await fetch(url, timeout_s=1, body_bytes_max=1)


async def test_nobody_there() -> None:
    with pytest.raises(FetchError, match="no connection"):
        await get(1)


async def test_certificate_is_checked(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with answering(answer, tls=tls) as (port, _):
        url = f"https://localhost:{port}/"
        trusting = ssl.create_default_context(cafile=certificate)
        fetched = await fetch(url, timeout_s=10, body_bytes_max=10, tls=trusting)
        assert fetched.status == 200
        with pytest.raises(FetchError, match="TLS"):
            await fetch(url, timeout_s=10, body_bytes_max=10)
