"""The stores that the shared suite proves, each made fresh with a clock that the test moves."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from longwire.base.limits import MemoryStoreLimits
from longwire.stores.memory import MemoryStore
from longwire.streams.store import Store


@dataclass
class Clock:
    """Unix time in milliseconds that stands still until it is moved."""

    now_ms: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@dataclass
class Made:
    """A store under test and what the test needs to know of it."""

    store: Store
    clock: Clock
    producer_state_s: float = field(default=3600.0)


def make_memory_store() -> Made:
    clock = Clock()
    source = random.Random(7)
    limits = MemoryStoreLimits(producer_state_s=3600.0)
    return Made(MemoryStore(limits=limits, clock_ms=clock, entropy=source.randbytes), clock)


STORES: dict[str, Callable[[], Made]] = {"memory": make_memory_store}
