"""``select.poll`` over simulated descriptors: how HTTP clients ask whether a connection lives."""

from __future__ import annotations

import select

from longwire.simulation.errors import NotSimulatedError
from longwire.simulation.open_file import READ, WRITE, DescriptorTable

__all__ = ["SimPoll"]


class SimPoll:
    """Answers what is ready now; it does not wait."""

    def __init__(self, descriptors: DescriptorTable) -> None:
        self._descriptors = descriptors
        self._wanted: dict[int, int] = {}

    def register(self, fd: int, eventmask: int = select.POLLIN | select.POLLOUT) -> None:
        """Ask about a descriptor."""
        self._wanted[fd] = eventmask

    def unregister(self, fd: int) -> None:
        """Ask no more. Raises KeyError when it was not asked about."""
        del self._wanted[fd]

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Return descriptors with what is ready. Raises NotSimulatedError when it had to wait."""
        found = []
        for number, mask in self._wanted.items():
            if not self._descriptors.has(number):
                found.append((number, select.POLLNVAL))
                continue
            events = self._descriptors.get(number).events()
            ready = (select.POLLIN if events & READ else 0) | (
                select.POLLOUT if events & WRITE else 0
            )
            if ready & mask:
                found.append((number, ready & mask))
        if not found and timeout != 0:
            raise NotSimulatedError("poll() that waits", "ask with time-out 0")
        return found
