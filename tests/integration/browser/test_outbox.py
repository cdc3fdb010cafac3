"""The outbox of longwire.js in IndexedDB, in a real browser that is reloaded and killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.browser.driving import DevelopmentServer, drive
from tests.needs import require_chromium, require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_outbox_survives_reloads_and_kills_of_the_browser(tmp_path: Path) -> None:
    node = require_node_modules("playwright-core")
    server = DevelopmentServer(
        tmp_path / "server.log", "--store", f"sqlite:{tmp_path / 'streams.db'}"
    )
    settings = {
        "node": str(node),
        "chromium": require_chromium(),
        "folder": str(tmp_path),
        "port": server.port,
    }
    actions = {
        "kill": server.kill,
        "suspend": server.suspend,
        "resume": server.resume,
        "start": server.start,
    }
    try:
        server.start()
        report = drive("outbox.mjs", settings, cwd=node, timeout_s=200, actions=actions)
    finally:
        server.ensure_ended()
    assert report["survived"] > 300
