"""Plain functions are answered without a task, and nobody sees the difference but in the time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from contextvars import ContextVar

import pytest

from longwire import App, HttpError, Request, Response
from longwire.server.settings import Settings
from longwire.server.testing import TestClient

WHO: ContextVar[str] = ContextVar("who", default="nobody")


def make_app() -> App:
    app = App(settings=Settings())

    @app.route("/{number}")
    def number(request: Request) -> str:
        return f"<{request.path_parameters['number']}>"

    @app.route("/who/{name}")
    def who(request: Request) -> str:
        before = WHO.get()
        WHO.set(request.path_parameters["name"])
        return before

    @app.route("/later/{text}")
    def later(request: Request) -> Awaitable[str]:
        async def answer() -> str:
            await asyncio.sleep(0)
            return request.path_parameters["text"]

        return answer()

    @app.route("/teapot")
    def teapot(request: Request) -> None:
        raise HttpError(418, "Short and stout.")

    @app.route("/fail")
    def fail(request: Request) -> None:
        raise RuntimeError("the secret of the house")

    @app.route("/wrong-header")
    def wrong_header(request: Request) -> Response:
        return Response(200, {"X-Broken": "a\r\nb"})

    @app.route("/big")
    def big(request: Request) -> bytes:
        return b"x" * 100_000

    @app.route("/echo", methods=["POST"])
    async def echo(request: Request) -> bytes:
        return await request.body()

    return app


async def send(test: TestClient, *requests: str) -> list[tuple[int, bytes]]:
    """Send requests in one piece on one connection; return status and body of each answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(test.url.rpartition(":")[2]))
    writer.write("".join(requests).encode())
    answers = []
    async with asyncio.timeout(30):
        for _ in requests:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            answers.append((int(head.split()[1]), body))
    writer.close()
    return answers


def get(path: str, *fields: str) -> str:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""])


async def test_a_long_pipeline_is_answered_in_order() -> None:
    async with make_app().test_client() as test:
        paths = [f"/later/<{n}>" if n % 5 == 0 else f"/{n}" for n in range(2000)]
        answers = await send(test, *(get(path) for path in paths))
    assert answers == [(200, b"<%d>" % number) for number in range(2000)]


async def test_what_a_plain_function_keeps_in_its_context_is_for_its_own_request() -> None:
    async with make_app().test_client() as test:
        answers = [await test.get(f"/who/{name}") for name in ("ann", "bob", "bob")]
    assert [answer.text for answer in answers] == ["nobody"] * 3


async def test_a_plain_function_may_return_something_to_wait_for() -> None:
    async with make_app().test_client() as test:
        assert (await test.get("/later/soon")).text == "soon"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [("/teapot", 418, "Short and stout."), ("/fail", 500, "went wrong"), ("/a/b", 404, "/a/b")],
)
async def test_errors_are_answers_and_the_connection_goes_on(
    path: str, status: int, words: str
) -> None:
    async with make_app().test_client() as test:
        first, second = await send(test, get(path), get("/1"))
    assert first[0] == status
    assert words in first[1].decode()
    assert "secret" not in first[1].decode()
    assert second == (200, b"<1>")


async def test_a_response_that_cannot_be_sent_ends_the_connection() -> None:
    async with make_app().test_client() as test:
        with pytest.raises(asyncio.IncompleteReadError):
            await send(test, get("/wrong-header"))
        assert await send(test, get("/1")) == [(200, b"<1>")]


async def test_the_same_request_again_and_again() -> None:
    async with make_app().test_client() as test:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(test.url.rpartition(":")[2])
        )
        async with asyncio.timeout(30):
            for request, body in [(get("/1"), b"<1>"), (get("/2"), b"<2>")] * 20:
                writer.write(request.encode())
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 OK\r\n")
                assert await reader.readexactly(3) == body
        writer.close()


async def test_known_requests_and_bodies_in_turn() -> None:
    post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    async with make_app().test_client() as test:
        for _ in range(3):
            answers = await send(test, get("/1"), post, get("/1"))
            assert answers == [(200, b"<1>"), (200, b"hello"), (200, b"<1>")]


async def test_a_client_that_reads_slowly_gets_all_and_is_held_for_little() -> None:
    count = 400
    async with make_app().test_client() as test:
        port = int(test.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
        writer.write((get("/big") * count).encode())
        async with asyncio.timeout(60):
            await reader.readuntil(b"\r\n\r\n")
            # The server answers ahead until the kernel and its own buffer are full, and waits.
            (link,) = test._listener.links
            while not link.held_bytes:
                await asyncio.sleep(0.01)
            assert link.held_bytes < 500_000
            await reader.readexactly(100_000)
            for _ in range(count - 1):
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(100_000)
        writer.close()


async def test_requests_are_counted_with_method_status_and_time() -> None:
    async with make_app().test_client() as test:
        for path in ("/1", "/1", "/teapot", "/later/x"):
            await test.get(path)
        await test.request("HEAD", "/1")
        figures = (await test.get("/metrics")).text
    for line in (
        'longwire_http_requests_total{method="GET",status="200"} 3.0',
        'longwire_http_requests_total{method="GET",status="418"} 1.0',
        'longwire_http_requests_total{method="HEAD",status="200"} 1.0',
        'longwire_http_request_seconds_bucket{le="0.001"}',
        'longwire_http_request_seconds_bucket{le="+Inf"} 5.0',
        "longwire_http_request_seconds_count 5.0",
    ):
        assert line in figures
    total = re.search(r"^longwire_http_request_seconds_sum (\S+)$", figures, re.MULTILINE)
    assert total is not None
    assert float(total[1]) > 0
