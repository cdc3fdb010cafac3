"""Layers import downwards, and the plain client needs nothing but the standard library."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

from tests.needs import ROOT

# Printed by the child: files of modules that do not belong to Python itself or to longwire.
REPORT = """
import json, sys, sysconfig
from pathlib import Path
folders = {Path(sysconfig.get_path(key)).resolve() for key in ("purelib", "platlib")}
foreign = []
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None)
    # A plain module that could be compiled asks Cython, where a developer has it, whether it is.
    if name.split(".")[0] in ("longwire", "cython", "Cython"):
        continue
    if not file or name in STARTED_WITH:
        continue
    if any(Path(file).resolve().is_relative_to(folder) for folder in folders):
        foreign.append(name)
print(json.dumps(foreign))
"""


def third_party_modules_after(program: str) -> list[str]:
    """Run ``program`` in a fresh interpreter; return the third-party modules it loaded."""
    source = f"import sys\nSTARTED_WITH = set(sys.modules)\n{program}\n{REPORT}"
    finished = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=50, check=False
    )
    assert finished.returncode == 0, finished.stderr
    modules: list[str] = json.loads(finished.stdout)
    return modules


def test_imports_point_down_only() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as f; f()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_report_names_a_third_party_module() -> None:
    assert "h11" in third_party_modules_after("import h11")


def test_importing_longwire_loads_no_third_party_package() -> None:
    assert third_party_modules_after("import longwire") == []


PLAIN_ECHO = """
import asyncio
import longwire

async def main():
    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async with longwire.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with longwire.connect(f"ws://127.0.0.1:{port}/") as connection:
            await connection.send("hello")
            assert await connection.recv() == "hello"

asyncio.run(main())
"""


def test_plain_client_and_server_load_no_third_party_package() -> None:
    assert third_party_modules_after(PLAIN_ECHO) == []


# Packages that take bytes and `now` as arguments, and what they must not reach for themselves.
# `time` is missing from the list for `gmtime`, which turns a number into a date.
SANS_IO_PACKAGES = ("base", "websocket", "http", "streams", "tcpip")
FORBIDDEN = {
    "asyncio", "concurrent", "multiprocessing", "random", "secrets", "select", "selectors",
    "socket", "ssl", "subprocess", "threading", "uuid",
}  # fmt: skip
FORBIDDEN_CALLS = {"time.time", "time.monotonic", "time.perf_counter", "os.urandom", "datetime.now"}


def sans_io_files() -> list[Path]:
    source = ROOT / "src" / "longwire"
    return [path for name in SANS_IO_PACKAGES for path in sorted((source / name).rglob("*.py"))]


def names_used(tree: ast.AST) -> set[str]:
    """Top-level modules imported, ``module.name`` of from-imports and of attributes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
    return found


def test_sans_io_packages_reach_for_no_socket_clock_or_randomness() -> None:
    found = {
        str(path.relative_to(ROOT)): sorted(
            names_used(ast.parse(path.read_text())) & (FORBIDDEN | FORBIDDEN_CALLS)
        )
        for path in sans_io_files()
    }
    assert found
    assert {name: used for name, used in found.items() if used} == {}
