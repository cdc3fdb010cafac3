"""Ports of their own for the servers that tests start."""

from __future__ import annotations

import socket

__all__ = ["free_port"]

_held: list[socket.socket] = []


def free_port() -> int:
    """A TCP port of 127.0.0.1 that stays ours until this process ends.

    It is for a server that is told its port, and most of all for one that comes back to it: in
    between, the kernel would give it to any connection that begins. A socket that is bound here
    and never listens keeps the kernel from that, and is in no server's way that sets SO_REUSEADDR,
    as servers do.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    _held.append(sock)
    port: int = sock.getsockname()[1]
    return port
