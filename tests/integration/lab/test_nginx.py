"""nginx as a child of a run: nothing of it is left behind."""

from __future__ import annotations

from pathlib import Path

from longwire.lab.nginx import start_nginx
from tests.needs import require


def test_killed_nginx_leaves_no_process_behind(tmp_path: Path) -> None:
    require("nginx")
    nginx = start_nginx(tmp_path, [9])
    assert processes_in(tmp_path)
    nginx.kill()
    assert processes_in(tmp_path) == []


def processes_in(folder: Path) -> list[str]:
    """Numbers of the processes that run in a folder; one that has ended has none."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder:
                found.append(link.parent.name)
        except OSError:
            continue  # it ended meanwhile, or is not ours to look at
    return found
