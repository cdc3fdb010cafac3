"""Links between hosts, in the units people think in: seconds and bits per second."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from longwire.simulation.clock import from_seconds
from longwire.tcpip.addresses import Address, Prefix
from longwire.tcpip.device import Device, DeviceWrapper
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.devices.loss import RandomLoss
from longwire.tcpip.devices.presets import preset
from longwire.tcpip.devices.rules import Rule
from longwire.tcpip.reasons import Note, Notebook

if TYPE_CHECKING:
    from longwire.simulation.host import SimHost

__all__ = ["SimLink", "path_settings"]

_SECONDS = {"delay": "delay_ns", "jitter": "jitter_ns", "reorder_delay": "reorder_delay_ns"}
_NAMES = {field.name for field in dataclasses.fields(PathSettings)}


def path_settings(base: PathSettings | None = None, **changes: Any) -> PathSettings:
    """Return settings of one direction of a link.

    ``delay``, ``jitter`` and ``reorder_delay`` are seconds, ``rate`` is bits per second, ``loss``
    is a probability or makes a loss model; the others are those of ``PathSettings``. Raises
    TypeError for a name that is none of them.
    """
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if name in _SECONDS:
            values[_SECONDS[name]] = from_seconds(value)
        elif name == "rate":
            values["rate_bits_per_s"] = None if value is None else int(value)
        elif name == "loss":
            values["loss"] = _loss(value)
        elif name in _NAMES:
            values[name] = value
        else:
            known = sorted({*_SECONDS, "rate", "loss"} | _NAMES)
            raise TypeError(f"a link has no setting {name!r}; it has {', '.join(known)}")
    return dataclasses.replace(base or PathSettings(), **values)


def _loss(value: Any) -> Any:
    if isinstance(value, int | float):
        RandomLoss(value)  # raises for what is no probability
        return (lambda: RandomLoss(value)) if value else None
    return value


def both_ways(
    name: str | None, settings: dict[str, Any], backward: dict[str, Any] | None
) -> tuple[PathSettings, PathSettings]:
    """Return both directions: from a preset or from nothing, then what was given."""
    first, second = preset(name) if name is not None else (PathSettings(), PathSettings())
    return path_settings(first, **settings), path_settings(
        second, **{**settings, **(backward or {})}
    )


Box = TypeVar("Box", bound=DeviceWrapper)


class SimLink:
    """A link of a world. Made by ``World.link``; ``forward`` is from ``a`` to ``b``.

    ``ends`` are the two devices, as the hosts have them, ``networks`` the prefixes of the link.
    """

    def __init__(
        self,
        name: str,
        a: SimHost,
        b: SimHost,
        link: Link,
        ends: tuple[DeviceWrapper, DeviceWrapper],
        networks: tuple[Prefix, ...],
    ) -> None:
        self.name = name
        self.a = a
        self.b = b
        self.networks = networks
        self._link = link
        self._ends = {a: ends[0], b: ends[1]}

    def __repr__(self) -> str:
        return f"<SimLink {self.name}>"

    def change(self, *, backward: dict[str, Any] | None = None, **forward: Any) -> None:
        """Change settings of both directions, or with ``backward`` of that one to others."""
        ahead, back = (path.settings for path in self._link.paths)
        self._link.change(
            path_settings(ahead, **forward),
            path_settings(back, **{**forward, **(backward or {})}),
        )
        text = ", ".join(f"{key}={value}" for key, value in {**forward, **(backward or {})}.items())
        self.a.world.note(self.name, f"link changed: {text}")

    def down(self) -> None:
        """Cut it, both ways; nobody is told."""
        self._link.set_up(False)
        self.a.world.note(self.name, "link down")

    def up(self) -> None:
        """Mend it."""
        self._link.set_up(True)
        self.a.world.note(self.name, "link up")

    def cut(self, toward: SimHost) -> None:
        """Cut only the direction to one of its hosts."""
        self._path_toward(toward).is_up = False
        self.a.world.note(self.name, f"link down toward {toward.name}")

    def add_rule(self, rule: Rule, *, toward: SimHost | None = None) -> Callable[[], None]:
        """Have every packet, or those toward one of its hosts, looked at by a rule.

        Returns what takes the rule away again. Rules are asked in order, the first that matches
        decides; see :mod:`longwire.tcpip.devices.rules`.
        """
        paths = self._link.paths if toward is None else (self._path_toward(toward),)
        for path in paths:
            path.rules.add(rule)

        def remove() -> None:
            for path in paths:
                path.rules.remove(rule)

        return remove

    @property
    def notebook(self) -> Notebook:
        """What its faults and rules did, counted by reason."""
        return self._link.notebook

    @property
    def observer(self) -> Callable[[Note], None]:
        """What a box on this link tells its notes."""
        return self.a.world.observer_of(self.name)

    def address_of(self, host: SimHost, *, version: int = 4) -> Address:
        """Return a host's address on this link. Raises ValueError when it has none."""
        for address in host.addresses:
            if len(address) == (4 if version == 4 else 16) and any(
                address in network for network in self.networks
            ):
                return address
        raise ValueError(f"{host.name} has no IPv{version} address on link {self.name}")

    def insert(self, make: Callable[[Device], Box]) -> Box:
        """Put a box on the link, near ``a``; the capture has what comes before it.

        ``make`` is given the device to wrap. Of several boxes, the last one is met first by what
        ``a`` sends.
        """
        end = self._ends[self.a]
        box = make(end.inner)
        end.inner = box
        return box

    def insert_at(self, host: SimHost, make: Callable[[Device], Box]) -> Box:
        """Make a box part of one of its hosts; the capture has what leaves it toward the link."""
        if host not in self._ends:
            raise ValueError(f"{host.name} is not on link {self.name}")
        return host.wrap_device(self._ends[host], make)

    def delivered_octets(self, toward: SimHost) -> int:
        """Return how many octets went to one of its hosts."""
        octets: int = self._path_toward(toward).delivered_octets
        return octets

    def _path_toward(self, host: SimHost) -> Any:
        if host not in (self.a, self.b):
            raise ValueError(f"{host.name} is not on link {self.name}")
        return self._link.paths[0 if host is self.b else 1]
