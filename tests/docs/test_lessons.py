"""The scripts of docs/lessons, as a reader runs them; what `make docs` checks compares the rest."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import pytest

from longwire.cli.main import main
from tests.needs import ROOT, require

SCRIPTS = sorted(
    path for path in (ROOT / "examples" / "lessons").glob("*.py") if path.stem != "certificate"
)


def page_of(script: Path) -> str:
    return (ROOT / "docs" / "lessons" / f"{script.stem}.md").read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_command_of_the_page_gives_what_it_shows(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot, capture = tmp_path / "plot.svg", tmp_path / "all.pcapng"
    command = ["sim", str(script), "--packets", "--plot", str(plot), "--capture", str(capture)]
    assert main(command) == 0
    shown = capsys.readouterr().out.splitlines()
    _, _, happened = page_of(script).partition("## What happened")
    (timeline,) = re.findall(r"\n```\n(.*?)\n```\n", happened, re.DOTALL)
    times = [line.split()[0] for line in timeline.splitlines()]
    assert times == sorted(times, key=float)
    if "import server_and_client_contexts" not in script.read_text():
        # TLS of another OpenSSL has other lengths.
        assert set(timeline.splitlines()) <= set(shown)
    assert "</svg>" in plot.read_text() and capture.stat().st_size > 1000


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_committed_capture_is_read_by_tshark(script: Path, tmp_path: Path) -> None:
    packed = ROOT / "docs" / "lessons" / f"{script.stem}.pcapng.gz"
    capture = tmp_path / "lesson.pcapng"
    capture.write_bytes(gzip.decompress(packed.read_bytes()))
    finished = subprocess.run(
        [require("tshark"), "-r", str(capture), "-T", "fields", "-e", "frame.protocols"],
        capture_output=True,
        text=True,
        check=True,
    )
    protocols = finished.stdout.splitlines()
    assert len(protocols) >= 10 and all("tcp" in each or "udp" in each for each in protocols)
