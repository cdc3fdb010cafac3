"""Routes: the longest prefix that holds the destination wins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from longwire.tcpip.addresses import Address, Prefix, address_text
from longwire.tcpip.ip.interface import Interface

__all__ = ["Route", "RouteTable"]


@dataclass(frozen=True, slots=True)
class Route:
    """Packets for ``prefix`` leave by ``interface``, to ``gateway`` unless it is on the link."""

    prefix: Prefix
    interface: Interface
    gateway: Address | None = None

    def next_hop(self, destination: Address) -> Address:
        """Return whom to hand a packet for ``destination``."""
        return self.gateway or destination

    def __str__(self) -> str:
        via = f" via {address_text(self.gateway)}" if self.gateway else ""
        return f"{self.prefix}{via} dev {self.interface.name}"


# Destinations whose route is remembered; past that all are looked up anew.
_REMEMBERED_MAX = 4096


class RouteTable:
    """The routes of one host."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._remembered: dict[Address, Route] = {}

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def add(self, route: Route) -> None:
        """Add a route. Among equal prefixes the one added first wins."""
        self._routes.append(route)
        self._remembered.clear()
        # The sort is stable: equal lengths keep their order.
        self._routes.sort(key=lambda each: -each.prefix.length)

    def remove(self, prefix: Prefix) -> None:
        """Forget the routes of exactly this prefix."""
        self._remembered.clear()
        self._routes = [route for route in self._routes if route.prefix != prefix]

    def find(self, destination: Address) -> Route | None:
        """Return the route for ``destination`` over an interface that is up."""
        known = self._remembered.get(destination)
        if known is not None and known.interface.is_up:
            return known
        is_best = True
        for route in self._routes:
            if destination not in route.prefix:
                continue
            if not route.interface.is_up:
                is_best = False
                continue
            if is_best:
                # Only what no other route can be better than, whatever comes up, is remembered.
                if len(self._remembered) >= _REMEMBERED_MAX:
                    self._remembered.clear()
                self._remembered[destination] = route
            return route
        return None
