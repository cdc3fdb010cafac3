"""longwire.js against an application: what it brings to its clients, and what it refuses."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from longwire import Access, App, Call, CallRefused, Publication, PublishRefused
from longwire.identity.principal import Principal
from longwire.server.settings import AnonymousSettings, OriginSettings, Settings
from tests.integration.browser.driving import drive
from tests.integration.server.app_servers import serve_app
from tests.needs import ROOT, require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Tea(msgspec.Struct):
    kind: str


def make_app(*allowed: str) -> App:
    """``allowed``: origins of pages that may use it, besides its own."""
    anonymous = AnonymousSettings(read=("**",), publish=("**",), presence=("**",))
    origins = OriginSettings(allowed=("same", *allowed))
    app = App(settings=Settings(anonymous=anonymous, origins=origins))

    @app.authenticate
    def who(token: str) -> Principal | None:
        name, _, expires = token.partition(" until ")
        if name == "nobody":
            return None
        return Principal(name, float(expires) if expires else None)

    @app.permit("members/*")
    def members(access: Access) -> bool:
        return not access.principal.is_anonymous

    @app.on_publish("checked/*")
    def check(publication: Publication) -> None:
        raise PublishRefused("Numbers only, please.")

    @app.call("tea.make")
    async def make(call: Call, tea: Tea) -> str:
        if tea.kind == "coffee":
            raise CallRefused("This is a tea house.", reason="no_coffee")
        if call.principal.name:
            await app.send_to_user(call.principal.name, f"your {tea.kind} is ready")
        return f"{tea.kind} for {call.principal.name or 'a guest'}"

    @app.call("tea.slow")
    async def slow() -> None:
        await asyncio.sleep(30)

    return app


async def drive_application(script: str, transport: str = "websocket") -> None:
    node = require_node_modules("ws", "undici")
    async with serve_app(make_app(), "longwire") as url:
        settings = {
            "node": str(node),
            "url": url,
            "library": (ROOT / "js" / "lib" / "longwire.js").as_uri(),
            "transport": transport,
        }
        await asyncio.to_thread(drive, script, settings, cwd=node, timeout_s=200)


@pytest.mark.parametrize("transport", ["websocket", "sse", "long-poll"])
@pytest.mark.parametrize("script", ["application.mjs", "readers.mjs"])
async def test_application_from_javascript(script: str, transport: str) -> None:
    await drive_application(script, transport)


async def test_wrong_input_of_javascript() -> None:
    await drive_application("wrong_input.mjs")
