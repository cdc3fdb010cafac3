"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from longwire.lab.plan import CutKind

__all__ = ["RunSettings"]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """One run against one target. Times are in seconds."""

    target: str = "longwire"
    store: str = "memory"  # memory, sqlite, redis (one is started), or a URL
    clients: int = 100
    per_s: float = 1.0  # messages of each client to its own stream, which it reads
    shared_per_s: float = 10.0  # messages to one stream that all read, by others than them
    writers: int = 1  # that publish those, in equal parts
    duration_s: float = 60.0
    settle_s: float = 30.0  # at most, after the last publish
    seed: int = 1
    cut_every_s: float = 15.0
    cut_for_s: float = 2.0
    blind_s: float = 0.2  # from a reset or end until the two ends learn of it
    cut_kinds: tuple[CutKind, ...] = tuple(CutKind)
    servers: int = 1
    kill_every_s: float = 0.0
    transport: str | None = None  # the only one of the clients of longwire; None: they choose
    has_nginx: bool = False  # in front of the servers
    processes: int = 2  # that the clients are spread over
    set_flags: tuple[str, ...] = ()  # settings of the longwire servers, SECTION.KEY=VALUE
    mount: str | None = None  # the framework that longwire is mounted in; None: served by itself
    node_modules: Path | None = None
