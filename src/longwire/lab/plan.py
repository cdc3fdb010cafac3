"""What goes wrong in a run, and when: the same seed gives the same plan."""

from __future__ import annotations

import enum
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Cut", "CutKind", "Drop", "Kill", "Plan", "make_plan"]

# Between two cuts of a link, as a part of the mean: enough that links do not fall in step.
SPREAD = (0.5, 1.5)


class CutKind(enum.Enum):
    """How a link fails, as its two ends see it."""

    RST = "rst"  # both ends get a reset
    FIN = "fin"  # both ends get an orderly end of the connection
    SILENCE = "silence"  # neither end hears anything; the connection stays open


@dataclass(frozen=True, slots=True)
class Cut:
    """At ``at_s`` the link ``link`` fails as ``kind`` says, for ``for_s``; then it is whole.

    A reset or an end reaches the ends only ``blind_s`` later, and what they send until then is
    lost: so it is with every path longer than a wire.
    """

    at_s: float
    link: int
    kind: CutKind
    for_s: float
    blind_s: float


@dataclass(frozen=True, slots=True)
class Kill:
    """At ``at_s`` the server ``server`` is killed (SIGKILL) and started again on its port."""

    at_s: float
    server: int


@dataclass(frozen=True, slots=True)
class Drop:
    """At ``at_s`` every link fails once, as ``kind`` says, and is whole again at once."""

    at_s: float
    kind: CutKind


@dataclass(frozen=True, slots=True)
class Plan:
    """All that goes wrong, in order of time."""

    events: tuple[Cut | Kill | Drop, ...]

    @property
    def cuts(self) -> list[Cut]:
        return [event for event in self.events if isinstance(event, Cut)]

    @property
    def kills(self) -> list[Kill]:
        return [event for event in self.events if isinstance(event, Kill)]


def make_plan(
    *,
    seed: int,
    duration_s: float,
    links: int,
    cut_every_s: float = 15.0,
    cut_for_s: float = 2.0,
    blind_s: float = 0.2,
    kinds: Sequence[CutKind] = tuple(CutKind),
    servers: int = 1,
    kill_every_s: float = 0.0,
) -> Plan:
    """Plan ``duration_s`` seconds in which each of ``links`` is cut about every ``cut_every_s``.

    The time from the end of one cut of a link to the next is ``cut_every_s`` times 0.5 to 1.5. The
    kinds take turns on each link, in an order of its own, so that each is an equal part of all.
    Every ``kill_every_s`` one server is killed, in turn. 0 means never.
    """
    events: list[Cut | Kill | Drop] = []
    if cut_every_s > 0 and cut_for_s > 0:
        for link in range(links):
            times = _times_of_cuts(random.Random(f"{seed}/{link}"), cut_every_s, cut_for_s, kinds)
            for at_s, kind in times:
                if at_s + cut_for_s > duration_s:
                    break
                events.append(Cut(at_s, link, kind, cut_for_s, blind_s))
    if kill_every_s > 0:
        kills = itertools.count(kill_every_s, kill_every_s)
        in_time = itertools.takewhile(lambda at_s: at_s < duration_s, kills)
        events += [Kill(at_s, number % servers) for number, at_s in enumerate(in_time)]
    return Plan(tuple(sorted(events, key=lambda event: event.at_s)))


def _times_of_cuts(
    randomness: random.Random, every_s: float, for_s: float, kinds: Sequence[CutKind]
) -> Iterator[tuple[float, CutKind]]:
    """Yield when one link is cut, and how, for ever."""
    order = list(kinds)
    randomness.shuffle(order)
    at_s = randomness.uniform(0, every_s)  # links do not begin in step either
    for kind in itertools.cycle(order):
        yield at_s, kind
        at_s += for_s + every_s * randomness.uniform(*SPREAD)
