"""Medians over the seeds, and whether ours is within the bands around Linux's."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.parity.grid import Cell
from bench.parity.outcome import Outcome

__all__ = ["Comparison", "compare"]

GOODPUT_BAND = 0.20
GOODPUT_BAND_WITHOUT_LOSS = 0.05
RETRANSMISSIONS_BAND = 0.25

RETRANSMISSIONS_SLACK = 1
"""One more or less is no difference, whatever its share: a run may have lost two packets in all."""


@dataclass(frozen=True)
class Comparison:
    """One cell: medians of ours and of Linux's."""

    cell: Cell
    goodput_mbit: tuple[float, float]
    retransmissions: tuple[float, float]
    timeouts: tuple[float, float]
    late: float

    @property
    def goodput_ratio(self) -> float:
        ours, linux = self.goodput_mbit
        return ours / linux

    @property
    def is_goodput_alike(self) -> bool:
        band = GOODPUT_BAND if self.cell.loss else GOODPUT_BAND_WITHOUT_LOSS
        return abs(self.goodput_ratio - 1) <= band

    @property
    def is_retransmission_alike(self) -> bool:
        ours, linux = self.retransmissions
        return abs(ours - linux) <= max(RETRANSMISSIONS_BAND * linux, RETRANSMISSIONS_SLACK)

    @property
    def is_alike(self) -> bool:
        return self.is_goodput_alike and self.is_retransmission_alike


def compare(cell: Cell, ours: Sequence[Outcome], linux: Sequence[Outcome]) -> Comparison:
    """Compare the runs of a cell."""

    def medians(name: str) -> tuple[float, float]:
        both = [[getattr(each, name) for each in side] for side in (ours, linux)]
        return statistics.median(both[0]), statistics.median(both[1])

    octets = medians("octets")
    bits_per_octet = 8 / cell.duration_s / 1e6
    return Comparison(
        cell,
        (octets[0] * bits_per_octet, octets[1] * bits_per_octet),
        medians("retransmissions"),
        medians("timeouts"),
        statistics.median(each.late for each in linux),
    )
