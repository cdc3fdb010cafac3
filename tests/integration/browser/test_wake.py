"""longwire.js in a browser that wakes beside a server that stands still."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.browser.driving import DevelopmentServer, drive
from tests.needs import require_chromium, require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_open_socket_is_asked_for_a_sign_of_life_when_the_browser_wakes(
    server: DevelopmentServer, tmp_path: Path
) -> None:
    node = require_node_modules("playwright-core")
    settings = {
        "node": str(node),
        "chromium": require_chromium(),
        "folder": str(tmp_path),
        "port": server.port,
    }
    actions = {"suspend": server.suspend, "resume": server.resume}
    report = drive("wake.mjs", settings, cwd=node, timeout_s=110, actions=actions)
    assert {"online", "slept"} <= report.keys()
