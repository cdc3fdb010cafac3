"""The pytest plugin, as somebody else's test run sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import asyncio
import pytest
from longwire.simulation import World

async def answer(reader, writer):
    writer.write(await reader.read(100))
    writer.close()

async def test_inside(world):
    await asyncio.sleep(3600)
    assert world.now_s == 3600

@pytest.mark.seeds(3)
async def test_fails_for_one_seed(world):
    a, b = world.host("a"), world.host("b")
    world.link(a, b, delay=0.01)
    with b:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("a", 1)
    with a:
        await asyncio.start_server(answer, "0.0.0.0", 1)
    with b:
        reader, writer = await asyncio.open_connection("a", 1)
        writer.write(b"hello")
        await reader.read()
        writer.close()
    assert world.seed != 2
"""


def run_pytest(folder: Path, *arguments: str, prelude: str = "") -> str:
    (folder / "test_worlds.py").write_text(prelude + TESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "longwire.simulation.pytest_plugin"),
            *("-p", "no:cacheprovider", "-p", "no:xdist", *arguments),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return finished.stdout + finished.stderr


def test_failure_shows_seed_timeline_capture_and_plots(tmp_path: Path) -> None:
    output = run_pytest(tmp_path)
    assert "1 failed, 3 passed" in output
    assert "--world-seed 2" in output and "tcp-refused" in output
    captures = list(tmp_path.rglob("*.pcapng"))
    assert len(captures) == 1 and captures[0].read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    (plot,) = tmp_path.rglob("*.svg")
    assert f"plots {plot}" in output and "round trip, ms" in plot.read_text()
    (timeline,) = tmp_path.rglob("*.timeline.txt")
    assert f"timeline {timeline}" in output and "tcp-refused" in timeline.read_text()


def test_failure_without_matplotlib_names_the_extra(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, prelude="import sys; sys.modules['matplotlib'] = None\n")
    assert "1 failed, 3 passed" in output
    assert "plots none: " in output and "pip install 'longwire[plots]'" in output
    assert not list(tmp_path.rglob("*.svg"))


def test_seed_that_failed_is_run_alone(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, "--world-seed", "2", "-k", "one_seed")
    assert "1 failed" in output and "seed-2" in output


def test_marker_that_runs_nothing_or_makes_no_sense_is_an_error(tmp_path: Path) -> None:
    markers = ("seeds(0)", "seeds", 'seeds("many")', "seeds(cuont=3)", "seeds(count=2)")
    for number, marker in enumerate(markers):
        test = f"import pytest\n@pytest.mark.{marker}\nasync def test_marked(world): pass\n"
        (tmp_path / f"test_{number}.py").write_text(test)
    output = run_pytest(tmp_path, "--collect-only", "-q")
    assert "4 errors" in output
    assert "test_0.py::test_marked: seeds(0) runs nothing; give 1 or more" in output
    for number in (1, 2, 3):
        assert f"test_{number}.py::test_marked: write @pytest.mark.seeds(20)" in output
    assert "test_4.py::test_marked[seed-1]" in output
    assert "test_4.py::test_marked[seed-2]" not in output
