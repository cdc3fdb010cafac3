"""The HTTP server over real sockets: answers, streams, back-pressure, drain."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import json
import re
import time
from collections.abc import Awaitable

import pytest

import longwire
from longwire.base.limits import KIB, HttpLimits
from longwire.net.http_exchange import ExchangeClosed, HttpExchange
from longwire.net.http_server import HttpServer
from longwire.net.in_flight import InFlight
from longwire.net.link import Link
from longwire.net.listener import Listener
from tests.integration.net import local
from tests.integration.net.http_talks import LAST, get, hello, http, talk
from tests.integration.net.local import (
    connect_blocking,
    echo,
    eventually,
    open_raw,
    reset,
    uri_at,
)


async def test_requests_are_answered_on_a_connection_that_stays() -> None:
    async with http(hello) as (_, listener, port):
        reader, writer = await open_raw(port)
        for _ in range(3):
            writer.write(get())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"Content-Length: 6\r\n" in head
            assert b"Date: " in head
            assert await reader.readexactly(6) == b"hello\n"
        assert len(listener.links) == 1
        writer.close()


async def test_pipelined_answers_keep_the_order_of_requests() -> None:
    async def handler(exchange: HttpExchange) -> None:
        number = int(exchange.request.target[1:])
        await asyncio.sleep(0.01 * (number % 3))
        await exchange.respond(200, {}, b"%d;" % number)

    async with http(handler) as (_, _, port):
        requests = b"".join(get(f"/{number}") for number in range(40)) + get("/40", LAST)
        answer = await talk(port, requests)
        bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200")[1:]]
        assert bodies == [b"%d;" % number for number in range(41)]


async def test_body_is_read_whole_in_pieces_and_never() -> None:
    async def handler(exchange: HttpExchange) -> None:
        if exchange.request.target == "/whole":
            body = await exchange.read_body()
            assert await exchange.read_body() == body
        elif exchange.request.target == "/pieces":
            body = b""
            while piece := await exchange.read():
                body += piece
        else:
            body = b""
        await exchange.respond(200, {}, b"%d" % len(body))

    async with http(handler) as (_, _, port):
        for path, expected in (("/whole", b"300000"), ("/pieces", b"300000"), ("/never", b"0")):
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n{LAST}\r\n\r\n"
            answer = await talk(port, head.encode() + b"x" * 300_000)
            assert answer.endswith(b"\r\n\r\n" + expected), path
        chunked = (
            b"POST /whole HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        assert (await talk(port, chunked)).endswith(b"3")


async def test_bodies_that_never_end_are_bounded_for_all_clients_together() -> None:
    limits_hit: list[str] = []

    async def handler(exchange: HttpExchange) -> None:
        body = await exchange.read_body()
        await exchange.respond(200, {}, b"%d" % len(body))

    settings = {"in_flight": InFlight(1024 * KIB), "on_limit": limits_hit.append}
    async with http(handler, **settings) as (_, _, port):
        begun = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + bytes(100_000)
        clients = [asyncio.create_task(talk(port, begun)) for _ in range(30)]
        await eventually(lambda: 20 <= len(limits_hit) == sum(client.done() for client in clients))
        assert set(limits_hit) == {"in_flight_bytes_max"}
        answers = [client.result() for client in clients if client.done()]
        assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in answers)
        assert all(b"\r\nRetry-After: 5\r\n" in answer for answer in answers)
        assert (await talk(port, get("/", LAST))).endswith(b"\r\n\r\n0")
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)


async def test_100_continue_is_sent_when_the_body_is_wanted() -> None:
    async def handler(exchange: HttpExchange) -> None:
        if exchange.request.target == "/no":
            await exchange.respond(413)
        else:
            await exchange.respond(200, {}, await exchange.read_body())

    async with http(handler) as (_, _, port):
        for path, expected in (("/yes", b"HTTP/1.1 100 "), ("/no", b"HTTP/1.1 413 ")):
            reader, writer = await open_raw(port)
            writer.write(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                f"Expect: 100-continue\r\n{LAST}\r\n\r\n".encode()
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(expected)
            if path == "/yes":
                writer.write(b"abc")
                assert (await reader.read()).endswith(b"\r\n\r\nabc")
            writer.close()


async def test_unread_body_pauses_the_client() -> None:
    release = asyncio.Event()

    async def handler(exchange: HttpExchange) -> None:
        await release.wait()
        await exchange.respond(200, {}, b"%d" % len(await exchange.read_body()))

    async with http(handler) as (server, listener, port):
        reader, writer = await open_raw(port)
        size = 12_000_000
        writer.write(
            f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{LAST}\r\n\r\n".encode()
        )
        writer.write(b"x" * size)
        await eventually(lambda: any(link.is_reading_paused for link in listener.links))
        (exchange,) = server.exchanges
        assert exchange.unread_bytes <= 2 * 64 * 1024
        release.set()
        assert (await reader.read()).endswith(b"\r\n\r\n%d" % size)
        writer.close()


async def test_stream_has_back_pressure_and_bounded_memory() -> None:
    held: list[int] = []
    sent = 0

    async def handler(exchange: HttpExchange) -> None:
        nonlocal sent
        exchange.start(200, {"Content-Type": "text/plain"})
        for _ in range(2000):
            exchange.write(b"y" * 10_000)
            sent += 1
            held.append(exchange.held_bytes)
            await exchange.drain()
        exchange.finish()

    async with http(handler) as (_, _, port):
        reader, writer = await open_raw(port, limit=4096)
        writer.write(get("/", LAST))
        previous = -1
        while sent != previous:
            previous = sent
            await asyncio.sleep(0.3)
        assert sent < 2000
        assert max(held) < 64 * 1024 + 20_000
        answer = await reader.read()
        assert answer.count(b"y" * 10_000) == 2000
        assert answer.endswith(b"0\r\n\r\n")
        writer.close()


async def test_pipelining_client_that_does_not_read_is_not_served_ahead() -> None:
    answered = 0

    async def handler(exchange: HttpExchange) -> None:
        nonlocal answered
        await exchange.respond(200, {}, b"z" * 100_000)
        answered += 1

    async with http(handler) as (_, listener, port):
        reader, writer = await open_raw(port, limit=4096)
        writer.write(get() * 1000 + get("/", LAST))
        previous = -1
        while answered != previous:
            previous = answered
            await asyncio.sleep(0.3)
        assert answered < 500
        assert listener.links[0].held_bytes < 300_000
        assert (await reader.read()).count(b"HTTP/1.1 200") == 1001
        writer.close()


@pytest.mark.parametrize("is_body_unread", [False, True])
async def test_slow_client_gets_the_whole_last_response(
    is_body_unread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing after the response must not cut off what is still on its way."""
    monkeypatch.setattr("longwire.net.lingering_close.LINGER_S", 0.1)
    size = 12_000_000

    async def handler(exchange: HttpExchange) -> None:
        await exchange.respond(200, {}, b"z" * size)

    request = get("/", LAST)
    if is_body_unread:  # the connection cannot go on, and the client may still be sending
        head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
        request = head.encode() + b"b" * 1000
    async with http(handler, write_stall_timeout_s=20) as (_, _, port):
        answer = await asyncio.to_thread(take_slowly, port, request)
    assert len(answer.partition(b"\r\n\r\n")[2]) == size


