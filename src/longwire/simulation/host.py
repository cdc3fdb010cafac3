"""A simulated machine: a TCP/IP stack, the processes on it, and what can befall both."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from contextvars import copy_context
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from longwire.simulation.clock import WallClock, from_seconds
from longwire.simulation.errors import SimulationError
from longwire.simulation.open_file import OpenFile
from longwire.simulation.process import CURRENT, Life, Process
from longwire.simulation.signals import deliver
from longwire.tcpip.addresses import Address, is_unspecified
from longwire.tcpip.device import Device, DeviceWrapper
from longwire.tcpip.host import Host, Socket
from longwire.tcpip.ip.interface import Interface
from longwire.tcpip.tcp.profile import LINUX, TcpProfile

if TYPE_CHECKING:
    from longwire.simulation.world import World

__all__ = ["PROFILE", "Program", "SimHost"]

KIB = 1024

PROFILE = dataclasses.replace(
    LINUX,
    # Linux begins with small buffers and lets them grow; ours have one size.
    send_buffer_octets=256 * KIB,
    receive_buffer_octets=256 * KIB,
    out_of_order_pieces_max=1024,
)
"""TCP of a simulated host: Linux's numbers, with buffers that suit small worlds."""

# Precedents: ``ulimit -n`` of a service, and Linux ``net.core.somaxconn``.
DESCRIPTORS_MAX = 65_536
BACKLOG_MAX = 4_096

Result = TypeVar("Result")
Box = TypeVar("Box", bound=DeviceWrapper)


