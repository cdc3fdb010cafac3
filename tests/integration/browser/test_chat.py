"""The demo page in a real browser, with its server taken away under it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.browser.driving import DevelopmentServer, drive
from tests.needs import require_chromium, require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_two_tabs_chat_and_come_back_after_each_restart(
    server: DevelopmentServer, tmp_path: Path
) -> None:
    node = require_node_modules("playwright-core")
    settings = {
        "node": str(node),
        "chromium": require_chromium(),
        "folder": str(tmp_path),
        "port": server.port,
    }
    actions = {
        "kill": server.kill,
        "stop": server.stop,
        "suspend": server.suspend,
        "resume": server.resume,
        "start": server.start,
    }
    report = drive("chat.mjs", settings, cwd=node, timeout_s=200, actions=actions)
    assert "failures" in report
    for name in ("light", "dark", "phone", "away", "doubt"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
