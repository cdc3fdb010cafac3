"""CPython's own selector event loop in virtual time.

Transports, TLS, streams and flow control are CPython's code. What is replaced is where the loop
meets the system: its selector, its clock, name look-ups, threads, signals and child processes.
"""

from __future__ import annotations

import asyncio
import heapq
import weakref
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, NoReturn

from longwire.simulation.clock import on_grid, to_seconds
from longwire.simulation.errors import NotSimulatedError
from longwire.simulation.process import Life, Process, process_of
from longwire.simulation.selector import SimSelector
from longwire.tcpip.durations import MICROSECOND, MILLISECOND, SECOND

if TYPE_CHECKING:
    from longwire.simulation.world import World

__all__ = ["SimLoop"]

# How long work that was handed to a thread takes.
_WORK_NS = (100 * MICROSECOND, MILLISECOND)


class SimLoop(asyncio.SelectorEventLoop):
    """The event loop of a world. One loop runs the code of all its hosts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clock = world.clock
        self._work_stream = world.stream("executor")
        # By executor with a single thread: when it has done what it was given.
        self._busy_until_ns: dict[int, int] = {}
        self._serial = 0
        self._order: weakref.WeakKeyDictionary[asyncio.Task[Any], tuple[int, Process | None]] = (
            weakref.WeakKeyDictionary()
        )
        self._waiting = SimSelector(
            world.clock, world.schedule, world.descriptors, world.raise_deadlock
        )
        super().__init__(self._waiting)
        # asyncio fires a timer that is due within the resolution of the clock. Ours is exact, and
        # a program that finds itself a moment early would wait for ever for time to pass.
        self._clock_resolution = 0.5 / SECOND

    has_kernel_sockets = False
    """That ``longwire.net`` goes through ``os`` and ``socket``, whose functions are replaced."""

    def state_owner(self) -> object:
        """Return to whom it belongs what programs keep for a loop: each process has its own.

        One loop runs them all here, but what one has shared among its connections, timers among
        it, ends and pauses with it.
        """
        return process_of(None) or self

    # The self-pipe wakes a loop that waits from another thread; this loop never waits.

    def _make_self_pipe(self) -> None: ...

    def _close_self_pipe(self) -> None: ...

    def _write_to_self(self) -> None: ...

    def time(self) -> float:
        """Return the world's time in seconds."""
        return to_seconds(self._clock.now_ns)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        process = process_of(context)
        if process is not None and process.life is not Life.RUNNING:
            return self._withhold(process, asyncio.Handle(callback, args, self, context))
        self._waiting.interrupt()
        return super().call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        process = process_of(context)
        if process is not None and process.life is Life.DEAD:
            handle = asyncio.TimerHandle(when, callback, args, self, context)
            handle.cancel()
            return handle
        self._waiting.interrupt()
        return super().call_at(on_grid(when), callback, *args, context=context)

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def create_task(self, coro: Any, **settings: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, **settings)
        process = process_of(settings.get("context"))
        self._serial += 1
        self._order[task] = (self._serial, process)
        return task

    def tasks(self) -> list[tuple[asyncio.Task[Any], Process | None]]:
        """Return the tasks that are not done, the oldest first, and whose they are."""
        known = sorted(
            ((found, task) for task, found in self._order.items() if not task.done()),
            key=lambda each: each[0][0],
        )
        return [(task, process) for (_, process), task in known]

    @staticmethod
    def _withhold(process: Process, handle: asyncio.Handle) -> asyncio.Handle:
        if process.life is Life.DEAD:
            handle.cancel()
        else:
            process.held.append(handle)
        return handle

    def take_from(self, process: Process) -> list[asyncio.Handle]:
        """Take every callback and timer of ``process`` out of the loop's queues."""
        queues: Any = self
        ready = [each for each in queues._ready if _belongs(each, process)]
        timers = [each for each in queues._scheduled if _belongs(each, process)]
        for handle in ready:
            queues._ready.remove(handle)
        if timers:
            gone = set(map(id, timers))
            queues._scheduled = [each for each in queues._scheduled if id(each) not in gone]
            heapq.heapify(queues._scheduled)
        return ready + timers

    def put_back(self, handles: list[asyncio.Handle]) -> None:
        """Undo :meth:`take_from`."""
        self._waiting.interrupt()
        queues: Any = self
        for handle in handles:
            if handle.cancelled():
                continue
            if isinstance(handle, asyncio.TimerHandle):
                heapq.heappush(queues._scheduled, handle)
            else:
                queues._ready.append(handle)

    # Names

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | int | bytes | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        names = self._world.names
        process = process_of(None)
        if process is not None and process.host.resolvers and not names.is_local(host):
            from longwire.simulation.resolver import resolve  # loads dnspython

            found = await resolve(
                str(host), family, process.host.resolvers, self._world.stream("resolver")
            )
            return names.infos_of(found, host, port, family, type, proto)
        if names.delay_s:
            await asyncio.sleep(names.delay_s)
        return names.address_info(host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        names = self._world.names
        if names.delay_s:
            await asyncio.sleep(names.delay_s)
        return names.name_info(sockaddr, flags)

    # Threads: the work is done by the loop itself, a little later

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do the work inline after a seeded delay, in order where the executor has one thread."""
        future: asyncio.Future[Any] = self.create_future()
        low, high = _WORK_NS
        done_ns = self._clock.now_ns + self._work_stream.between(low, high)
        if getattr(executor, "_max_workers", 0) == 1:
            busy_ns = self._busy_until_ns.get(id(executor), 0)
            done_ns = max(done_ns, busy_ns + low)
            self._busy_until_ns[id(executor)] = done_ns
        self.call_at(to_seconds(done_ns), _work, future, func, args)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none."""

    # Signals are told to a simulated process, not to the real one

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        process = process_of(None)
        if process is not None:
            process.signal_handlers[int(sig)] = self._world.bound(callback, *args)

    def remove_signal_handler(self, sig: int) -> bool:
        process = process_of(None)
        return process is not None and process.signal_handlers.pop(int(sig), None) is not None

    # What is not there

    def _refuse(self, call: str, instead: str) -> NoReturn:
        raise NotSimulatedError(f"loop.{call}", instead)

    async def subprocess_exec(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse("subprocess_exec", "run the program's coroutine with host.start()")

    async def subprocess_shell(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse("subprocess_shell", "run the program's coroutine with host.start()")

    async def connect_read_pipe(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse("connect_read_pipe", "there are TCP and UDP sockets")

    async def connect_write_pipe(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse("connect_write_pipe", "there are TCP and UDP sockets")

    async def create_unix_connection(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse("create_unix_connection", "use TCP over 127.0.0.1")

    async def create_unix_server(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse("create_unix_server", "use TCP over 127.0.0.1")


def _belongs(handle: asyncio.Handle, process: Process) -> bool:
    context: Any = getattr(handle, "_context", None)
    return not handle.cancelled() and process_of(context) is process


def _work(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if future.cancelled():
        return
    try:
        result = func(*args)
    except Exception as error:
        if not future.cancelled():
            future.set_exception(error)
    else:
        if not future.cancelled():
            future.set_result(result)
