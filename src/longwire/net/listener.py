"""Listening sockets of every kind, the links they accepted, and the drain in stages."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import stat
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, get_args

from longwire.base.limits import KIB, ConnectionLimits
from longwire.net.asyncio_link import AsyncioLink
from longwire.net.gate import Gate
from longwire.net.link import Link, LinkHandler
from longwire.net.loop_state import LoopState, loop_state
from longwire.net.no_handler import NoHandler
from longwire.net.reactor import Reactor
from longwire.net.reactor_link import ReactorLink
from longwire.net.tls_handshake import TlsHandshake
from longwire.net.tls_link import TlsLink

__all__ = ["Driver", "Listener"]

Driver: TypeAlias = Literal["auto", "reactor", "asyncio"]
"""What moves the bytes of TCP, with and without TLS: ``auto`` is the reactor wherever there can be
one, else asyncio's transports. Unix sockets are always asyncio's."""

AUTO_DRIVER: Driver = "auto"
"""What ``auto`` stands for, so that all tests can run on each driver."""

BACKLOG = 1024
"""Connections that the kernel keeps ready while we are busy; it caps this at somaxconn."""


UNSENT_BYTES_MAX = 128 * KIB
"""What the kernel takes for a peer beyond what is on the way to it. Left to itself it takes
megabytes for each one that reads slowly, and it is long before we learn that it does."""


def _limit_unsent(listening: socket.socket) -> None:
    """Bound it for all connections that are accepted: they inherit the option (Linux, tcp(7))."""
    if listening.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, AttributeError):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)


class Listener:
    """Accepts connections and gives each a handler.

    Give ``host`` and ``port`` (0: a free one), ``path`` of a Unix socket, or ``sock``. Draining
    goes in stages: ``stop_accepting``; ``shutdown``, which lets every handler finish; ``drained``,
    which waits; ``abort``. ``close`` is all four.

    ``handshake_timeout_s`` bounds the TLS handshake. ``connections_max`` refuses connections past
    it: they are closed at once, because an answer is what an overloaded server cannot afford.
    ``limits`` has more of the kind; ``on_limit`` gets the name of each limit that was reached,
    ``on_lost`` each link that is over, while it still has its handler.
    """

    def __init__(
        self,
        make_handler: Callable[[Link], LinkHandler],
        *,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        path: str | os.PathLike[str] | None = None,
        mode: int | None = None,
        sock: socket.socket | None = None,
        ssl: ssl.SSLContext | None = None,
        reuse_port: bool = False,
        backlog: int = BACKLOG,
        family: int = socket.AF_UNSPEC,
        handshake_timeout_s: float | None = 10.0,
        tls_shutdown_timeout_s: float | None = 10.0,
        connections_max: int | None = None,
        limits: ConnectionLimits | None = None,
        on_limit: Callable[[str], None] = lambda name: None,
        on_lost: Callable[[AsyncioLink | ReactorLink], None] = lambda link: None,
        driver: Driver = "auto",
    ) -> None:
        if sum(given is not None for given in (port, path, sock)) != 1:
            raise ValueError("a listener takes host and port, or path, or sock")
        if driver not in get_args(Driver):
            raise ValueError(f"driver is {driver!r}; it is one of {', '.join(get_args(Driver))}")
        self._make_handler = make_handler
        self._host = host
        self._port = port
        self._path = None if path is None else os.fspath(path)
        self._mode = mode
        self._sock = sock
        self._ssl = ssl
        self._reuse_port = reuse_port
        self._backlog = backlog
        self._family = family
        self._handshake_timeout_s = handshake_timeout_s
        self._tls_shutdown_timeout_s = tls_shutdown_timeout_s
        self._connections_max = connections_max
        self._on_limit = on_limit
        self._on_lost = on_lost
        self._gate = Gate(limits or ConnectionLimits(), on_limit)
        self._driver: Driver = driver
        self._server: asyncio.Server | None = None
        self._sockets: tuple[socket.socket, ...] = ()
        self._inode: tuple[int, int] | None = None
        self._state: LoopState
        self._reactor: Reactor | None = None
        self._links: dict[AsyncioLink | ReactorLink, None] = {}
        self._is_stopping = False
        self._drained: asyncio.Event
        self.connections_refused = 0

    # -- begin ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen and accept. Raises :exc:`OSError` when the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._state = loop_state(loop)
        self._drained = asyncio.Event()
        self._drained.set()
        self._reactor = self._choose_reactor()
        if self._reactor is not None:
            await self._start_reactor(self._reactor)
        else:
            await self._start_transports(loop)
        for listening in self._sockets:
            _limit_unsent(listening)

    def _choose_reactor(self) -> Reactor | None:
        driver = AUTO_DRIVER if self._driver == "auto" else self._driver
        if driver == "asyncio" or self._path is not None:
            return None
        reactor = self._state.reactor
        if reactor is None and driver == "reactor":
            raise RuntimeError(
                f"the reactor runs on Linux, on asyncio's own loop or uvloop, not on"
                f" {type(self._state.loop).__name__}; driver='auto' takes what there is"
            )
        return reactor

    async def _start_reactor(self, reactor: Reactor) -> None:
        if self._sock is not None:
            opened = [self._sock]
        else:
            opened = await _bind_all(self._host, self._port or 0, self._family, self._reuse_port)
        try:
            for sock in opened:
                sock.setblocking(False)
                if sock.family in (socket.AF_INET, socket.AF_INET6):
                    # Accepted connections inherit it: what is written is complete, never wait.
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.listen(self._backlog)
        except OSError:
            for sock in opened:
                sock.close()
            raise
        self._sockets = tuple(opened)
        for sock in opened:
            reactor.listen(sock, self._accept, self._forget, self._ssl)

    async def _start_transports(self, loop: asyncio.AbstractEventLoop) -> None:
        tls = self._ssl is not None
        common: dict[str, Any] = {
            "ssl": self._ssl,
            "backlog": self._backlog,
            "ssl_handshake_timeout": self._handshake_timeout_s if tls else None,
            "ssl_shutdown_timeout": self._tls_shutdown_timeout_s if tls else None,
        }
        sock = self._sock
        if self._path is not None:
            sock = _bind_unix(self._path, self._mode)
            if not self._path.startswith("\0"):
                status = os.stat(self._path)
                self._inode = (status.st_dev, status.st_ino)
        if sock is not None and sock.family == socket.AF_UNIX:
            server = await loop.create_unix_server(self._protocol, sock=sock, **common)
        elif sock is not None:
            server = await loop.create_server(self._protocol, sock=sock, **common)
        else:
            server = await loop.create_server(
                self._protocol,
                host=self._host,
                port=self._port,
                reuse_port=self._reuse_port or None,
                family=self._family,
                **common,
            )
        self._server = server
        self._sockets = tuple(server.sockets)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets; none before ``start`` and after ``stop_accepting``."""
        return self._sockets

    @property
    def links(self) -> list[AsyncioLink | ReactorLink]:
        """The connections that are open now."""
        return list(self._links)

    @property
    def openings_cut(self) -> int:
        """Connections closed because too many had not sent their first request."""
        return self._gate.cut

    @property
    def is_accepting(self) -> bool:
        return bool(self._sockets)

    def _protocol(self) -> AsyncioLink:
        return AsyncioLink(self._state, self._accept, self._forget)

    def _accept(self, link: AsyncioLink | ReactorLink) -> LinkHandler:
        # Connections whose TLS handshake was under way come in even after the stop.
        is_refused = self._is_stopping or self._is_full() or not self._gate.admit(link)
        self._links[link] = None
        self._drained.clear()
        if is_refused:
            self.connections_refused += 1
            return NoHandler()
        if isinstance(link, TlsLink):
            return TlsHandshake(self._make_handler, self._handshake_timeout_s)
        return self._make_handler(link)

    def _is_full(self) -> bool:
        if self._connections_max is None or len(self._links) < self._connections_max:
            return False
        self._on_limit("connections_max")
        return True

    def _forget(self, link: AsyncioLink | ReactorLink) -> None:
        self._links.pop(link, None)
        self._gate.left(link)
        self._on_lost(link)
        if not self._links:
            self._drained.set()

    # -- drain ------------------------------------------------------------------------------

    def stop_accepting(self) -> None:
        """Close the listening sockets; open connections live on."""
        self._is_stopping = True
        if self._reactor is not None:
            for sock in self._sockets:
                self._reactor.stop_listening(sock)
                sock.close()
        if self._server is not None:
            self._server.close()
            self._server = None
        self._sockets = ()
        self._remove_path()

    def shutdown(self) -> None:
        """Ask every connection to finish what is begun, and to close."""
        for link in list(self._links):
            link.handler.shutdown()

    async def drained(self, timeout_s: float | None = None) -> bool:
        """Wait until no connection is open; return whether that was so in time. Cancel-safe."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._drained.wait()
        except TimeoutError:
            return False
        return True

    def abort(self) -> None:
        """Drop every connection that is left."""
        for link in list(self._links):
            link.abort()

    async def close(self, timeout_s: float | None = None) -> bool:
        """Drain in stages, dropping what is left after ``timeout_s``; tell if nothing was."""
        self.stop_accepting()
        self.shutdown()
        is_clean = await self.drained(timeout_s)
        if not is_clean:
            self.abort()
            await self._drained.wait()
        return is_clean

    def _remove_path(self) -> None:
        if self._path is None or self._inode is None:
            return
        try:
            # Another process may have taken the place meanwhile; its socket is not ours to remove.
            status = os.stat(self._path)
            if (status.st_dev, status.st_ino) == self._inode:
                os.unlink(self._path)
        except FileNotFoundError:
            pass
        self._inode = None


async def _bind_all(
    host: str | Sequence[str] | None, port: int, family: int, reuse_port: bool
) -> list[socket.socket]:
    """Bind every address of ``host``, as ``loop.create_server`` does; none or all."""
    loop = asyncio.get_running_loop()
    hosts = [host or None] if host is None or isinstance(host, str) else list(host)
    found: dict[tuple[int, Any], None] = {}
    for name in hosts:
        for place in await loop.getaddrinfo(
            name, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            found[(place[0], place[4])] = None
    bound: list[socket.socket] = []
    try:
        for kind, address in found:
            sock = _bind_one(kind, address, reuse_port)
            if sock is not None:
                bound.append(sock)
        if not bound:
            raise OSError(errno.EADDRNOTAVAIL, f"no address of {host!r} can be listened on")
    except BaseException:
        for sock in bound:
            sock.close()
        raise
    return bound


def _bind_one(family: int, address: Any, reuse_port: bool) -> socket.socket | None:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None  # getaddrinfo names IPv6 addresses on machines without IPv6, too
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise OSError(
            error.errno, f"cannot listen on {address[0]} port {address[1]}: {error.strerror}"
        ) from None
    return sock


def _bind_unix(path: str, mode: int | None) -> socket.socket:
    """Bind a Unix socket, in place of one that nobody listens on any more.

    Permissions are set before anybody can connect: that takes ``listen``, which comes later.
    """
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.bind(path)
        if mode is not None:
            os.chmod(path, mode)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on the Unix socket {path}: {error}") from error
    return sock


def _remove_stale(path: str) -> None:
    if path.startswith("\0"):
        return  # Linux's abstract names have no file
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise FileExistsError(errno.EEXIST, f"{path} exists and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except (TimeoutError, BlockingIOError):
            pass  # a full backlog: somebody is there
    raise OSError(errno.EADDRINUSE, f"another process listens on {path}")
