"""The HTTP server: engines on links, a handler for every request."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

from longwire.base.codes import CloseCode
from longwire.base.dates import DateSource
from longwire.base.limits import KIB, Http2Limits, HttpLimits
from longwire.http.engine import HttpEngine
from longwire.http.h1 import Http1Engine
from longwire.http.h1_known_heads import KnownHeads
from longwire.http.h2 import Http2Engine
from longwire.http.pages import error_page
from longwire.net.closed import ConnectionClosed
from longwire.net.connection import Connection
from longwire.net.http_connection import HttpConnection
from longwire.net.http_exchange import ExchangeClosed, HttpExchange
from longwire.net.in_flight import InFlight
from longwire.net.link import Link, LinkHandler
from longwire.net.standing import StandingAnswers
from longwire.net.task_place import place_of

__all__ = ["ExchangeHandler", "HttpServer"]

logger = logging.getLogger("longwire.net")

_HTTP2 = Http2Limits()

ExchangeHandler: TypeAlias = Callable[[HttpExchange], Awaitable[None] | None]
"""Answers a request: at once, returning ``None``, or in what it returns, which is run in a task."""

# From Python 3.12 on a task can begin at once: a handler that never waits costs no loop turn.
_HAS_EAGER_TASKS = sys.version_info >= (3, 12)


class HttpServer:
    """Calls ``handler`` with every request. Give ``make_handler`` to a :class:`Listener`::

        server = HttpServer(handler)
        listener = Listener(server.make_handler, host="127.0.0.1", port=8080)
        await listener.start()

    A handler that raises, or returns without an answer, makes a 500. On HTTP/1.1 handlers of one
    connection run one after the other, so that answers keep the order of the requests; on HTTP/2
    they run side by side. HTTP/2 is spoken where TLS agreed on it (ALPN ``h2``), and in the clear
    to clients that begin with it (prior knowledge); ``http2=None`` turns it off.

    ``write_buffer_bytes_max`` is what a connection holds for a slow client before ``drain`` and
    ``respond`` wait and reading pauses; one that takes nothing for ``write_stall_timeout_s`` is
    dropped. ``on_refused`` is told of requests that the engine itself refuses, malformed or past
    a limit, with the status and the reason; ``on_limit`` of limits that end a response under way.
    ``in_flight`` bounds what all requests and WebSockets together hold of what was sent to them.
    """

    def __init__(
        self,
        handler: ExchangeHandler,
        *,
        limits: HttpLimits | None = None,
        http2: Http2Limits | None = _HTTP2,
        server_header: str | None = "longwire",
        write_buffer_bytes_max: int = 64 * KIB,
        write_stall_timeout_s: float = 60.0,
        on_refused: Callable[[int, str], None] | None = None,
        on_limit: Callable[[str], None] = lambda name: None,
        in_flight: InFlight | None = None,
    ) -> None:
        self._handler = handler
        self._limits = limits or HttpLimits()
        self._http2 = http2
        self._server_header = server_header
        self._date = DateSource(time.time)
        self._known_heads = KnownHeads()
        self.standing = StandingAnswers(self._date)
        self._tasks: dict[asyncio.Task[None], tuple[HttpExchange, Awaitable[None] | None]] = {}
        self.write_buffer_bytes_max = write_buffer_bytes_max
        self.write_stall_timeout_s = write_stall_timeout_s
        self.on_refused = on_refused
        self.on_limit = on_limit
        self.in_flight = InFlight(None) if in_flight is None else in_flight

    @property
    def exchanges(self) -> list[HttpExchange]:
        """The requests and WebSockets whose handlers run now."""
        return [exchange for exchange, _ in self._tasks.values()]

    def make_handler(self, link: Link) -> LinkHandler:
        """Return the handler for a new link."""
        return HttpConnection(self)

    @property
    def takes_prior_knowledge(self) -> bool:
        """Whether a connection in the clear may begin with HTTP/2 (RFC 9113 section 3.3)."""
        return self._http2 is not None

    def make_engine(self, link: Link) -> HttpEngine:
        """Return the engine for a new link; under TLS, ALPN chooses (RFC 9113 section 3.2)."""
        if link.tls is not None and link.tls.selected_alpn_protocol() == "h2":
            return self.make_http2_engine(link)
        return Http1Engine(
            now=link.now(),
            limits=self._limits,
            scheme="http" if link.tls is None else "https",
            server=self._server_header,
            date=self._date,
            known_heads=self._known_heads,
        )

    def make_http2_engine(self, link: Link) -> HttpEngine:
        """Return the engine for a link whose client speaks HTTP/2."""
        return Http2Engine(
            now=link.now(),
            limits=self._limits,
            http2=self._http2,
            scheme="http" if link.tls is None else "https",
            server=self._server_header,
            date=self._date,
        )

    def start_handler(self, exchange: HttpExchange) -> None:
        """Run the handler for ``exchange``. Only one that has to wait costs a task."""
        waiting: Awaitable[None] | None
        try:
            waiting = self._handler(exchange)
        except Exception as error:
            waiting = _fail_with(error)
        if waiting is None and exchange.closed:
            return
        task = _start_task(self._run(exchange, waiting))
        if task.done():
            return
        self._tasks[task] = exchange, waiting
        task.add_done_callback(self._forget)
        exchange.link.expect_writes()

    async def finished(self, timeout_s: float | None = None) -> list[str]:
        """Wait for all handlers; return descriptions of those that did not end in time.

        Those are cancelled. For the last stage of a drain, after the listener's ``close``.
        """
        if not self._tasks:
            return []
        _, stuck = await asyncio.wait(list(self._tasks), timeout=timeout_s)
        descriptions = []
        for task in stuck:
            request = self._tasks[task][0].request
            descriptions.append(f"{request.method} {request.target} at {place_of(task)}")
            task.cancel()
        if stuck:
            await asyncio.wait(stuck)
        return descriptions

    def _forget(self, task: asyncio.Task[None]) -> None:
        exchange, waiting = self._tasks.pop(task)
        if task.cancelled():
            # Before it began, perhaps: then nobody has closed either of the two.
            exchange.abort()
            if isinstance(waiting, Coroutine):
                waiting.close()

    async def _run(self, exchange: HttpExchange, waiting: Awaitable[None] | None) -> None:
        try:
            await self._call(exchange, waiting)
        except Exception:
            logger.exception("%s %s: cut off", exchange.request.method, exchange.request.target)
            exchange.link.abort()

    async def _call(self, exchange: HttpExchange, waiting: Awaitable[None] | None) -> None:
        try:
            if waiting is not None:
                await waiting
        except (ExchangeClosed, ConnectionClosed) as error:
            logger.debug("%s %s: %s", exchange.request.method, exchange.request.target, error)
        except asyncio.CancelledError:
            exchange.abort()
            if isinstance(exchange.socket, Connection):
                exchange.socket.endpoint.close(CloseCode.GOING_AWAY)
            raise
        except Exception:
            logger.exception("%s %s failed", exchange.request.method, exchange.request.target)
            await self._fail(exchange)
        await self._complete(exchange)

    async def _fail(self, exchange: HttpExchange) -> None:
        if isinstance(exchange.socket, Connection):
            await exchange.socket.close(CloseCode.INTERNAL_ERROR)
        elif exchange.status is None:
            await self._answer_500(
                exchange, "The handler of this request failed; the log says why."
            )
        else:
            # Past its head a response cannot turn into an error; only breaking it off shows one.
            exchange.abort()

    async def _complete(self, exchange: HttpExchange) -> None:
        if isinstance(exchange.socket, Connection):
            await exchange.socket.close()
        elif not exchange.closed:
            if exchange.status is None:
                logger.error(
                    "%s %s: the handler gave no answer",
                    exchange.request.method,
                    exchange.request.target,
                )
                await self._answer_500(exchange, "The handler of this request gave no answer.")
            else:
                exchange.finish()

    async def _answer_500(self, exchange: HttpExchange, detail: str) -> None:
        headers, body = error_page(500, None, detail, exchange.request.headers.joined("Accept"))
        try:
            await exchange.respond(500, headers, body)
        except ExchangeClosed:
            pass


async def _fail_with(error: Exception) -> None:
    """The rest of a handler that failed before it had to wait."""
    raise error


def _start_task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    loop = asyncio.get_running_loop()
    if _HAS_EAGER_TASKS:
        return asyncio.Task(work, loop=loop, eager_start=True)  # type: ignore[call-arg,unused-ignore]
    return loop.create_task(work)
