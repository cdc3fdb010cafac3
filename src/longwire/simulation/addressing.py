"""Socket addresses: Python's tuples on one side, octets on the other."""

from __future__ import annotations

import errno
import socket
from typing import Any, TypeAlias

from longwire.simulation.open_file import os_error
from longwire.tcpip.addresses import ANY_V4, ANY_V6, Address, address_text, parse_address

__all__ = ["SocketAddress", "any_address", "from_tuple", "to_tuple"]

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


def any_address(family: int) -> Address:
    """Return 0.0.0.0 or ::."""
    return ANY_V6 if family == socket.AF_INET6 else ANY_V4


def to_tuple(address: Address, port: int) -> SocketAddress:
    """Return what ``getsockname`` returns for it."""
    text = address_text(address)
    return (text, port) if len(address) == 4 else (text, port, 0, 0)


def from_tuple(address: Any, family: int, lookup: Any) -> tuple[Address, int]:
    """Return octets and port. ``lookup(name, family)`` resolves names.

    Raises TypeError, OverflowError or OSError as the real socket does.
    """
    if not isinstance(address, tuple) or len(address) < 2:
        raise TypeError(f"an address is a tuple (host, port), not {address!r}")
    host, port = address[0], address[1]
    if not isinstance(port, int):
        raise TypeError(f"a port is a number, not {port!r}")
    if not 0 <= port <= 0xFFFF:
        raise OverflowError(f"a port is from 0 to 65535, not {port}")
    if host == "":
        return any_address(family), port
    if host == "<broadcast>":
        return b"\xff\xff\xff\xff", port
    try:
        octets = parse_address(host.partition("%")[0])
    except ValueError:
        octets = lookup(host, family)
    if (len(octets) == 16) != (family == socket.AF_INET6):
        raise os_error(errno.EAFNOSUPPORT)
    return octets, port
