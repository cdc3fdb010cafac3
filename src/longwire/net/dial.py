"""Opening a link to a server. The seam for proxies, SOCKS and happy eyeballs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from longwire.net.asyncio_link import AsyncioLink
from longwire.net.link import LinkHandler
from longwire.net.loop_state import loop_state

__all__ = ["Target", "create_link"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a link leads: an address, a Unix socket, or a socket that is connected already."""

    host: str | None = None
    port: int | None = None
    path: str | None = None
    sock: socket.socket | None = None
    ssl: ssl.SSLContext | None = None
    server_hostname: str | None = None
    local_addr: tuple[str, int] | None = None
    family: int = 0
    ssl_shutdown_timeout_s: float | None = None

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


async def create_link(target: Target, make_handler: Callable[[AsyncioLink], LinkHandler]) -> None:
    """Open a link; its handler hears of it with ``link_made``.

    The caller sets the time limit. Cancelled, nothing stays open. Raises :exc:`OSError` (TLS
    errors among them) when there is nobody or TLS fails.
    """
    loop = asyncio.get_running_loop()
    state = loop_state(loop)

    link = AsyncioLink(state, make_handler)
    is_tls = target.ssl is not None
    where: dict[str, Any] = {
        "ssl": target.ssl,
        "server_hostname": target.server_hostname if is_tls else None,
        "ssl_shutdown_timeout": target.ssl_shutdown_timeout_s if is_tls else None,
    }
    try:
        if target.path is not None:
            await _open_unix(loop, link, target.path, where)
        elif target.sock is not None:
            await loop.create_connection(lambda: link, sock=target.sock, **where)
        else:
            where |= {"host": target.host, "port": target.port, "family": target.family}
            await loop.create_connection(lambda: link, local_addr=target.local_addr, **where)
    except BaseException:
        link.forsake()
        raise


async def _open_unix(
    loop: asyncio.AbstractEventLoop, link: AsyncioLink, path: str, where: dict[str, Any]
) -> None:
    sock = await _connect_unix(loop, path)
    try:
        await loop.create_unix_connection(lambda: link, sock=sock, **where)
    except BaseException:
        sock.close()
        raise


async def _connect_unix(loop: asyncio.AbstractEventLoop, path: str) -> socket.socket:
    """Connect by ourselves: uvloop knows no names without a file (Linux's abstract ones)."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, path)
    except BaseException:
        sock.close()
        raise
    return sock
