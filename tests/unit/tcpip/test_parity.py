"""The grid that compares our TCP with Linux's: its cells, its bands, and our side of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from bench.parity.granular import GranularCubic
from bench.parity.grid import Cell, cells
from bench.parity.ours import run_ours
from bench.parity.outcome import Outcome
from bench.parity.report import write_page
from bench.parity.verdict import compare

from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.tcp.congestion.base import AckSample
from longwire.tcpip.tcp.congestion.cubic import Cubic

LOSSLESS = Cell(50, 0.0, 5, "reno")
LOSSY = Cell(10, 0.03, 5, "cubic")


def test_grid_has_the_72_cells() -> None:
    assert len(set(cells())) == 72


def test_window_fills_the_link_and_fits_its_queue() -> None:
    for cell in cells():
        assert cell.product_packets < cell.window_packets < cell.queue_packets


def test_same_seed_drops_the_same_packets_for_both() -> None:
    assert LOSSY._dropped(1) == LOSSY._dropped(1) != LOSSY._dropped(2)
    assert min(LOSSY._dropped(1)) >= 3
    assert LOSSLESS._dropped(1) == []


@pytest.mark.parametrize(
    ("cell", "ours", "is_alike"),
    [
        (LOSSLESS, Outcome(950_001, 0), True),
        (LOSSLESS, Outcome(949_999, 0), False),
        (LOSSLESS, Outcome(1_050_001, 0), False),
        (LOSSY, Outcome(800_001, 50), True),
        (LOSSY, Outcome(799_999, 40), False),
        (LOSSY, Outcome(1_000_000, 51), False),
        (LOSSY, Outcome(1_000_000, 29), False),
    ],
)
def test_bands_are_sharp(cell: Cell, ours: Outcome, is_alike: bool) -> None:
    linux = Outcome(1_000_000, 40 if cell.loss else 0)
    assert compare(cell, [ours], [linux]).is_alike is is_alike


def test_one_segment_more_or_less_is_no_difference() -> None:
    assert compare(LOSSY, [Outcome(1, 2)], [Outcome(1, 1)]).is_alike
    assert not compare(LOSSY, [Outcome(1, 3)], [Outcome(1, 1)]).is_alike


def test_our_side_repeats_exactly_and_loses_what_is_dropped() -> None:
    first = run_ours(LOSSY, 1)
    assert first == run_ours(LOSSY, 1)
    assert first.retransmissions > 10
    clean = run_ours(LOSSLESS, 1)
    assert clean.retransmissions == 0
    assert clean.octets * 8 > 0.9 * LOSSLESS.rate_mbit * 1_000_000 * LOSSLESS.duration_s


def test_page_names_a_cause_for_each_cell_that_differs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    alike = compare(LOSSY, [Outcome(1000, 1)], [Outcome(1000, 1)])
    different = compare(LOSSLESS, [Outcome(1, 1)], [Outcome(1000, 1)])
    write_page(page, [alike, different], (1,))
    text = page.read_text()
    assert "**1 of 2 cells are within both.**" in text
    assert f"* {LOSSLESS}: " in text
    assert f"* {LOSSY}: " not in text


def test_page_shows_what_was_tried_where_cubic_differs_for_its_granularity(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    different = compare(LOSSY, [Outcome(1300, 1)], [Outcome(1000, 1)])
    write_page(page, [different], (1,))
    assert "## The granularity of Linux's CUBIC" in page.read_text()


def test_granular_cubic_grows_by_whole_segments_and_later() -> None:
    def grown(make: type[Cubic]) -> list[int]:
        cubic = make(1000, 20_000, None, does_alpha_rise=False, does_reduce_window=True)
        cubic.on_congestion(20_000, 0)
        windows = []
        for number in range(1, 201):
            sample = AckSample(number * MILLISECOND, 1000, 14_000, 10 * MILLISECOND, True)
            cubic.on_ack(sample)
            windows.append(cubic.window)
        return windows

    plain, granular = grown(Cubic), grown(GranularCubic)
    assert all(window % 1000 == 0 for window in granular)
    assert granular[30] == 14_000 < plain[30]
    assert sum(granular) < sum(plain)
    # It is late, and not lost: what was not looked at is counted when it is.
    assert granular[-1] >= plain[-1] - 1000


def test_acknowledgments_come_as_late_as_a_cell_says() -> None:
    late = dataclasses.replace(LOSSY, late_ms=5)
    assert run_ours(late, 1).octets < run_ours(LOSSY, 1).octets
