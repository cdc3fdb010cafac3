"""Why cells with CUBIC differ: our sender, with Linux's granularity and with later packets.

    python -m bench.parity.causes [--rtt 10] [--loss 0.01] [--rate 20] [--late 0 1 2 3]

Linux runs in real time, where every packet is a little late; ``--late`` adds so many milliseconds
to each round trip of ours.
"""

from __future__ import annotations

import argparse
import statistics
from unittest import mock

from bench.parity.granular import GranularCubic
from bench.parity.grid import SEEDS, Cell
from bench.parity.ours import run_ours
from longwire.tcpip.tcp import congestion
from longwire.tcpip.tcp.congestion.cubic import Cubic

CUBICS = {"RFC 9438": Cubic, "Linux's granularity": GranularCubic}


def describe(cell: Cell) -> str:
    """Run all seeds; return goodput of each in Mbit/s, their median, and what was sent again."""
    outcomes = [run_ours(cell, seed) for seed in SEEDS]
    goodputs = [outcome.octets * 8 / cell.duration_s / 1e6 for outcome in outcomes]
    again = " ".join(str(outcome.retransmissions) for outcome in outcomes)
    each = " ".join(f"{goodput:.2f}" for goodput in goodputs)
    return f"{statistics.median(goodputs):.2f} Mbit/s ({each}), sent again {again}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtt", type=int, default=10, help="ms")
    parser.add_argument("--loss", type=float, default=0.01)
    parser.add_argument("--rate", type=int, default=20, help="Mbit/s")
    parser.add_argument("--late", type=int, nargs="+", default=[0], help="ms")
    given = parser.parse_args()
    for late_ms in given.late:
        cell = Cell(given.rtt, given.loss, given.rate, "cubic", late_ms)
        for name, cubic in CUBICS.items():
            with mock.patch.object(congestion, "Cubic", cubic):
                print(f"{cell}, {late_ms} ms late, {name}: {describe(cell)}", flush=True)


if __name__ == "__main__":
    main()
