"""Conditions and ranges answered as nginx answers them for a file with the same validators.

Where the two differ, the row says why ours is right.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from longwire import App, Request, Response
from longwire.base.dates import http_date
from tests.integration.server.app_servers import serve_app
from tests.interop.proxies import nginx

pytestmark = pytest.mark.slow

BODY = bytes(range(256)) * 40
MODIFIED_S = 784111777
BEFORE, SAME, AFTER = (http_date(MODIFIED_S + delta) for delta in (-5, 0, 5))
NAMES = {BEFORE: "before", SAME: "same", AFTER: "after"}

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
user root;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    # By default nginx wants exactly the date that it sent.
    if_modified_since before;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/www;
    }}
}}
"""

# TAG stands for the entity tag of nginx.
ROWS: list[dict[str, str]] = [
    {},
    *({"If-Match": value} for value in ("*", "TAG", '"x"', "W/TAG", '"x", TAG')),
    *({"If-None-Match": value} for value in ("*", "TAG", '"x"', "W/TAG", '"x",TAG')),
    *({"If-Modified-Since": date} for date in (BEFORE, SAME, AFTER, "yesterday")),
    *({"If-Unmodified-Since": date} for date in (BEFORE, SAME, AFTER)),
    {"If-Match": "TAG", "If-Unmodified-Since": AFTER},
    {"If-Match": '"x"', "If-Unmodified-Since": AFTER},
    {"If-None-Match": "TAG", "If-Modified-Since": AFTER},
    {"If-Match": '"x"', "If-None-Match": "TAG"},
    {"If-Match": "TAG", "If-None-Match": "TAG"},
    *(
        {"Range": f"bytes={value}"}
        for value in (
            "0-0",
            "0-",
            "-1",
            "-99999",
            "5-99999",
            "10239-",
            "10240-",
            "-0",
            "5-4",
            "a-b",
            "",
            "0-0,5000-5001",
            "0-1,9000-9001,-1",
            "99999-,0-0",
            " 0-0",
            "0-0,",
        )
    ),
    {"Range": "lines=0-0"},
    *(
        {"Range": "bytes=0-9", "If-Range": value}
        for value in ("TAG", '"x"', "W/TAG", BEFORE, SAME, AFTER)
    ),
    {"Range": "bytes=0-9", "If-None-Match": "TAG"},
    {"Range": "bytes=0-9", "If-Match": '"x"'},
]

# What nginx answers, and what we do.
DIFFERENCES = {
    # RFC 9110 section 5.6.1.2: an empty element of a list counts for nothing.
    "GET Range: bytes=0-0,": (416, 206),
    # Section 14.2: what is no range may be ignored, which gives the client all it needs.
    "GET Range: bytes=5-4": (416, 200),
    "GET Range: bytes=a-b": (416, 200),
}


def name_of(row: dict[str, str]) -> str:
    return " ".join(f"{name}: {NAMES.get(value, value)}" for name, value in row.items())


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A client of nginx, and one of ours, for the same resource."""
    file = tmp_path / "www" / "file"
    file.parent.mkdir()
    file.write_bytes(BODY)
    os.utime(file, (MODIFIED_S, MODIFIED_S))
    app = App()
    validators: dict[str, str] = {}

    @app.route("/file")
    def answer(request: Request) -> Response:
        return Response.bytes(BODY, headers=validators)

    async with (
        nginx(0, tmp_path, NGINX) as port,
        serve_app(app, "longwire") as url,
        httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}") as theirs,
        httpx.AsyncClient(trust_env=False, base_url=url) as ours,
    ):
        found = await theirs.get("/file")
        for name in ("ETag", "Last-Modified"):
            validators[name] = found.headers[name]
        yield theirs, ours


async def test_rows_are_answered_as_nginx_does(
    peers: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    theirs, ours = peers
    etag = (await theirs.head("/file")).headers["ETag"]
    differing = {}
    for method in ("GET", "HEAD"):
        for row in ROWS:
            if method == "HEAD" and "Range" in row:
                # Section 14.2: Range is of GET alone. nginx heeds it with HEAD, too.
                assert (await ours.head("/file", headers={"Range": row["Range"]})).is_success
                continue
            fields = {name: value.replace("TAG", etag) for name, value in row.items()}
            reference, answer = [
                await client.request(method, "/file", headers=fields) for client in (theirs, ours)
            ]
            if answer.status_code != reference.status_code:
                statuses = (reference.status_code, answer.status_code)
                differing[f"{method} {name_of(row)}"] = statuses
                continue
            for name in ("Content-Range", "ETag", "Content-Length"):
                is_multipart = "byteranges" in answer.headers.get("Content-Type", "")
                if answer.status_code in (200, 206) and not is_multipart:
                    assert answer.headers.get(name) == reference.headers.get(name), name_of(row)
            if answer.status_code == 416:
                assert answer.headers["Content-Range"] == reference.headers["Content-Range"]
            if answer.status_code == 206 and "Content-Range" in answer.headers:
                assert answer.content == reference.content
    assert differing == DIFFERENCES
