"""Boxes on the way, for the links and routers of a world, in seconds, ports and hosts.

What they do is described with the devices they are: :mod:`longwire.tcpip.devices.middleboxes` and
:mod:`longwire.tcpip.devices.load_balancer`. Each function returns the box, whose ``notebook``
counts what it did.
"""

from __future__ import annotations

from collections.abc import Iterable

from longwire.simulation.clock import from_seconds
from longwire.simulation.host import SimHost
from longwire.simulation.link import SimLink
from longwire.tcpip.devices.load_balancer import FlowEnd, LoadBalancer
from longwire.tcpip.devices.middleboxes import AddressTranslator, OptionStripper, SynFilter

__all__ = ["FlowEnd", "balance", "filter_syns", "strip_options", "translate"]


def filter_syns(link: SimLink, ports: Iterable[int] | None = None) -> SynFilter:
    """Drop attempts to connect to these ports, or to any, that cross ``link`` either way."""
    chosen = None if ports is None else frozenset(ports)
    return link.insert(lambda inner: SynFilter(inner, ports=chosen, observer=link.observer))


def strip_options(link: SimLink, *names: str) -> OptionStripper:
    """Take TCP options out of what crosses ``link``: all, or those named. Raises ValueError."""
    chosen = frozenset(names) or OptionStripper.NAMES
    return link.insert(lambda inner: OptionStripper(inner, chosen))


def translate(
    router: SimHost, *, inside: SimLink, outside: SimLink, idle: float = 60.0
) -> AddressTranslator:
    """Give the IPv4 flows of the ``inside`` link the router's address on ``outside``.

    A flow that was not used for ``idle`` seconds is forgotten, and nobody is told. Raises
    ValueError when the router is not on both links.
    """
    inside.address_of(router)
    address = outside.address_of(router)
    return outside.insert_at(
        router,
        lambda inner: AddressTranslator(
            inner,
            inside=inside.networks[0],
            outside=address,
            idle_ns=from_seconds(idle),
            observer=outside.observer,
        ),
    )


def balance(
    router: SimHost,
    *,
    outside: SimLink,
    port: int,
    servers: Iterable[tuple[SimHost, SimLink]],
    idle: float | None = None,
    lifetime: float | None = None,
    ending: FlowEnd = FlowEnd.SILENT,
) -> LoadBalancer:
    """Share out connections to ``port`` of the router's address on ``outside`` among ``servers``.

    Each server is given with its link to the router, and listens on the same port. A flow ends
    after ``idle`` seconds without a packet, or ``lifetime`` seconds after it began, as ``ending``
    says. Raises ValueError without a server.
    """
    endpoints = [(link.address_of(server), port) for server, link in servers]
    service = (outside.address_of(router), port)
    return outside.insert_at(
        router,
        lambda inner: LoadBalancer(
            inner,
            service=service,
            servers=endpoints,
            idle_ns=None if idle is None else from_seconds(idle),
            lifetime_ns=None if lifetime is None else from_seconds(lifetime),
            ending=ending,
            observer=outside.observer,
        ),
    )
