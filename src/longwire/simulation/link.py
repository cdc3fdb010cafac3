"""Links between hosts, in the units people think in: seconds and bits per second."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from longwire.simulation.clock import from_seconds
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.devices.loss import RandomLoss
from longwire.tcpip.devices.presets import preset

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


class SimLink:
    """A link of a world. Made by ``World.link``; ``forward`` is from ``a`` to ``b``."""

    def __init__(self, name: str, a: SimHost, b: SimHost, link: Link) -> None:
        self.name = name
        self.a = a
        self.b = b
        self._link = link

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

    def delivered_octets(self, toward: SimHost) -> int:
        """Return how many octets went to one of its hosts."""
        octets: int = self._path_toward(toward).delivered_octets
        return octets

    def _path_toward(self, host: SimHost) -> Any:
        if host not in (self.a, self.b):
            raise ValueError(f"{host.name} is not on link {self.name}")
        return self._link.paths[0 if host is self.b else 1]
