"""The table: medians of what each server cost, and how many times as much longwire's peers cost."""

from __future__ import annotations

import os
import platform
import statistics
from pathlib import Path

from bench.wire.cells import Cell, Figure
from bench.wire.servers import SERVERS

__all__ = ["describe_run", "table", "write_page"]

Results = dict[str, dict[str, list[Figure]]]
"""Figures of every round, by cell and server."""

REFERENCE = "longwire, callbacks"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def describe_run(command: str, rounds: int, seconds: float, names: list[str]) -> str:
    """Where the figures come from: without it they are worth nothing."""
    versions = ", ".join(
        f"{server.package} {server.version()}"
        for server in {SERVERS[name].package: SERVERS[name] for name in names}.values()
    )
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()},"
        f" CPython {platform.python_version()} with uvloop; {versions}; {rounds} interleaved rounds"
        f" of {seconds:g} s, fresh servers in each, medians; `{command}`."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def table(cells: tuple[Cell, ...], names: list[str], results: Results) -> str:
    """In Markdown: cost, and in brackets the ratio to longwire's callbacks."""
    lines = [
        "| | " + " | ".join(f"{cell.name}, {cell.unit}" for cell in cells) + " |",
        "|---" * (len(cells) + 1) + "|",
    ]
    for name in names:
        row = [name]
        for cell in cells:
            figures = results[cell.name].get(name)
            row.append("-" if not figures else _entry(figures, results[cell.name][REFERENCE]))
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def _entry(figures: list[Figure], reference: list[Figure]) -> str:
    cost = statistics.median(figure.cost for figure in figures)
    ratio = cost / statistics.median(figure.cost for figure in reference)
    shown = f"{cost:,.0f}" if cost >= 100 else f"{cost:.2f}"
    return f"{shown} [{ratio:.2f}]"


def write_page(path: Path, text: str) -> None:
    """Put ``text`` between the marks of a page; raises ValueError when it has none."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no {BEGIN} … {END} to write between")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
