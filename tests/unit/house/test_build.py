"""The build under test is the one that was asked for, module by module."""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.digest import compiled_modules

from tests.needs import ROOT

EXTENSION_SUFFIXES = tuple(importlib.machinery.EXTENSION_SUFFIXES)
MODULES = compiled_modules()
BUILD = os.environ.get("LONGWIRE_TEST_BUILD", "")


@pytest.mark.parametrize("name", MODULES)
def test_module_is_loaded_as_the_build_says(name: str) -> None:
    path = importlib.import_module(name).__file__
    assert path is not None
    if BUILD == "compiled":
        assert path.endswith(EXTENSION_SUFFIXES)
    elif BUILD == "pure":
        assert path.endswith(".py")
    else:
        pytest.skip("LONGWIRE_TEST_BUILD is not set: either build will do")


def test_setup_refuses_unknown_extension_mode() -> None:
    finished = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=ROOT,
        env={**os.environ, "LONGWIRE_EXTENSIONS": "maybe"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode != 0
    assert "'maybe' is unknown; it is one of auto, require, off" in finished.stderr


@pytest.mark.parametrize("name", MODULES)
def test_compiled_module_has_a_plain_python_source(name: str) -> None:
    assert Path(ROOT, "src", *name.split(".")).with_suffix(".py").exists()
