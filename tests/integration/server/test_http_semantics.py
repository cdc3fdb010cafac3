"""Conditions and ranges on everything that is served: routes, static files, history.

The same on longwire's own server and under uvicorn.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from longwire import App, Request, Response
from longwire.base.dates import http_date, parse_http_date
from longwire.base.limits import HttpLimits
from longwire.server.settings import AnonymousSettings, Settings
from tests.integration.server.app_servers import serve_app
from tests.integration.server.native_client import TIMEOUT_S

MODIFIED_S = 784111777
MODIFIED = http_date(MODIFIED_S)
BODY = bytes(range(256)) * 40
TEXT = b"text that is long enough to be worth a coding. " * 50
ALL = AnonymousSettings(read=("**",), publish=("**",), manage=("**",))

waiting: list[asyncio.Future[None]] = []


def make_app() -> App:
    app = App(settings=Settings(anonymous=ALL, http=HttpLimits(ranges_max=3, requests_max=2)))

    @app.route("/picture", methods=["GET", "PUT"])
    def picture(request: Request) -> Response:
        fields = {"ETag": '"v1"', "Last-Modified": MODIFIED, "Cache-Control": "max-age=5"}
        return Response.bytes(BODY, "image/x-noise", headers=fields)

    @app.route("/plain", methods=["GET", "PUT"])
    def plain(request: Request) -> str:
        return "no validators"

    @app.route("/pieces")
    def pieces(request: Request) -> Response:
        async def send() -> AsyncIterator[bytes]:
            yield BODY

        return Response(200, {"ETag": '"v1"', "Content-Type": "image/x-noise"}, send())

    @app.route("/gone")
    def gone(request: Request) -> Response:
        return Response(410, {"ETag": '"v1"'}, b"gone")

    @app.route("/coded")
    def coded(request: Request) -> Response:
        fields = {"Content-Encoding": "gzip"}
        return Response.bytes(gzip.compress(TEXT), "text/plain", headers=fields)

    @app.route("/secret")
    def secret(request: Request) -> Response:
        return Response.bytes(TEXT, "text/plain", headers={"Cache-Control": "no-transform"})

    @app.route("/text-pieces")
    def text_pieces(request: Request) -> Response:
        async def send() -> AsyncIterator[bytes]:
            yield TEXT
            yield TEXT

        return Response.bytes(send(), "text/plain")

    @app.route("/moved")
    def moved(request: Request) -> Response:
        return Response.redirect("/plain", status=308)

    notes: list[bytes] = []

    @app.route("/note", methods=["GET", "PUT"], requires_condition=True)
    async def note(request: Request) -> Response:
        etag = f'"{len(notes)}"' if notes else None
        request.check_conditions(etag=etag, exists=bool(notes))
        if request.method == "GET":
            return Response(200, {"ETag": etag or ""}, notes[-1])
        notes.append(await request.body())
        return Response(204) if etag is not None else Response.created("/note")

    @app.route("/slow")
    async def slow(request: Request) -> str:
        waiting.append(asyncio.get_running_loop().create_future())
        await waiting[-1]
        return "done"

    @app.route("/fresh")
    def fresh(request: Request) -> Response:
        return Response.text("fresh").cached(60, is_public=True, is_immutable=True)

    return app


async def wait_until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(server: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serve_app(make_app(), server) as url,
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S, base_url=url) as client,
    ):
        yield client


@pytest.fixture(params=["longwire", "uvicorn"])
async def http(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(request.param) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_9110_15_4_5_304_has_the_fields_for_caches(
    http: httpx.AsyncClient, method: str
) -> None:
    for condition in ({"If-None-Match": '"v1"'}, {"If-Modified-Since": MODIFIED}):
        answer = await http.request(method, "/picture", headers=condition)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == '"v1"'
        assert answer.headers["Cache-Control"] == "max-age=5"
        assert not answer.headers.keys() & {"content-type", "content-length", "last-modified"}


async def test_9110_15_5_13_failed_condition_is_explained(http: httpx.AsyncClient) -> None:
    fields = {"If-Match": '"v0"', "Accept": "application/json"}
    answer = await http.get("/picture", headers=fields)
    assert answer.status_code == 412
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 412
    assert (await http.head("/picture", headers=fields)).status_code == 412


async def test_9110_13_2_1_conditions_are_of_success_only(http: httpx.AsyncClient) -> None:
    answer = await http.get("/gone", headers={"If-None-Match": '"v1"', "If-Match": '"v0"'})
    assert (answer.status_code, answer.content) == (410, b"gone")


async def test_9110_13_1_body_in_pieces_is_left_out_too(http: httpx.AsyncClient) -> None:
    assert (await http.get("/pieces", headers={"If-None-Match": '"v1"'})).status_code == 304
    # There is no range of what is not at hand.
    whole = await http.get("/pieces", headers={"Range": "bytes=0-0"})
    assert (whole.status_code, whole.content) == (200, BODY)


async def test_9110_15_3_7_one_range(http: httpx.AsyncClient) -> None:
    for condition in ({}, {"If-Range": '"v1"'}, {"If-Range": MODIFIED}):
        answer = await http.get("/picture", headers={"Range": "bytes=10-19", **condition})
        assert (answer.status_code, answer.content) == (206, BODY[10:20])
        assert answer.headers["Content-Range"] == f"bytes 10-19/{len(BODY)}"
        assert answer.headers["Content-Length"] == "10"
        assert answer.headers["Content-Type"] == "image/x-noise"
        assert answer.headers["ETag"] == '"v1"'
    stale = await http.get("/picture", headers={"Range": "bytes=10-19", "If-Range": '"v0"'})
    assert (stale.status_code, stale.content) == (200, BODY)


async def test_9110_15_3_7_2_several_ranges(http: httpx.AsyncClient) -> None:
    answer = await http.get("/picture", headers={"Range": "bytes=0-1,5000-5001,-1"})
    assert answer.status_code == 206
    kind, _, boundary = answer.headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/byteranges" and "content-range" not in answer.headers
    parts = answer.content.split(f"--{boundary}".encode())
    assert [parts[0], parts[-1]] == [b"", b"--\r\n"]
    found = [part.strip(b"\r\n").split(b"\r\n\r\n", 1) for part in parts[1:-1]]
    assert [head.splitlines()[1].decode() for head, _ in found] == [
        f"Content-Range: bytes {part}/{len(BODY)}" for part in ("0-1", "5000-5001", "10239-10239")
    ]
    assert [body for _, body in found] == [BODY[:2], BODY[5000:5002], BODY[-1:]]
    # One more than http.ranges_max.
    whole = await http.get("/picture", headers={"Range": "bytes=0-1,2000-2001,5000-5001,-1"})
    assert (whole.status_code, whole.content) == (200, BODY)


async def test_9110_15_5_17_range_that_is_not_there(http: httpx.AsyncClient) -> None:
    answer = await http.get("/picture", headers={"Range": "bytes=10240-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */10240"


async def test_9110_14_2_range_is_for_get_and_what_has_a_validator(
    http: httpx.AsyncClient,
) -> None:
    for method, path in (("HEAD", "/picture"), ("PUT", "/picture"), ("GET", "/plain")):
        answer = await http.request(method, path, headers={"Range": "bytes=0-0"})
        assert answer.status_code == 200
        assert "content-range" not in answer.headers


async def test_static_file_in_parts(http: httpx.AsyncClient) -> None:
    whole = await http.get("/longwire.js", headers={"Accept-Encoding": "identity"})
    assert whole.headers["Accept-Ranges"] == "bytes"
    condition = {"If-Range": whole.headers["ETag"]}
    first, rest = [
        await http.get("/longwire.js", headers={"Range": wanted, **condition})
        for wanted in ("bytes=0-99", "bytes=100-")
    ]
    assert (first.status_code, rest.status_code) == (206, 206)
    assert first.content + rest.content == whole.content
    since = {"If-Modified-Since": whole.headers["Last-Modified"]}
    assert (await http.get("/longwire.js", headers=since)).status_code == 304


async def test_page_of_history(http: httpx.AsyncClient) -> None:
    await http.put("/streams/s", headers={"Content-Type": "text/plain"}, content=b"hello world")
    page = await http.get("/streams/s?offset=-1")
    etag = page.headers["ETag"]
    part = await http.get("/streams/s?offset=-1", headers={"Range": "bytes=6-"})
    assert (part.status_code, part.content) == (206, b"world")
    assert part.headers["Stream-Next-Offset"] == page.headers["Stream-Next-Offset"]
    for fields, status in (
        ({"If-None-Match": etag}, 304),
        ({"If-Match": etag}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"Range": "bytes=99-"}, 416),
        ({"Range": "bytes=0-0", "If-Range": '"x"'}, 200),
    ):
        answer = await http.get("/streams/s?offset=-1", headers=fields)
        assert answer.status_code == status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


DECODED_BY_HTTPX = ("gzip", "br", "zstd")


@pytest.mark.parametrize("coding", DECODED_BY_HTTPX)
async def test_9110_8_4_coded_representation(http: httpx.AsyncClient, coding: str) -> None:
    accept = {"Accept-Encoding": coding}
    plain = await http.get("/longwire.js", headers={"Accept-Encoding": "identity"})
    coded = await http.get("/longwire.js", headers=accept)
    assert coded.headers["Content-Encoding"] == coding
    assert int(coded.headers["Content-Length"]) < int(plain.headers["Content-Length"])
    assert coded.content == plain.content
    # Another representation: its tag is weak, ranges are of the plain one.
    assert coded.headers["ETag"] == "W/" + plain.headers["ETag"]
    assert "Accept-Ranges" not in coded.headers
    for answer in (plain, coded):
        assert "accept-encoding" in answer.headers["Vary"].lower()
    for etag in (coded.headers["ETag"], plain.headers["ETag"]):
        known = await http.get("/longwire.js", headers={"If-None-Match": etag, **accept})
        assert (known.status_code, known.headers["ETag"]) == (304, coded.headers["ETag"])
        assert "accept-encoding" in known.headers["Vary"].lower()
    head = await http.head("/longwire.js", headers=accept)
    assert head.headers["Content-Length"] == coded.headers["Content-Length"]
    part = await http.get("/longwire.js", headers={"Range": "bytes=0-99", **accept})
    assert (part.status_code, part.content) == (206, plain.content[:100])
    assert "content-encoding" not in part.headers


async def test_9110_12_5_3_identity_may_be_refused(http: httpx.AsyncClient) -> None:
    for path in ("/plain", "/picture"):  # too small; of a type that is not worth it
        coded = await http.get(path, headers={"Accept-Encoding": "gzip, identity;q=0"})
        assert coded.headers["Content-Encoding"] == "gzip"
        assert coded.content == (BODY if path == "/picture" else b"no validators")
        refused = await http.get(path, headers={"Accept-Encoding": "identity;q=0"})
        assert refused.status_code == 406
        plain = await http.get(path, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers


async def test_coded_body_is_not_coded_again(http: httpx.AsyncClient) -> None:
    answer = await http.get("/coded", headers={"Accept-Encoding": "gzip, br, zstd"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.content == TEXT
    secret = await http.get("/secret", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in secret.headers and secret.content == TEXT


async def test_coded_page_of_history(http: httpx.AsyncClient) -> None:
    await http.put("/streams/s", headers={"Content-Type": "text/plain"}, content=TEXT)
    accept = {"Accept-Encoding": "gzip"}
    for offset in ("offset=-1", "offset=-1&live=long-poll"):
        page = await http.get(f"/streams/s?{offset}", headers=accept)
        assert page.headers["Content-Encoding"] == "gzip"
        assert page.content == TEXT
        etag = page.headers["ETag"]
        known = await http.get(f"/streams/s?{offset}", headers={"If-None-Match": etag, **accept})
        assert (known.status_code, known.headers["ETag"]) == (304, etag)


async def test_body_in_pieces_is_coded_in_pieces(http: httpx.AsyncClient) -> None:
    answer = await http.get("/text-pieces", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.content == TEXT * 2


async def test_9111_4_2_2_nothing_is_left_to_the_guess_of_a_cache(
    http: httpx.AsyncClient,
) -> None:
    for path, expected in (("/plain", "no-cache"), ("/picture", "max-age=5"), ("/no", "no-cache")):
        assert (await http.get(path)).headers["Cache-Control"] == expected
    assert "cache-control" not in (await http.put("/plain")).headers
    assert "cache-control" not in (await http.get("/moved")).headers


async def test_9110_13_1_1_two_writers_do_not_lose_a_change(http: httpx.AsyncClient) -> None:
    created = await http.put("/note", content=b"one", headers={"If-None-Match": "*"})
    assert (created.status_code, created.headers["Location"]) == (201, "/note")
    again = await http.put("/note", content=b"other", headers={"If-None-Match": "*"})
    assert again.status_code == 412
    etag = (await http.get("/note")).headers["ETag"]
    first, second = [
        await http.put("/note", content=text, headers={"If-Match": etag})
        for text in (b"two", b"three")
    ]
    assert (first.status_code, second.status_code) == (204, 412)
    assert (await http.get("/note")).text == "two"
    assert (await http.get("/note", headers={"If-None-Match": "*"})).status_code == 304


async def test_6585_3_change_without_a_condition_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.put("/note", content=b"one")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (428, "no-store")
    assert "If-Match" in answer.text


async def test_9110_15_6_4_more_requests_than_are_allowed(http: httpx.AsyncClient) -> None:
    at_limit = [asyncio.create_task(http.get("/slow")) for _ in range(2)]
    await wait_until(lambda: len(waiting) == 2)
    refused = await http.get("/slow")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.headers["Cache-Control"] == "no-store"
    # What longwire itself answers is not of them.
    figures = (await http.get("/metrics")).text
    assert 'longwire_limit_hits_total{limit="requests_max"} 1.0' in figures
    assert "longwire_requests_under_way 2.0" in figures
    for future in waiting:
        future.set_result(None)
    assert [answer.status_code for answer in await asyncio.gather(*at_limit)] == [200, 200]
    waiting.clear()
    assert (await http.get("/plain")).status_code == 200


async def test_response_may_be_kept_for_some_time(http: httpx.AsyncClient) -> None:
    answer = await http.get("/fresh")
    assert answer.headers["Cache-Control"] == "public, max-age=60, immutable"
    date, expires = (parse_http_date(answer.headers[name]) for name in ("Date", "Expires"))
    assert date is not None and expires is not None
    assert 59 <= expires - date <= 61
