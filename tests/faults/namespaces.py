"""A network of two hosts that a test makes itself: here, and one namespace away."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from tests import needs

__all__ = ["FarHost", "far_host"]

_numbers = itertools.count(1)


@dataclass(frozen=True)
class FarHost:
    """A host behind a veth pair. ``prefix`` runs a command there."""

    name: str
    address: str
    prefix: tuple[str, ...]

    def drop_everything(self) -> None:
        """Cut the path: not a packet gets in or out, and nobody is told."""
        nft = needs.require("nft")
        _run(*self.prefix, nft, "add table inet cut")
        for hook in ("input", "output"):
            chain = f"{{ type filter hook {hook} priority 0; policy drop; }}"
            _run(*self.prefix, nft, f"add chain inet cut {hook} {chain}")


@contextlib.contextmanager
def far_host() -> Iterator[FarHost]:
    """Make a namespace with an address of its own, reachable from here; remove it at the end."""
    ip = needs.require_root_namespaces()
    # Several test processes may run side by side, so the names and the network carry the pid.
    number = next(_numbers)
    name = f"lw{os.getpid()}n{number}"
    here = f"lwv{os.getpid() % 100000}n{number}"
    network = f"10.{200 + number % 50}.{os.getpid() % 250}"
    _run(ip, "netns", "add", name)
    try:
        _run(ip, "link", "add", here, "type", "veth", "peer", "name", "far0", "netns", name)
        _run(ip, "address", "add", f"{network}.1/24", "dev", here)
        _run(ip, "link", "set", here, "up")
        _run(ip, "-n", name, "address", "add", f"{network}.2/24", "dev", "far0")
        _run(ip, "-n", name, "link", "set", "far0", "up")
        _run(ip, "-n", name, "link", "set", "lo", "up")
        yield FarHost(name, f"{network}.2", (ip, "netns", "exec", name))
    finally:
        subprocess.run([ip, "link", "delete", here], capture_output=True, check=False)
        _run(ip, "netns", "delete", name)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