def take_slowly(port: int, request: bytes) -> bytes:
    """Send a request; read what comes until the end, slowly at first.

    By a blocking socket, since what uvloop's streams have not handed out is lost when TLS ends.
    """
    answer = bytearray()
    with connect_blocking(port) as client:
        client.sendall(request)
        while piece := client.recv(100_000):
            answer += piece
            if len(answer) < 2_000_000:
                time.sleep(0.03)
    return bytes(answer)


async def test_client_that_takes_nothing_is_dropped() -> None:
    async def handler(exchange: HttpExchange) -> None:
        exchange.start(200)
        with pytest.raises(ExchangeClosed):
            while True:
                exchange.write(b"x" * 100_000)
                await exchange.drain()
        gone.set()

    gone = asyncio.Event()
    async with http(handler, write_stall_timeout_s=0.3) as (_, _, port):
        _, writer = await open_raw(port, limit=1024)
        writer.write(get())
        async with asyncio.timeout(20):
            await gone.wait()
        writer.close()


async def test_handler_that_fails_makes_a_500_that_can_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(exchange: HttpExchange) -> None:
        if exchange.request.target == "/silent":
            return
        raise ZeroDivisionError

    async with http(handler) as (_, _, port):
        answer = await talk(port, get("/", LAST))
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"ZeroDivision" not in answer
        assert "ZeroDivisionError" in caplog.text
        answer = await talk(port, get("/silent", LAST, "Accept: application/json"))
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 500
        answer = await talk(port, get("/", LAST, "Accept: text/html"))
        assert b"<h1>" in answer


async def test_failure_inside_a_response_cuts_it_off() -> None:
    async def handler(exchange: HttpExchange) -> None:
        exchange.start(200)
        exchange.write(b"some")
        raise ZeroDivisionError

    async with http(handler) as (_, _, port):
        answer = await talk(port, get())
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"some" in answer
        assert not answer.endswith(b"0\r\n\r\n")  # the end of a chunked body


