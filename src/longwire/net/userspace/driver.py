"""Drives hosts and bridges by the clock of the machine, under asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from longwire.net.tun import TunDevice
from longwire.tcpip.durations import SECOND, earliest
from longwire.tcpip.host import Host, Socket

__all__ = ["Driver", "Part"]

# Applications answer and hosts send what they answered, so often before other callbacks of the
# loop get their turn.
_ROUNDS_MAX = 8


class Part(Protocol):
    """What is driven besides the host: a bridge."""

    def poll(self, now_ns: int) -> None:
        """Do what is due."""

    def poll_at(self) -> int | None:
        """Return when there is something to do."""


class Driver:
    """Gives a host its time, its packets, and its applications their sockets.

    ``tuns`` are the devices with a descriptor, wherever they are attached: to the host, or to one
    of ``parts``. One tick takes a bounded batch of packets, runs the timers that are due, calls
    the applications whose sockets became ready, and sends what all that made; then it says to the
    loop when it wants to be called again. Belongs to the loop that runs when it is made.

    ``device_lost`` is set when the interface of one of the devices was deleted; the host goes on
    without it.
    """

    def __init__(self, host: Host, tuns: Iterable[TunDevice], parts: Iterable[Part] = ()) -> None:
        self.host = host
        self.loop = asyncio.get_running_loop()
        self._tuns = tuple(tuns)
        self._parts: tuple[Part, ...] = (host, *parts)
        self._watchers: dict[Socket, Callable[[], None]] = {}
        self._is_ticking = False
        self._is_closed = False
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self.device_lost = asyncio.Event()
        host.wake = self._wake
        for tun in self._tuns:
            self.loop.add_reader(tun.fileno(), self._tick)
        self._wake()

    @property
    def now_ns(self) -> int:
        """The time that the host is given."""
        return time.monotonic_ns()

    def watch(self, socket: Socket, on_ready: Callable[[], None]) -> None:
        """Call ``on_ready`` whenever something has happened to ``socket``."""
        self._watchers[socket] = on_ready

    def unwatch(self, socket: Socket) -> None:
        """Call nobody any more about ``socket``."""
        self._watchers.pop(socket, None)

    def flush(self) -> None:
        """Send now what applications have written, not when the loop comes round to it."""
        if not self._is_ticking and not self._is_closed:
            self._tick()

    def close(self) -> None:
        """Send what is ready, stop, and close the devices."""
        if self._is_closed:
            return
        self.host.poll(self.now_ns)
        self._is_closed = True
        self.host.wake = None
        self._watchers.clear()
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        for tun in self._tuns:
            self.loop.remove_reader(tun.fileno())
            tun.close()

    def _wake(self) -> None:
        """The host wants to be polled, for an application has used a socket."""
        if not self._is_ticking and self._soon is None:
            self._soon = self.loop.call_soon(self._tick)

    def _tick(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._is_ticking = True
        try:
            for _ in range(_ROUNDS_MAX):
                now_ns = self.now_ns
                for part in self._parts:
                    part.poll(now_ns)
                if not self._call_watchers():
                    break
        finally:
            self._is_ticking = False
        if not self._is_closed:
            self._forget_lost_devices()
            self._arm()

    def _forget_lost_devices(self) -> None:
        """A descriptor whose interface is gone stays readable, and would be asked for ever."""
        if any(tun.is_gone for tun in self._tuns):
            for tun in self._tuns:
                if tun.is_gone:
                    self.loop.remove_reader(tun.fileno())
            self.device_lost.set()

    def _call_watchers(self) -> bool:
        """Let applications look at their sockets; return whether any did."""
        ready = self.host.take_ready()
        for socket in ready:
            on_ready = self._watchers.get(socket)
            if on_ready is None:
                continue
            try:
                on_ready()
            except Exception as error:
                context = {"message": f"the application of {socket!r} failed", "exception": error}
                self.loop.call_exception_handler(context)
        return bool(ready)

    def _arm(self) -> None:
        at_ns: int | None = None
        for part in self._parts:
            at_ns = earliest(at_ns, part.poll_at())
        if at_ns is None:
            return
        delay_ns = at_ns - self.now_ns
        if delay_ns <= 0:
            self._wake()
        # A timer that runs out too early does no harm, and deadlines mostly move away: only one
        # that comes before it needs another timer.
        elif self._timer is None or at_ns < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at_ns
            self._timer = self.loop.call_later(delay_ns / SECOND, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._tick()
