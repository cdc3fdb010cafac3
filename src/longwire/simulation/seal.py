"""What programs must not reach past the simulation, replaced while a world runs.

Replaced are attributes of the standard library's modules, so a program that has copied one of
them (``from time import monotonic``) before the world began keeps the real one. Threads other
than the world's keep the real ones, too. What C code reads by itself (``datetime.now``, the dates
in OpenSSL) stays real.
"""

from __future__ import annotations

import errno
import os
import random
import select
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from longwire.simulation.clock import EPOCH_NS, to_seconds
from longwire.simulation.errors import NotSimulatedError, SimulationError
from longwire.simulation.open_file import DESCRIPTOR_FIRST, DescriptorTable
from longwire.simulation.openssl_seal import sealed_openssl
from longwire.simulation.pools import sealed_generators
from longwire.simulation.process import CURRENT, Process, current_process
from longwire.simulation.sim_epoll import SimEpoll
from longwire.simulation.sim_poll import SimPoll
from longwire.simulation.sim_socket import SimSocket
from longwire.simulation.stream_file import StreamFile

if TYPE_CHECKING:
    from longwire.simulation.world import World

__all__ = ["sealed"]

_Patch = tuple[Any, str, Any]

_running = threading.Lock()

# The clocks of Linux that count the time that passes; those of processor time stay real.
_PASSING = {
    getattr(time, name, None)
    for name in ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME")
}


@contextmanager
def sealed(world: World) -> Iterator[None]:
    """Seal the process's time, randomness and sockets. Raises SimulationError when it is sealed."""
    if not _running.acquire(blocking=False):
        raise SimulationError("another world is running in this process; worlds take turns")
    patches = [
        *_clocks(world),
        *_randomness(world),
        *_sockets(world),
        *_identity(),
        *_signals(world),
        *_refusals(),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    state = random.getstate()
    try:
        for owner, name, replacement in patches:
            setattr(owner, name, replacement)
        random.seed(world.stream("random").word())
        with sealed_generators(world), sealed_openssl(world.stream("openssl")):
            yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)
        random.setstate(state)
        _running.release()


