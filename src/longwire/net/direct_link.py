# cython: annotation_typing=False, auto_pickle=False
"""What the hot path asks of a link, without a look-up where the link is the reactor's.

Compiled callers reach a ``ReactorLink`` by its type; any other link has the method of the same name
called. They are functions here so that every handler of a link writes that distinction not at all.
"""

from __future__ import annotations

from longwire.net.link import Link
from longwire.net.reactor_link import ReactorLink

__all__ = ["link_held_bytes", "link_now", "set_link_deadline", "write_to_link"]


def link_now(link: Link) -> float:
    """``link.now()``."""
    if isinstance(link, ReactorLink):
        direct = link  # typed for the compiler
        return direct.now()
    return link.now()


def link_held_bytes(link: Link) -> int:
    """``link.held_bytes``."""
    if isinstance(link, ReactorLink):
        direct = link  # typed for the compiler
        return direct._held
    return link.held_bytes


def write_to_link(link: Link, buffers: list[bytes]) -> None:
    """``link.write(*buffers)``."""
    if isinstance(link, ReactorLink):
        direct = link  # typed for the compiler
        direct.write_all(buffers)
    else:
        link.write(*buffers)


def set_link_deadline(link: Link, when: float | None) -> None:
    """``link.set_deadline(when)``."""
    if isinstance(link, ReactorLink):
        direct = link  # typed for the compiler
        direct.set_deadline(when)
    else:
        link.set_deadline(when)
