"""Forms that real clients send, on longwire's own server and under uvicorn."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from longwire import App, Request
from longwire.base.limits import FormLimits, HttpLimits
from longwire.server.forms import Form
from longwire.server.settings import Settings
from tests.integration.server.app_servers import serve_app
from tests.integration.server.native_client import TIMEOUT_S

LIMITS = FormLimits(
    parts_max=5, field_bytes_max=100, file_bytes_max=300_000, file_memory_bytes_max=1_000
)
seen: list[Form] = []


def make_app() -> App:
    app = App(settings=Settings(forms=LIMITS, http=HttpLimits(body_bytes_max=400_000)))

    @app.route("/form", methods=["POST", "PUT"])
    async def form(request: Request) -> dict[str, Any]:
        form = await request.form()
        assert await request.form() is form
        seen.append(form)
        return {
            "fields": form.items(),
            "files": [
                [file.name, file.file_name, file.content_type, file.size, digest(await file.read())]
                for file in form.files
            ],
        }

    return app


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(params=["longwire", "uvicorn"])
async def http(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    seen.clear()
    async with (
        serve_app(make_app(), request.param) as url,
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S, base_url=url) as client,
    ):
        yield client


async def test_urlencoded_form(http: httpx.AsyncClient) -> None:
    answer = await http.post("/form", data={"a": ["1", "2 é&="], "b": ""})
    assert answer.json() == {"fields": [["a", "1"], ["a", "2 é&="], ["b", ""]], "files": []}


async def test_files_in_memory_and_on_disk(http: httpx.AsyncClient) -> None:
    small, large = b"s" * 1_000, bytes(range(256)) * 1_000
    answer = await http.post(
        "/form",
        data={"title": "é"},
        files=[
            ("doc", ("small.txt", small, "text/plain")),
            ("doc", ("../large", large, "image/png")),
        ],
    )
    assert answer.json() == {
        "fields": [["title", "é"]],
        "files": [
            ["doc", "small.txt", "text/plain", 1_000, digest(small)],
            ["doc", "../large", "image/png", 256_000, digest(large)],
        ],
    }
    form = seen[0]
    assert form.file("doc") is form.files[0] and form.file("no") is None
    assert "title" in form and form.get_all("title") == ["é"]
    # They are gone with the request.
    while not all(file.file.closed for file in form.files):
        await asyncio.sleep(0.01)


async def test_form_of_curl(http: httpx.AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / 'we"ird;name.bin'
    path.write_bytes(b"\r\n--" * 5_000)
    process = await asyncio.create_subprocess_exec(
        "curl",
        "-sS",
        "-F",
        "a=1",
        "-F",
        f'f=@"{str(path).replace(chr(34), chr(92) + chr(34))}"',
        str(http.base_url.join("/form")),
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate()
    parsed = httpx.Response(200, content=answer).json()
    assert parsed["fields"] == [["a", "1"]]
    file = ["f", path.name, "application/octet-stream", 20_000, digest(path.read_bytes())]
    assert parsed["files"] == [file]


@pytest.mark.parametrize(
    ("name", "is_file", "at_limit"),
    [("field_bytes_max", False, 100), ("file_bytes_max", True, 300_000)],
)
async def test_size_of_a_part_at_the_limit_and_one_past_it(
    http: httpx.AsyncClient, name: str, is_file: bool, at_limit: int
) -> None:
    for size, status in ((at_limit, 200), (at_limit + 1, 413)):
        part = ("x", b"x" * size) if is_file else (None, b"x" * size)
        answer = await http.post("/form", files={"part": part})
        assert answer.status_code == status
    assert f"{name}: {at_limit + 1} is over the limit of {at_limit}" in answer.text
    assert f'longwire_limit_hits_total{{limit="{name}"}} 1.0' in (await http.get("/metrics")).text


async def test_parts_at_the_limit_and_one_past_it(http: httpx.AsyncClient) -> None:
    for count, status in ((5, 200), (6, 413)):
        fields = {f"f{number}": "" for number in range(count)}
        assert (await http.post("/form", data=fields)).status_code == status
        parts = [(name, (None, value)) for name, value in fields.items()]
        assert (await http.post("/form", files=parts)).status_code == status


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"--x--", 400),
        ("multipart/form-data; boundary=x", b"--y--", 400),
        ("multipart/form-data; boundary=x", b"", 400),
    ],
)
async def test_what_is_no_form_is_refused(
    http: httpx.AsyncClient, content_type: str, body: bytes, status: int
) -> None:
    answer = await http.post("/form", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    if status == 415:
        assert "multipart/form-data" in answer.headers["Accept"]


async def test_9110_15_5_16_compressed_body_is_refused(http: httpx.AsyncClient) -> None:
    fields = {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
    answer = await http.post("/form", content=b"x", headers=fields)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")


async def test_9110_15_5_12_form_without_a_length(http: httpx.AsyncClient) -> None:
    host, port = http.base_url.host, http.base_url.port
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        b"POST /form HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    assert (await reader.read()).startswith(b"HTTP/1.1 411 ")
    writer.close()
