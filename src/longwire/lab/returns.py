"""After an avalanche: when was each client back, and when did it have what it had missed?"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from longwire.lab.journal import Happening, read_journal
from longwire.lab.verdict import Percentiles, percentiles

__all__ = ["Returns", "measure_returns"]


@dataclass(frozen=True, slots=True)
class Returns:
    """Seconds from one avalanche, over the clients that came through it."""

    clients: int
    back: int  # clients that connected again
    caught_up: int  # those that got the last message from before they were back
    back_s: Percentiles
    caught_up_s: Percentiles


def measure_returns(
    journals: Iterable[Path], clients: int, avalanches_at_s: Sequence[float]
) -> list[Returns]:
    """Return what came of each avalanche, by the stream that all clients read.

    The messages of its first publisher, the member ``clients``, are looked at. A client has caught
    up once it has received the last of them from before it was back; whether it has all is the
    verdict's matter.
    """
    connected: dict[int, list[float]] = defaultdict(list)
    received: dict[int, dict[int, float]] = defaultdict(dict)
    attempts: list[float] = []
    for record in itertools.chain.from_iterable(map(read_journal, journals)):
        if record.kind == Happening.CONNECTED:
            connected[record.member].append(record.time_s)
        elif record.publisher != clients:
            continue
        elif record.kind == Happening.ATTEMPTED:
            attempts.append(record.time_s)  # numbered from 0
        elif record.kind == Happening.RECEIVED:
            received[record.member].setdefault(record.sequence, record.time_s)
    ends = [*avalanches_at_s[1:], float("inf")]
    found = []
    for at_s, end_s in zip(avalanches_at_s, ends, strict=True):
        back, caught_up = array("d"), array("d")
        for member in range(clients):
            times = [time_s for time_s in connected[member] if at_s < time_s < end_s]
            if not times:
                continue
            back.append(times[0] - at_s)
            last_before = bisect_left(attempts, times[0]) - 1
            came_at_s = received[member].get(last_before)
            if came_at_s is not None:
                caught_up.append(max(came_at_s, times[0]) - at_s)
        found.append(
            Returns(clients, len(back), len(caught_up), percentiles(back), percentiles(caught_up))
        )
    return found
