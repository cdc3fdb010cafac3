"""Addresses as the kernel writes them, ``struct sockaddr_in`` and ``sockaddr_in6``."""

from __future__ import annotations

import socket
import struct
from functools import lru_cache

from longwire.net.link import Address

__all__ = ["read_sockaddr"]

# In both, family and scope have the machine's byte order, port and address the network's.
_FAMILY = struct.Struct("=H")
_IPV4 = struct.Struct("!H4s")
_IPV6 = struct.Struct("!HI16s")
_SCOPE = struct.Struct("=I")


@lru_cache(maxsize=1024)  # those whose requests are served now; each request asks
def read_sockaddr(raw: bytes) -> Address:
    """Return an address as the ``socket`` module has it; ``None`` for another family."""
    if len(raw) < _FAMILY.size:
        return None
    (family,) = _FAMILY.unpack_from(raw)
    if family == socket.AF_INET:
        port, host = _IPV4.unpack_from(raw, 2)
        return socket.inet_ntop(socket.AF_INET, host), port
    if family == socket.AF_INET6:
        port, flow, host = _IPV6.unpack_from(raw, 2)
        (scope,) = _SCOPE.unpack_from(raw, 24)
        return _with_scope(socket.inet_ntop(socket.AF_INET6, host), scope), port, flow, scope
    return None


def _with_scope(host: str, scope: int) -> str:
    """Name the interface of a link-local address, as ``getnameinfo`` does."""
    if scope == 0:
        return host
    try:
        return f"{host}%{socket.if_indextoname(scope)}"
    except OSError:
        return f"{host}%{scope}"
