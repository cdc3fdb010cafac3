"""What is built from the source tree holds what an installed longwire needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import ROOT

COPIED = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md")
PROBE = "longwire/base/static/deep/probe.txt"


def build(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *arguments, str(folder)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def copy_tree(folder: Path) -> Path:
    for name in COPIED:
        shutil.copy(ROOT / name, folder)
    unwanted = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info", "node_modules")
    shutil.copytree(ROOT / "src", folder / "src", ignore=unwanted)
    probe = folder / "src" / PROBE
    probe.parent.mkdir(parents=True)
    probe.write_text("a static file, below a folder of the package\n")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A source tree with dist/ beside it, the wheel made from the sdist."""
    folder = copy_tree(tmp_path_factory.mktemp("tree"))
    finished = build(folder, LONGWIRE_EXTENSIONS="off")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    yield folder
    shutil.rmtree(folder)


def source_files(folder: Path) -> set[str]:
    source = folder / "src"
    return {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and not path.relative_to(source).parts[0].endswith(".egg-info")
    }


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_wheel_holds_every_source_and_static_file(built: Path) -> None:
    (wheel,) = (built / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert PROBE in names
    # A .pxd file tells the compiler types; nothing reads it after the build.
    assert {name for name in source_files(built) if not name.endswith(".pxd")} <= names
    assert not {name for name in names if name.startswith("tests/")}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_sdist_holds_what_the_wheel_is_built_from(built: Path) -> None:
    (sdist,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "setup.py", "pyproject.toml"} <= names
    assert {f"src/{name}" for name in source_files(built)} <= names


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("mode", "is_built"), [("auto", True), ("require", False)])
def test_build_without_a_compiler(tmp_path: Path, mode: str, is_built: bool) -> None:
    """`auto` falls back to the plain modules and says so; `require` fails."""
    copy_tree(tmp_path)
    setup = tmp_path / "setup.py"
    before = "COMPILED_MODULES: tuple[str, ...] = ("
    assert before in setup.read_text()
    setup.write_text(setup.read_text().replace(before, before + '"longwire.base.codes", '))
    finished = build(tmp_path, "--wheel", LONGWIRE_EXTENSIONS=mode, CC="/nonexistent/cc")
    assert (finished.returncode == 0) is is_built, finished.stdout + finished.stderr
    if is_built:
        (wheel,) = (tmp_path / "dist").glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        assert "longwire/base/codes.py" in names
        assert not [name for name in names if name.endswith(".so")]
        assert "nonexistent" in finished.stdout + finished.stderr


@pytest.mark.parametrize(
    "lock", sorted({*ROOT.glob("js/package-lock.json"), *ROOT.glob("tests/*/package-lock.json")})
)
def test_lock_file_names_no_download_address(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
