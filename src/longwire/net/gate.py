"""Which connections a listener takes, and which it gives up while they have not begun.

A connection that sends nothing, or its first request byte by byte, costs its client nothing. It has
a deadline; until then there may be so many of them. Past that the oldest go and not the newest are
refused: who means it is through in a moment, so whoever holds places has to take them again and
again, and everybody else is served meanwhile.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Protocol

from longwire.base.limits import ConnectionLimits
from longwire.net.link import Address, LinkHandler

__all__ = ["Gate", "Opening"]

# How many places are made at a time, of those that are full: looking at all of them for each
# newcomer would be work for the attacker to give.
_SHARE_CUT = 8


class Opening(Protocol):
    """Of a handler: whether what a peer sends first has not come whole. Without it, it has."""

    @property
    def is_opening(self) -> bool: ...


class Guest(Protocol):
    """What a gate has to know of a link."""

    @property
    def handler(self) -> LinkHandler: ...
    @property
    def remote_address(self) -> Address: ...
    @property
    def is_closing(self) -> bool: ...
    def abort(self) -> None: ...


class Gate:
    """Counts the connections of one listener; ``on_limit`` gets the name of each limit reached."""

    def __init__(self, limits: ConnectionLimits, on_limit: Callable[[str], None]) -> None:
        self._limits = limits
        self._on_limit = on_limit
        self._hosts: dict[Guest, str] = {}  # kept only where they are counted
        self._counts: dict[str, int] = {}
        # In the order they came. Those that have begun are taken out when there are too many.
        self._newcomers: dict[Guest, None] = {}
        self.cut = 0
        """Connections that were closed because too many had not begun."""

    def admit(self, link: Guest) -> bool:
        """Count a new connection; return false when its address has too many already."""
        if not self._join(link):
            self._on_limit("open_per_address_max")
            return False
        if self._limits.opening_max is not None:
            if len(self._newcomers) >= self._limits.opening_max:
                self._make_room(self._limits.opening_max)
            self._newcomers[link] = None
        return True

    def left(self, link: Guest) -> None:
        """A connection is over."""
        self._newcomers.pop(link, None)
        host = self._hosts.pop(link, None)
        if host is not None:
            self._counts[host] -= 1
            if not self._counts[host]:
                del self._counts[host]

    def _join(self, link: Guest) -> bool:
        maximum, address = self._limits.open_per_address_max, link.remote_address
        if maximum is None or not isinstance(address, tuple):
            return True  # a Unix socket's peers have no address
        host = str(address[0])
        if self._counts.get(host, 0) >= maximum:
            return False
        self._counts[host] = self._counts.get(host, 0) + 1
        self._hosts[link] = host
        return True

    def _make_room(self, maximum: int) -> None:
        """Forget those that have begun or are gone; cut the oldest if that is not enough."""
        self._newcomers = {link: None for link in self._newcomers if _is_opening(link)}
        if len(self._newcomers) < maximum:
            return
        self._on_limit("opening_max")
        for link in list(itertools.islice(self._newcomers, max(1, maximum // _SHARE_CUT))):
            del self._newcomers[link]
            link.abort()
            self.cut += 1


def _is_opening(link: Guest) -> bool:
    return not link.is_closing and getattr(link.handler, "is_opening", False)
