"""Every asynchronous test of this folder runs on both event loops, and on each driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True, params=["reactor", "asyncio"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What moves the bytes of the servers in this test."""
    name: str = request.param
    monkeypatch.setattr("longwire.net.listener.AUTO_DRIVER", name)
    return name
