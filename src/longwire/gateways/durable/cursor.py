"""Cursors: what keeps caches from answering a waiting reader with the same response for ever.

Durable Streams 10.1: time in intervals of 20 s since 9 October 2024; a reader sends the last one
back, which makes another URL of its next request, and never gets one that is not greater.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable

__all__ = ["Cursors"]

_INTERVAL_S = 20
_EPOCH_S = 1_728_432_000  # 2024-10-09T00:00:00Z
_JITTER_S_MAX = 3600.0
_NUMBER = re.compile(r"[0-9]{1,15}")


class Cursors:
    """Makes cursors. ``clock_s`` is Unix time, ``jitter`` draws from 0 to 1; both for tests."""

    __slots__ = ("_clock_s", "_jitter")

    def __init__(
        self,
        clock_s: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock_s = clock_s
        self._jitter = jitter

    def after(self, given: str | None) -> int:
        """The cursor of a response to a request that brought ``given``; no number is as none."""
        now = int(self._clock_s() - _EPOCH_S) // _INTERVAL_S
        if given is None or not _NUMBER.fullmatch(given) or int(given) < now:
            return now
        return int(given) + max(1, math.ceil(self._jitter() * _JITTER_S_MAX / _INTERVAL_S))
