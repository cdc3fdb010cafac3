"""connect(): redirects, refusals, reconnecting, Unix sockets, and leaving nothing open."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

import longwire
from longwire.websocket.handshake import UriError
from tests.integration.net.local import RawServer, echo, eventually, reset, serving, uri_of


def refuse(status: int, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *headers, f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Answers:
    """Plays one prepared answer for each connection; the last one for all further ones."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        writer.write(answer)
        await writer.drain()


async def test_request_carries_headers_origin_and_subprotocols() -> None:
    seen: list[longwire.Connection] = []

    async def handler(connection: longwire.Connection) -> None:
        seen.append(connection)

    async with serving(handler, subprotocols=["b", "a"]) as (_, uri):
        async with longwire.connect(
            uri + "path?query=1",
            origin="https://example.org",
            subprotocols=["a", "b"],
            additional_headers={"X-Token": "secret"},
            user_agent_header="tester/1",
        ) as ws:
            assert ws.subprotocol == "b"
            assert ws.response.status == 101
            assert ws.request.target == "/path?query=1" == ws.request.path
        headers = seen[0].request.headers
        assert headers["X-Token"] == "secret"
        assert headers["Origin"] == "https://example.org"
        assert headers["User-Agent"] == "tester/1"
        assert seen[0].request.target == "/path?query=1"
        async with longwire.connect(uri, user_agent_header=None):
            pass
        assert "User-Agent" not in seen[1].request.headers


def test_bad_arguments_fail_at_the_call() -> None:
    for uri in ("http//x", "ftp://x/", "ws://", "ws://x/#f", "ws://x:99999/"):
        with pytest.raises(UriError):
            longwire.connect(uri)
    with pytest.raises(ValueError, match="compression"):
        longwire.connect("ws://x/", compression="gzip")
    with pytest.raises(ValueError, match="ssl"):
        longwire.connect("ws://x/", ssl=ssl.create_default_context())
    with pytest.raises(ValueError, match="ping_interval"):
        longwire.connect("ws://x/", ping_interval=-1)
    with pytest.raises(ValueError):
        longwire.connect("ws://x/", additional_headers={"Sec-WebSocket-Key": "mine"})
    with pytest.raises((TypeError, ValueError)):
        longwire.connect("ws://x/", subprotocols="chat")


@pytest.mark.parametrize("status", [200, 401, 404, 503])
async def test_refusal_carries_status_and_the_servers_words(status: int) -> None:
    answer = refuse(status, "Content-Type: text/plain", body="no such room here\n")
    async with RawServer(Answers(answer)) as raw:
        with pytest.raises(longwire.HandshakeError, match="no such room here") as caught:
            await longwire.connect(raw.uri)
        assert caught.value.status == status


async def test_page_of_a_refusal_is_not_repeated() -> None:
    answer = refuse(404, "Content-Type: text/html", body="<html>a whole page</html>")
    async with RawServer(Answers(answer)) as raw:
        with pytest.raises(longwire.HandshakeError) as caught:
            await longwire.connect(raw.uri)
        assert "html" not in str(caught.value)


async def test_interim_response_is_skipped() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + raw.accept())
        await reader.read()

    async with RawServer(play) as raw, longwire.connect(raw.uri, close_timeout=0.1):
        pass


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
    ids=["no HTTP", "no accept", "too large"],
)
async def test_wrong_answers_are_handshake_errors(answer: bytes) -> None:
    async with RawServer(Answers(answer)) as raw:
        with pytest.raises(longwire.HandshakeError):
            await longwire.connect(raw.uri)


async def test_end_before_the_answer_is_an_os_error() -> None:
    async with RawServer(Answers(b"HTTP/1.1 10")) as raw:
        with pytest.raises(ConnectionError, match="before it answered"):
            await longwire.connect(raw.uri)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reset(writer)

    async with RawServer(play) as raw:
        with pytest.raises(ConnectionError):
            await longwire.connect(raw.uri)


async def test_open_timeout_names_itself_and_leaves_nothing_open() -> None:
    ended = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        ended.set()

    async with RawServer(play) as raw:
        with pytest.raises(TimeoutError, match="open_timeout"):
            await longwire.connect(raw.uri, open_timeout=0.1)
        async with asyncio.timeout(20):
            await ended.wait()


async def test_cancelled_connect_leaves_nothing_open() -> None:
    ended = 0

    async def handler(connection: longwire.Connection) -> None:
        await connection.wait_closed()

    async with serving(handler) as (server, uri):
        for turns in range(40):
            task = asyncio.create_task(longwire.connect(uri)._connect())
            for _ in range(turns):
                await asyncio.sleep(0)
            if turns % 4 == 0:
                await asyncio.sleep(0.001)
            task.cancel()
            try:
                connection = await task
            except asyncio.CancelledError:
                ended += 1
            else:
                await connection.close()
        await eventually(lambda: not server.listener.links)
        gc.collect()
    assert ended > 0


