"""The JavaScript client as it is committed: built from its source, small, and tested."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.needs import ROOT, missing, require

JS = ROOT / "js"
STATIC = ROOT / "src" / "longwire" / "server" / "static"
BUILT = STATIC / "longwire.js"
BUILT_OUTBOX = STATIC / "longwire-outbox.js"
BUILT_HTTP = STATIC / "longwire-http.js"
COMPRESSED_BYTES_MAX = 12_000
OUTBOX_COMPRESSED_BYTES_MAX = 4_000
HTTP_COMPRESSED_BYTES_MAX = 7_000


def require_build_tools() -> None:
    require("node")
    for package in ("esbuild", "typescript"):
        if not (JS / "node_modules" / package / "package.json").exists():
            missing(f"npm package {package}", "scripts/test_setup.sh installs js")


def run_node(*arguments: str) -> str:
    done = subprocess.run(
        ["node", *arguments], cwd=JS, capture_output=True, text=True, check=False, timeout=220
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_committed_build_is_what_the_source_gives(tmp_path: Path) -> None:
    require_build_tools()
    run_node("build.mjs", "--out", str(tmp_path))
    committed = {f"js/lib/{name}": data for name, data in files_below(JS / "lib").items()}
    for module in (BUILT, BUILT_OUTBOX, BUILT_HTTP):
        committed[module.relative_to(ROOT).as_posix()] = module.read_bytes()
    built = files_below(tmp_path)
    assert sorted(built) == sorted(committed)
    different = [name for name in built if built[name] != committed[name]]
    assert not different, "run `npm run build` in js/ and commit what it writes"


@pytest.mark.slow
def test_types_of_the_package_fit_what_users_write() -> None:
    require_build_tools()
    run_node("node_modules/typescript/bin/tsc", "-p", "test/types")


def test_served_module_is_small_and_begins_alone() -> None:
    text = BUILT.read_text()
    assert len(gzip.compress(BUILT.read_bytes(), 9)) <= COMPRESSED_BYTES_MAX
    loaded_later = 'import("./longwire-http.js")'
    assert text.count(loaded_later) == 1
    assert not re.search(r"\bimport\b|\brequire\(", text.replace(loaded_later, ""))
    assert re.search(r"export\{.*\bas connect\b", text)


def test_module_of_the_outbox_is_small_and_needs_only_the_other_one() -> None:
    text = BUILT_OUTBOX.read_text()
    assert len(gzip.compress(BUILT_OUTBOX.read_bytes(), 9)) <= OUTBOX_COMPRESSED_BYTES_MAX
    assert set(re.findall(r"\bfrom\s*(\S+?);", text)) == {'"./longwire.js"'}
    assert re.search(r"export\{.*\bas DiskOutbox\b", text)


def test_module_of_the_other_transports_is_small_and_needs_no_other() -> None:
    text = BUILT_HTTP.read_text()
    assert len(gzip.compress(BUILT_HTTP.read_bytes(), 9)) <= HTTP_COMPRESSED_BYTES_MAX
    assert not re.search(r"\bimport\b|\brequire\(", text)
    assert re.search(r"export\{.*\bas Fallback\b", text)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_unit_tests_of_the_client_pass() -> None:
    require("node")
    tests = sorted(str(path.relative_to(JS)) for path in JS.glob("test/*.test.mjs"))
    output = run_node("--test", "--test-reporter=tap", *tests)
    passed = re.search(r"^# pass (\d+)$", output, re.MULTILINE)
    assert passed is not None and int(passed[1]) > 70
    assert re.search(r"^# (?:skipped|todo) [1-9]", output, re.MULTILINE) is None


def test_package_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    package = json.loads((JS / "package.json").read_text())
    assert package["version"] == project["version"]
    assert "dependencies" not in package
    assert package["version"] in BUILT.read_text()


def test_package_lock_is_exact_and_names_no_host() -> None:
    package = json.loads((JS / "package.json").read_text())
    for version in package["devDependencies"].values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert "://" not in (JS / "package-lock.json").read_text()
