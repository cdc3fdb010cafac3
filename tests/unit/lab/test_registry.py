"""What a target needs is named when it is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from longwire.lab.targets.registry import TARGETS, TargetError, find_target


def test_unknown_target() -> None:
    with pytest.raises(TargetError, match="no target 'sockjs'; there are longwire, websockets, "):
        find_target("sockjs")


def test_missing_python_package_names_the_extra() -> None:
    target = replace(TARGETS["python-socketio"], modules=("no_such_module",))
    with pytest.raises(TargetError, match=r"needs no_such_module: pip install \"longwire\[lab\]\""):
        target.check(None)


def test_missing_npm_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(node.parent))
    (tmp_path / "socket.io").mkdir()
    with pytest.raises(
        TargetError, match=r"needs socket\.io-client in .*npm install socket\.io-client"
    ):
        TARGETS["socket.io"].check(tmp_path)


def test_missing_node_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match=r"needs Node\.js"):
        TARGETS["socket.io"].check(tmp_path)


def test_longwire_needs_nothing_more() -> None:
    TARGETS["longwire"].check(None)
