"""What ``longwire serve --dev`` answers over HTTP."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.server.running import RunningServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("serve"), "--dev") as running:
        yield running


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_operations_answer(server: RunningServer) -> None:
    assert server.request("/healthz").text == "ok\n"
    assert server.request("/readyz").text == "ready\n"
    figures = server.request("/metrics")
    assert figures.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "longwire_ready 1.0" in figures.text
    assert "process_resident_memory_bytes" in figures.text


def test_requests_are_counted(server: RunningServer) -> None:
    def count() -> float:
        text = server.request("/metrics").text
        match = re.search(r'requests_total\{method="PUT",status="405"\} (\S+)', text)
        return float(match[1]) if match else 0.0

    before = count()
    assert server.request("/healthz", method="PUT").status == 405
    assert count() == before + 1


def test_limits_that_were_hit_are_counted(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n")
        assert raw.recv(12) == b"HTTP/1.1 431"
    text = server.request("/metrics").text
    assert 'longwire_http_refused_total{status="431"} 1.0' in text
    assert 'longwire_limit_hits_total{limit="header_bytes_max"} 1.0' in text


def test_missing_page_is_html_for_browsers(server: RunningServer) -> None:
    answer = server.request("/no/<script>alert(1)</script>", headers={"Accept": BROWSER})
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>" in answer.text
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_missing_page_is_a_problem_for_programs(server: RunningServer) -> None:
    answer = server.request("/nowhere", headers={"Accept": "application/json"})
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Nothing answers at /nowhere here.",
    }


def test_missing_page_is_text_for_curl(server: RunningServer) -> None:
    answer = server.request("/nowhere", headers={"Accept": "*/*"})
    assert answer.text == "404 Not Found: Nothing answers at /nowhere here.\n"


@pytest.mark.parametrize("path", ["/a%", "/a%zz", "/a%ff", "/streams/a%ff"])
def test_broken_path_is_refused(server: RunningServer, path: str) -> None:
    assert server.request(path).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_9110_15_5_6_wrong_method_is_refused_with_allow(server: RunningServer, method: str) -> None:
    answer = server.request("/healthz", method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/healthz", "/ws", "/echo", "/longwire.js", "/streams/a/b"])
def test_9110_9_3_7_options_says_what_is_allowed(server: RunningServer, path: str) -> None:
    answer = server.request(path, method="OPTIONS")
    assert (answer.status, answer.body) == (204, b"")
    expected = {
        "/streams/a/b": "DELETE, GET, HEAD, OPTIONS, POST, PUT",
        "/ws": "GET, HEAD, OPTIONS, POST",
    }
    assert answer.headers["Allow"] == expected.get(path, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/metrics", "/longwire.js", "/nowhere", "/ws", "/echo"]
)
def test_9110_9_3_2_head_answers_as_get_without_body(server: RunningServer, path: str) -> None:
    get, head = server.request(path), server.request(path, method="HEAD")
    assert head.body == b""
    assert (head.status, head.headers["Content-Type"]) == (get.status, get.headers["Content-Type"])
    if path != "/metrics":
        assert head.headers["Content-Length"] == str(len(get.body))


@pytest.mark.parametrize("path", ["/ws", "/echo"])
def test_9110_15_5_22_websocket_endpoint_asks_for_an_upgrade(
    server: RunningServer, path: str
) -> None:
    answer = server.request(path)
    assert answer.status == 426
    assert answer.headers["Upgrade"] == "websocket"
    assert "upgrade" in answer.headers["Connection"].lower()
    # The native protocol is spoken over POST, too, and says which bodies it reads.
    assert server.request(path, method="POST").status == (415 if path == "/ws" else 405)


def test_stream_that_is_not_there_is_said_to_people_and_programs(server: RunningServer) -> None:
    page = server.request("/streams/chat/lobby", headers={"Accept": "text/html"})
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    problem = server.request("/streams/chat/lobby")
    assert problem.headers["Content-Type"] == "application/problem+json"
    assert json.loads(problem.body)["code"] == "stream_missing"


def test_demo_page_brings_what_it_needs(server: RunningServer) -> None:
    page = server.request("/", headers={"Accept": BROWSER})
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    loaded = re.findall(r'(?:src|href)="(/[^"]*)"', page.text)
    assert loaded
    for path in loaded:
        file = server.request(path)
        assert file.status == 200
        expected = "text/css" if path.endswith(".css") else "text/javascript"
        assert file.headers["Content-Type"] == f"{expected}; charset=utf-8"


def test_9110_13_1_2_unchanged_file_is_not_sent_again(server: RunningServer) -> None:
    file = server.request("/longwire.js")
    etag = file.headers["ETag"]
    for condition in (etag, f'"other", W/{etag}', "*"):
        again = server.request("/longwire.js", headers={"If-None-Match": condition})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["ETag"] == etag
    changed = server.request("/longwire.js", headers={"If-None-Match": '"other"'})
    assert changed.status == 200


def test_options_of_the_server_as_a_whole(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with raw.makefile("rb") as reader:
            assert reader.readline() == b"HTTP/1.1 204 No Content\r\n"


def test_without_dev_there_is_no_demo_and_no_echo(tmp_path: Path) -> None:
    with RunningServer(tmp_path) as server:
        assert server.request("/").status == 404
        assert server.request("/echo").status == 404
        assert server.request("/chat.js").status == 404
        assert server.request("/longwire.js").status == 200
        outbox = server.request("/longwire-outbox.js")
        assert outbox.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert 'from"./longwire.js"' in outbox.text
        assert "as Fallback" in server.request("/longwire-http.js").text
        assert server.request("/ws").status == 426
