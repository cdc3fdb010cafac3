"""What tests need beyond Python packages, asked for by name.

A test that needs a program calls ``require("nginx")`` (or one of the other functions) at its
start. Where the program is missing the test is skipped, and the reason names it; under
LONGWIRE_REQUIRE_ALL=1 (``.ci/run``) the test fails instead, so that nothing goes untested there.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = [
    "is_everything_required",
    "missing",
    "require",
    "require_chromium",
    "require_node_modules",
    "require_python",
    "require_python27",
    "require_root_namespaces",
]

ROOT = Path(__file__).resolve().parent.parent

# Programs that Debian keeps out of an ordinary user's PATH.
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")


def is_everything_required() -> bool:
    """Tell whether a missing program is a failure (LONGWIRE_REQUIRE_ALL=1)."""
    return os.environ.get("LONGWIRE_REQUIRE_ALL", "") not in ("", "0")


def missing(name: str, hint: str = "") -> NoReturn:
    """Skip the running test because ``name`` is missing, or fail it if all is required."""
    reason = f"needs {name}" + (f" ({hint})" if hint else "")
    if is_everything_required():
        pytest.fail(f"LONGWIRE_REQUIRE_ALL is set and this test {reason}", pytrace=False)
    pytest.skip(reason)


def find_program(name: str) -> str | None:
    path = os.pathsep.join((os.environ.get("PATH", ""), *SYSTEM_FOLDERS))
    return shutil.which(name, path=path)


def require(program: str) -> str:
    """Return the path of ``program``; skip or fail where there is none."""
    found = find_program(program)
    if found is None:
        missing(program, "scripts/test_setup.sh installs it as root on Debian")
    return found


def require_chromium() -> str:
    """Return the path of a Chromium browser."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = find_program(name)
        if found is not None:
            return found
    missing("chromium", "scripts/test_setup.sh installs it as root on Debian")


@functools.cache
def find_python(version: str) -> str | None:
    found = subprocess.run(
        [ROOT / "scripts" / "find_python.sh", version],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None


def require_python(version: str) -> str:
    """Return the path of a Python of exactly this version (``"3.13"``) that really runs."""
    found = find_python(version)
    if found is None:
        missing(f"Python {version}", "on PATH or as a pyenv version")
    return found


def require_python27() -> str:
    """Return the path of a Python 2.7, which Autobahn|Testsuite runs on."""
    return require_python("2.7")


def require_node_modules(*packages: str) -> Path:
    """Return tests/node, with Node.js there and ``packages`` installed in its node_modules.

    Run node with this folder as its working directory, or the packages are not found.
    """
    require("node")
    folder = ROOT / "tests" / "node"
    for package in packages:
        if not (folder / "node_modules" / package / "package.json").exists():
            missing(f"npm package {package}", "scripts/test_setup.sh installs tests/node")
    return folder


@functools.cache
def why_no_namespaces() -> str | None:
    """Return why network namespaces cannot be made here, or None."""
    if os.geteuid() != 0:
        return "root, to make network namespaces"
    ip = find_program("ip")
    if ip is None:
        return "the program ip (iproute2)"
    name = f"longwire-{os.getpid()}"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"network namespaces: {made.stderr.strip()}"
    subprocess.run([ip, "netns", "delete", name], capture_output=True, check=False)
    return None


def require_root_namespaces() -> str:
    """Return the path of ``ip`` where this user may make network namespaces."""
    reason = why_no_namespaces()
    if reason is not None:
        missing(reason)
    return require("ip")
