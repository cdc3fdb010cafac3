"""Choosing an event loop."""

from __future__ import annotations

import asyncio
import sys

import pytest
import uvloop

from longwire.net import loops


async def kind() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_auto_takes_uvloop_where_it_is_installed() -> None:
    assert loops.run(kind()) == "uvloop"
    assert loops.run(kind(), loop="uvloop") == "uvloop"
    assert loops.run(kind(), loop="asyncio") == "asyncio"
    assert loops.loop_factory() is uvloop.new_event_loop


def test_missing_uvloop_is_named_when_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loops.run(kind()) == "asyncio"
    with pytest.raises(ImportError, match=r"longwire\[uvloop\]"):
        loops.loop_factory("uvloop")
