"""``make parity``: run the grid, write the page. Runs that were done are not done again."""

from __future__ import annotations

import argparse
import dataclasses
import json
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from bench.parity.grid import SEEDS, Cell, cells
from bench.parity.linux import run_linux
from bench.parity.ours import run_ours
from bench.parity.outcome import Outcome
from bench.parity.report import write_page
from bench.parity.verdict import Comparison, compare

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "kernel-parity.md"
KEPT = ROOT / ".cache" / "parity.jsonl"


class Runs:
    """Outcomes, each written down as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.parent.mkdir(exist_ok=True)
        self._done: dict[tuple[str, str, int], Outcome] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                side, cell, seed, outcome = json.loads(line)
                self._done[side, cell, seed] = Outcome(**outcome)

    def missing(self, side: str, cell: Cell, seeds: tuple[int, ...]) -> list[int]:
        """The seeds that were not run yet."""
        return [seed for seed in seeds if (side, str(cell), seed) not in self._done]

    def keep(self, side: str, cell: Cell, seed: int, outcome: Outcome) -> None:
        """Write an outcome down."""
        self._done[side, str(cell), seed] = outcome
        line = json.dumps([side, str(cell), seed, dataclasses.asdict(outcome)])
        with self._path.open("a") as file:
            file.write(line + "\n")

    def of(self, side: str, cell: Cell, seeds: tuple[int, ...]) -> list[Outcome]:
        """The outcomes of a cell."""
        return [self._done[side, str(cell), seed] for seed in seeds]


def seeds_of_ours(cell: Cell, seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Without drops, all runs in virtual time are the same one."""
    return seeds if cell.loss else seeds[:1]


def run_all(runs: Runs, grid: list[Cell], seeds: tuple[int, ...], jobs: int) -> list[Comparison]:
    """Run what is missing, ours first: Linux's times suffer from whatever else runs."""
    with ProcessPoolExecutor(jobs) as pool:
        ours = {
            (cell, seed): pool.submit(run_ours, cell, seed)
            for cell in grid
            for seed in runs.missing("ours", cell, seeds_of_ours(cell, seeds))
        }
        for (cell, seed), future in ours.items():
            runs.keep("ours", cell, seed, future.result())
    with ThreadPoolExecutor(jobs) as threads:
        linux = {
            (cell, seed): threads.submit(run_linux, cell, seed)
            for seed in seeds
            for cell in grid
            if seed in runs.missing("linux", cell, seeds)
        }
        for (cell, seed), future in linux.items():
            runs.keep("linux", cell, seed, future.result())
            print(f"{cell}, seed {seed}: {future.result()}", flush=True)
    return [
        compare(
            cell, runs.of("ours", cell, seeds_of_ours(cell, seeds)), runs.of("linux", cell, seeds)
        )
        for cell in grid
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--kept", type=Path, default=KEPT, help="where outcomes are kept")
    given = parser.parse_args()
    seeds = SEEDS[: given.seeds]
    write_page(given.page, run_all(Runs(given.kept), cells(), seeds, given.jobs), seeds)


if __name__ == "__main__":
    main()
