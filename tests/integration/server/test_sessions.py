"""Signing in with a browser: a session in the store, a cookie, and their ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from longwire import App, ConfigError, LongwireError, Request, Response
from longwire.identity.settings import IdentitySettings
from longwire.server.settings import OriginSettings, Settings, StoreSettings
from tests.integration.server.app_servers import WAYS, serve_app
from tests.integration.server.native_client import TIMEOUT_S, NativeClient
from tests.unit.identity.forging import SECRET, make_token

CHAT, EVIL = "https://chat.example", "https://evil.example"


def make_app(store: str = "memory", **identity: Any) -> App:
    settings = IdentitySettings(secret=SECRET, session_secret="s" * 32, **identity)
    app = App(
        settings=Settings(
            store=StoreSettings(url=store),
            identity=settings,
            origins=OriginSettings(allowed=("same", CHAT)),
        )
    )

    @app.route("/login/{user}", methods=["POST"])
    async def login(request: Request) -> Response:
        user = request.path_parameters["user"]
        permissions = {"read": [f"{user}/*"], "publish": [f"{user}/*"]}
        cookie = await app.open_session(
            request, user, permissions=permissions, data={"theme": "dark"}
        )
        return Response(204, {"Set-Cookie": cookie})

    @app.route("/logout", methods=["POST"])
    async def logout(request: Request) -> Response:
        return Response(204, {"Set-Cookie": await app.close_session(request)})

    @app.route("/me")
    async def me(request: Request) -> dict[str, Any]:
        principal = await app.identify(request)
        return {"name": principal.name, "theme": principal.claims.get("theme")}

    return app


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        yield client


async def sign_in(http: httpx.AsyncClient, url: str, user: str = "ann") -> str:
    """The cookie, as a browser sends it."""
    answer = await http.post(f"{url}/login/{user}")
    assert answer.status_code == 204
    http.cookies.clear()
    field = answer.headers["Set-Cookie"]
    assert "HttpOnly" in field and "SameSite=Lax" in field
    cookie: str = field.partition(";")[0]
    return cookie


async def name_of(http: httpx.AsyncClient, url: str, cookie: str, **headers: str) -> str:
    answer = await http.get(f"{url}/me", headers={"Cookie": cookie, **headers})
    assert answer.status_code == 200
    name: str = answer.json()["name"]
    return name


async def open_socket(url: str, cookie: str) -> NativeClient:
    socket = await connect(
        url.replace("http", "ws", 1) + "/ws", proxy=None, additional_headers={"Cookie": cookie}
    )
    return NativeClient(socket)


@pytest.mark.parametrize("way", WAYS)
async def test_session_is_one_on_every_way_in(http: httpx.AsyncClient, way: str) -> None:
    async with serve_app(make_app(), way) as url:
        cookie = await sign_in(http, url)
        answer = await http.get(f"{url}/me", headers={"Cookie": cookie})
        assert answer.json() == {"name": "ann", "theme": "dark"}
        client = await open_socket(url, cookie)
        assert (await client.ask("connect", version=1))["user"] == "ann"
        assert (await client.ask("publish", stream="ann/1", data=1))["op"] == "published"
        assert (await client.ask("subscribe", stream="bob/1"))["code"] == "permission_denied"
        answer = await http.get(f"{url}/streams/ann/1?offset=-1", headers={"Cookie": cookie})
        assert answer.json() == [1]
        answer = await http.post(f"{url}/logout", headers={"Cookie": cookie})
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
        assert (await client.receive_op("closing"))["code"] == 4504
        assert await name_of(http, url, cookie) == ""
        await client.socket.close()


async def test_cookie_that_was_made_up_is_nobody(http: httpx.AsyncClient) -> None:
    async with serve_app(make_app(), "longwire") as url:
        cookie = await sign_in(http, url)
        for forged in (cookie[:-1] + "-", cookie[:40], "longwire_session=", cookie.upper()):
            assert await name_of(http, url, forged) == ""


async def test_token_beats_the_session(http: httpx.AsyncClient) -> None:
    async with serve_app(make_app(), "longwire") as url:
        cookie = await sign_in(http, url)
        token = make_token({"sub": "bob"})
        assert await name_of(http, url, cookie, Authorization=f"Bearer {token}") == "bob"


async def test_foreign_pages_do_nothing_with_it(http: httpx.AsyncClient) -> None:
    async with serve_app(make_app(), "longwire") as url:
        cookie = await sign_in(http, url)
        target = f"{url}/streams/ann/1"
        await http.put(target, headers={"Cookie": cookie, "Content-Type": "text/plain"})
        fields = {"Cookie": cookie, "Content-Type": "text/plain"}
        for origin, status in [(EVIL, 403), ("null", 403), (CHAT, 204), (url, 204)]:
            answer = await http.post(target, headers=fields | {"Origin": origin}, content=b"x")
            assert answer.status_code == status
        answer = await http.post(target, headers=fields | {"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        answer = await http.post(f"{url}/logout", headers={"Cookie": cookie, "Origin": EVIL})
        assert answer.status_code == 403
        assert await name_of(http, url, cookie) == "ann"


async def test_session_outlives_a_restart_in_the_store(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    store = f"sqlite:{tmp_path / 'streams.db'}"
    async with serve_app(make_app(store), "longwire") as url:
        cookie = await sign_in(http, url)
    async with serve_app(make_app(store), "longwire") as url:
        assert await name_of(http, url, cookie) == "ann"
    # Whoever reads the store finds nothing that he could send.
    name = cookie.partition("=")[2].partition(".")[0].encode()
    assert all(name not in path.read_bytes() for path in tmp_path.iterdir())


async def test_revoked_user_has_to_sign_in_again(http: httpx.AsyncClient) -> None:
    app = make_app()
    async with serve_app(app, "longwire") as url:
        cookie, other = await sign_in(http, url), await sign_in(http, url, "bob")
        await app.revoke("ann")
        assert await name_of(http, url, cookie) == ""
        assert await name_of(http, url, other) == "bob"
        assert await name_of(http, url, await sign_in(http, url)) == "ann"


async def test_session_ends_after_its_lifetime_and_when_it_lies_idle(
    http: httpx.AsyncClient,
) -> None:
    async with serve_app(make_app(session_lifetime_s=3.0), "longwire") as url:
        cookie = await sign_in(http, url)
        assert await name_of(http, url, cookie) == "ann"
        await asyncio.sleep(3.1)
        assert await name_of(http, url, cookie) == ""
    async with serve_app(make_app(session_idle_s=3.0), "longwire") as url:
        cookie = await sign_in(http, url)
        began_s = time.monotonic()
        while time.monotonic() - began_s < 4.0:  # used, it lives on
            assert await name_of(http, url, cookie) == "ann"
            await asyncio.sleep(0.2)
        await asyncio.sleep(3.5)
        assert await name_of(http, url, cookie) == ""


async def test_what_cannot_be_a_session(http: httpx.AsyncClient) -> None:
    app = make_app(session_bytes_max=200)
    seen: list[Exception] = []

    @app.route("/bad", methods=["POST"])
    async def bad(request: Request) -> None:
        for user, permissions, data in [
            ("", {}, {}),
            ("key:billing", {}, {}),
            ("ann", {"write": ["a"]}, {}),
            ("ann", {"read": ["a//b"]}, {}),
            ("ann", {}, {"x": "y" * 200}),
        ]:
            try:
                await app.open_session(request, user, permissions=permissions, data=data)
            except (ValueError, LongwireError) as error:
                seen.append(error)

    async with serve_app(app, "longwire") as url:
        assert (await http.post(f"{url}/bad")).status_code == 204
    assert len(seen) == 5
    assert "200 are allowed" in str(seen[-1])


async def test_without_a_secret_there_are_no_sessions(http: httpx.AsyncClient) -> None:
    app = App(settings=Settings())
    seen: list[Exception] = []

    @app.route("/login", methods=["POST"])
    async def login(request: Request) -> None:
        try:
            await app.open_session(request, "ann")
        except ConfigError as error:
            seen.append(error)

    async with serve_app(app, "longwire") as url:
        await http.post(f"{url}/login")
    assert "identity.session_secret" in str(seen[0])
