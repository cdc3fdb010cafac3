"""The targets by name: how the server of each is started, and its clients."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from longwire.lab.targets.mounted_server import MOUNT_PATH, modules_of

__all__ = ["TARGETS", "ServerSettings", "Target", "TargetError", "find_target"]

_NODE_FOLDER = Path(__file__).resolve().parent.parent / "node"
_NODE_PACKAGES = ("socket.io", "socket.io-client")


class TargetError(Exception):
    """A target cannot be run here; the text says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How one server is to be started."""

    port: int
    store: str = "memory"
    set_flags: tuple[str, ...] = ()  # SECTION.KEY=VALUE
    mount: str | None = None  # the framework whose site it is mounted in, under uvicorn


@dataclass(frozen=True, slots=True)
class Target:
    """A server and its clients. ``server`` and ``fleet`` give the arguments to start them with.

    ``has_stores`` is that of longwire: it has several stores, and can be mounted in a site.
    """

    name: str
    server: Callable[[ServerSettings], list[str]]
    fleet: list[str]
    has_stores: bool = False
    modules: tuple[str, ...] = ()
    node_packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def check(self, node_modules: Path | None, mount: str | None = None) -> None:
        """Raise :exc:`TargetError` if something that it needs is missing."""
        needed = self.modules
        if mount is not None and self.has_stores:
            needed += modules_of(mount)
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            raise TargetError(
                f"the target {self.name} needs {', '.join(missing)}: "
                f'pip install "longwire[lab]" brings it'
            )
        if not self.node_packages:
            return
        if shutil.which("node") is None:
            raise TargetError(f"the target {self.name} needs Node.js: no node on PATH")
        folder = node_modules or Path("node_modules")
        absent = [name for name in self.node_packages if not (folder / name).is_dir()]
        if absent:
            raise TargetError(
                f"the target {self.name} needs {', '.join(absent)} in {folder}: "
                f"npm install {' '.join(absent)}, then --node-modules FOLDER/node_modules"
            )

    def path(self, mount: str | None = None) -> str:
        """Return where its clients connect to, below the address of a server."""
        if not self.has_stores:
            return ""
        return "/ws" if mount is None else f"{MOUNT_PATH}/ws"

    def environment_with(self, node_modules: Path | None) -> dict[str, str]:
        """Return the environment for its processes."""
        found = os.environ | dict(self.environment)
        if self.node_packages:
            found["NODE_PATH"] = str((node_modules or Path("node_modules")).resolve())
        return found


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def _python_fleet(name: str) -> list[str]:
    return _module("longwire.lab.fleet", name)


def _longwire_server(settings: ServerSettings) -> list[str]:
    # The streams are read as a whole in the end.
    kept = ("retention.entries_max=none", "retention.bytes_max=none", *settings.set_flags)
    if settings.mount is not None:
        given = (f"store.url={settings.store}", *kept)
        return _module(
            "longwire.lab.targets.mounted_server", settings.mount, str(settings.port), *given
        )
    flags = ["--dev", "--host", "127.0.0.1", "--port", str(settings.port)]
    flags += ["--store", settings.store, "--log-level", "warning"]
    for text in kept:
        flags += ["--set", text]
    return _module("longwire", "serve", *flags)


def _python_server(module: str) -> Callable[[ServerSettings], list[str]]:
    return lambda settings: _module(f"longwire.lab.targets.{module}", str(settings.port))


def _node_server(*arguments: str) -> Callable[[ServerSettings], list[str]]:
    script = str(_NODE_FOLDER / "server.cjs")
    return lambda settings: ["node", script, str(settings.port), *arguments]


_NODE_FLEET = ["node", str(_NODE_FOLDER / "fleet.cjs")]

TARGETS = {
    target.name: target
    for target in (
        Target("longwire", _longwire_server, _python_fleet("longwire"), has_stores=True),
        Target(
            "websockets",
            _python_server("websockets_server"),
            _python_fleet("websockets"),
            modules=("websockets",),
        ),
        Target(
            "python-socketio",
            _python_server("socketio_server"),
            _python_fleet("python-socketio"),
            modules=("socketio", "aiohttp"),
        ),
        Target("socket.io", _node_server(), _NODE_FLEET, node_packages=_NODE_PACKAGES),
        Target(
            "socket.io-recovery",
            _node_server("recovery"),
            _NODE_FLEET,
            node_packages=_NODE_PACKAGES,
        ),
    )
}


def find_target(name: str) -> Target:
    """Return the target of this name, or raise :exc:`TargetError` that names all."""
    if name not in TARGETS:
        raise TargetError(f"no target {name!r}; there are {', '.join(TARGETS)}")
    return TARGETS[name]
