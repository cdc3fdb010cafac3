"""Chromium's EventSource on a stream, over a kill of the server and to the end of the stream."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from tests.integration.browser.driving import DevelopmentServer, drive
from tests.needs import require_chromium, require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_chromium_follows_a_stream_over_a_kill_of_the_server(tmp_path: Path) -> None:
    node = require_node_modules("playwright-core")
    store = f"sqlite:{tmp_path / 'streams.db'}"
    server = DevelopmentServer(tmp_path / "server.log", "--store", store)
    settings = {
        "node": str(node),
        "chromium": require_chromium(),
        "folder": str(tmp_path),
        "port": server.port,
    }
    published = 0

    def send(method: str, body: bytes = b"", **headers: str) -> None:
        url = f"http://127.0.0.1:{server.port}/streams/news"
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, body, fields, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as response:
            assert response.status < 300

    def publish() -> None:
        nonlocal published
        for number in range(published, published + 20):
            send("POST", json.dumps(number).encode(), Content_Type="application/json")
        published += 20

    def restart() -> None:
        server.kill()
        server.start()

    try:
        server.start()
        send("PUT", Content_Type="application/json")
        seen = drive(
            "event_source.mjs",
            settings,
            cwd=node,
            timeout_s=100,
            actions={
                "publish": publish,
                "restart": restart,
                "close": lambda: send("POST", Stream_Closed="true"),
            },
        )
        server.stop()
    finally:
        server.ensure_ended()
    assert seen["data"] == list(range(40))
    assert seen["ids"] == sorted(set(seen["ids"]))
    assert (seen["gaps"], seen["closed"]) == (0, 1)
    # The first has brought no position; each after it has, and is told that it holds.
    recovered = [verdict.get("recovered") for verdict in seen["verdicts"]]
    assert recovered == [None] + [True] * (seen["opens"] - 1)
    assert seen["opens"] >= 2
