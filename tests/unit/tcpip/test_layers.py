"""The stack has no clock, no sockets, no threads and no randomness of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import longwire.tcpip

FOLDER = Path(longwire.tcpip.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))
FORBIDDEN = {"asyncio", "os", "random", "secrets", "select", "selectors", "socket", "ssl"}
FORBIDDEN |= {"concurrent", "subprocess", "threading", "time", "datetime"}
WIRE_MAY_IMPORT = ("addresses", "reasons", "wire")


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, at its top or anywhere inside."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_module_imports_nothing_that_acts_by_itself(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & FORBIDDEN


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_module_imports_only_what_is_below_it(path: Path) -> None:
    inside = {
        name.removeprefix("longwire.tcpip.").split(".")[0]
        for name in imports_of(path)
        if name.startswith("longwire.tcpip.")
    }
    place = path.relative_to(FOLDER).parts[0]
    if place == "wire":
        assert inside <= set(WIRE_MAY_IMPORT)
    elif place == "devices":
        assert not inside & {"host", "ip", "tcp", "udp", "ping"}
    elif place == "ip":
        assert not inside & {"host", "tcp", "udp", "ping", "devices"}
    elif place == "tcp":
        assert not inside & {"host", "udp", "ping", "devices"}


def test_no_float_takes_part_in_the_control_block() -> None:
    """Timers, windows and sequence numbers are integers: no literal and no division is a float."""
    for path in MODULES:
        if path.relative_to(FOLDER).parts[0] not in ("tcp", "ip", "wire"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), path
            assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)), path
