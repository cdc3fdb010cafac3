"""``serve``: a WebSocket server for coroutines, and for callbacks."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl as ssl_module
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from types import TracebackType
from typing import Any

from longwire.base.codes import CloseCode
from longwire.base.dates import DateSource
from longwire.base.errors import LimitError
from longwire.base.limits import KIB, MIB, ConnectionLimits, WebSocketLimits
from longwire.net.asyncio_link import AsyncioLink
from longwire.net.callbacks import Callbacks
from longwire.net.closed import ConnectionClosed
from longwire.net.connection import Connection
from longwire.net.endpoint import Endpoint
from longwire.net.in_flight import InFlight
from longwire.net.link import Link, LinkHandler
from longwire.net.listener import BACKLOG, Driver, Listener
from longwire.net.reactor_link import ReactorLink
from longwire.net.server_opening import OpeningRules, OriginRule, ServerOpening, origin_check
from longwire.net.settings import MaxQueue, MaxSize, WriteLimit, websocket_settings
from longwire.net.task_place import place_of
from longwire.websocket.connection import State
from longwire.websocket.deflate import DeflateOptions
from longwire.websocket.handshake import RequestHead, ResponseHead

__all__ = ["SERVER", "Handler", "Server", "serve", "unix_serve"]

logger = logging.getLogger("longwire.net")

SERVER = f"longwire (Python {sys.version_info.major}.{sys.version_info.minor})"

Handler = Callable[[Connection], Awaitable[None]]

Hook = ResponseHead | None

_DEFAULTS = WebSocketLimits()


class Server:
    """A running server; made by :func:`serve`.

    ``async with`` closes it at the end of the block. ``await`` starts it and leaves the closing
    to you.
    """

    def __init__(
        self,
        handler: Handler | Callbacks,
        make_listener: Callable[[Server], Listener],
        rules: OpeningRules,
        drain_timeout_s: float | None,
    ) -> None:
        self._handler = handler
        self._rules = rules
        self._drain_timeout_s = drain_timeout_s
        self._listener = make_listener(self)
        self.limit_hits: Counter[str] = Counter()
        """How often peers ran into each limit, by its name."""
        self._tasks: dict[asyncio.Task[None], Connection] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Task[None] | None = None

    # -- facts ------------------------------------------------------------------------------

    @property
    def listener(self) -> Listener:
        """Listening sockets and links."""
        return self._listener

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets."""
        return self._listener.sockets

    @property
    def connections(self) -> set[Connection]:
        """The connections that are open; for callbacks see ``endpoints``."""
        return {
            connection
            for connection in self._tasks.values()
            if connection.endpoint.state is State.OPEN
        }

    @property
    def endpoints(self) -> list[Endpoint]:
        """The open connections, as the callback style sees them."""
        handlers = [link.handler for link in self._listener.links]
        return [handler for handler in handlers if isinstance(handler, Endpoint)]

    def is_serving(self) -> bool:
        return self._listener.is_accepting

    # -- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen and accept."""
        self._loop = asyncio.get_running_loop()
        await self._listener.start()

    async def serve_forever(self) -> None:
        """Serve until cancelled, then close."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.close()
            await self.wait_closed()

    def close(
        self,
        close_connections: bool = True,
        code: int = CloseCode.GOING_AWAY,
        reason: str = "",
    ) -> None:
        """Stop accepting and close every connection with ``code``; returns at once.

        Handshakes under way get a 503. With ``close_connections=False`` connections live on until
        their peers close them. Handlers that do not return within the drain time-out are named in
        the log and cancelled.
        """
        if self._closing is not None or self._loop is None:
            return
        self._listener.stop_accepting()
        if close_connections:
            for link in self._listener.links:
                if isinstance(link.handler, Endpoint):
                    link.handler.close(code, reason)
                else:
                    link.handler.shutdown()
        timeout_s = self._drain_timeout_s if close_connections else None
        self._closing = self._loop.create_task(self._finish(timeout_s))

    async def wait_closed(self) -> None:
        """Wait until the server, its connections and its handlers are done. Cancel-safe."""
        if self._closing is None:
            raise RuntimeError("call close() before wait_closed(), or it would wait for ever")
        await asyncio.shield(self._closing)

    async def _finish(self, timeout_s: float | None) -> None:
        if not await self._listener.drained(timeout_s):
            self._listener.abort()
            await self._listener.drained()
        tasks = list(self._tasks)
        if not tasks:
            return
        _, stuck = await asyncio.wait(tasks, timeout=timeout_s)
        for task in stuck:
            logger.warning(
                "the handler %s of %r did not return within %s s of the close; it is cancelled"
                " while at %s",
                task.get_name(),
                self._tasks.get(task),
                timeout_s,
                place_of(task),
            )
            task.cancel()
        if stuck:
            await asyncio.wait(stuck)

    def __await__(self) -> Generator[Any, None, Server]:
        return self._start().__await__()

    async def _start(self) -> Server:
        await self.start()
        return self

    async def __aenter__(self) -> Server:
        return await self._start()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()

    # -- connections ------------------------------------------------------------------------

    def make_opening(self, link: Link) -> LinkHandler:
        """Return the handler of a new connection."""
        loop = asyncio.get_running_loop()
        if isinstance(self._handler, Callbacks):
            return ServerOpening(loop, self._rules, self.limit_hit, callbacks=self._handler)
        return ServerOpening(loop, self._rules, self.limit_hit, run=self._run)

    def limit_hit(self, name: str) -> None:
        """Count that a peer ran into a limit."""
        self.limit_hits[name] += 1

    def link_lost(self, link: AsyncioLink | ReactorLink) -> None:
        """A connection is over: count it if that was for a limit."""
        failure = link.handler.engine.failure if isinstance(link.handler, Endpoint) else None
        if isinstance(failure, LimitError):
            self.limit_hit(failure.limit_name)

    def _run(self, connection: Connection) -> None:
        task = asyncio.get_running_loop().create_task(self._handle(connection))
        self._tasks[task] = connection
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]

    async def _handle(self, connection: Connection) -> None:
        assert not isinstance(self._handler, Callbacks)
        try:
            await self._handler(connection)
        except ConnectionClosed as error:
            # The handler need not catch what is the ordinary end of a conversation.
            logger.debug("%r ended: %s", connection, error)
        except Exception:
            logger.exception("the handler of %r failed", connection)
            await connection.close(CloseCode.INTERNAL_ERROR)
        except asyncio.CancelledError:
            connection.endpoint.close(CloseCode.GOING_AWAY)
            raise
        else:
            await connection.close()


def serve(
    handler: Handler | Callbacks,
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    *,
    origins: Sequence[OriginRule] | None = None,
    subprotocols: Sequence[str] | None = None,
    select_subprotocol: Callable[[Connection, Sequence[str]], str | None] | None = None,
    compression: str | DeflateOptions | None = "deflate",
    process_request: Callable[[Connection, RequestHead], Awaitable[Hook] | Hook] | None = None,
    process_response: (
        Callable[[Connection, RequestHead, ResponseHead], Awaitable[Hook] | Hook] | None
    ) = None,
    server_header: str | None = SERVER,
    open_timeout: float | None = 10,
    ping_interval: float | None = 20,
    ping_timeout: float | None = 20,
    close_timeout: float | None = 10,
    drain_timeout: float | None = 30,
    max_size: MaxSize = MIB,
    max_queue: MaxQueue = 16,
    write_limit: WriteLimit = 64 * KIB,
    ssl: ssl_module.SSLContext | None = None,
    sock: socket.socket | None = None,
    path: str | os.PathLike[str] | None = None,
    mode: int | None = None,
    family: int = socket.AF_UNSPEC,
    reuse_port: bool = False,
    backlog: int = BACKLOG,
    connections_max: int | None = None,
    limits: ConnectionLimits | None = None,
    messages_per_s_max: float | None = _DEFAULTS.messages_per_s_max,
    control_frames_per_s_max: float | None = _DEFAULTS.control_frames_per_s_max,
    driver: Driver = "auto",
) -> Server:
    """Serve WebSocket connections::

        async def echo(ws):
            async for message in ws:
                await ws.send(message)

        async with serve(echo, "localhost", 8765) as server:
            await server.serve_forever()

    ``handler`` is called with each :class:`Connection`, which is closed when it returns, with 1011
    when it raises. Instead of a coroutine function it can be :class:`Callbacks`.

    * ``origins``: allowed values of Origin (texts, compiled patterns, ``None`` for a request
      without one); others get 403. ``None``: all.
    * ``subprotocols``, or ``select_subprotocol(connection, offered)`` to choose.
    * ``process_request(connection, request)``: a function or coroutine function that may refuse
      by returning ``connection.respond(status, text)``; it sees requests that are no WebSocket
      handshake too. ``process_response(connection, request, response)`` sees what is answered.
    * ``open_timeout``: for the opening handshake, that of TLS apart; ``drain_timeout``: what
      ``close`` gives connections and handlers.
    * ``sock``, or ``path`` and ``mode`` (permissions) of a Unix socket, instead of host and port.
    * ``connections_max``: connections past it are closed at once. ``limits`` has more of the kind:
      :class:`longwire.ConnectionLimits`. ``Server.limit_hits`` counts each that was reached.
    * ``messages_per_s_max`` and ``control_frames_per_s_max``: what one peer may send, on average
      over ten seconds; past it the connection is closed with 1008.
    * ``driver``: what moves the bytes of TCP, ``reactor`` (longwire's own, on Linux) or
      ``asyncio`` (the event loop's transports); ``auto`` is the reactor where there can be one.

    The rest is as for :class:`longwire.connect`. Returns a :class:`Server`, to be used with
    ``async with`` or ``await``.
    """
    if isinstance(subprotocols, str):
        raise TypeError("subprotocols is a list of names, not one name")
    settings = websocket_settings(
        compression=compression,
        max_size=max_size,
        max_queue=max_queue,
        write_limit=write_limit,
        open_timeout=open_timeout,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
        close_timeout=close_timeout,
        messages_per_s_max=messages_per_s_max,
        control_frames_per_s_max=control_frames_per_s_max,
    )
    limits = limits or ConnectionLimits()
    rules = OpeningRules(
        settings=settings,
        subprotocols=tuple(subprotocols or ()),
        select_subprotocol=select_subprotocol,
        is_origin_allowed=origin_check(origins),
        process_request=process_request,
        process_response=process_response,
        server_header=server_header,
        date=DateSource(time.time),
        in_flight=InFlight(limits.in_flight_bytes_max),
    )

    def make_listener(server: Server) -> Listener:
        return Listener(
            server.make_opening,
            host=host,
            port=0 if port is None and sock is None and path is None else port,
            path=path,
            mode=mode,
            sock=sock,
            ssl=ssl,
            family=family,
            reuse_port=reuse_port,
            backlog=backlog,
            handshake_timeout_s=open_timeout,
            tls_shutdown_timeout_s=close_timeout,
            connections_max=connections_max,
            limits=limits,
            on_limit=server.limit_hit,
            on_lost=server.link_lost,
            driver=driver,
        )

    return Server(handler, make_listener, rules, drain_timeout)


def unix_serve(
    handler: Handler | Callbacks, path: str | os.PathLike[str] | None = None, **settings: Any
) -> Server:
    """Serve on the Unix socket at ``path``; like :func:`serve` in everything else."""
    return serve(handler, path=path, **settings)
