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
    "not known; not the granularity of Linux's CUBIC: with growth in whole segments, computed anew"
    " only every 31 ms, and a threshold in whole segments ours came to 13.6 instead of 13.4 Mbit/s"
    " (10 ms) and 4.2 instead of 4.0 (50 ms)"
)
_BUSY = "the machine was too busy to keep the link's times"
_LATE_MAX = 0.02
_LONG_PATH_PACKETS = 1000  # where slow start decides over how much is sent


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
