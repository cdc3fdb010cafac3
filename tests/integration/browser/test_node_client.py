"""longwire.js in Node.js, on two WebSocket implementations and over plain HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.browser.driving import DevelopmentServer, drive
from tests.needs import ROOT, require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("way", ["ws", "undici", "sse", "long-poll"])
def test_node_client_loses_and_doubles_nothing(
    server: DevelopmentServer, tmp_path: Path, way: str
) -> None:
    node = require_node_modules("ws", "undici")
    settings = {
        "node": str(node),
        "port": server.port,
        "way": way,
        "library": (ROOT / "js" / "lib" / "longwire.js").as_uri(),
    }
    actions = {
        "kill": server.kill,
        "stop": server.stop,
        "suspend": server.suspend,
        "start": server.start,
    }
    report = drive("client.mjs", settings, cwd=node, timeout_s=200, actions=actions)
    assert report["returns"] > 4
