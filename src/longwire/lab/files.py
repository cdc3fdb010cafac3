"""The limit of open files, which a thousand links are past."""

from __future__ import annotations

import resource

__all__ = ["raise_open_files"]


def raise_open_files() -> int:
    """Raise this process's limit of open files as far as it may; return the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