def _in_world(simulated: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls ``simulated`` in the world's thread, and ``real`` in all others."""
    own = threading.get_ident()

    def call(*args: Any, **named: Any) -> Any:
        chosen = simulated if threading.get_ident() == own else real
        return chosen(*args, **named)

    return call


def _clocks(world: World) -> list[_Patch]:
    clock = world.clock

    def wall_ns() -> int:
        process = CURRENT.get()
        return process.host.wall_clock.now_ns() if process else EPOCH_NS + clock.now_ns

    def passed_ns() -> int:
        return clock.now_ns

    def clock_ns(number: int) -> int:
        if number == time.CLOCK_REALTIME:
            return wall_ns()
        return passed_ns() if number in _PASSING else int(real["clock_gettime_ns"](number))

    def broken_down(convert: Callable[..., Any], seconds: float | None) -> Any:
        return convert(to_seconds(wall_ns()) if seconds is None else seconds)

    real = {name: getattr(time, name) for name in ("clock_gettime_ns", "gmtime", "localtime")}
    simulated: dict[str, Callable[..., Any]] = {
        "time_ns": wall_ns,
        "time": lambda: to_seconds(wall_ns()),
        "monotonic_ns": passed_ns,
        "monotonic": lambda: to_seconds(passed_ns()),
        "perf_counter_ns": passed_ns,
        "perf_counter": lambda: to_seconds(passed_ns()),
        "clock_gettime_ns": clock_ns,
        "clock_gettime": lambda number: to_seconds(clock_ns(number)),
        "gmtime": lambda seconds=None: broken_down(real["gmtime"], seconds),
        "localtime": lambda seconds=None: broken_down(real["localtime"], seconds),
    }
    return [(time, name, _in_world(call, getattr(time, name))) for name, call in simulated.items()]


def _randomness(world: World) -> list[_Patch]:
    stream = world.stream("urandom")
    draw = _in_world(lambda count: stream(count), os.urandom)
    return [
        (os, "urandom", draw),
        (random, "_urandom", draw),
        # uuid1 asks a C library for the time unless there is none.
        (uuid, "_generate_time_safe", None),
        (uuid, "_node", 0x02_00_00_00_00_01),
        (uuid, "_last_timestamp", None),
    ]


def _sockets(world: World) -> list[_Patch]:
    descriptors = world.descriptors
    real_dup, real_close, real_read, real_writev = os.dup, os.close, os.read, os.writev

    def dup(number: int) -> int:
        return descriptors.dup(number) if number >= DESCRIPTOR_FIRST else real_dup(number)

    def close(number: int) -> None:
        if number >= DESCRIPTOR_FIRST:
            descriptors.close(number)
        else:
            real_close(number)

    def read(number: int, count: int) -> bytes:
        if number < DESCRIPTOR_FIRST:
            return real_read(number, count)
        return _stream(descriptors, number).receive(count)

    def writev(number: int, buffers: Sequence[bytes]) -> int:
        if number < DESCRIPTOR_FIRST:
            return real_writev(number, buffers)
        return _stream(descriptors, number).send(b"".join(buffers))

    def refuse_pair(*_: Any, **__: Any) -> Any:
        raise NotSimulatedError("socket.socketpair", "use TCP over 127.0.0.1")

    return [
        (socket, "socket", SimSocket),
        (socket, "getaddrinfo", _in_world(world.names.address_info, socket.getaddrinfo)),
        (socket, "getnameinfo", _in_world(world.names.name_info, socket.getnameinfo)),
        (socket, "socketpair", _in_world(refuse_pair, socket.socketpair)),
        (os, "dup", dup),
        (os, "close", close),
        (os, "read", read),
        (os, "writev", writev),
        *_epoll(descriptors),
        (select, "poll", _in_world(lambda: SimPoll(descriptors), select.poll)),
    ]


def _stream(descriptors: DescriptorTable, number: int) -> StreamFile:
    file = descriptors.get(number)
    if not isinstance(file, StreamFile):
        raise NotSimulatedError("os.read and os.writev", "they are there for TCP sockets")
    return file


def _epoll(descriptors: DescriptorTable) -> list[_Patch]:
    if not hasattr(select, "epoll"):
        return []
    return [(select, "epoll", _in_world(lambda *_: SimEpoll(descriptors), select.epoll))]


def _identity() -> list[_Patch]:
    """Who a program is: its machine's name and its own number are not the real ones."""

    def own_name() -> str:
        process = CURRENT.get()
        return process.host.name if process else "localhost"

    def full_name(name: str = "") -> str:
        return own_name() if name.strip() in ("", "0.0.0.0", "::") else name.strip()

    def own_number() -> int:
        process = CURRENT.get()
        return process.number if process else 1

    return [
        (socket, "gethostname", _in_world(own_name, socket.gethostname)),
        (socket, "getfqdn", _in_world(full_name, socket.getfqdn)),
        (os, "getpid", _in_world(own_number, os.getpid)),
    ]


def _signals(world: World) -> list[_Patch]:
    raw: WeakKeyDictionary[Process, dict[int, Any]] = WeakKeyDictionary()

    def own() -> tuple[Process, dict[int, Any]] | None:
        process = CURRENT.get()
        return None if process is None else (process, raw.setdefault(process, {}))

    def record(number: int, handler: Any) -> Any:
        found = own()
        if found is None:
            return signal.SIG_DFL
        process, handlers = found
        known = handlers.pop(number, signal.SIG_DFL)
        process.signal_handlers.pop(int(number), None)
        if handler == signal.SIG_IGN:
            process.signal_handlers[int(number)] = None
        elif callable(handler):
            process.signal_handlers[int(number)] = world.bound(handler, int(number), None)
        handlers[number] = handler
        return known

    def recorded(number: int) -> Any:
        found = own()
        return signal.SIG_DFL if found is None else found[1].get(number, signal.SIG_DFL)

    def send(pid: int, number: int) -> None:
        if pid != os.getpid():
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        current_process("os.kill").send_signal(number)

    return [
        (signal, "signal", _in_world(record, signal.signal)),
        (signal, "getsignal", _in_world(recorded, signal.getsignal)),
        (signal, "raise_signal", _in_world(lambda n: send(os.getpid(), n), signal.raise_signal)),
        (os, "kill", _in_world(send, os.kill)),
    ]


def _refusals() -> list[_Patch]:
    def refuse(name: str, instead: str) -> Callable[..., Any]:
        def call(*_: Any, **__: Any) -> Any:
            raise NotSimulatedError(name, instead)

        return call

    refused = (
        (time, "sleep", "time.sleep", "it would stop the whole world; await asyncio.sleep()"),
        (threading.Thread, "start", "threading.Thread.start", "use loop.run_in_executor"),
        (subprocess.Popen, "__init__", "subprocess.Popen", "run a coroutine with host.start()"),
        (os, "fork", "os.fork", "run a coroutine with host.start()"),
        (socket, "create_connection", "socket.create_connection", "use asyncio.open_connection"),
        (socket, "gethostbyname", "socket.gethostbyname", "use loop.getaddrinfo"),
        (socket, "gethostbyname_ex", "socket.gethostbyname_ex", "use loop.getaddrinfo"),
        (socket, "gethostbyaddr", "socket.gethostbyaddr", "there are no names of addresses"),
    )
    return [
        (owner, name, _in_world(refuse(call, instead), getattr(owner, name)))
        for owner, name, call, instead in refused
    ]
