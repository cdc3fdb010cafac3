"""Chromium's WebSocket over HTTP/2, against our TLS listener."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.browser.driving import DevelopmentServer, drive
from tests.integration.net.certificates import Authority
from tests.needs import require_chromium, require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_chromium_opens_its_websocket_on_the_connection_of_the_page(tmp_path: Path) -> None:
    node = require_node_modules("playwright-core")
    cert_path, key_path = Authority(tmp_path).issue("local", "127.0.0.1")
    flags = ["--tls-cert", str(cert_path), "--tls-key", str(key_path)]
    server = DevelopmentServer(tmp_path / "server.log", *flags)
    settings = {
        "node": str(node),
        "chromium": require_chromium(),
        "folder": str(tmp_path),
        "port": server.port,
    }
    try:
        server.start()
        seen = drive("socket_h2.mjs", settings, cwd=node, timeout_s=100)
        server.stop()
    finally:
        server.ensure_ended()
    assert (seen["status"], seen["protocol"]) == (200, "h2")
    assert seen["overStream"], "the browser's own log knows of no extended CONNECT"
    assert seen["upgrades"] == 0
    assert seen["same"]
    assert seen["subprotocol"] == "chat"
    assert seen["extensions"].startswith("permessage-deflate")
    assert seen["close"] == {"code": 3456, "reason": "done", "wasClean": True}
    assert seen["plain"] == {"read": ["sse", "long-poll"], "protocols": ["h2"]}
