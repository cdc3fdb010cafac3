"""An application beside a site that mounts nothing itself, in one ASGI application.

Starlette and FastAPI mount an ASGI application below a path; Django's own ASGI application
answers HTTP requests and nothing else. What stands in front of it sends each request one way or
the other, and keeps WebSockets and the lifespan from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from longwire.base.errors import ConfigError
from longwire.server.asgi_exchange import AsgiReceive, AsgiSend, Scope
from longwire.server.asgi_paths import path_of_scope

__all__ = ["AsgiApplication", "Beside"]

AsgiApplication: TypeAlias = Callable[[Scope, AsgiReceive, AsgiSend], Awaitable[None]]


class Beside:
    """``inner`` below ``path``, ``site`` everywhere else.

    The lifespan is ``inner``'s alone: a site that has one of its own mounts applications itself.
    """

    def __init__(self, inner: AsgiApplication, site: AsgiApplication, path: str) -> None:
        if not path.startswith("/") or path.endswith("/"):
            raise ConfigError(
                path, "is no path to be beside a site at", hint='write it as "/live" is written'
            )
        self._inner = inner
        self._site = site
        self._path = path

    async def __call__(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
        elif f"{path_of_scope(scope)}/".startswith(f"{self._path}/"):
            root = scope.get("root_path", "").rstrip("/")
            await self._inner({**scope, "root_path": root + self._path}, receive, send)
        elif scope["type"] == "websocket":
            # The ASGI specification, Close: before it is accepted, it is answered with 403.
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._site(scope, receive, send)
