"""Worlds for pytest: ``pytest_plugins = ["longwire.simulation.pytest_plugin"]`` in a conftest.

* The fixture ``world`` is a fresh world. A test that is a coroutine function and asks for it runs
  inside of it.
* ``@pytest.mark.seeds(20)`` runs a test over the seeds 0 to 19; ``--world-seed N`` over N alone.
* A test that fails shows its seed, the end of the timeline, and where its capture, its plots and
  the whole timeline lie.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from longwire.simulation.errors import SimulationError
from longwire.simulation.world import World

__all__ = ["world"]

_TIMELINE_LINES = 40
_FOLDER = "longwire-worlds"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--world-seed``."""
    group = parser.getgroup("longwire")
    group.addoption("--world-seed", type=int, help="run simulated worlds with this seed alone")


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker."""
    config.addinivalue_line("markers", "seeds(count): run the test over the seeds 0 to count - 1")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each seed."""
    if "world" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("seeds")
    count = _count(marker, metafunc.definition.nodeid) if marker is not None else 1
    only = metafunc.config.getoption("--world-seed")
    seeds = range(count) if only is None else [only]
    metafunc.parametrize("world", seeds, indirect=True, ids=[f"seed-{seed}" for seed in seeds])


def _count(marker: pytest.Mark, test: str) -> int:
    """Return how many seeds are asked for; anything but 1 or more is an error of the test."""
    given = [*marker.args, *marker.kwargs.values()]
    if len(given) != 1 or not set(marker.kwargs) <= {"count"} or type(given[0]) is not int:
        pytest.fail(f"{test}: write @pytest.mark.seeds(20) for the seeds 0 to 19", pytrace=False)
    count: int = given[0]
    if count < 1:
        pytest.fail(f"{test}: seeds({count}) runs nothing; give 1 or more", pytrace=False)
    return count


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world with the seed of this run."""
    yield World(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function that asks for a world inside of it."""
    found = pyfuncitem.funcargs.get("world")
    if not isinstance(found, World) or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    found.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Attach seed, timeline, capture and plots to a failure."""
    report = yield
    found = getattr(item, "funcargs", {}).get("world")
    if isinstance(found, World) and report.when == "call" and report.failed:  # type: ignore[attr-defined]
        report.sections.append(("world", _account(found, item)))  # type: ignore[attr-defined]
    return report


def _account(found: World, item: pytest.Item) -> str:
    folder = Path(item.config.rootpath) / ".pytest_cache" / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(each if each.isalnum() else "-" for each in item.nodeid).strip("-")
    base = folder / name[-120:]
    capture, timeline = base.with_suffix(".pcapng"), base.with_suffix(".timeline.txt")
    found.write_capture(capture)
    lines = found.timeline().splitlines()
    timeline.write_text("\n".join(lines) + "\n")
    head = (
        f"seed {found.seed}; again with: --world-seed {found.seed}",
        f"capture {capture}, SHA-256 {found.capture_digest()}",
        f"plots {_draw(found, base.with_suffix('.svg'))}",
        f"timeline {timeline}, {len(lines)} lines; the last of them:",
    )
    return "\n".join((*head, *lines[-_TIMELINE_LINES:]))


def _draw(found: World, path: Path) -> str:
    """Draw the plots; return where they lie, or why there are none."""
    try:
        found.write_plots(path)
    except SimulationError as error:
        return f"none: {error}"
    return str(path)
