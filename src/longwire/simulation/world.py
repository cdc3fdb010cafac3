"""A world: hosts, the links between them, one clock, one seed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from contextvars import copy_context
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from longwire.simulation.clock import Clock, from_seconds, to_seconds
from longwire.simulation.errors import DeadlockError, SimulationError
from longwire.simulation.host import PROFILE, SimHost
from longwire.simulation.link import SimLink, both_ways
from longwire.simulation.loop import SimLoop
from longwire.simulation.names import Names
from longwire.simulation.open_file import DescriptorTable
from longwire.simulation.packet_text import PacketText
from longwire.simulation.plots import Panel, write_plots
from longwire.simulation.process import Life, Process
from longwire.simulation.recording import Event, Recording
from longwire.simulation.routing import Hop, add_routes
from longwire.simulation.schedule import Schedule
from longwire.simulation.seal import sealed
from longwire.simulation.traces import Traces
from longwire.simulation.waiting import describe_waiting
from longwire.tcpip.addresses import Address, Prefix, address_text, parse_address
from longwire.tcpip.devices.link import Link
from longwire.tcpip.devices.rules import DROP, Match, Rule
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Note
from longwire.tcpip.tcp.profile import TcpProfile
from longwire.tcpip.wire.packet import Packet

__all__ = ["World", "run"]

Result = TypeVar("Result")


class World:
    """Everything of one simulation.

    Two worlds with equal seeds, hosts, links and programs do the same, octet for octet. A world
    runs once; make another to run again.
    """

    def __init__(
        self, seed: int = 0, *, show_packets: bool = False, capture_every_hop: bool = False
    ) -> None:
        """``show_packets`` makes each packet a line of the timeline.

        The capture has a packet that crosses routers once, where it was sent, and again only where
        something befell it; with ``capture_every_hop`` on each link.
        """
        self.seed = seed
        self.clock = Clock()
        self.schedule = Schedule(self.clock)
        self.descriptors = DescriptorTable()
        self.names = Names()
        packet_text = PacketText(self.host_of) if show_packets else None
        self.recording = Recording(packet_text, takes_every_hop=capture_every_hop)
        self.hosts: dict[str, SimHost] = {}
        self.links: list[SimLink] = []
        self._neighbours: dict[SimHost, list[Hop]] = {}
        self._loop: SimLoop | None = None
        self._dead_tasks: list[tuple[Any, Process]] = []
        self._paused: dict[Process, None] = {}
        self._partitions: list[Callable[[], None]] = []

    def stream(self, purpose: str) -> RandomStream:
        """Return the random numbers for one purpose; they depend on no other purpose's draws."""
        return RandomStream(self.seed, purpose)

    # Building

    def host(self, name: str, *, profile: TcpProfile = PROFILE, **settings: Any) -> SimHost:
        """Add a machine, which is found under its name. Raises ValueError for a name twice."""
        if name in self.hosts:
            raise ValueError(f"there is a host {name!r} already")
        host = SimHost(self, name, profile=profile, **settings)
        self.hosts[name] = host
        self._neighbours[host] = []
        return host

    def router(self, name: str, **settings: Any) -> SimHost:
        """Add a machine that forwards packets between its links."""
        return self.host(name, is_router=True, **settings)

    def link(
        self,
        a: SimHost,
        b: SimHost,
        preset: str | None = None,
        *,
        backward: dict[str, Any] | None = None,
        ipv6: bool = False,
        mtu: int = 1500,
        **settings: Any,
    ) -> SimLink:
        """Join two hosts; settings are those of ``path_settings``, ``preset`` names a start.

        ``backward`` has what is different from ``b`` to ``a``; ``mtu`` is what both ends know of,
        and what only a path has is ``path_mtu``: a hole, unless ``path_icmp`` has a router on it
        say so over IPv4. Each link is a network of its own: 10.0.N.0/24,
        and with ``ipv6`` also fd00:N::/64.
        """
        number = len(self.links) + 1
        if "path_mtu" in settings:
            settings["mtu"] = settings.pop("path_mtu")
        if settings.pop("path_icmp", False):
            settings["icmp_from"] = parse_address(_router_between(number))
        name = f"{a.name}-{b.name}"
        ahead, back = both_ways(preset, settings, backward)
        link = Link(
            ahead,
            back,
            stream=self.stream(f"link {number} {name}"),
            mtu=mtu,
            observer=self.observer_of(name),
        )
        ends = self.recording.wrap(name, link.a, link.b)
        networks = tuple(Prefix.parse(each) for each in _addresses(number, 1, ipv6))
        made = SimLink(name, a, b, link, ends, networks)
        self.links.append(made)
        for index, (host, peer, device) in enumerate(((a, b, ends[0]), (b, a, ends[1])), 1):
            interface = host.attach(device, _addresses(number, index, ipv6))
            self.names.extend(host.name, interface.addresses)
            gateways = _addresses(number, 3 - index, ipv6)
            near = Hop(peer, tuple(each.partition("/")[0] for each in gateways))
            self._neighbours[host].append(near)
        add_routes(self._neighbours)
        return made

    def at(self, delay_s: float, call: Callable[[], object]) -> None:
        """Put an action on the timeline, so many seconds from now."""
        self.schedule.at(self.clock.now_ns + from_seconds(delay_s), call)

    def partition(self, *groups: Iterable[SimHost]) -> None:
        """Let no packet pass from a host of one group to one of another, until :meth:`heal`.

        Hosts in no group reach everybody. Nobody is told; what is on the way still arrives.
        """
        members = [list(group) for group in groups]
        sides = [{each for host in hosts for each in host.addresses} for hosts in members]

        def is_across(packet: Packet) -> bool:
            return sum(packet.source in side or packet.destination in side for side in sides) > 1

        names = " | ".join(",".join(host.name for host in hosts) for hosts in members)
        rule = Rule(f"partition {names}", Match(test=is_across), DROP)
        self._partitions += [link.add_rule(rule) for link in self.links]
        self.note("world", f"partition: {names}")

    def heal(self) -> None:
        """End all partitions."""
        for remove in self._partitions:
            remove()
        self._partitions.clear()
        self.note("world", "partitions healed")

    # Recording

    def observer_of(self, where: str) -> Callable[[Note], None]:
        """Return what a host or a link is to tell its notes."""
        return lambda note: self.recording.observe(where, note)

    def note(self, where: str, what: str) -> None:
        """Put a line on the timeline."""
        self.recording.events.append(Event(self.clock.now_ns, where, what))

    @property
    def now_s(self) -> float:
        """Seconds since the world began."""
        return to_seconds(self.clock.now_ns)

    def timeline(self) -> str:
        """Return what happened, one line each: the last 10,000."""
        return "\n".join(map(str, self.recording.events))

    def capture_digest(self) -> str:
        """Return the SHA-256 of the capture of all links so far."""
        return self.recording.digest()

    def measure(self, name: str, value: float) -> None:
        """Add a value, as of now, to a series of that name, which plots show beside the traces."""
        self.traces.measure(name, value, self.clock.now_ns)

    @property
    def traces(self) -> Traces:
        """What the TCP connections did over time."""
        return self.recording.traces

    def host_of(self, address: Address) -> str:
        """Return the name of the host that has ``address``, or the address as text."""
        for host in self.hosts.values():
            if address in host.addresses:
                return host.name
        return address_text(address)

    def write_plots(self, path: str | Path, panels: Iterable[Panel] = tuple(Panel)) -> None:
        """Draw windows, round-trip times, sequence numbers and throughput of the connections.

        The end of ``path`` says which format (``.svg``, ``.png``, ``.pdf``). Raises
        PlotsUnavailableError without the extra ``plots``, and SimulationError when there is
        nothing to draw or the format is unknown.
        """
        write_plots(self, Path(path), panels)

    def write_capture(self, path: str | Path) -> None:
        """Write all packets as pcapng, each with what befell it as its comment.

        A packet is there once, however many links it crosses, and again where it was lost, unless
        the world was made with ``capture_every_hop``.
        """
        self.recording.write(Path(path))

    # Running

    def run(self, main: Coroutine[Any, Any, Result], *, on: SimHost | None = None) -> Result:
        """Run ``main`` to its end, on a host or on none, and everything it started with it.

        What still runs then is cancelled, as by ``asyncio.run``. Raises what ``main`` raises,
        DeadlockError when everybody waits for ever and LivelockError when time stands still.
        """
        if self._loop is not None:
            main.close()
            raise SimulationError("this world has run; make another")
        with contextlib.closing(main), sealed(self):
            loop = self._loop = SimLoop(self)
            try:
                asyncio.set_event_loop(loop)
                return loop.run_until_complete(main if on is None else _on(on, main))
            finally:
                self._end(loop)
                asyncio.set_event_loop(None)
                self.recording.end()

    def _end(self, loop: SimLoop) -> None:
        for process in list(self._paused):
            self.resume(process)
        # A task that cannot end even now has been reported by the first error.
        with contextlib.suppress(SimulationError):
            tasks = [
                task
                for task, process in loop.tasks()
                if not process or process.life is not Life.DEAD
            ]
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        for task, process in self._dead_tasks:
            # Unwound here, where nothing that it does has any effect.
            with process.entered(), contextlib.suppress(BaseException):
                task.get_coro().close()
        for task, owner in loop.tasks():
            # What was started while unwinding never begins.
            if owner is not None and owner.life is Life.DEAD:
                with contextlib.suppress(BaseException):
                    task.get_coro().close()
        for task in (*(task for task, _ in self._dead_tasks), *(task for task, _ in loop.tasks())):
            # The kernel of a killed process asks nobody; the interpreter would complain.
            task._log_destroy_pending = False
        self._dead_tasks.clear()
        loop.close()

    def raise_deadlock(self) -> NoReturn:
        """Everybody waits. Raises DeadlockError, which says for what."""
        assert self._loop is not None
        raise DeadlockError(describe_waiting(self._loop.tasks(), self.descriptors.files()))

    def bound(self, callback: Callable[..., object], *args: Any) -> Callable[[], object]:
        """Return a call of ``callback`` that belongs to the process that asks for it now."""
        context = copy_context()

        def call() -> None:
            assert self._loop is not None
            self._loop.call_soon(callback, *args, context=context)

        return call

    # What befalls processes

    def kill(self, process: Process, *, is_kernel_alive: bool) -> None:
        """End a process; with its kernel alive its sockets are closed as on any exit."""
        process.life = Life.DEAD
        if self._loop is not None:
            # Held on to, or the interpreter would run their ``finally`` blocks now.
            self._dead_tasks += [
                (task, process) for task, owner in self._loop.tasks() if owner is process
            ]
            for handle in self._loop.take_from(process):
                handle.cancel()
        process.held.clear()
        self.descriptors.close_all(process, is_kernel_alive=is_kernel_alive)
        self.note(process.host.name, f"{process.name} killed")

    def pause(self, process: Process) -> None:
        """Hold back all code of a process."""
        if process.life is Life.RUNNING and self._loop is not None:
            process.life = Life.PAUSED
            self._paused[process] = None
            process.held += self._loop.take_from(process)
            self.note(process.host.name, f"{process.name} paused")

    def resume(self, process: Process) -> None:
        """Let a paused process go on."""
        if process.life is Life.PAUSED and self._loop is not None:
            process.life = Life.RUNNING
            self._paused.pop(process, None)
            held, process.held = process.held, []
            self._loop.put_back(held)
            for file in process.files.values():
                file.changed()
            self.note(process.host.name, f"{process.name} resumed")


async def _on(host: SimHost, main: Coroutine[Any, Any, Result]) -> Result:
    return await host.run(main)


def _addresses(number: int, index: int, ipv6: bool) -> tuple[str, ...]:
    v4 = f"10.{number >> 8}.{number & 0xFF}.{index}/24"
    return (v4, f"fd00:{number:x}::{index}/64") if ipv6 else (v4,)


def _router_between(number: int) -> str:
    return f"10.{number >> 8}.{number & 0xFF}.254"


def run(main: Coroutine[Any, Any, Result], *, seed: int = 0) -> Result:
    """Run a program on one simulated host; the virtual twin of ``asyncio.run``."""
    world = World(seed)
    return world.run(main, on=world.host("localhost"))
