"""longwire mounted in a site of a web framework, under uvicorn, as docs/app.md shows it:
``python -m longwire.lab.targets.mounted_server FRAMEWORK PORT SECTION.KEY=VALUE…``.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Sequence

from longwire.lab.files import raise_open_files
from longwire.server.app import App
from longwire.server.asgi_beside import AsgiApplication
from longwire.server.config import Flag, load_settings
from longwire.server.development import development_settings

__all__ = ["MOUNTS", "MOUNT_PATH", "make_site", "modules_of"]

MOUNT_PATH = "/live"


def make_site(framework: str, app: App) -> AsgiApplication:
    """Return a site of ``framework`` that answers ``/`` itself, with ``app`` at ``/live``."""
    return _SITES[framework](app)


def modules_of(framework: str) -> tuple[str, ...]:
    """Return what has to be installed to serve such a site."""
    return (framework, "uvicorn", "websockets")


def _starlette_site(app: App) -> AsgiApplication:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def home(request: Request) -> PlainTextResponse:
        return PlainTextResponse("starlette")

    routes = [Route("/", home), Mount(MOUNT_PATH, app=app)]
    return Starlette(routes=routes, lifespan=app.lifespan)


def _fastapi_site(app: App) -> AsgiApplication:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    site = FastAPI(lifespan=app.lifespan)

    @site.get("/")
    async def home() -> PlainTextResponse:
        return PlainTextResponse("fastapi")

    site.mount(MOUNT_PATH, app)
    return site


def _django_site(app: App) -> AsgiApplication:
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def home(request: HttpRequest) -> HttpResponse:
        return HttpResponse("django", content_type="text/plain")

    if not settings.configured:  # once in a process
        urls = (path("", home),)
        settings.configure(SECRET_KEY=secrets.token_hex(), ROOT_URLCONF=urls, ALLOWED_HOSTS=["*"])
    return app.beside(get_asgi_application(), path=MOUNT_PATH)


_SITES: dict[str, Callable[[App], AsgiApplication]] = {
    "starlette": _starlette_site,
    "fastapi": _fastapi_site,
    "django": _django_site,
}
MOUNTS = tuple(_SITES)


def _serve(framework: str, port: int, texts: Sequence[str]) -> None:
    """Serve such a site until the process is ended; everybody may do everything there."""
    import uvicorn

    flags = []
    for text in texts:
        name, _, value = text.partition("=")
        section, _, key = name.partition(".")
        flags.append(Flag(name, section, key, value))
    settings = development_settings(load_settings(None, os.environ, flags).settings)
    site = make_site(framework, App(settings=settings))
    uvicorn.run(site, host="127.0.0.1", port=port, log_level="warning", lifespan="on")


if __name__ == "__main__":
    raise_open_files()
    _serve(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
