"""longwire.js where something is in the way of WebSockets, in a real browser."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from longwire import App
from tests.integration.browser.driving import DevelopmentServer, drive
from tests.integration.browser.test_js_application import make_app
from tests.integration.server.app_servers import serve_app
from tests.needs import ROOT, require_chromium, require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_browser_goes_on_over_what_comes_through_and_returns(tmp_path: Path) -> None:
    node = require_node_modules("playwright-core", "ws")
    server = DevelopmentServer(
        tmp_path / "server.log", "--store", f"sqlite:{tmp_path / 'streams.db'}"
    )
    settings = {
        "node": str(node),
        "chromium": require_chromium(),
        "folder": str(tmp_path),
        "port": server.port,
        "library": (ROOT / "js" / "lib" / "longwire.js").as_uri(),
    }
    try:
        server.start()
        actions = {"kill": server.kill, "start": server.start}
        report = drive("fallback.mjs", settings, cwd=node, timeout_s=200, actions=actions)
    finally:
        server.ensure_ended()
    assert report["published"] > 300


async def test_pages_of_allowed_origins_are_served_over_each_transport(tmp_path: Path) -> None:
    node = require_node_modules("playwright-core")
    async with (
        serve_app(App(), "longwire") as site,
        serve_app(make_app(site), "longwire") as server,
    ):
        settings = {
            "node": str(node),
            "chromium": require_chromium(),
            "folder": str(tmp_path),
            "server": server,
            "allowed": site,
            "foreign": site.replace("127.0.0.1", "localhost"),
        }
        await asyncio.to_thread(drive, "origins.mjs", settings, cwd=node, timeout_s=200)
