"""The page: what was measured and how, the table, and why cells differ."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from bench.parity.verdict import Comparison

__all__ = ["write_page"]

_HEAD = """\
# Our TCP beside Linux's

Written by `make parity`; not by hand.

Either sender sends as much as it can through the same link object with the same schedule of
dropped packets: a transmitter of that rate, half of the round-trip time each way. The receiver
offers a window that fills the link and a quarter more (at least 25 packets), which the queue before
the transmitter has room for, so that nothing is lost but what the schedule drops. Ours runs in
virtual time, Linux in real time between two network namespaces with a TUN each. Goodput is what the
receiving application has read, retransmissions are what TCP_INFO counts. Medians of {seeds} seeds;
{durations}. {machine}

The bands: goodput within 20 % of Linux's (5 % without loss), retransmissions within 25 % (or one
segment). **{alike} of {count} cells are within both.** In each pair the first figure is ours.

| RTT ms | loss | Mbit/s | algorithm | goodput Mbit/s | ratio | sent again | time-outs | |
|--:|--:|--:|---|--:|--:|--:|--:|---|
"""

_RACK = (
    "Linux finds lost retransmissions by RACK (RFC 8985), which we do not have yet: ours wait for"
    " the retransmission timer"
)
_PRR = (
    "Linux lets PRR (RFC 9937) pace a recovery and leaves it with a larger window; ours follows RFC"
    " 6675's pipe"
)
_START = (
    "HyStart ends Linux's slow start early in some runs, and CUBIC then takes long to fill the"
    " path; ours has no HyStart"
)
_CUBIC = (
    "Linux counts CUBIC's windows in whole segments and works its growth out at most every 31 ms,"
    " which costs it growth where a loss comes every few round trips, and its packets are late in"
    " real time; see below"
)
_BUSY = "the machine was too busy to keep the link's times"
_LATE_MAX = 0.02
_LONG_PATH_PACKETS = 1000  # where slow start decides over how much is sent


_CUBIC_EVIDENCE = """
## The granularity of Linux's CUBIC

Below some thirty segments CUBIC grows as Reno would (RFC 9438 section 4.3), a segment in about two
round trips. Linux works that out once in 31 ms at most, not at all in the first 31 ms after a loss,
and cuts windows and thresholds to whole segments. `python -m bench.parity.causes` gives our sender
that granularity (`bench/parity/granular.py`) and nothing else of Linux ("granular"), and round
trips that are longer ("late"); at 1 % and 20 Mbit/s, goodput in Mbit/s of seeds 1 to 5, its median,
and segments sent again:

| RTT | sender | seed 1 | 2 | 3 | 4 | 5 | median | sent again |
|---|---|--:|--:|--:|--:|--:|--:|---|
| 50 ms | ours | 3.99 | 2.36 | 4.10 | 3.86 | 4.34 | 3.99 | 22 23 22 25 33 |
| 50 ms | ours, granular | 3.62 | 2.21 | 3.94 | 3.68 | 4.23 | 3.68 | 20 20 22 23 31 |
| 50 ms | Linux | 3.57 | 2.26 | 3.96 | 3.61 | 4.50 | 3.61 | 20 20 22 23 33 |
| 10 ms | ours | 14.14 | 11.18 | 13.41 | 13.79 | 11.95 | 13.41 | 50 49 51 47 53 |
| 10 ms | ours, granular | 11.77 | 9.88 | 11.61 | 11.49 | 10.13 | 11.49 | 43 45 43 42 46 |
| 10 ms | granular, 2 ms late | 10.00 | 8.87 | 10.30 | 9.78 | 8.76 | 9.78 | 40 40 39 36 40 |
| 10 ms | Linux | 9.77 | 8.69 | 10.05 | 10.06 | 9.36 | 9.77 | 39 37 35 36 44 |

Linux's rows were run again on 2026-11-29, on a machine busier than for the table above: at 10 ms a
seventh of its packets was more than half a millisecond late, and the smoothed round-trip time was
16.4 and 17.2 ms on average in two runs of which it was read, where ours, with the same queue, has
12.6.

The same runs of Linux with one setting changed at a time, medians at 50 ms / at 10 ms: as it is
3.61 / 9.77; without HyStart 3.92 / 9.83; without RACK and TLP 3.89 / 9.48; without F-RTO 3.89 /
10.04; without fast convergence 3.55 / 10.18; without the Reno-friendly region 2.68 / 4.10. None but
the last moves a median by more than a tenth, and that one moves it away from ours.

Ours stays with the document: the granularity is no rule of it, but a saving of Linux's.
"""


def write_page(path: Path, comparisons: Sequence[Comparison], seeds: Sequence[int]) -> None:
    """Write the page."""
    durations = sorted({(each.cell.rtt_ms, each.cell.duration_s) for each in comparisons})
    release = platform.release().partition("-")[0]
    head = _HEAD.format(
        durations=", ".join(f"{seconds} s at {rtt} ms" for rtt, seconds in durations),
        seeds=len(seeds),
        machine=f"Linux {release}, CPython {platform.python_version()}.",
        alike=sum(each.is_alike for each in comparisons),
        count=len(comparisons),
    )
    different = [each for each in comparisons if not each.is_alike]
    causes = "".join(f"* {each.cell}: {_cause(each)}.\n" for each in different)
    tail = f"\n## The others\n\n{causes}" if different else ""
    if _CUBIC in causes:
        tail += _CUBIC_EVIDENCE
    path.write_text(head + "".join(_row(each) for each in comparisons) + tail)


def _row(each: Comparison) -> str:
    cell = each.cell
    fields = (
        f"{cell.rtt_ms}",
        f"{cell.loss:.1%}",
        f"{cell.rate_mbit}",
        cell.congestion,
        " / ".join(f"{value:.2f}" for value in each.goodput_mbit),
        f"{each.goodput_ratio:.2f}",
        " / ".join(f"{value:.0f}" for value in each.retransmissions),
        " / ".join(f"{value:.0f}" for value in each.timeouts),
        "" if each.is_alike else "differs",
    )
    return f"| {' | '.join(fields)} |\n"


def _cause(each: Comparison) -> str:
    """Name the cause, from what was counted."""
    if each.late > _LATE_MAX:
        return f"{_BUSY} ({each.late:.1%} of the packets were late)"
    if each.cell.congestion == "cubic" and each.cell.product_packets >= _LONG_PATH_PACKETS:
        return _START
    ours, linux = each.timeouts
    if ours > linux + 1:
        return _RACK
    return _CUBIC if each.cell.congestion == "cubic" else _PRR
