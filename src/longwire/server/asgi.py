"""``App`` as an ASGI 3 application: mounted in Starlette, FastAPI, or run by any ASGI server.

The ASGI server owns the sockets, TLS, HTTP and WebSocket framing and their limits; longwire brings
routes, streams, the native protocol on ``/ws`` and server-sent events on ``/streams/…``.

An application that is mounted inside another one gets no lifespan events from Starlette or
FastAPI: give them ``lifespan=app.lifespan``. Without it the application starts with its first
request and ends with the process.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from longwire.server.asgi_exchange import AsgiExchange, AsgiReceive, AsgiSend, Scope
from longwire.server.asgi_socket import AsgiHandshake
from longwire.server.config import load_settings
from longwire.server.service import Service

if TYPE_CHECKING:
    from longwire.server.app import App

__all__ = ["AsgiRunner"]


class AsgiRunner:
    """Serves one application through ASGI, on one event loop."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._service: Service | None = None
        self._starting: asyncio.Lock | None = None

    async def handle(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            service = await self.start()
            exchange = AsgiExchange(
                scope, receive, send, body_bytes_max=service.settings.http.body_bytes_max
            )
            try:
                waiting = service.dispatcher.handle(exchange)
                if waiting is not None:
                    await waiting
            finally:
                await exchange.complete()
        elif scope["type"] == "websocket":
            service = await self.start()
            handshake = AsgiHandshake(scope, receive, send)
            try:
                waiting = service.dispatcher.handle(handshake)
                if waiting is not None:
                    await waiting
            finally:
                await handshake.complete()
        else:
            raise ValueError(f"ASGI scopes of type {scope['type']!r} are not known here")

    async def start(self) -> Service:
        """Get ready; called again it does nothing. Returns what serves."""
        if self._service is None:
            if self._starting is None:
                self._starting = asyncio.Lock()
            async with self._starting:
                if self._service is None:
                    settings = self._app.settings or load_settings(None, os.environ).settings
                    service = Service(self._app, settings)
                    await service.start()
                    self._service = service
        return self._service

    async def stop(self) -> None:
        """End what ``start`` began."""
        service, self._service = self._service, None
        if service is not None:
            await service.say_goodbye()
            await service.stop()

    async def _live(self, receive: AsgiReceive, send: AsgiSend) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                try:
                    await self.start()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