async def test_handler_may_leave_the_end_of_a_stream_to_the_server() -> None:
    async def handler(exchange: HttpExchange) -> None:
        exchange.start(200)
        exchange.write(b"all")

    async with http(handler) as (_, _, port):
        assert (await talk(port, get("/", LAST))).endswith(b"3\r\nall\r\n0\r\n\r\n")


async def test_wrong_use_of_an_exchange_is_an_error() -> None:
    async def handler(exchange: HttpExchange) -> None:
        with pytest.raises(longwire.ProtocolError):
            exchange.write(b"before the start")
        await exchange.respond(200, {}, b"one")
        with pytest.raises(longwire.ProtocolError):
            await exchange.respond(200, {}, b"two")
        assert exchange.closed
        checked.append(True)

    checked: list[bool] = []
    async with http(handler) as (_, _, port):
        assert (await talk(port, get("/", LAST))).endswith(b"one")
    assert checked


async def test_interim_responses_and_trailers() -> None:
    async def handler(exchange: HttpExchange) -> None:
        exchange.inform(103, {"Link": "</style.css>"})
        exchange.start(200)
        exchange.write(b"body")
        exchange.finish({"X-Sum": "1"})

    async with http(handler) as (_, _, port):
        answer = await talk(port, get("/", LAST, "TE: trailers"))
        assert answer.startswith(b"HTTP/1.1 103 ")
        assert b"X-Sum: 1" in answer.partition(b"body")[2]


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_client_that_goes_away_is_noticed_by_a_stream(how: str) -> None:
    async def handler(exchange: HttpExchange) -> None:
        exchange.start(200, {"Content-Type": "text/event-stream"})
        exchange.write(b": hi\n\n")
        await exchange.wait_closed()
        assert exchange.closed
        with pytest.raises(ExchangeClosed):
            exchange.write(b"x")
        await exchange.drain()
        noticed.set()

    noticed = asyncio.Event()
    async with http(handler) as (_, _, port):
        reader, writer = await open_raw(port)
        writer.write(get())
        await reader.readuntil(b": hi\n\n")
        if how == "reset":
            reset(writer)
        else:
            writer.close()
        async with asyncio.timeout(20):
            await noticed.wait()


async def test_client_that_goes_away_inside_its_body_ends_the_reading() -> None:
    async def handler(exchange: HttpExchange) -> None:
        with pytest.raises(ExchangeClosed):
            await exchange.read_body()
        noticed.set()

    noticed = asyncio.Event()
    async with http(handler) as (_, _, port):
        _, writer = await open_raw(port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)
        async with asyncio.timeout(20):
            await noticed.wait()


@pytest.mark.plain  # asyncio's streams cannot end one direction of TLS; test_link does
async def test_half_closed_client_still_gets_its_answer() -> None:
    async def handler(exchange: HttpExchange) -> None:
        await asyncio.sleep(0.05)
        await exchange.respond(200, {}, b"answer")

    async with http(handler) as (_, _, port):
        assert (await talk(port, get(), is_half_closed=True)).endswith(b"answer")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 99, 413),
    ],
)
async def test_malformed_requests_are_answered_and_not_reset(
    request_bytes: bytes, status: int
) -> None:
    async with http(hello) as (_, _, port):
        # More input behind the fault: closing at once would reset the answer away.
        answer = await talk(port, request_bytes + b"y" * 200_000, is_half_closed=True)
        assert answer.startswith(b"HTTP/1.1 %d " % status)


async def test_slow_head_is_a_408_and_idle_connections_end() -> None:
    limits = HttpLimits(head_timeout_s=0.2, idle_timeout_s=0.2)
    async with http(hello, limits=limits) as (_, _, port):
        assert (await talk(port, b"GET / HT")).startswith(b"HTTP/1.1 408 ")
        answer = await talk(port, get())
        assert answer.endswith(b"hello\n")  # and the connection was closed after it


async def test_drain_finishes_requests_ends_streams_and_closes_websockets() -> None:
    started = asyncio.Event()

    async def handler(exchange: HttpExchange) -> None:
        if exchange.request.target == "/slow":
            started.set()
            await asyncio.sleep(0.1)
            await exchange.respond(200, {}, b"finished")
        elif exchange.request.target == "/stream":
            exchange.start(200)
            exchange.write(b"begun;")
            await exchange.wait_shutdown()
            exchange.write(b"ended")
            exchange.finish()
        else:
            await echo(exchange.upgrade_websocket())

    async with http(handler) as (server, listener, port):
        slow = asyncio.create_task(talk(port, get("/slow")))
        stream = asyncio.create_task(talk(port, get("/stream")))
        idle_reader, idle_writer = await open_raw(port)
        ws = await longwire.connect(uri_at(port))
        await started.wait()
        await eventually(lambda: len(server.exchanges) == 3)
        assert await listener.close(20) is True
        assert (await slow).endswith(b"finished")
        assert b"ended" in await stream
        assert await idle_reader.read() == b""
        await ws.wait_closed()
        assert ws.close_code == 1001
        idle_writer.close()


