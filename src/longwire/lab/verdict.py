"""What is said about a run, and whether that is good."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass

__all__ = ["Flow", "Percentiles", "Verdict", "percentiles"]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds from publishing to receipt; None where nothing was delivered."""

    p50: float | None
    p95: float | None
    p99: float | None
    most: float | None


def percentiles(values: array[float]) -> Percentiles:
    """Return the percentiles of values in any order: of a value that so many do not exceed."""
    ordered = sorted(values)
    if not ordered:
        return Percentiles(None, None, None, None)

    def at(part: float) -> float:
        return ordered[max(0, math.ceil(part * len(ordered)) - 1)]

    return Percentiles(at(0.50), at(0.95), at(0.99), ordered[-1])


@dataclass(frozen=True, slots=True)
class Flow:
    """One kind of message: from whom to whom differs, and so does what can go wrong."""

    attempted: int  # publishes
    expected: int  # receipts: publishes times readers
    delivered: int
    doubled: int
    out_of_order: int
    latency_s: Percentiles

    @property
    def lost(self) -> int:
        return self.expected - self.delivered


@dataclass(frozen=True, slots=True)
class Verdict:
    """All figures of a run. What was read back from the store is None where nothing was."""

    flows: Mapping[str, Flow]
    acknowledged: int  # publishes that the publisher was told are stored
    acknowledged_lost: int  # receipts of those that did not come
    refused: int
    never_returned: int
    invented: int
    gaps_told: int
    reconnects: int
    stored_twice: int | None = None
    stored_out_of_order: int | None = None
    missing_in_store: int | None = None

    def faults(self, *, p99_s: float | None = None) -> list[str]:
        """Return what is wrong, a sentence each; ``p99_s`` is what the 99th percentile may be."""
        found = [
            f"{flow.expected - flow.delivered:,} of {flow.expected:,} deliveries of {name!r} lost"
            for name, flow in self.flows.items()
            if flow.lost
        ]
        for name, flow in self.flows.items():
            found += _counted(flow.doubled, f"deliveries of {name!r} came twice")
            found += _counted(flow.out_of_order, f"deliveries of {name!r} came out of order")
            found += _slow(name, flow.latency_s.p99, p99_s)
            if not flow.expected:
                found.append(f"nothing was published in {name!r}, so nothing is shown")
        found += _counted(self.acknowledged_lost, "deliveries of acknowledged messages lost")
        found += _counted(self.never_returned, "readers never returned")
        found += _counted(self.invented, "messages came that nobody had published")
        found += _counted(self.stored_twice or 0, "messages are stored twice")
        found += _counted(self.stored_out_of_order or 0, "messages are stored out of order")
        found += _counted(self.missing_in_store or 0, "acknowledged messages are not stored")
        return found

    def to_json(self) -> dict[str, object]:
        """Return all figures as plain values."""
        figures = asdict(self)
        for name, flow in self.flows.items():
            figures["flows"][name]["lost"] = flow.lost
        return figures


def _counted(count: int, what: str) -> list[str]:
    return [f"{count:,} {what}"] if count else []


def _slow(name: str, p99: float | None, p99_s: float | None) -> list[str]:
    if p99 is None or p99_s is None or p99 <= p99_s:
        return []
    return [f"the 99th percentile of {name!r} is {p99:.2f} s, above {p99_s:g} s"]
