"""The scripts behind make say what they found, and their exit codes are honest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import ROOT

REPORT = (
    '<testsuites><testsuite name="{name}" tests="{tests}" errors="{errors}"'
    ' failures="{failures}" skipped="{skipped}"/></testsuites>'
)


def summary(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "test_summary.py", folder],
        capture_output=True,
        text=True,
        check=False,
    )


def write_report(
    folder: Path, name: str, *, tests: int, failures: int = 0, skipped: int = 0
) -> None:
    text = REPORT.format(name=name, tests=tests, errors=0, failures=failures, skipped=skipped)
    (folder / f"{name}.xml").write_text(text)


def test_summary_adds_up_the_runs(tmp_path: Path) -> None:
    write_report(tmp_path, "main", tests=10, skipped=2)
    write_report(tmp_path, "pure", tests=5)
    finished = summary(tmp_path)
    assert finished.stdout.splitlines()[-1] == "13 passed, 0 failed, 2 skipped"
    assert finished.returncode == 0


def test_summary_fails_when_a_test_failed(tmp_path: Path) -> None:
    write_report(tmp_path, "main", tests=10, failures=1)
    finished = summary(tmp_path)
    assert finished.stdout.splitlines()[-1] == "9 passed, 1 failed, 0 skipped"
    assert finished.returncode == 1


def test_summary_counts_a_run_without_report_as_failed(tmp_path: Path) -> None:
    write_report(tmp_path, "main", tests=10)
    (tmp_path / "without-report").write_text("pure\n")
    finished = summary(tmp_path)
    assert finished.stdout.splitlines()[-1] == "10 passed, 1 failed, 0 skipped"
    assert finished.returncode == 1


def test_summary_fails_when_nothing_ran(tmp_path: Path) -> None:
    assert summary(tmp_path).returncode == 1


def find_python(wanted: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "find_python.sh", wanted],
        env={**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_find_python_passes_over_a_stub_that_does_not_run(tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    write_program(tmp_path / f"python{version}", "#!/bin/sh\nexit 127\n")
    write_program(tmp_path / "python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    finished = find_python(f"{version}+", tmp_path)
    assert finished.returncode == 0
    assert finished.stdout.strip() != str(tmp_path / f"python{version}")


def test_find_python_refuses_a_program_of_another_version(tmp_path: Path) -> None:
    write_program(tmp_path / "python2.6", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    finished = find_python("2.6", tmp_path)
    assert (finished.returncode, finished.stdout) == (1, "")


@pytest.mark.parametrize(
    "script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name
)
def test_shell_script_parses(script: Path) -> None:
    shell = script.read_text().splitlines()[0].removeprefix("#!")
    finished = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
