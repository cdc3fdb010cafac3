"""One development server for each test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.browser.driving import DevelopmentServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DevelopmentServer]:
    server = DevelopmentServer(tmp_path / "server.log")
    try:
        server.start()
        yield server
    finally:
        server.ensure_ended()
