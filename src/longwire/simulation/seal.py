"""What programs must not reach past the simulation, replaced while a world runs.

Replaced are attributes of the standard library's modules, so a program that has copied one of
them (``from time import monotonic``) before the world began keeps the real one. Threads other
than the world's keep the real ones, too. What C code reads by itself (``datetime.now``, the dates
in OpenSSL) stays real.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from longwire.simulation.clock import EPOCH_NS, to_seconds
from longwire.simulation.errors import NotSimulatedError, SimulationError
from longwire.simulation.open_file import DESCRIPTOR_FIRST
from longwire.simulation.openssl_seal import sealed_openssl
from longwire.simulation.pools import sealed_generators
from longwire.simulation.process import CURRENT
from longwire.simulation.sim_poll import SimPoll
from longwire.simulation.sim_socket import SimSocket

if TYPE_CHECKING:
    from longwire.simulation.world import World

__all__ = ["sealed"]

_Patch = tuple[Any, str, Any]

_running = threading.Lock()


@contextmanager
def sealed(world: World) -> Iterator[None]:
    """Seal the process's time, randomness and sockets. Raises SimulationError when it is sealed."""
    if not _running.acquire(blocking=False):
        raise SimulationError("another world is running in this process; worlds take turns")
    patches = [
        *_clocks(world),
        *_randomness(world),
        *_sockets(world),
        *_signals(),
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
        return EPOCH_NS + clock.now_ns + (process.host.clock_skew_ns if process else 0)

    def passed_ns() -> int:
        return clock.now_ns

    simulated = {
        "time_ns": wall_ns,
        "time": lambda: to_seconds(wall_ns()),
        "monotonic_ns": passed_ns,
        "monotonic": lambda: to_seconds(passed_ns()),
        "perf_counter_ns": passed_ns,
        "perf_counter": lambda: to_seconds(passed_ns()),
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
    real_dup, real_close = os.dup, os.close

    def dup(number: int) -> int:
        return descriptors.dup(number) if number >= DESCRIPTOR_FIRST else real_dup(number)

    def close(number: int) -> None:
        if number >= DESCRIPTOR_FIRST:
            descriptors.close(number)
        else:
            real_close(number)

    def refuse_pair(*_: Any, **__: Any) -> Any:
        raise NotSimulatedError("socket.socketpair", "use TCP over 127.0.0.1")

    return [
        (socket, "socket", SimSocket),
        (socket, "getaddrinfo", _in_world(world.names.address_info, socket.getaddrinfo)),
        (socket, "socketpair", _in_world(refuse_pair, socket.socketpair)),
        (os, "dup", dup),
        (os, "close", close),
        (select, "poll", _in_world(lambda: SimPoll(descriptors), select.poll)),
    ]


def _signals() -> list[_Patch]:
    def record(number: int, handler: Any) -> Any:
        process = CURRENT.get()
        if process is None:
            return signal.SIG_DFL
        known = process.signal_handlers.pop(int(number), signal.SIG_DFL)
        if callable(handler):
            process.signal_handlers[int(number)] = lambda: handler(int(number), None)
        return known

    return [(signal, "signal", _in_world(record, signal.signal))]


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
    )
    return [
        (owner, name, _in_world(refuse(call, instead), getattr(owner, name)))
        for owner, name, call, instead in refused
    ]