async def test_unix_sockets_on_both_sides(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with longwire.unix_serve(echo, path):
        async with longwire.unix_connect(path) as ws:
            await ws.send("over a path")
            assert await ws.recv() == "over a path"
            assert ws.link.tcp_info() is None
            assert ws.remote_address == path
        async with longwire.unix_connect(path, "ws://example.org/x") as ws:
            assert ws.request.headers["Host"] == "example.org"
    with pytest.raises(FileNotFoundError):
        await longwire.unix_connect(path)


async def test_redirects_are_followed() -> None:
    async with (
        serving() as (_, uri),
        RawServer(Answers(refuse(302, f"Location: {uri}target"))) as raw,
        longwire.connect(raw.uri) as ws,
    ):
        assert ws.request.target == "/target"
        await ws.send("there")
        assert await ws.recv() == "there"


async def test_redirect_within_the_origin_keeps_credentials() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(raw.requests) == 1:
            writer.write(refuse(307, "Location: /second?x=1"))
        else:
            writer.write(refuse(404))

    async with RawServer(play) as raw:
        with pytest.raises(longwire.HandshakeError) as caught:
            await longwire.connect(
                raw.uri.replace("ws://", "ws://user:pass@"), additional_headers={"Cookie": "a=b"}
            )
    assert caught.value.status == 404
    assert raw.requests[1].startswith(b"GET /second?x=1 ")
    for request in raw.requests:
        assert b"Authorization: Basic dXNlcjpwYXNz\r\n" in request
        assert b"Cookie: a=b\r\n" in request


async def test_redirect_to_another_origin_drops_credentials() -> None:
    async with (
        RawServer(Answers(refuse(404))) as second,
        RawServer(Answers(refuse(301, f"Location: {second.uri}"))) as first,
    ):
        with pytest.raises(longwire.HandshakeError):
            await longwire.connect(
                first.uri.replace("ws://", "ws://user:pass@"),
                additional_headers={
                    "Cookie": "a=b",
                    "Proxy-Authorization": "x",
                    "X-Other": "stays",
                },
            )
        assert b"Authorization: Basic" in first.requests[0]
    request = second.requests[0]
    assert b"uthorization" not in request
    assert b"Cookie" not in request
    assert b"X-Other: stays\r\n" in request


async def test_redirects_have_a_limit() -> None:
    async with RawServer(Answers(refuse(302, "Location: /again"))) as raw:
        with pytest.raises(longwire.HandshakeError, match="redirects_max"):
            await longwire.connect(raw.uri, redirects_max=3)
        assert len(raw.requests) == 4


@pytest.mark.parametrize("location", ["ftp://example.org/", "http://[bad", ""])
async def test_redirects_to_nowhere_are_errors(location: str) -> None:
    async with RawServer(Answers(refuse(302, f"Location: {location}"))) as raw:
        with pytest.raises(longwire.HandshakeError):
            await longwire.connect(raw.uri, redirects_max=2)


async def test_redirect_away_from_a_fixed_address_is_refused() -> None:
    async with RawServer(Answers(refuse(302, "Location: ws://elsewhere.invalid/"))) as raw:
        with pytest.raises(longwire.HandshakeError, match="do not lead to"):
            await longwire.connect("ws://example.invalid/", host="127.0.0.1", port=raw.port)


def no_wait() -> Iterator[float]:
    while True:
        yield 0.0


async def test_iteration_reconnects_after_every_end() -> None:
    count = 0

    async def handler(connection: longwire.Connection) -> None:
        nonlocal count
        count += 1
        if count % 2:
            connection.endpoint.abort()
        await connection.send(str(count))

    received = []
    async with serving(handler) as (_, uri):
        async for ws in longwire.connect(uri, reconnect_delays=no_wait):
            try:
                received.append(await ws.recv())
            except longwire.ConnectionClosed:
                continue
            if count >= 6:
                break
    assert received == ["2", "4", "6"]


async def test_iteration_retries_what_may_pass_and_raises_what_will_not() -> None:
    answers = Answers(refuse(503), refuse(429), b"", refuse(500), refuse(404))
    async with RawServer(answers) as raw:
        with pytest.raises(longwire.HandshakeError) as caught:
            async for _ in longwire.connect(raw.uri, reconnect_delays=no_wait):
                raise AssertionError("nothing to connect to")
        assert caught.value.status == 404
        assert len(raw.requests) == 5


async def test_iteration_honours_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)
        await real_sleep(0)

    monkeypatch.setattr("longwire.net.client.asyncio.sleep", sleep)
    async with RawServer(Answers(refuse(503, "Retry-After: 7"), refuse(404))) as raw:
        with pytest.raises(longwire.HandshakeError):
            async for _ in longwire.connect(raw.uri, reconnect_delays=no_wait):
                pass
    assert waits == [7.0]


async def test_iteration_obeys_process_exception() -> None:
    def never(error: Exception) -> Exception | None:
        return RuntimeError("told so")

    async with RawServer(Answers(refuse(503))) as raw:
        with pytest.raises(RuntimeError, match="told so"):
            async for _ in longwire.connect(raw.uri, process_exception=never):
                pass
        assert len(raw.requests) == 1


async def test_unreachable_port_is_an_os_error() -> None:
    async with serving() as (_, uri):
        pass
    with pytest.raises(ConnectionRefusedError):
        await longwire.connect(uri)


async def test_callback_style_client() -> None:
    class Client(longwire.Callbacks):
        def __init__(self) -> None:
            self.calls: list[object] = []

        def on_open(self, connection: longwire.Endpoint) -> None:
            self.calls.append("open")
            connection.send("hello")

        def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
            self.calls.append(message)
            connection.close(4000, "enough")

        def on_close(self, connection: longwire.Endpoint, error: longwire.ConnectionClosed) -> None:
            self.calls.append(error.sent)

    client = Client()
    async with serving() as (_, uri):
        endpoint = await longwire.connect(uri).with_callbacks(client)
        await eventually(lambda: endpoint.closed)
    assert client.calls == ["open", "hello", longwire.Close(4000, "enough")]


async def test_uri_of_ipv6_literals() -> None:
    async with (
        longwire.serve(echo, "::1", 0) as server,
        longwire.connect(uri_of(server, host="[::1]")) as ws,
    ):
        await ws.send("six")
        assert await ws.recv() == "six"
