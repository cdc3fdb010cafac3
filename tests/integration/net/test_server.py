"""serve(): refusals that can be read, hooks, limits, callbacks, and the drain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

import longwire
from longwire.base.limits import ConnectionLimits
from longwire.net.http_exchange import HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from longwire.net.tls import Certificate, ServerTls
from longwire.websocket.handshake import RequestHead, ResponseHead
from tests.integration.net.certificates import Authority
from tests.integration.net.local import echo, eventually, open_links, open_raw, serving

UPGRADE = (
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def ask(uri: str, request: str) -> tuple[int, dict[str, str], str]:
    """Send raw bytes; return status, headers and body of the answer, read to its end."""
    reader, writer = await open_raw(uri)
    writer.write(request.encode())
    async with asyncio.timeout(20):
        answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    status_line, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(status_line.split()[1]), headers, body


@pytest.mark.parametrize(
    ("request_text", "status", "words"),
    [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426, "WebSocket"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405, "GET"),
        ("GET / HTTP/1.0\r\n\r\n", 400, "HTTP/1.1"),
        ("hello there\r\n\r\n", 400, "request line"),
        ("GET / HTTP/2.0\r\n\r\n", 505, "HTTP/2.0"),
        (UPGRADE.replace("13", "8") + "\r\n", 426, "version"),
        (UPGRADE.replace("nonce", "none") + "X: \x01\r\n\r\n", 400, "control"),
        ("GET / HTTP/1.1\r\nX: " + "y" * 20_000 + "\r\n\r\n", 431, "handshake_head_bytes_max"),
        (UPGRADE + "Origin: https://evil.example\r\n\r\n", 403, "rigin"),
    ],
)
async def test_refusals_say_what_would_be_right(request_text: str, status: int, words: str) -> None:
    async with serving(origins=["https://good.example", None]) as (_, uri):
        found, headers, body = await ask(uri, request_text)
    assert found == status
    assert words in body
    assert "close" in headers["Connection"]
    assert int(headers["Content-Length"]) == len(body)
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", headers["Date"])
    assert headers["Server"].startswith("longwire")


async def test_9110_9_3_2_answer_to_head_has_no_body() -> None:
    async with serving() as (_, uri):
        status, headers, body = await ask(uri, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, body) == (405, "")
    assert int(headers["Content-Length"]) > 0


async def test_origins_may_be_patterns() -> None:
    origins = [re.compile(r"https://[a-z]+\.example"), "http://exact.example"]
    async with serving(origins=origins) as (_, uri):
        for origin in ("https://a.example", "http://exact.example"):
            async with longwire.connect(uri, origin=origin):
                pass
        for origin in ("https://a.example.evil", "http://exact.example:1", None):
            with pytest.raises(longwire.HandshakeError) as caught:
                await longwire.connect(uri, origin=origin)
            assert caught.value.status == 403


async def test_slow_handshake_gets_408() -> None:
    async with serving(open_timeout=0.2) as (_, uri):
        status, _, body = await ask(uri, "GET / HTTP/1.1\r\nHost: x\r\n")
    assert status == 408
    assert "open_timeout" in body


@pytest.mark.parametrize("is_async", [False, True])
async def test_process_request_may_refuse_and_mark(is_async: bool) -> None:
    def decide(connection: longwire.Connection, request: RequestHead) -> ResponseHead | None:
        assert connection.request is request
        assert connection.remote_address[0] == "127.0.0.1"
        if request.target == "/healthz":
            return connection.respond(200, "fine\n")
        if "X-User" not in request.headers:
            return connection.respond(401, "who are you?\n", {"WWW-Authenticate": "Basic"})
        connection.user = request.headers["X-User"]  # type: ignore[attr-defined]
        return None

    async def decide_later(
        connection: longwire.Connection, request: RequestHead
    ) -> ResponseHead | None:
        await asyncio.sleep(0.01)
        return decide(connection, request)

    async def handler(connection: longwire.Connection) -> None:
        await connection.send(connection.user)  # type: ignore[attr-defined]
        await echo(connection)

    hook = decide_later if is_async else decide
    async with serving(handler, process_request=hook) as (_, uri):
        status, _, body = await ask(uri, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, body) == (200, "fine\n")
        with pytest.raises(longwire.HandshakeError, match="who are you") as caught:
            await longwire.connect(uri)
        assert caught.value.status == 401
        assert caught.value.headers["WWW-Authenticate"] == "Basic"
        async with longwire.connect(uri, additional_headers={"X-User": "ann"}) as ws:
            assert await ws.recv() == "ann"
            await ws.send("x")
            assert await ws.recv() == "x"


async def test_frames_behind_the_handshake_are_not_lost() -> None:
    """A client may send before it has the answer (it should not, but proxies join packets)."""

    async def later(connection: longwire.Connection, request: RequestHead) -> None:
        await asyncio.sleep(0.05)

    for hook in (None, later):
        async with serving(process_request=hook) as (_, uri):
            reader, writer = await open_raw(uri)
            writer.write(UPGRADE.encode() + b"\r\n" + b"\x81\x82\0\0\0\0hi")
            async with asyncio.timeout(20):
                await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(4) == b"\x81\x02hi"
            writer.close()


async def test_failing_hook_is_a_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(connection: longwire.Connection, request: RequestHead) -> None:
        raise ZeroDivisionError

    async with serving(process_request=fail) as (_, uri):
        with pytest.raises(longwire.HandshakeError) as caught:
            await longwire.connect(uri)
    assert caught.value.status == 500
    assert "ZeroDivisionError" in caplog.text
    assert "ZeroDivision" not in str(caught.value)


async def test_process_response_sees_and_changes_the_101() -> None:
    def change(
        connection: longwire.Connection, request: RequestHead, response: ResponseHead
    ) -> None:
        response.headers.add("X-Added", "yes")

    async with serving(process_response=change) as (_, uri), longwire.connect(uri) as ws:
        assert ws.response.headers["X-Added"] == "yes"


async def test_select_subprotocol_chooses() -> None:
    def choose(connection: longwire.Connection, offered: object) -> str | None:
        return list(offered)[-1] if offered else None  # type: ignore[call-overload,no-any-return]

    async with serving(select_subprotocol=choose) as (_, uri):
        async with longwire.connect(uri, subprotocols=["a", "b"]) as ws:
            assert ws.subprotocol == "b"
        async with longwire.connect(uri) as ws:
            assert ws.subprotocol is None


async def test_handler_that_raises_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(connection: longwire.Connection) -> None:
        raise ZeroDivisionError

    async with serving(handler) as (_, uri):
        ws = await longwire.connect(uri)
        with pytest.raises(longwire.ConnectionClosedError) as caught:
            await ws.recv()
    assert caught.value.code == 1011
    assert caught.value.verdict.code == "peer_said_error"
    assert "ZeroDivisionError" in caplog.text


async def test_message_over_max_size_is_named() -> None:
    async with serving(max_size=100) as (_, uri):
        ws = await longwire.connect(uri)
        await ws.send("x" * 101)
        with pytest.raises(longwire.ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.code == 1009
        assert "message_bytes_max" in caught.value.reason
    async with serving(max_size=100) as (_, uri), longwire.connect(uri, max_size=(None, 50)) as ws:
        await ws.send("x" * 50)
        assert len(await ws.recv()) == 50
        await ws.send("x" * 51)
        with pytest.raises(longwire.ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.verdict.code == "our_limit"
        assert "frame_bytes_max" in caught.value.verdict.sentence


class Recorder(longwire.Callbacks):
    """Echo in callback style that keeps what happened."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def on_open(self, connection: longwire.Endpoint) -> None:
        self.calls.append("open")

    def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
        self.calls.append(message)
        if message == "fail":
            raise ZeroDivisionError
        connection.send(message)

    def on_ping(self, connection: longwire.Endpoint, payload: bytes) -> None:
        self.calls.append(("ping", payload))

    def on_pong(
        self, connection: longwire.Endpoint, payload: bytes, latency_s: float | None
    ) -> None:
        self.calls.append(("pong", payload, latency_s is not None))

    def on_close(self, connection: longwire.Endpoint, error: longwire.ConnectionClosed) -> None:
        self.calls.append(("close", error.code))


