"""``longwire sim``."""

from __future__ import annotations

from pathlib import Path

import pytest

from longwire.cli.main import main

SCRIPT = """
import asyncio

async def main(world):
    a, b = world.host("a"), world.host("b")
    world.link(a, b, delay=0.01)
    with b:
        try:
            await asyncio.open_connection("a", 1)
        except ConnectionRefusedError:
            pass
"""


def test_script_runs_and_shows_its_timeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    capture = tmp_path / "world.pcapng"
    assert main(["sim", str(tmp_path / "script.py"), "--capture", str(capture)]) == 0
    shown = capsys.readouterr().out
    assert "tcp-refused" in shown and "0.020000000 s, seed 0, capture SHA-256" in shown
    assert capture.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_script_without_a_main_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "script.py").write_text("x = 1\n")
    assert main(["sim", str(tmp_path / "script.py")]) == 2
    assert "async def main(world)" in capsys.readouterr().err


def test_deadlock_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "script.py").write_text(
        "import asyncio\nasync def main(world):\n    await asyncio.Event().wait()\n"
    )
    assert main(["sim", str(tmp_path / "script.py")]) == 1
    assert "nothing will ever happen" in capsys.readouterr().err
