"""Settings for every test: which build is under test, and how hard Hypothesis tries."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import hypothesis
import pytest
from scripts.digest import stale_sources

import longwire

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
EXTENSION_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")

hypothesis.settings.register_profile(
    "default",
    max_examples=100,
    deadline=None,  # a busy machine is no bug
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "long", hypothesis.settings.get_profile("default"), max_examples=5_000
)
hypothesis.settings.load_profile(os.environ.get("LONGWIRE_HYPOTHESIS", "default"))


def loaded_build() -> tuple[Path, bool]:
    """The folder that ``longwire`` came from, and whether it holds compiled modules."""
    folder = Path(longwire.__file__).resolve().parent
    return folder, any(folder.rglob(f"*{EXTENSION_SUFFIX}"))


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test something else than what was asked for (LONGWIRE_TEST_BUILD)."""
    folder, is_compiled = loaded_build()
    wanted = os.environ.get("LONGWIRE_TEST_BUILD", "")
    if wanted == "pure" and (is_compiled or folder.is_relative_to(SOURCE)):
        raise pytest.UsageError(f"the pure build is to be tested, but longwire is {folder}")
    # Workers of xdist start later, when somebody may be editing already.
    if folder.is_relative_to(SOURCE) and not hasattr(config, "workerinput"):
        stale = ", ".join(str(path.relative_to(ROOT)) for path in stale_sources())
        if stale:
            raise pytest.UsageError(f"compiled modules older than {stale}: run `make build`")


def pytest_report_header() -> str:
    folder, is_compiled = loaded_build()
    return f"longwire: {folder} ({'compiled' if is_compiled else 'pure'})"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out `long` tests unless they are asked for with -m."""
    if "long" in config.getoption("-m"):
        return
    kept = [item for item in items if item.get_closest_marker("long") is None]
    dropped = [item for item in items if item.get_closest_marker("long") is not None]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept
