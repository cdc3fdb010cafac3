"""Accepting WebSocket handshakes: origin check, settings, counting, and the handlers' errors."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from longwire.base.codes import CloseCode
from longwire.identity.origins import OriginPolicy
from longwire.net.callbacks import Callbacks
from longwire.net.closed import ConnectionClosed
from longwire.net.endpoint import Endpoint
from longwire.net.settings import WebSocketSettings
from longwire.server.app import SocketRoute
from longwire.server.echo import Echo, echo_settings
from longwire.server.errors import HttpError
from longwire.server.metrics import CountedSocket, ServerMetrics
from longwire.server.request import Request
from longwire.server.settings import CompressionSettings, Settings
from longwire.websocket.deflate import DeflateOptions
from longwire.websocket.handshake import HandshakeError

__all__ = ["SocketEndpoints", "websocket_settings"]

logger = logging.getLogger("longwire.server")

# IANA's registry of WebSocket close codes: 3000 Unauthorized, 3003 Forbidden.
_CODE_BY_STATUS = {401: 3000, 403: 3003}

# RFC 6455 section 5.5: 125 bytes for a control frame, of which the code takes two.
_REASON_BYTES_MAX = 123


def websocket_settings(settings: Settings) -> WebSocketSettings:
    """What the configuration says about WebSocket connections."""
    return WebSocketSettings(
        limits=settings.websocket,
        keepalive=settings.keepalive,
        deflate=_deflate_options(settings.compression),
    )


def _deflate_options(settings: CompressionSettings) -> DeflateOptions | None:
    if not settings.enabled:
        return None
    return DeflateOptions(
        server_no_context_takeover=not settings.context_takeover,
        client_no_context_takeover=not settings.context_takeover,
        server_max_window_bits=settings.server_max_window_bits,
        client_max_window_bits=settings.client_max_window_bits,
        level=settings.level,
        memory_level=settings.memory_level,
        threshold_bytes=settings.threshold_bytes,
    )


class SocketEndpoints:
    """Opens WebSocket connections and runs what serves them."""

    def __init__(self, settings: Settings, origins: OriginPolicy, metrics: ServerMetrics) -> None:
        self._origins = origins
        self._metrics = metrics
        self.settings = websocket_settings(settings)
        self._echo_settings = echo_settings(settings.websocket, settings.keepalive)
        self._echo = Echo(self.callbacks_closed)

    async def echo(self, request: Request, exchange: Any) -> None:
        """Serve ``/echo``: take the first subprotocol offered, send everything back."""
        self.open_callbacks(
            request,
            exchange,
            self._echo,
            select_subprotocol=_take_first,
            settings=self._echo_settings,
        )

    def open_callbacks(
        self,
        request: Request,
        exchange: Any,
        callbacks: Callbacks,
        *,
        select_subprotocol: Callable[[Sequence[str]], str | None],
        settings: WebSocketSettings | None = None,
    ) -> None:
        """Accept the handshake in callback style; ``callbacks_closed`` must be told of the end.

        Raises HttpError, which answers, when it cannot be accepted.
        """
        with _refusing():
            endpoint = exchange.upgrade_callbacks(
                callbacks,
                settings=settings or self.settings,
                select_subprotocol=select_subprotocol,
                is_origin_allowed=self.origin_check(request),
            )
        self._metrics.sockets.add(endpoint)

    async def serve(self, request: Request, exchange: Any, route: SocketRoute) -> None:
        """Serve a WebSocket endpoint of the application."""
        connection = await self.open(request, exchange, subprotocols=route.subprotocols)
        await self.run(connection, _handle(route, connection, request), request)

    async def open(
        self,
        request: Request,
        exchange: Any,
        *,
        subprotocols: Sequence[str] = (),
        select_subprotocol: Callable[[Sequence[str]], str | None] | None = None,
    ) -> Any:
        """Accept the handshake; raise HttpError, which answers, when it cannot be accepted."""
        with _refusing():
            opened = exchange.upgrade_websocket(
                settings=self.settings,
                subprotocols=subprotocols,
                select_subprotocol=select_subprotocol,
                is_origin_allowed=self.origin_check(request),
            )
            # Our own server accepts at once, an ASGI server has to be asked.
            return await opened if inspect.isawaitable(opened) else opened

    async def run(self, connection: Any, handling: Awaitable[None], request: Request) -> None:
        """Await the handler of an open connection, then close it: 1011 if the handler failed; 3000,
        3003 or 1008 if it raised an ``HttpError``."""
        endpoint: CountedSocket = connection.endpoint
        self._metrics.sockets.add(endpoint)
        try:
            await handling
        except ConnectionClosed as error:
            # A handler need not catch what is the ordinary end of a conversation.
            logger.debug("request %s: %s", request.id, error)
        except HttpError as error:
            # The handshake is over, so the answer is a close code that says the same.
            code = _CODE_BY_STATUS.get(error.status, CloseCode.POLICY_VIOLATION)
            reason = error.message.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
            await connection.close(code, reason)
        except Exception:
            logger.exception("request %s: WebSocket %s failed", request.id, request.path)
            await connection.close(CloseCode.INTERNAL_ERROR)
        else:
            await connection.close()
        finally:
            self._metrics.socket_closed(endpoint, endpoint.closed)

    def origin_check(self, request: Request) -> Callable[[str | None], bool]:
        """The test of the Origin header for a request."""

        def is_allowed(origin: str | None) -> bool:
            return self._origins.is_allowed(
                origin, scheme=request.scheme, host=request.authority or None
            )

        return is_allowed

    def callbacks_closed(self, endpoint: Endpoint) -> None:
        """A connection in callback style has ended."""
        self._metrics.socket_closed(endpoint, endpoint.closed)


async def _handle(route: SocketRoute, connection: Any, request: Request) -> None:
    """Call the handler where its failure is seen, also when the call itself fails: it takes other
    arguments, or is no coroutine function."""
    await route.handler(connection, request)


def _take_first(offered: Sequence[str]) -> str | None:
    return offered[0] if offered else None


@contextmanager
def _refusing() -> Iterator[None]:
    """Answer a handshake that cannot be accepted with a page like every other."""
    try:
        yield
    except HandshakeError as error:
        message = error.message
        if error.status == 403:
            message += (
                "; pages of this server are, and those that the setting origins.allowed names"
            )
        raise HttpError(error.status, message, error.headers) from None
