"""The scripts that run inside Redis, known to it by their SHA-1."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

__all__ = ["APPEND", "DELETE", "ERASE", "FORK", "READ", "REFER", "SCRIPTS", "Script"]


@dataclass(frozen=True, slots=True)
class Script:
    """One script. ``sha`` is what EVALSHA calls it by."""

    name: str
    source: bytes
    sha: bytes


def _load(name: str) -> Script:
    folder = resources.files(__package__) / "lua"
    source = b"\n".join((folder / f"{part}.lua").read_bytes() for part in ("shared", name))
    sha = hashlib.sha1(source, usedforsecurity=False).hexdigest()
    return Script(name, source, sha.encode())


APPEND = _load("append")
READ = _load("read")
DELETE = _load("delete")
ERASE = _load("erase")
FORK = _load("fork")
REFER = _load("refer")
SCRIPTS = (APPEND, READ, DELETE, ERASE, FORK, REFER)
