"""``longwire sim``."""

from __future__ import annotations

import sys
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


TALK = """
import asyncio

async def echo(reader, writer):
    writer.write(await reader.read(100))
    writer.close()

async def main(world):
    a, b = world.host("a"), world.host("b")
    world.link(a, b, delay=0.01)
    with a:
        await asyncio.start_server(echo, "0.0.0.0", 7)
    with b:
        reader, writer = await asyncio.open_connection("a", 7)
        writer.write(b"hello")
        assert await reader.read() == b"hello"
        writer.close()
    {end}
"""


def test_script_leaves_plots_and_shows_its_packets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "talk.py").write_text(TALK.format(end="pass"))
    plots = [tmp_path / "talk.svg", tmp_path / "talk.png"]
    arguments = [word for plot in plots for word in ("--plot", str(plot))]
    assert main(["sim", str(tmp_path / "talk.py"), "--packets", *arguments]) == 0
    assert "a:7  SYN, seq 0" in capsys.readouterr().out
    assert "congestion window" in plots[0].read_text() or "→" in plots[0].read_text()
    assert plots[1].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_script_that_fails_leaves_its_plot_too(tmp_path: Path) -> None:
    (tmp_path / "talk.py").write_text(TALK.format(end="await asyncio.Event().wait()"))
    plot = tmp_path / "talk.svg"
    assert main(["sim", str(tmp_path / "talk.py"), "--plot", str(plot)]) == 1
    assert plot.exists()


def test_plot_of_another_format_is_refused_before_the_script_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "script.py").write_text("raise SystemExit('it ran')\n")
    assert main(["sim", str(tmp_path / "script.py"), "--plot", "a.gif"]) == 2
    assert "a.gif: a plot is one of .svg, .png, .pdf" in capsys.readouterr().err


def test_plot_without_matplotlib_names_the_extra_before_the_script_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    (tmp_path / "script.py").write_text("raise SystemExit('it ran')\n")
    assert main(["sim", str(tmp_path / "script.py"), "--plot", str(tmp_path / "a.svg")]) == 69
    assert "pip install 'longwire[plots]'" in capsys.readouterr().err


def test_nothing_to_draw_is_said_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    assert main(["sim", str(tmp_path / "script.py"), "--plot", str(tmp_path / "a.svg")]) == 0
    assert "no connection has sent anything" in capsys.readouterr().err
