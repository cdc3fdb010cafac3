# cython: annotation_typing=False, auto_pickle=False
"""From a request to its answer: find the handler, run it, send what it returns, or say why not."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, Protocol, TypeAlias, cast

from longwire.base.limits import FormLimits
from longwire.http.pages import error_page
from longwire.hub.errors import RateError
from longwire.hub.rates import Rates
from longwire.net.http_exchange import HttpExchange
from longwire.server.asgi_socket import AsgiHandshake
from longwire.server.content import ContentSelection
from longwire.server.cross_origin import CrossOrigin
from longwire.server.errors import HttpError, LimitHitError
from longwire.server.exchange import Exchange
from longwire.server.hosts import HostList
from longwire.server.request import Request
from longwire.server.request_counts import RequestCounts
from longwire.server.response import Response, StandingResponse
from longwire.server.router import BadPathError, Resource, Router

__all__ = ["Answer", "Dispatcher", "HttpHandler", "HttpObserver", "SocketHandler", "refusal"]

logger = logging.getLogger("longwire.server")
access_logger = logging.getLogger("longwire.access")

Answer: TypeAlias = "Response | Awaitable[Response | None] | None"
"""What to send, now or when it has been waited for; ``None``: it has been sent."""

HttpHandler: TypeAlias = Callable[[Request, Exchange], Answer]
"""Takes the request and its exchange."""

SocketHandler: TypeAlias = Callable[[Request, Any], Awaitable[None]]
"""Takes the request and its exchange, and accepts the handshake; raises HttpError to refuse."""

STREAM_HELD_BYTES_MAX = 64 * 1024
"""Bytes of a streamed response that have not left yet, past which the next piece waits."""


class Sender(Protocol):
    """Who sent a request: an exchange, or its link."""

    @property
    def remote_address(self) -> Any:
        """``(host, port)``, the path of a Unix socket, or ``None``."""


class HttpObserver(Protocol):
    """Who counts requests."""

    @property
    def requests(self) -> RequestCounts:
        """Those that were answered."""

    def limit_hit(self, name: str) -> None:
        """A request ran into a limit."""


class Dispatcher:
    """Answers every request; none of its errors reaches the server it runs in."""

    __slots__ = (
        "__weakref__",
        "_address_rates",
        "_content",
        "_counts",
        "_cross_origin",
        "_form_limits",
        "_hosts",
        "_observer",
        "_router",
    )

    def __init__(
        self,
        router: Router[HttpHandler, SocketHandler],
        observer: HttpObserver,
        cross_origin: CrossOrigin,
        address_rates: Rates,
        content: ContentSelection,
        form_limits: FormLimits,
        hosts: HostList | None = None,
    ) -> None:
        self._router = router
        self._observer = observer
        self._counts = observer.requests
        self._cross_origin = cross_origin
        self._address_rates = address_rates
        self._content = content
        self._form_limits = form_limits
        self._hosts = hosts

    def handle(self, exchange: Exchange | AsgiHandshake) -> Awaitable[None] | None:
        """Answer one request, whatever it takes: at once if nothing has to be waited for, which
        costs no task, else in what is returned.

        Cancelled, it leaves the exchange as it is; who cancels closes it.
        """
        started_s = time.monotonic()
        head = exchange.request
        request = Request(head, exchange, self._form_limits, exchange.root_path)
        if head.protocol is None and not isinstance(exchange, AsgiHandshake):
            exchange = self._cross_origin.dress(request, exchange)
        try:
            answer = self._run(request, exchange)
        except Exception as error:
            answer = self._answer_to(error, request, exchange)
        if isinstance(answer, Response) and self._send_at_once(request, exchange, answer):
            self._done(request, exchange, exchange.status or 0, started_s)
            return None
        return self._finish(request, exchange, answer, started_s)

    async def _finish(
        self, request: Request, exchange: Exchange | AsgiHandshake, answer: Answer, started_s: float
    ) -> None:
        status = 0
        try:
            status = await self._answer(request, exchange, answer)
        finally:
            self._done(request, exchange, status, started_s)

    def _done(
        self, request: Request, exchange: Exchange | AsgiHandshake, status: int, started_s: float
    ) -> None:
        request.release()
        is_stream = status == 101 or exchange.is_open_ended
        self.count(exchange, request.method, request.path, status, started_s, is_stream)

    def count(
        self,
        sender: Sender,
        method: str,
        path: str,
        status: int,
        started_s: float,
        is_stream: bool,
    ) -> None:
        """Count a request that is done, and write it down."""
        duration_s = time.monotonic() - started_s
        self._counts.add(method, status, duration_s, is_stream)
        if access_logger.isEnabledFor(logging.INFO):
            access_logger.info(
                "%s %s %s %s %.1f ms",
                address_text(sender.remote_address),
                method,
                path,
                status or "-",
                duration_s * 1000,
            )

    async def _answer(
        self, request: Request, exchange: Exchange | AsgiHandshake, answer: Answer
    ) -> int:
        """Wait for the answer and send it; return the status, 101 for a WebSocket, 0 for none."""
        if answer is not None and not isinstance(answer, Response):
            try:
                answer = await answer
            except Exception as error:
                is_gone = exchange.closed
                answer = self._answer_to(error, request, exchange)
                if is_gone and answer is None:
                    return 0
        if answer is not None and exchange.status is None:
            try:
                fitted = await self._content.fit(request, answer)
                await _send(request, exchange, fitted)
            except Exception:
                if not exchange.closed:
                    logger.exception("request %s: sending the response failed", request.id)
                    exchange.abort()
        return exchange.status or 0

    def _answer_to(
        self, error: Exception, request: Request, exchange: Exchange | AsgiHandshake
    ) -> Response | None:
        """The response that an error makes; ``None`` when it is too late for one."""
        if isinstance(error, HttpError):
            if isinstance(error, LimitHitError):
                self._observer.limit_hit(error.limit_name)
            return refusal(request, error)
        if exchange.closed:
            logger.debug("request %s: the client went away", request.id, exc_info=error)
            return None
        logger.error(
            "request %s: %s %s failed", request.id, request.method, request.path, exc_info=error
        )
        if exchange.status is not None:
            exchange.abort()
            return None
        return refusal(request, _internal_error(request))

    def _run(self, request: Request, exchange: Exchange | AsgiHandshake) -> Answer:
        if self._address_rates.is_limited:
            self._demand_rate(exchange.remote_address)
        if self._hosts is not None:
            self._hosts.check(request)
        if request.path == "*":
            # RFC 9110 section 9.3.7: about the server as a whole.
            return Response(204, {"Allow": "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"})
        try:
            found = self._router.find(request.path)
        except BadPathError as error:
            raise HttpError(400, str(error)) from None
        if found is None:
            raise HttpError(404, f"Nothing answers at {request.path} here.")
        resource, request.path_parameters = found
        if exchange.request.protocol == "websocket" and resource.websocket is not None:
            return _await_nothing(resource.websocket(request, exchange))
        if isinstance(exchange, AsgiHandshake):
            raise HttpError(404, f"No WebSocket answers at {request.path} here.")
        handler = resource.find(request.method)
        if handler is None:
            preflight = self._cross_origin.preflight(request, resource.allow)
            return preflight or _refuse_method(request, resource)
        self._cross_origin.check(request)
        return handler(request, exchange)

    def _send_at_once(
        self, request: Request, exchange: Exchange | AsgiHandshake, response: Response
    ) -> bool:
        """Send a response that is complete as it is; tell whether that needed no waiting."""
        body = response.body
        if not isinstance(body, bytes) or isinstance(exchange, AsgiHandshake):
            return False
        try:
            if not self._content.suits(request, response):
                return False
            if isinstance(response, StandingResponse) and not self._address_rates.is_limited:
                exchange.let_stand(_Again(self, request, response))
            if isinstance(exchange, HttpExchange):
                direct = exchange  # typed for the compiler
                return direct.respond_at_once(response.status, response.headers, body)
            return exchange.respond_at_once(response.status, response.headers, body)
        except Exception:
            if not exchange.closed:
                logger.exception("request %s: sending the response failed", request.id)
                exchange.abort()
            return True

    def _demand_rate(self, address: Any) -> None:
        """Count a request for its address. Raises an ``HttpError`` (429)."""
        host = str(address[0]) if isinstance(address, tuple) else ""
        try:
            self._address_rates.take(host, time.monotonic())
        except RateError as error:
            # RFC 6585 section 4: 429 may say when to come back, and is not to be stored.
            headers = {"Retry-After": str(error.after_whole_s), "Cache-Control": "no-store"}
            message = f"Too many requests: {error.message}."
            raise HttpError(429, message, headers) from None


class _Again:
    """Whether a response that a handler gave is given again, past the handler; counts it then."""

    __slots__ = ("_dispatcher", "_holds", "_method", "_path", "_status")

    def __init__(
        self, dispatcher: Dispatcher, request: Request, response: StandingResponse
    ) -> None:
        self._dispatcher = dispatcher
        self._holds = response.holds
        self._method = request.method
        self._path = request.path
        self._status = response.status

    def __call__(self, sender: Sender) -> bool:
        started_s = time.monotonic()
        try:
            if not self._holds():
                return False
        except Exception:
            return False  # it is the handler's to fail, with its answer and its line in the log
        self._dispatcher.count(sender, self._method, self._path, self._status, started_s, False)
        return True


def _refuse_method(request: Request, resource: Resource[HttpHandler, SocketHandler]) -> Response:
    if request.method == "OPTIONS":
        return Response(204, {"Allow": resource.allow})
    if resource.websocket is not None and request.method in ("GET", "HEAD"):
        # RFC 9110 section 15.5.22: the Upgrade header says what is needed.
        raise HttpError(
            426,
            f"{request.path} speaks WebSocket: ask with Upgrade: websocket, as "
            "new WebSocket(url) and every WebSocket client do.",
            {"Upgrade": "websocket", "Connection": "Upgrade"},
        )
    message = f"{request.method} is not possible at {request.path}; possible: {resource.allow}."
    raise HttpError(405, message, {"Allow": resource.allow})


def refusal(request: Request, error: HttpError) -> Response:
    """Make the response that an :exc:`HttpError` asks for, as the client likes to read it."""
    if error.status == 304:
        return Response(304, error.headers)
    accept = request.headers.joined("Accept")
    headers, body = error_page(error.status, None, error.message, accept)
    for name, value in error.headers:
        headers.set(name, value)
    return Response(error.status, headers, body)


def _internal_error(request: Request) -> HttpError:
    message = f"Something went wrong here. The log has more, under request {request.id}."
    return HttpError(500, message, {"X-Request-Id": request.id, "Cache-Control": "no-store"})


async def _await_nothing(serving: Awaitable[None]) -> None:
    """What serves a WebSocket leaves nothing to send."""
    await serving


async def _send(request: Request, exchange: Exchange | AsgiHandshake, response: Response) -> None:
    body = response.body
    if isinstance(body, bytes) or isinstance(exchange, AsgiHandshake):
        await exchange.respond(response.status, response.headers, cast(bytes, body))
        return
    exchange.start(response.status, response.headers)
    if request.method != "HEAD":
        await _send_pieces(exchange, body)
    if not exchange.closed:
        exchange.finish()


async def _send_pieces(exchange: Exchange, body: AsyncIterable[bytes]) -> None:
    pieces = body.__aiter__()
    try:
        async for piece in pieces:
            if exchange.closed:
                return
            if piece:
                exchange.write(piece)
                if exchange.held_bytes > STREAM_HELD_BYTES_MAX:
                    await exchange.drain()
    finally:
        # A generator that is left behind would be closed at some later time, or never.
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


def address_text(address: Any) -> str:
    """Spell an address for the log."""
    if isinstance(address, tuple) and len(address) >= 2:
        host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
        return f"{host}:{address[1]}"
    return str(address) if address else "unix"