async def test_callback_style_server_runs_without_tasks() -> None:
    recorder = Recorder()
    async with serving(recorder) as (server, uri):
        ws = await longwire.connect(uri)
        before = len(asyncio.all_tasks())
        await ws.send("one")
        assert await ws.recv() == "one"
        await ws.ping(b"payload")
        assert len(asyncio.all_tasks()) == before
        (endpoint,) = server.endpoints
        endpoint.ping(b"ours")
        await eventually(lambda: ("pong", b"ours", True) in recorder.calls)
        await ws.close(4001)
        await eventually(lambda: ("close", 4001) in recorder.calls)
    assert recorder.calls == [
        "open",
        "one",
        ("ping", b"payload"),
        ("pong", b"ours", True),
        ("close", 4001),
    ]


async def test_exception_in_a_callback_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    async with serving(recorder) as (_, uri):
        ws = await longwire.connect(uri)
        await ws.send("fail")
        with pytest.raises(longwire.ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.code == 1011
    assert "ZeroDivisionError" in caplog.text
    assert recorder.calls[-1] == ("close", 1006) or recorder.calls[-1] == ("close", 1011)


async def test_callback_may_send_into_a_connection_that_the_same_read_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Recorder()
    async with serving(recorder) as (_, uri):
        ws = await longwire.connect(uri)
        ws.endpoint.send("last")
        ws.endpoint.send("words")
        await ws.close()
        await eventually(lambda: ("close", 1000) in recorder.calls)
    assert recorder.calls == ["open", "last", "words", ("close", 1000)]
    assert not caplog.records


async def test_callbacks_are_told_when_to_go_on_sending() -> None:
    class Pump(longwire.Callbacks):
        def __init__(self) -> None:
            self.sent = 0
            self.drains = 0
            self.held_max = 0

        def on_open(self, connection: longwire.Endpoint) -> None:
            self.pump(connection)

        def on_drain(self, connection: longwire.Endpoint) -> None:
            self.drains += 1
            self.pump(connection)

        def pump(self, connection: longwire.Endpoint) -> None:
            while self.sent < 2000:
                if connection.held_bytes > 64 * 1024:
                    return
                connection.send(b"z" * 5000)
                self.sent += 1
                self.held_max = max(self.held_max, connection.held_bytes)

    pump = Pump()
    async with (
        serving(pump, compression=None) as (_, uri),
        longwire.connect(uri, compression=None) as ws,
    ):
        for _ in range(2000):
            assert len(await ws.recv()) == 5000
    assert pump.drains > 0
    assert pump.held_max < 64 * 1024 + 6000


async def test_closing_the_server_closes_connections_with_1001() -> None:
    async with serving() as (server, uri):
        ws = await longwire.connect(uri)
        await ws.send("x")
        await ws.recv()
        server.close()
        with pytest.raises(longwire.ConnectionClosedOK) as caught:
            await ws.recv()
        assert caught.value.code == 1001
        assert caught.value.verdict.code == "going_away"
        await server.wait_closed()
        assert not server.is_serving()
        with pytest.raises(OSError):
            await longwire.connect(uri)


async def test_closing_the_server_with_another_code() -> None:
    async with serving() as (server, uri):
        ws = await longwire.connect(uri)
        server.close(code=1012, reason="deploying")
        await ws.wait_closed()
        assert (ws.close_code, ws.close_reason) == (1012, "deploying")
        assert ws.closed is not None and ws.closed.verdict.code == "service_restart"


async def test_closing_the_server_may_leave_connections_alone() -> None:
    async with serving() as (server, uri):
        ws = await longwire.connect(uri)
        server.close(close_connections=False)
        await asyncio.sleep(0.05)
        await ws.send("still there")
        assert await ws.recv() == "still there"
        await ws.close()


async def test_handshake_under_way_gets_503_when_the_server_closes() -> None:
    async with serving() as (server, uri):
        reader, writer = await open_raw(uri)
        writer.write(b"GET / HTTP/1.1\r\n")
        await eventually(lambda: open_links(server))
        server.close()
        async with asyncio.timeout(20):
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()


async def test_stuck_handler_is_named_and_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    cancelled = []

    async def stuck_handler(connection: longwire.Connection) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(connection)
            raise

    with caplog.at_level(logging.WARNING, "longwire.net"):
        async with serving(stuck_handler, drain_timeout=0.2) as (_, uri):
            ws = await longwire.connect(uri)
    await ws.wait_closed()
    assert len(cancelled) == 1
    assert "test_server.py:" in caplog.text


async def test_peer_that_ignores_the_close_is_dropped_after_the_timeouts() -> None:
    async with serving(close_timeout=0.2, drain_timeout=5) as (server, uri):
        reader, writer = await open_raw(uri)
        writer.write(UPGRADE.encode() + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        (connection,) = await eventually(lambda: server.connections)
        server.close()
        await server.wait_closed()
        assert connection.closed.verdict.code == "close_timeout"
        writer.close()


async def test_connections_past_the_limit_are_closed() -> None:
    async with serving(connections_max=1) as (server, uri):
        async with longwire.connect(uri):
            with pytest.raises(OSError):
                await longwire.connect(uri)
            assert server.listener.connections_refused == 1
        await eventually(lambda: not server.listener.links)
        async with longwire.connect(uri):
            pass


async def test_connections_of_one_address_have_a_limit(driver: str) -> None:
    reached: list[str] = []
    limits = ConnectionLimits(open_per_address_max=2)
    async with listening(limits, reached) as (listener, port):
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert reached == ["open_per_address_max"]
        assert listener.connections_refused == 1
        kept[0][1].close()
        await eventually(lambda: len(listener.links) == 1)
        await asyncio.open_connection("127.0.0.1", port)
        await eventually(lambda: len(listener.links) == 2)
        assert listener.connections_refused == 1


async def test_those_who_wait_longest_to_begin_make_room(driver: str) -> None:
    reached: list[str] = []
    async with listening(ConnectionLimits(opening_max=4), reached) as (listener, port):
        begun, *silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        begun[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await begun[0].readline()).startswith(b"HTTP/1.1 204 ")
        fifth = await asyncio.open_connection("127.0.0.1", port)
        await eventually(lambda: len(listener.links) == 5)
        assert reached == []
        await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionResetError):
            assert await silent[0][0].read() == b""
        assert reached == ["opening_max"]
        assert listener.openings_cut == 1
        for reader, writer in (begun, fifth, silent[1]):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while not (await reader.readline()).startswith(b"HTTP/1.1 204 "):
                pass


async def test_tls_handshakes_under_way_are_counted_with_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # Where asyncio does TLS we see a connection only when its handshake is over.
    cert_path, key_path = Authority(tmp_path_factory.mktemp("ca")).issue("server", "localhost")
    tls = ServerTls([Certificate(cert_path=str(cert_path), key_path=str(key_path))])
    reached: list[str] = []
    async with listening(
        ConnectionLimits(opening_max=2), reached, ssl=tls.context, driver="reactor"
    ) as (listener, port):
        first, *_ = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        with contextlib.suppress(ConnectionResetError):
            assert await first[0].read() == b""
        assert reached == ["opening_max"]
        assert listener.openings_cut == 1


@contextlib.asynccontextmanager
async def listening(
    limits: ConnectionLimits, reached: list[str], **settings: Any
) -> AsyncIterator[tuple[Listener, int]]:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.respond(204)

    server = HttpServer(answer)
    listener = Listener(
        server.make_handler,
        host="127.0.0.1",
        port=0,
        limits=limits,
        on_limit=reached.append,
        **settings,
    )
    await listener.start()
    try:
        yield listener, listener.sockets[0].getsockname()[1]
    finally:
        await listener.close(1)


async def test_serve_forever_closes_when_cancelled() -> None:
    async with serving() as (server, uri):
        task = asyncio.create_task(server.serve_forever())
        ws = await longwire.connect(uri)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ws.wait_closed()
        assert ws.close_code == 1001


async def test_awaited_server_needs_close_before_wait_closed() -> None:
    server = await longwire.serve(echo, "127.0.0.1", 0)
    with pytest.raises(RuntimeError, match="close"):
        await server.wait_closed()
    server.close()
    await server.wait_closed()
    longwire.serve(echo, "127.0.0.1", 0).close()  # never started