async def test_stuck_handlers_are_named_and_cancelled() -> None:
    async def handler(exchange: HttpExchange) -> None:
        await asyncio.Event().wait()

    server = HttpServer(handler)
    listener = Listener(server.make_handler, host="127.0.0.1", port=0, ssl=local.SERVER_TLS)
    await listener.start()
    request = asyncio.create_task(talk(listener.sockets[0].getsockname()[1], get("/stuck")))
    await eventually(lambda: server.exchanges)
    assert await listener.close(0.1) is False
    (description,) = await server.finished(0.1)
    assert description.startswith("GET /stuck at ")
    assert "test_http_server.py" in description
    assert server.exchanges == []
    with contextlib.suppress(ConnectionError):
        assert await request == b""


async def test_handlers_may_be_plain_functions() -> None:
    def handler(exchange: HttpExchange) -> Awaitable[None] | None:
        if exchange.request.target == "/at-once":
            assert exchange.respond_at_once(200, (), b"at once")
            return None
        if exchange.request.target == "/later":
            return hello(exchange)
        if exchange.request.target == "/fail":
            raise RuntimeError("told to")
        return None

    async with http(handler) as (server, _, port):
        requests = [get("/at-once"), get("/later"), get("/fail"), get("/no-answer", LAST)]
        answer = await talk(port, b"".join(requests))
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"500", b"500"]
        assert b"at once" in answer
        assert server.exchanges == []


async def test_a_response_that_stands_is_given_past_the_handler() -> None:
    served: list[str] = []
    given: list[Link] = []

    def again(link: Link) -> bool:
        given.append(link)
        return len(given) != 2

    def handler(exchange: HttpExchange) -> None:
        served.append(exchange.request.target)
        exchange.let_stand(again)
        assert exchange.respond_at_once(200, {}, b"same")

    async with http(handler) as (_, _, port):
        reader, writer = await open_raw(port)
        sent, answers = 0, set()
        async with asyncio.timeout(30):
            while len(given) < 5:
                writer.write(get("/a"))
                sent += 1
                head = await reader.readuntil(b"\r\n\r\n")
                answers.add((re.sub(rb"Date: .*\r\n", b"", head), await reader.readexactly(4)))
            writer.write(get("/b"))
            await reader.readuntil(b"same")
        writer.close()
        assert len(answers) == 1
        # The second that was asked said no, so the handler was called.
        assert len(served) + len(given) - 1 == sent + 1
        assert served[-1] == "/b"


@pytest.mark.filterwarnings("error")
async def test_a_handler_that_is_cancelled_before_it_begins_leaves_nothing_behind() -> None:
    server: HttpServer

    async def handler(exchange: HttpExchange) -> None:
        if exchange.request.target == "/last":
            return
        await exchange.respond(200)
        # The next request on the connection has a task now, which has not begun.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            if "HttpServer._run" in repr(task):
                task.cancel()

    server = HttpServer(handler)
    listener = Listener(server.make_handler, host="127.0.0.1", port=0, ssl=local.SERVER_TLS)
    await listener.start()
    port = listener.sockets[0].getsockname()[1]
    await talk(port, get("/first") + get("/last", LAST))
    assert await listener.close(5)
    await server.finished(5)
    gc.collect()
    assert server.exchanges == []


async def test_httpx_and_compressed_bodies_pass() -> None:
    import httpx

    async def handler(exchange: HttpExchange) -> None:
        body = gzip.compress(await exchange.read_body())
        await exchange.respond(200, {"Content-Encoding": "gzip"}, body)

    async with http(handler) as (_, _, port), httpx.AsyncClient() as client:
        for _ in range(3):
            response = await client.post(uri_at(port, "http"), content=b"text" * 10_000)
            assert response.content == b"text" * 10_000


async def test_pieces_written_in_a_row_arrive_whole_and_in_order() -> None:
    pieces = [b"%d," % number for number in range(500)]

    async def handler(exchange: HttpExchange) -> None:
        exchange.start(200)
        for piece in pieces:
            exchange.write(piece)
            if piece.endswith(b"00,"):
                await exchange.drain()
                await asyncio.sleep(0)

    async with http(handler) as (_, _, port):
        answer = await talk(port, get("/", LAST))
    body = answer.partition(b"\r\n\r\n")[2]
    assert body == b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
