"""HTTP/2 over real sockets: by prior knowledge, by ALPN, and WebSocket on a stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import h2.events
import pytest
from websockets.frames import Opcode

from longwire.base.limits import HttpLimits
from longwire.net.callbacks import Callbacks
from longwire.net.endpoint import Endpoint
from longwire.net.http_exchange import ExchangeClosed, HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.in_flight import InFlight
from longwire.net.listener import Listener
from longwire.net.tls import Certificate, ServerTls
from longwire.websocket.handshake import HandshakeError
from tests.integration.net.certificates import Authority
from tests.integration.net.http2_client import Http2Client, StreamSocket
from tests.integration.net.local import eventually

MIB = 1024 * 1024


class Site:
    """A small site, and what happened on it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed: list[str] = []
        self.sockets: list[Endpoint] = []
        self.held: list[int] = []
        self.gate = asyncio.Event()
        self.callbacks: Callbacks | None = None
        """In place of those of an echo."""

    async def handle(self, exchange: HttpExchange) -> None:
        path = exchange.request.target
        self.asked.append(path)
        try:
            if path == "/echo":
                await exchange.respond(200, [], await exchange.read_body())
            elif path == "/big":
                await self._stream(exchange, MIB)
            elif path == "/wait":
                await self.gate.wait()
                await exchange.respond(200, [], b"at last")
            elif path == "/socket":
                self._open(exchange)
            elif path == "/late-socket":
                await self.gate.wait()
                self._open(exchange)
            else:
                await exchange.respond(200, [], path.encode())
        except ExchangeClosed as error:
            self.closed.append(str(error))

    async def _stream(self, exchange: HttpExchange, size: int) -> None:
        exchange.start(200)
        for _ in range(size // 8192):
            exchange.write(bytes(8192))
            self.held.append(exchange.held_bytes)
            await exchange.drain()
        exchange.finish()

    def _open(self, exchange: HttpExchange) -> None:
        site = self

        class Echo(Callbacks):
            def on_message(self, endpoint: Endpoint, message: str | bytes) -> None:
                endpoint.send(message)

            def on_close(self, endpoint: Endpoint, error: Exception) -> None:
                site.closed.append(str(error))

        endpoint = exchange.upgrade_callbacks(
            self.callbacks or Echo(),
            subprotocols=["chat"],
            is_origin_allowed=lambda origin: origin in (None, "http://here"),
        )
        self.sockets.append(endpoint)


@contextlib.asynccontextmanager
async def running(
    site: Site,
    *,
    tls: ServerTls | None = None,
    limits: HttpLimits | None = None,
    in_flight: InFlight | None = None,
) -> AsyncIterator[tuple[Listener, int]]:
    async def handle(exchange: HttpExchange) -> None:
        try:
            await site.handle(exchange)
        except HandshakeError as error:
            response = error.response()
            await exchange.respond(response.status, response.headers, response.body)

    server = HttpServer(handle, limits=limits, in_flight=in_flight)
    listener = Listener(
        server.make_handler, host="127.0.0.1", port=0, ssl=None if tls is None else tls.context
    )
    await listener.start()
    try:
        yield listener, listener.sockets[0].getsockname()[1]
    finally:
        site.gate.set()
        await listener.close(5.0)
        await server.finished(5.0)


async def test_requests_share_a_connection() -> None:
    site = Site()
    async with running(site) as (listener, port), await Http2Client.open(port) as client:
        waiting = client.request("/wait")
        streams = [client.request(f"/{index}") for index in range(100)]
        for index, stream in enumerate(streams):
            assert await client.answer(stream) == (200, f"/{index}".encode())
        site.gate.set()
        assert await client.answer(waiting) == (200, b"at last")
        assert len(listener.links) == 1


async def test_a_body_larger_than_every_window_comes_back() -> None:
    async with running(Site()) as (_, port), await Http2Client.open(port) as client:
        stream = client.request("/echo", "POST", body=None)
        body = bytes(range(256)) * 4096
        sent = 0
        while sent < len(body):
            await client.until(lambda: client.h2.local_flow_control_window(stream) > 0)
            size = min(client.h2.local_flow_control_window(stream), 16_384, len(body) - sent)
            client.h2.send_data(stream, body[sent : sent + size])
            sent += size
            client.flush()
        client.h2.end_stream(stream)
        client.flush()
        assert await client.answer(stream) == (200, body)


async def test_a_client_that_gives_no_credit_makes_the_handler_wait() -> None:
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        client.gives_credit = False
        stream = client.request("/big")
        await client.until(lambda: len(client.body(stream)) == 65_535)
        # Others are served meanwhile, as far as the connection's window allows: not at all; but
        # what has no body is.
        assert max(site.held) <= 64 * 1024 + 8192
        client.h2.increment_flow_control_window(2 * MIB)
        client.h2.increment_flow_control_window(2 * MIB, stream)
        client.flush()
        status, body = await client.answer(stream)
        assert (status, len(body)) == (200, MIB)
        assert max(site.held) <= 64 * 1024 + 8192


async def test_a_request_that_is_reset_in_the_same_read_reaches_no_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Otherwise each of a flood of such would run a handler for nobody."""
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        assert await client.answer(client.request("/first")) == (200, b"/first")
        gone = []
        for _ in range(5):
            # Both frames leave in one write, as a flood of resets sends them.
            stream = client.h2.get_next_available_stream_id()
            head = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/g")]
            client.h2.send_headers(stream, head, end_stream=True)
            client.h2.reset_stream(stream)
            gone.append(stream)
        client.flush()
        assert await client.answer(client.request("/alive")) == (200, b"/alive")
        assert all(client.status(stream) is None for stream in gone)
    assert site.asked == ["/first", "/alive"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_client_that_resets_ends_its_handler_alone() -> None:
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        client.gives_credit = False
        stream = client.request("/big")
        await client.until(lambda: client.body(stream))
        client.h2.reset_stream(stream, 8)
        client.flush()
        await eventually(lambda: site.closed)
        assert "reset the stream (error code 8)" in site.closed[0]
        client.h2.increment_flow_control_window(MIB)
        client.flush()
        assert await client.answer(client.request("/still")) == (200, b"/still")


async def test_a_request_that_is_given_up_and_reset_in_one_read_ends_alone() -> None:
    site = Site()
    async with (
        running(site, in_flight=InFlight(64 * 1024)) as (_, port),
        await Http2Client.open(port) as client,
    ):
        waiting = client.request("/wait")
        largest = client.request("/wait", "POST", body=None)
        another = client.request("/wait", "POST", body=None)
        await eventually(lambda: site.asked == ["/wait"] * 3)
        for _ in range(3):
            client.h2.send_data(largest, bytes(16_000))
        client.flush()
        await client.answer(client.request("/behind"))
        for _ in range(3):  # too much, together: the largest would be given up
            client.h2.send_data(another, bytes(15_000))
        client.h2.reset_stream(largest, 8)
        client.flush()
        await client.answer(client.request("/behind"))
        site.gate.set()
        assert await client.answer(waiting) == (200, b"at last")


@pytest.mark.parametrize("cut", [1, 10, 23, 24])
async def test_prior_knowledge_is_found_however_it_comes(cut: int) -> None:
    async with running(Site()) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
        writer.write(preface[:cut])
        await asyncio.sleep(0.02)
        writer.write(preface[cut:])
        assert (await reader.readexactly(9))[3] == 4, "SETTINGS come first"
        writer.close()


async def test_http1_with_a_p_is_not_taken_for_it() -> None:
    async with running(Site()) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in (b"P", b"OST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"):
            writer.write(piece)
            await asyncio.sleep(0.02)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_alpn_chooses(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    cert_path, key_path = authority.issue("local", "127.0.0.1", "localhost")
    tls = ServerTls([Certificate(cert_path=cert_path, key_path=key_path)], alpn=("h2", "http/1.1"))
    async with running(Site(), tls=tls) as (_, port):
        async with await Http2Client.open(port, authority.client_context()) as client:
            assert await client.answer(client.request("/tls")) == (200, b"/tls")
        context = authority.client_context()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_draining_finishes_what_is_begun() -> None:
    site = Site()
    async with running(site) as (listener, port), await Http2Client.open(port) as client:
        stream = client.request("/wait")
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol)
        await eventually(lambda: listener.links)
        listener.stop_accepting()
        listener.shutdown()
        # The h2 library's client takes a GOAWAY for the end; what counts is that it came, and
        # that the answer still leaves.
        await client.until(
            lambda: [e for e in client.events if isinstance(e, h2.events.ConnectionTerminated)]
        )
        assert client.h2.get_next_available_stream_id() > stream
        site.gate.set()
        assert await listener.drained(10.0)


# WebSocket (RFC 8441)


async def test_a_websocket_lives_on_a_stream() -> None:
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        socket = await StreamSocket.open(
            client, "/socket", (":protocol", "websocket"), ("sec-websocket-protocol", "b, chat")
        )
        heads = client.of(socket.stream, h2.events.ResponseReceived)
        fields = dict(heads[0].headers)
        assert fields[":status"] == "200"
        assert fields["sec-websocket-protocol"] == "chat"
        assert "sec-websocket-accept" not in fields
        assert "content-length" not in fields
        for message in (b"hello", b"", bytes(60_000), b"bye"):
            socket.send(message)
            assert (await socket.recv()).data == message
        assert await client.answer(client.request("/beside")) == (200, b"/beside")
        socket.close(3001)
        frame = await socket.recv()
        assert (frame.opcode, bytes(frame.data[:2])) == (Opcode.CLOSE, (3001).to_bytes(2, "big"))
        await client.until(lambda: client.of(socket.stream, h2.events.StreamEnded))
        client.h2.end_stream(socket.stream)
        client.flush()
        await eventually(lambda: site.closed)
        assert site.sockets[0].closed is not None
        assert site.sockets[0].closed.error().code == 3001


async def test_a_websocket_whose_stream_is_reset_is_told_so() -> None:
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        socket = await StreamSocket.open(client, "/socket", (":protocol", "websocket"))
        client.h2.reset_stream(socket.stream, 8)
        client.flush()
        await eventually(lambda: site.closed)
        closed = site.sockets[0].closed
        assert closed is not None and closed.error().code == 1006
        assert await client.answer(client.request("/still")) == (200, b"/still")


async def test_a_message_and_the_reset_of_its_stream_in_one_read_end_that_stream_alone() -> None:
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        socket = await StreamSocket.open(client, "/socket", (":protocol", "websocket"))
        waiting = client.request("/wait")
        await eventually(lambda: "/wait" in site.asked)
        # Our answer to the message finds the stream closed.
        client.h2.send_data(socket.stream, bytes.fromhex("8182000000006869"))
        client.h2.reset_stream(socket.stream, 8)
        client.flush()
        await eventually(lambda: site.closed)
        site.gate.set()
        assert await client.answer(waiting) == (200, b"at last")


async def test_a_websocket_learns_that_all_was_taken_from_a_client_that_says_nothing_more() -> None:
    site = Site()
    drained = asyncio.Event()
    size, first, second = 165_535, 65_535, 50_000

    class Source(Callbacks):
        def on_open(self, endpoint: Endpoint) -> None:
            endpoint.send(bytes(size))

        def on_drain(self, endpoint: Endpoint) -> None:
            drained.set()

    site.callbacks = Source()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        client.gives_credit = False
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        socket = await StreamSocket.open(client, "/socket", (":protocol", "websocket"))
        await client.until(lambda: len(client.body(socket.stream)) == first)
        assert not drained.is_set()
        # What is left after this is more than the low mark, and less than the high one.
        client.h2.increment_flow_control_window(second)
        client.h2.increment_flow_control_window(second, socket.stream)
        client.flush()
        await client.until(lambda: len(client.body(socket.stream)) == first + second)
        client.h2.increment_flow_control_window(MIB)
        client.h2.increment_flow_control_window(MIB, socket.stream)
        client.flush()
        await client.until(lambda: len(client.body(socket.stream)) > size)
        async with asyncio.timeout(10):  # before keepalive has it say something
            await drained.wait()


async def test_a_websocket_that_pauses_and_resumes_keeps_the_order() -> None:
    site = Site()
    got: list[str | bytes] = []

    class Restless(Callbacks):
        def on_message(self, endpoint: Endpoint, message: str | bytes) -> None:
            got.append(message)
            endpoint.pause_reading()
            if message != "a":
                endpoint.resume_reading()

    site.callbacks = Restless()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        socket = await StreamSocket.open(client, "/socket", (":protocol", "websocket"))
        for together in (b"a", b"bc", b"d", b"ef"):  # a DATA frame each, all in one read
            frames = b"".join(b"\x81\x81\0\0\0\0%c" % letter for letter in together)
            client.h2.send_data(socket.stream, frames)
        client.flush()
        await eventually(lambda: got)
        await client.answer(client.request("/behind"))
        site.sockets[0].resume_reading()
        assert got == ["a", "b", "c", "d", "e", "f"]


async def test_a_websocket_whose_stream_ended_before_it_was_accepted_learns_of_it() -> None:
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        stream = client.request(
            "/late-socket",
            "CONNECT",
            (":protocol", "websocket"),
            ("sec-websocket-version", "13"),
            body=None,
        )
        await eventually(lambda: "/late-socket" in site.asked)
        client.h2.send_data(stream, bytes.fromhex("8182000000006869"), end_stream=True)
        client.flush()
        assert await client.answer(client.request("/behind")) == (200, b"/behind")
        site.gate.set()
        await eventually(lambda: site.closed)
        assert await client.answer(stream) == (200, b"\x81\x02hi")


@pytest.mark.parametrize(
    "more",
    [
        [
            (":protocol", "websocket"),
            ("sec-websocket-version", "13"),
            ("origin", "http://elsewhere"),
        ],
        [(":protocol", "websocket")],
        [(":protocol", "something-else")],
    ],
    ids=["403", "426, which has Upgrade over HTTP/1.1", "501, by the engine"],
)
async def test_a_refused_websocket_ends_its_stream_although_the_client_does_not(
    more: list[tuple[str, str]],
) -> None:
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        stream = client.request("/socket", "CONNECT", *more, body=None)
        client.h2.send_data(stream, b"not a word of it is read")
        client.flush()
        await client.until(lambda: client.of(stream, h2.events.StreamReset))
        (end,) = client.of(stream, h2.events.StreamReset)
        assert end.error_code == 0
        assert await client.answer(client.request("/still")) == (200, b"/still")


async def test_a_websocket_is_lost_with_its_connection() -> None:
    site = Site()
    async with running(site) as (_, port):
        async with await Http2Client.open(port) as client:
            await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
            await StreamSocket.open(client, "/socket", (":protocol", "websocket"))
        await eventually(lambda: site.closed)
        closed = site.sockets[0].closed
        assert closed is not None and closed.error().code == 1006


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ([("origin", "http://elsewhere")], 403),
        ([("sec-websocket-protocol", "a, a")], 400),
        ([("sec-websocket-extensions", "=")], 400),
    ],
    ids=["a foreign origin", "a doubled subprotocol", "malformed extensions"],
)
async def test_a_websocket_is_refused_on_its_stream(
    more: list[tuple[str, str]], status: int
) -> None:
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        socket = await StreamSocket.open(client, "/socket", (":protocol", "websocket"), *more)
        assert client.status(socket.stream) == status
        assert await client.answer(client.request("/still")) == (200, b"/still")


async def test_a_slow_websocket_holds_a_bounded_amount_and_others_go_on() -> None:
    site = Site()
    async with running(site) as (_, port), await Http2Client.open(port) as client:
        await client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        socket = await StreamSocket.open(client, "/socket", (":protocol", "websocket"))
        client.gives_credit = False
        (endpoint,) = site.sockets
        for _ in range(40):
            endpoint.send(bytes(8192))
        await eventually(lambda: endpoint.held_bytes > 0)
        client.h2.increment_flow_control_window(MIB)
        client.flush()
        assert await client.answer(client.request("/beside")) == (200, b"/beside")
        client.h2.increment_flow_control_window(MIB, socket.stream)
        client.flush()
        await client.until(lambda: len(client.body(socket.stream)) >= 40 * 8192)
        await eventually(lambda: endpoint.held_bytes == 0)
