"""The same application behind our own server, behind uvicorn, and mounted in Starlette."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import hypercorn
import hypercorn.asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from longwire import App
from longwire.net.http_server import HttpServer
from longwire.net.listener import Listener
from longwire.server.service import Service
from longwire.server.settings import Settings

WAYS = ("longwire", "uvicorn", "starlette")
"""Where an application is served; ``starlette-lazy`` too, where nobody tells it to start."""


@contextlib.asynccontextmanager
async def serve_app(app: App, way: str) -> AsyncIterator[str]:
    """Serve ``app``; the value is the URL below which it answers, without a slash at its end."""
    if way == "longwire":
        async with _serve_ourselves(app) as port:
            yield f"http://127.0.0.1:{port}"
    elif way == "uvicorn":
        async with _serve_with_uvicorn(app) as port:
            yield f"http://127.0.0.1:{port}"
    else:
        lifespan = None if way == "starlette-lazy" else app.lifespan
        site = Starlette(routes=[Mount("/live", app=app)], lifespan=lifespan)
        async with _serve_with_uvicorn(site) as port:
            yield f"http://127.0.0.1:{port}/live"


@contextlib.asynccontextmanager
async def serve_site(application: Any, server: str = "uvicorn") -> AsyncIterator[str]:
    """Serve any ASGI application, with uvicorn or hypercorn; the value is its URL."""
    serve = {"uvicorn": _serve_with_uvicorn, "hypercorn": _serve_with_hypercorn}[server]
    async with serve(application) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.asynccontextmanager
async def _serve_ourselves(app: App) -> AsyncIterator[int]:
    service = Service(app, app.settings or Settings())
    server = HttpServer(service.dispatcher.handle, limits=service.settings.http)
    listener = Listener(server.make_handler, host="127.0.0.1", port=0)
    await service.start()
    await listener.start()
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        service.begin_drain()
        await listener.close(5)
        await server.finished(5)
        await service.stop()


@contextlib.asynccontextmanager
async def _serve_with_uvicorn(application: Any) -> AsyncIterator[int]:
    config = uvicorn.Config(
        application, port=0, log_level="error", lifespan="auto", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done(), "uvicorn did not start"
            await asyncio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def _serve_with_hypercorn(application: Any) -> AsyncIterator[int]:
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    config = hypercorn.Config()
    config.bind = [f"fd://{sock.detach()}"]  # which it closes
    config.loglevel = "error"
    config.graceful_timeout = 5
    stopping = asyncio.Event()
    task = asyncio.create_task(
        hypercorn.asyncio.serve(application, config, shutdown_trigger=stopping.wait)
    )
    try:
        yield port
    finally:
        stopping.set()
        await task