class Program:
    """A coroutine that runs as a process. Made by :meth:`SimHost.start`."""

    def __init__(self, process: Process, task: asyncio.Task[Any]) -> None:
        self.process = process
        self.task = task
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task.add_done_callback(lambda _: self._set_ended())

    def _set_ended(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    @property
    def is_running(self) -> bool:
        """Whether it has neither returned nor been killed."""
        return not self._ended.done()

    async def wait(self) -> Any:
        """Wait for its end; return what it returned or raise what it raised.

        Raises SimulationError when it was killed.
        """
        await asyncio.shield(self._ended)
        if not self.task.done():
            raise SimulationError(f"{self.process} was killed")
        return self.task.result()

    def cancel(self) -> None:
        """Cancel its task, as Ctrl+C does under ``asyncio.run``."""
        self.task.cancel()

    def kill(self) -> None:
        """End it as SIGKILL does: none of its code runs again, the kernel closes its sockets."""
        self.process.host.world.kill(self.process, is_kernel_alive=True)
        self._set_ended()

    def signal(self, number: int) -> None:
        """Deliver a signal: its handler runs, or what the signal does without one happens.

        A program that has ended does not notice. Raises ValueError for what is no signal.
        """
        if self.is_running:
            deliver(self, int(number))

    def pause(self) -> None:
        """Stop it as SIGSTOP does: the kernel goes on acknowledging what comes."""
        self.process.host.world.pause(self.process)

    def resume(self) -> None:
        """Let it go on; timers that ran out meanwhile fire now."""
        self.process.host.world.resume(self.process)


class SimHost:
    """One machine of a world. Made by ``World.host``.

    Code runs on a host when it was started there (:meth:`start`, :meth:`run`) or stands in a
    ``with host:`` block; its sockets are the host's.
    """

    def __init__(
        self,
        world: World,
        name: str,
        *,
        profile: TcpProfile = PROFILE,
        is_router: bool = False,
        descriptors_max: int = DESCRIPTORS_MAX,
        backlog_max: int = BACKLOG_MAX,
    ) -> None:
        self.world = world
        self.name = name
        self.profile = profile
        self.is_router = is_router
        self.descriptors_max = descriptors_max
        """How many descriptors each process may have open; one more is an OSError, EMFILE."""
        self.backlog_max = backlog_max
        self.wall_clock = WallClock(world.clock)
        self.resolvers: tuple[str, ...] = ()
        """Addresses of the name servers that its programs ask; without any, ``world.names``."""
        self.is_up = True
        self.programs: list[Program] = []
        self._lives = 0
        self._attachments: list[tuple[Device, tuple[str, ...]]] = []
        self._routes: list[tuple[str, str]] = []
        self._files: dict[Socket, OpenFile] = {}
        self.stack = self._make_stack()
        self._shell = Process(self, "shell", 1, is_shell=True)
        self._entered: list[AbstractContextManager[None]] = []

    def __repr__(self) -> str:
        return f"<SimHost {self.name}>"

    @property
    def now_ns(self) -> int:
        """The world's time."""
        return self.world.clock.now_ns

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All addresses of its interfaces."""
        return tuple(
            address for interface in self.stack.ip.interfaces for address in interface.addresses
        )

    def owns(self, address: Address) -> bool:
        """Whether a socket may be bound to ``address``."""
        return is_unspecified(address) or self.stack.ip.is_ours(address)

    # Code

    def start(self, program: Coroutine[Any, Any, Any], *, name: str | None = None) -> Program:
        """Run a coroutine as a new process of this host. Call it from within the world."""
        if not self.is_up:
            program.close()
            raise SimulationError(f"{self.name} is down; restart() it before starting a program")
        name = name or getattr(program, "__name__", "program")
        number = len(self.programs) + 1
        process = Process(self, f"{name}-{number}", number + 1)
        context = copy_context()
        context.run(CURRENT.set, process)
        process.send_signal = lambda number: started.signal(number)
        task = asyncio.get_running_loop().create_task(program, name=str(process), context=context)
        started = Program(process, task)
        self.programs.append(started)
        return started

    async def run(self, program: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine as a process of this host, to its end."""
        result: Result = await self.start(program).wait()
        return result

    def __enter__(self) -> SimHost:
        block = self._shell.entered()
        block.__enter__()
        self._entered.append(block)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._entered.pop().__exit__(kind, error, trace)

    # The network

    def attach(self, device: Device, addresses: tuple[str, ...]) -> Interface:
        """Add an interface, which a restart makes anew."""
        self._attachments.append((device, addresses))
        return self._attach(device, addresses)

    def _attach(self, device: Device, addresses: tuple[str, ...]) -> Interface:
        device.wake = self._wake_at
        return self.stack.add_interface(device, addresses)

    def wrap_device(self, device: Device, make: Callable[[Device], Box]) -> Box:
        """Put a box between the stack and one of its devices, which a restart leaves there.

        Several go around each other. Raises ValueError for a device that is not this host's.
        """
        for index, (outer, addresses) in enumerate(self._attachments):
            if device in _layers(outer):
                box = make(outer)
                self._attachments[index] = (box, addresses)
                self.stack.ip.interfaces[index].device = box
                return box
        raise ValueError(f"{self.name} has no such device")

    def add_route(self, prefix: str, gateway: str) -> None:
        """Send packets for ``prefix`` (or ``default``) through ``gateway``."""
        self._routes.append((prefix, gateway))
        self.stack.add_route(prefix, gateway=gateway)

    def ensure_route(self, prefix: str, gateway: str) -> None:
        """Add a route unless there is one for exactly that."""
        if not any(known == prefix for known, _ in self._routes):
            self.add_route(prefix, gateway)

    def _make_stack(self) -> Host:
        self._lives += 1
        stream = self.world.stream(f"host {self.name} life {self._lives}")
        stack = Host(
            self.name,
            entropy=stream,
            profile=self.profile,
            is_router=self.is_router,
            observer=self.world.observer_of(self.name),
        )
        stack.wake = lambda: self._wake_at(0)
        stack.tcp.watch = self.world.recording.traces.watcher(self.name)
        return stack

    def _wake_at(self, at_ns: int) -> None:
        if self.is_up:
            self.world.schedule.want(self, at_ns)

    def run_due(self) -> None:
        """Let the stack do what is due, and tell the sockets what happened."""
        stack = self.stack
        now_ns = self.now_ns
        stack.poll(now_ns)
        files = self._files
        for each in stack.take_ready():
            take_events = getattr(each, "take_events", None)
            if take_events is not None:
                take_events()
            file = files.get(each)
            if file is not None:
                file.changed()
        at_ns = stack.poll_at()
        if at_ns is not None:
            self.world.schedule.want(self, at_ns)

    def used(self) -> None:
        """A socket was used: what it has to send leaves now, not when the program waits next."""
        if self.is_up:
            self.world.schedule.forget(self)
            self.run_due()

    def read_from(self) -> None:
        """A socket was read from, which only makes work when its peer is to know of the room."""
        if self.world.schedule.is_due(self):
            self.used()

    def adopt(self, opened: Socket, file: OpenFile) -> None:
        """Tell ``file`` what happens to its part of the stack."""
        self._files[opened] = file

    def disown(self, opened: Socket) -> None:
        """The file was closed; the stack finishes what it has to."""
        self._files.pop(opened, None)

    # What can befall it

    def crash(self) -> None:
        """Lose power: no code runs again, no peer is told, what was in memory is gone."""
        self._require_up("crash")
        self.is_up = False
        self.world.schedule.forget(self)
        for program in self.programs:
            self._end(program, is_kernel_alive=False)
        self.world.descriptors.close_all(self._shell, is_kernel_alive=False)
        self.programs.clear()
        self._files.clear()
        self.world.note(self.name, "crashed")

    def reset(self) -> None:
        """Kill all programs; the kernel lives, closes their sockets and tells the peers."""
        self._require_up("reset")
        for program in self.programs:
            self._end(program, is_kernel_alive=True)
        self.programs.clear()
        self.world.note(self.name, "all programs killed")

    def _end(self, program: Program, *, is_kernel_alive: bool) -> None:
        if program.process.life is not Life.DEAD and program.is_running:
            self.world.kill(program.process, is_kernel_alive=is_kernel_alive)
            program._set_ended()

    def restart(self) -> None:
        """Boot after :meth:`crash`: same addresses and routes, a stack that knows of nothing."""
        if self.is_up:
            self.crash()
        self.is_up = True
        self.stack = self._make_stack()
        for device, addresses in self._attachments:
            device.receive(self.now_ns)  # what came while nobody was there
            self._attach(device, addresses)
        for prefix, gateway in self._routes:
            self.stack.add_route(prefix, gateway=gateway)
        self.world.note(self.name, "restarted")

    def set_clock(self, *, offset: float = 0.0, drift_ppm: float = 0.0) -> None:
        """Have its wall clock (``time.time``) be ``offset`` seconds ahead of the world's now.

        From now on it gains ``drift_ppm`` microseconds each second; a quartz has up to 100.
        """
        self.wall_clock.set(from_seconds(offset), round(drift_ppm * 1_000))
        self.world.note(self.name, f"clock set: {offset:+} s, {drift_ppm:+} ppm")

    def at(self, delay_s: float, call: Callable[[], object]) -> None:
        """Do something to this host later, as in ``host.at(30, host.crash)``."""
        self.world.at(delay_s, call)

    def _require_up(self, what: str) -> None:
        if not self.is_up:
            raise SimulationError(f"{self.name} cannot {what}: it is down already")


def _layers(device: Device) -> Iterator[Device]:
    """Yield a device, what it wraps, and so on."""
    yield device
    while isinstance(device, DeviceWrapper):
        device = device.inner
        yield device
