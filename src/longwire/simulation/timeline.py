"""Faults that were planned: what befalls a world when.

::

    faults = FaultTimeline(world)
    faults.at(10).partition([server], [client]).note("the cable was cut")
    faults.at(25).heal()
    faults.at(40).pause(server)
    faults.at(55).resume(server)
    for start_s, end_s in faults.spells(3, between=(60, 120), longest=20):
        faults.at(start_s).down(link)
        faults.at(end_s).up(link)

A timeline is drawn from the seed of the world and from nothing else, and everything it does stands
in ``world.timeline()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from longwire.simulation.clock import from_seconds
from longwire.simulation.errors import SimulationError
from longwire.simulation.host import Program, SimHost
from longwire.simulation.link import SimLink
from longwire.simulation.world import World
from longwire.tcpip.devices.rules import Rule

__all__ = ["FaultTimeline", "Moment"]

Victim = Program | SimHost
"""A program, or all that run on a host at that moment."""


class FaultTimeline:
    """Plans faults of a world. Its random numbers are of the stream of its name."""

    def __init__(self, world: World, name: str = "faults") -> None:
        self.world = world
        self._stream = world.stream(f"timeline {name}")

    def at(self, time_s: float) -> Moment:
        """Return the moment so many seconds after the world began.

        Raises SimulationError for a time that has passed.
        """
        if time_s < self.world.now_s:
            raise SimulationError(
                f"a fault at {time_s} s cannot happen: it is {self.world.now_s} s already"
            )
        return Moment(self.world, from_seconds(time_s))

    def spells(
        self, count: int, *, between: tuple[float, float], longest: float
    ) -> Iterator[tuple[float, float]]:
        """Yield ``count`` random spells: each begins in that time, and lasts up to ``longest`` s.

        Spells may overlap, and the last may end after that time.
        """
        first_s, last_s = between
        for _ in range(count):
            start_s = first_s + self._stream.fraction() * (last_s - first_s)
            yield start_s, start_s + self._stream.fraction() * longest


class Moment:
    """A point of the timeline; what is asked of it happens then, in the order of asking."""

    def __init__(self, world: World, at_ns: int) -> None:
        self._world = world
        self._at_ns = at_ns

    def call(self, action: Callable[..., object], *args: Any) -> Moment:
        """Do anything."""
        self._world.schedule.at(self._at_ns, lambda: action(*args))
        return self

    def note(self, text: str) -> Moment:
        """Write a line on the timeline."""
        return self.call(self._world.note, "timeline", text)

    def partition(self, *groups: Iterable[SimHost]) -> Moment:
        """Let no packet pass between hosts of different groups."""
        return self.call(self._world.partition, *[list(group) for group in groups])

    def heal(self) -> Moment:
        """End all partitions."""
        return self.call(self._world.heal)

    def down(self, *links: SimLink) -> Moment:
        """Cut links, both ways."""
        return self._each(links, SimLink.down)

    def up(self, *links: SimLink) -> Moment:
        """Mend links."""
        return self._each(links, SimLink.up)

    def change(self, link: SimLink, **settings: Any) -> Moment:
        """Change settings of a link, as ``link.change`` does."""
        return self.call(lambda: link.change(**settings))

    def rule(
        self, link: SimLink, rule: Rule, *, toward: SimHost | None = None, lasting: float
    ) -> Moment:
        """Have a rule look at the packets of a link for ``lasting`` seconds."""

        def begin() -> None:
            self._world.at(lasting, link.add_rule(rule, toward=toward))
            self._world.note(link.name, f"rule {rule.name} for {lasting} s")

        return self.call(begin)

    def crash(self, *hosts: SimHost) -> Moment:
        """Take the power from hosts; one that is down already stays so."""
        return self._each(hosts, lambda host: host.crash() if host.is_up else None)

    def restart(self, *hosts: SimHost) -> Moment:
        """Boot hosts, those that are up after a crash."""
        return self._each(hosts, SimHost.restart)

    def kill(self, *victims: Victim) -> Moment:
        """End programs as SIGKILL does."""
        return self._each_program(victims, Program.kill)

    def pause(self, *victims: Victim) -> Moment:
        """Stop programs as SIGSTOP does."""
        return self._each_program(victims, Program.pause)

    def resume(self, *victims: Victim) -> Moment:
        """Let programs go on."""
        return self._each_program(victims, Program.resume)

    def signal(self, number: int, *victims: Victim) -> Moment:
        """Deliver a signal to programs."""
        return self._each_program(victims, lambda program: program.signal(number))

    def set_clock(self, host: SimHost, *, offset: float = 0.0, drift_ppm: float = 0.0) -> Moment:
        """Set the wall clock of a host, as ``host.set_clock`` does."""
        return self.call(lambda: host.set_clock(offset=offset, drift_ppm=drift_ppm))

    def _each(self, targets: Iterable[Any], action: Callable[[Any], object]) -> Moment:
        for target in targets:
            self.call(action, target)
        return self

    def _each_program(
        self, victims: Iterable[Victim], action: Callable[[Program], object]
    ) -> Moment:
        def begin(victim: Victim) -> None:
            running = [victim] if isinstance(victim, Program) else list(victim.programs)
            for program in running:
                if program.is_running:
                    action(program)

        return self._each(victims, begin)
