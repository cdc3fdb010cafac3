"""Who reaches whom by way of whom: routes for a world whose hosts are joined by links."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from longwire.tcpip.addresses import address_text

if TYPE_CHECKING:
    from longwire.simulation.host import SimHost

__all__ = ["Hop", "Neighbours", "add_routes"]


@dataclass(frozen=True, slots=True)
class Hop:
    """A neighbour, and its addresses on the link to it."""

    host: SimHost
    gateways: tuple[str, ...]


Neighbours = dict["SimHost", list[Hop]]


def add_routes(neighbours: Neighbours) -> None:
    """Give every host a route to every address that is not on a link of its own.

    The way with the fewest links; hosts that are no routers are on no way. Adding what is there
    already does no harm, so this may be called again after the world has grown.
    """
    for start in neighbours:
        near = {hop.host for hop in neighbours[start]}
        for target, hop in _first_hops(start, neighbours).items():
            if target is start:
                continue
            on_link = _shared(start, target) if target in near else set()
            for address in target.addresses:
                gateway = next(
                    (each for each in hop.gateways if (":" in each) == (len(address) == 16)), None
                )
                if gateway is None or address in on_link:
                    continue
                prefix = f"{address_text(address)}/{len(address) * 8}"
                start.ensure_route(prefix, gateway)


def _shared(one: SimHost, other: SimHost) -> set[bytes]:
    """Addresses of ``other`` on networks that ``one`` is on, too."""
    prefixes = [
        assigned.prefix for interface in one.stack.ip.interfaces for assigned in interface.assigned
    ]
    return {address for address in other.addresses if any(address in prefix for prefix in prefixes)}


def _first_hops(start: SimHost, neighbours: Neighbours) -> dict[SimHost, Hop]:
    found: dict[SimHost, Hop] = {}
    queue: deque[tuple[SimHost, Hop | None]] = deque([(start, None)])
    seen = {start}
    while queue:
        here, first = queue.popleft()
        if here is not start and not here.is_router:
            continue
        for hop in neighbours.get(here, ()):
            if hop.host in seen:
                continue
            seen.add(hop.host)
            found[hop.host] = first or hop
            queue.append((hop.host, first or hop))
    return found
