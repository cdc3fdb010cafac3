"""``longwire.App``: what users write answers alike behind every server."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from longwire import App, HttpError, LongwireError, Request, Response
from longwire.base.limits import HttpLimits
from longwire.server.settings import Settings
from tests.integration.server.app_servers import WAYS, serve_app


def make_app() -> App:
    app = App(settings=Settings(http=HttpLimits(body_bytes_max=200_000)))

    @app.route("/plain")
    def plain(request: Request) -> str:
        return "plain"

    @app.route("/rooms/{room}", methods=["GET", "PUT"])
    async def room(request: Request) -> dict[str, object]:
        return {
            "method": request.method,
            "path": request.path,
            "room": request.path_parameters["room"],
            "query": request.query.items(),
            "agent": request.headers.get("X-Agent"),
            "body": await request.text(),
            "has_address": request.remote_address is not None,
        }

    @app.route("/json", methods=["POST"])
    async def read_json(request: Request) -> object:
        return {"got": await request.json()}

    @app.route("/stream")
    async def stream(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(100):
                yield b"%d," % number
                await asyncio.sleep(0)

        return Response.bytes(pieces(), "text/plain")

    @app.route("/teapot")
    async def teapot(request: Request) -> None:
        raise HttpError(418, "Short and <stout>.", {"X-Pot": "tea"})

    @app.route("/fail")
    async def fail(request: Request) -> None:
        raise RuntimeError("the secret of the house")

    @app.websocket("/uncallable")
    async def uncallable(socket: object) -> None:
        raise AssertionError("it takes no request, so it cannot be called")

    @app.route("/fail-late")
    async def fail_late(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun"
            raise RuntimeError("too late")

        return Response.bytes(pieces(), "text/plain")

    @app.route("/wrong")
    def wrong(request: Request) -> int:
        return 42

    @app.route("/nothing", methods=["DELETE"])
    def nothing(request: Request) -> None:
        return None

    @app.websocket("/talk/{name}", subprotocols=["b", "a"])
    async def talk(connection: object, request: Request) -> None:
        await connection.send(f"hello {request.path_parameters['name']}")  # type: ignore[attr-defined]
        async for message in connection:  # type: ignore[attr-defined]
            if message == "fail":
                raise RuntimeError("told to")
            if message == "close":
                await connection.close(4321, "as you wish")  # type: ignore[attr-defined]
                return
            await connection.send(message)  # type: ignore[attr-defined]

    return app


@pytest.fixture(params=WAYS)
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with serve_app(make_app(), request.param) as served:
        yield served


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as opened:
        yield opened


async def test_handlers_answer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/plain")).text == "plain"
    answer = await client.put(
        "/rooms/k%C3%BCche?a=1&a=%26", content="text é".encode(), headers={"X-Agent": "me"}
    )
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "method": "PUT",
        "path": "/rooms/k%C3%BCche",
        "room": "küche",
        "query": [["a", "1"], ["a", "&"]],
        "agent": "me",
        "body": "text é",
        "has_address": True,
    }


async def test_head_options_and_wrong_methods_need_no_handler(client: httpx.AsyncClient) -> None:
    head = await client.head("/plain")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")
    options = await client.options("/rooms/a")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, PUT")
    wrong = await client.post("/rooms/a")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS, PUT")
    nothing = await client.delete("/nothing")
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert (await client.head("/stream")).content == b""


async def test_body_is_read_within_its_limit(client: httpx.AsyncClient) -> None:
    assert (await client.post("/json", json={"é": [1]})).json() == {"got": {"é": [1]}}
    broken = await client.post("/json", content=b'{"a":\n oops}')
    assert broken.status_code == 400
    assert "line 2 column 2" in broken.text
    assert (await client.post("/json", content=b"\xff")).status_code == 400
    deep = await client.post("/json", content=b"[" * 90_000 + b"]" * 90_000)
    assert (deep.status_code, "nested too deep" in deep.text) == (400, True)

    async def long_body() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 20_000

    assert (await client.post("/json", content=long_body())).status_code == 413


async def test_streamed_response_arrives_whole(client: httpx.AsyncClient) -> None:
    answer = await client.get("/stream")
    assert answer.text == "".join(f"{number}," for number in range(100))


async def test_http_error_is_a_page_with_its_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/teapot", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["x-pot"]) == (418, "tea")
    assert "Short and &lt;stout&gt;." in answer.text
    problem = await client.get("/teapot", headers={"Accept": "application/json"})
    assert problem.json()["detail"] == "Short and <stout>."


@pytest.mark.parametrize("path", ["/fail", "/wrong"])
async def test_failing_handler_tells_the_log_and_not_the_client(
    client: httpx.AsyncClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 500
    name = answer.headers["x-request-id"]
    assert name in answer.text
    assert "secret" not in answer.text
    (record,) = [record for record in caplog.records if name in record.getMessage()]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


async def test_response_that_breaks_off_does_not_look_whole(client: httpx.AsyncClient) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.get("/fail-late")


async def test_websocket_handler_talks(url: str) -> None:
    base = url.replace("http", "ws", 1)
    async with connect(f"{base}/talk/ann?x=1", subprotocols=["a"], proxy=None) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "a"
        assert await socket.recv() == "hello ann"
        for message in ("text é", b"\x00bytes"):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send("close")
        with pytest.raises(websockets.ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4321, "as you wish")


async def test_websocket_handler_that_fails_closes_with_1011(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(url.replace("http", "ws", 1) + "/talk/x", proxy=None) as socket:
        await socket.recv()
        await socket.send("fail")
        with pytest.raises(websockets.ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1011
    assert any("/talk/x failed" in record.getMessage() for record in caplog.records)


async def test_websocket_handler_that_cannot_be_called_closes_with_1011(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(url.replace("http", "ws", 1) + "/uncallable", proxy=None) as socket:
        with pytest.raises(websockets.ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1011
    assert any("/uncallable failed" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [("/talk/x", "http://evil.example", 403), ("/nowhere", None, 404), ("/talk/%ff", None, 400)],
)
async def test_websocket_handshake_is_refused(
    url: str, path: str, origin: str | None, status: int
) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with connect(url.replace("http", "ws", 1) + path, origin=origin, proxy=None):  # type: ignore[arg-type]
            pass
    assert caught.value.response.status_code == status


@pytest.mark.parametrize("way", WAYS)
async def test_hooks_run_in_order_around_everything(way: str) -> None:
    happened: list[str] = []
    app = App(settings=Settings())

    @app.on_start
    async def first() -> None:
        happened.append("first")

    @app.on_start
    def second() -> None:
        happened.append("second")

    @app.on_stop
    def last() -> None:
        happened.append("last")

    @app.on_stop
    async def fails() -> None:
        happened.append("fails")
        raise RuntimeError("on the way out")

    @app.route("/")
    def root(request: Request) -> str:
        happened.append("request")
        return "here"

    with pytest.raises(LongwireError, match="not being served"):
        await app.publish("stream", 1)
    async with serve_app(app, way) as served, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(served + "/")).text == "here"
        appended = await app.publish("stream", {"n": 1})
        assert appended.last is not None
        assert appended.last.offset == 1
    assert happened == ["first", "second", "request", "fails", "last"]


async def test_problem_document_holds_what_the_client_sent(client: httpx.AsyncClient) -> None:
    answer = await client.get('/"quoted"', headers={"Accept": "application/problem+json"})
    assert json.loads(answer.content)["status"] == 404
