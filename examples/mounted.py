"""longwire inside a Starlette application (FastAPI is the same), on any ASGI server.

Run it:  uvicorn mounted:site
Then:    http://127.0.0.1:8000/ answers from Starlette, and
         ws://127.0.0.1:8000/live/ws and http://127.0.0.1:8000/live/streams/… from longwire
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from longwire import Access, App

live = App()


@live.permit("news")
def anybody(access: Access) -> bool:
    """Anybody may read and publish the news."""
    return True


async def home(request: Request) -> PlainTextResponse:
    """A page of the site, and something for those who read the stream."""
    await live.publish("news", {"visited": request.url.path})
    return PlainTextResponse("This page is Starlette's; the news are at /live/streams/news.\n")


# Starlette tells what is mounted nothing of start and stop; with its lifespan the streams are there
# from the first page on.
site = Starlette(routes=[Route("/", home), Mount("/live", app=live)], lifespan=live.lifespan)
