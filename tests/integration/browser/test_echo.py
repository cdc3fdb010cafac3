"""Chromium as a WebSocket peer of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.browser.driving import DevelopmentServer, drive
from tests.needs import require_chromium, require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_chromium_gets_everything_back(server: DevelopmentServer, tmp_path: Path) -> None:
    node = require_node_modules("playwright-core")
    settings = {
        "node": str(node),
        "chromium": require_chromium(),
        "folder": str(tmp_path),
        "port": server.port,
    }
    seen = drive("echo.mjs", settings, cwd=node, timeout_s=100)
    assert seen["protocol"] == "chat.v2"
    assert seen["extensions"].startswith("permessage-deflate")
    assert seen["text"] and seen["emptyText"] and seen["emptyBytes"] and seen["order"]
    assert seen["lengths"] == [1, 125, 126, 127, 65_535, 65_536, 1_000_000, 1 << 20]
    # RFC 6455 section 5.5.1: the server answers a Close frame with its code.
    assert seen["close"] == {"code": 3456, "reason": "done, 再见", "wasClean": True}
    # A page of another origin is turned away, and the browser says so in its console.
    assert seen["foreign"] == 1006
    assert "403" in seen["refused"][-1]
    assert seen["talked"] == []
