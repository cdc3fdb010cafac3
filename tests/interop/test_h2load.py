"""HTTP/2 under load from nghttp2's h2load: many clients with many streams each, and no error."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator

import pytest

from longwire.net.http_exchange import HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from longwire.net.tls import Certificate, ServerTls
from tests import needs
from tests.integration.net.certificates import Authority

BODY = bytes(3_000)


@contextlib.asynccontextmanager
async def running(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    async def answer(exchange: HttpExchange) -> None:
        await asyncio.sleep(0)  # so that the streams of a connection are answered side by side
        await exchange.respond(200, {"Content-Type": "text/plain"}, BODY)

    server = HttpServer(answer)
    listener = Listener(server.make_handler, host="127.0.0.1", port=0, ssl=context)
    await listener.start()
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        await listener.close(5)


async def load(url: str, clients: int, streams: int, requests: int) -> None:
    """Run h2load; fail unless every request was answered with 200 and its body."""
    command = (needs.require("h2load"), "-n", str(requests), "-c", str(clients))
    process = await asyncio.create_subprocess_exec(
        *command, "-m", str(streams), url, stdout=asyncio.subprocess.PIPE
    )
    output = (await process.communicate())[0].decode()
    assert f"{requests} succeeded, 0 failed, 0 errored, 0 timeout" in output, output
    assert f"{requests} 2xx, 0 3xx, 0 4xx, 0 5xx" in output, output
    size = re.search(r"\((\d+)\) data", output)
    assert size is not None and int(size[1]) == requests * len(BODY), output


@pytest.mark.parametrize("is_tls", [False, True], ids=["h2c", "TLS"])
@pytest.mark.parametrize(
    ("clients", "streams", "requests"),
    [
        (10, 100, 1_000),
        pytest.param(100, 100, 10_000, marks=[pytest.mark.long, pytest.mark.timeout(300)]),
    ],
)
async def test_every_stream_is_answered(
    clients: int,
    streams: int,
    requests: int,
    is_tls: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    context = None
    if is_tls:
        authority = Authority(tmp_path_factory.mktemp("ca"))
        cert_path, key_path = authority.issue("server", "localhost")
        tls = ServerTls(
            [Certificate(cert_path=str(cert_path), key_path=str(key_path))], alpn=("h2",)
        )
        context = tls.context
    async with running(context) as port:
        scheme = "http" if context is None else "https"
        await load(f"{scheme}://127.0.0.1:{port}/", clients, streams, requests)
