"""A broadcast server on python-socketio: ``python -m longwire.lab.targets.socketio_server PORT``.

A stream is a room. Clients say in the ``auth`` of their connection which streams they read, and
emit ``publish`` with a stream and a message; whoever is in the room gets ``message``.
"""

from __future__ import annotations

import sys
from typing import Any

import socketio
from aiohttp import web

from longwire.lab.files import raise_open_files

__all__ = ["make_application"]


def make_application() -> web.Application:
    """Return the application."""
    server = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*")

    async def connect(client: str, environment: object, auth: dict[str, list[str]]) -> None:
        for stream in auth["reads"]:
            await server.enter_room(client, stream)

    async def publish(client: str, stream: str, message: dict[str, Any]) -> None:
        await server.emit("message", message, room=stream)

    server.on("connect", connect)
    server.on("publish", publish)
    application = web.Application()
    server.attach(application)
    return application


if __name__ == "__main__":
    raise_open_files()
    web.run_app(
        make_application(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None
    )
