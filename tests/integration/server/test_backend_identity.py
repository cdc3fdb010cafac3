"""A site's own session cookie: whose it is tells the application, or a backend that is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from longwire import App, Client, ClientError, Request, Response
from longwire.client.transports import TRANSPORTS
from longwire.identity.settings import IdentitySettings
from longwire.server.app import Access
from longwire.server.config import SettingsError, load_settings
from longwire.server.settings import BackendSettings, Settings
from longwire.server.testing import TestClient

HELD = 0
"""A status with which the backend is silent."""
IDENTITY = IdentitySettings(cookie="sessionid")
COOKIE = "csrftoken=x; sessionid=abc:def-1; theme=dark"


@dataclass
class Backend:
    """What it answers next, and what it was asked."""

    status: int = 200
    body: bytes = b'{"user": "ann"}'
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)


@dataclass
class Site:
    backend: Backend
    test: TestClient

    async def whoami(self, cookie: str = COOKIE) -> tuple[int, str]:
        answer = await self.test.get("/whoami", headers={"Cookie": cookie})
        return answer.status, answer.text


def make_app() -> App:
    app = App()

    @app.permit("of/*")
    def own(access: Access) -> bool:
        return access.stream == f"of/{access.principal.name}"

    @app.route("/whoami")
    async def whoami(request: Request) -> str:
        principal = await app.identify(request)
        return f"{principal.name or 'nobody'} {principal.expires_at_s is not None}"

    return app


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    backend = Backend()
    deciding = App()
    release = asyncio.Event()

    @deciding.route("/who")
    async def who(request: Request) -> Response:
        backend.asked.append(request)
        if backend.status == HELD:
            await release.wait()
        return Response(backend.status or 204, backend.headers, backend.body)

    async with deciding.test_client() as decider:
        settings = Settings(
            identity=IDENTITY,
            backend=BackendSettings(
                authenticate_url=f"{decider.url}/who", token="s3cret", timeout_s=2
            ),
        )
        async with make_app().test_client(settings=settings) as test:
            yield Site(backend, test)
        release.set()


async def test_the_backend_is_handed_the_cookie_alone(site: Site) -> None:
    assert await site.whoami() == (200, "ann False")
    (asked,) = site.backend.asked
    assert asked.headers["Cookie"] == "sessionid=abc:def-1"
    assert asked.headers["Authorization"] == "Bearer s3cret"
    assert await site.whoami("theme=dark") == (200, "nobody False")
    assert len(site.backend.asked) == 1


async def test_an_answer_is_kept_for_as_long_as_it_says(site: Site) -> None:
    for _ in range(2):
        assert await site.whoami() == (200, "ann False")
    assert len(site.backend.asked) == 2
    site.backend.headers = {"Cache-Control": "max-age=60"}
    for _ in range(3):
        assert await site.whoami() == (200, "ann False")
    assert len(site.backend.asked) == 3
    site.backend.status = 401
    assert (await site.whoami("sessionid=other"))[0] == 401
    site.backend.status, site.backend.headers = 500, {}
    assert (await site.whoami("sessionid=other"))[0] == 401
    assert await site.whoami() == (200, "ann False")
    figures = (await site.test.get("/metrics")).text
    assert "longwire_backend_visitors_asked_total 4.0" in figures
    assert "longwire_backend_visitors_cache_hits_total 4.0" in figures


async def test_many_who_come_at_once_with_a_cookie_are_asked_about_once(site: Site) -> None:
    site.backend.status = HELD
    asking = [asyncio.create_task(site.whoami()) for _ in range(5)]
    async with asyncio.timeout(30):
        while not site.backend.asked:
            await asyncio.sleep(0.01)
        assert {status for status, _ in await asyncio.gather(*asking)} == {504}
    assert len(site.backend.asked) == 1


async def test_what_is_left_of_a_session_counts_from_when_it_was_said(site: Site) -> None:
    site.backend.body = b'{"user": "ann", "expires_in_s": 600}'
    site.backend.headers = {"Cache-Control": "max-age=60", "Age": "599"}
    assert await site.whoami() == (200, "ann True")
    site.backend.headers["Age"] = "601"
    assert (await site.whoami())[0] == 401
    site.backend.headers["Age"] = "of no number"
    assert await site.whoami() == (200, "ann True")


async def test_an_answer_may_say_for_how_long_it_holds(site: Site) -> None:
    site.backend.body = b'{"user": "ann", "expires_in_s": 600, "more": 1}'
    assert await site.whoami() == (200, "ann True")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_browser_with_the_cookie_is_known_on_every_transport(
    site: Site, transport: str
) -> None:
    options = {"additional_headers": {"Cookie": COOKIE}}
    async with Client(site.test.url, transports=[transport], websocket_options=options) as client:
        assert (await client.publish("of/ann", 1)).position
        with pytest.raises(ClientError, match="not allowed"):
            await client.publish("of/bob", 1)


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (204, b"", 200),
        (401, b"", 401),
        (403, b"", 401),
        (404, b"", 401),
        (410, b"", 401),
        (200, b"", 502),
        (200, b'{"name": "ann"}', 502),
        (200, b'{"user": 7}', 502),
        (200, b'{"user": ""}', 502),
        (201, b'{"user": "ann"}', 502),
        (302, b"", 502),
        (500, b"", 502),
    ],
)
async def test_answer(site: Site, status: int, body: bytes, answer: int) -> None:
    site.backend.status, site.backend.body = status, body
    assert (await site.whoami())[0] == answer
    figures = (await site.test.get("/metrics")).text
    assert "longwire_backend_visitors_asked_total 1.0" in figures
    assert f"longwire_backend_visitors_failures_total {float(answer == 502)}" in figures


async def test_9110_15_6_5_silent_backend_is_a_504(site: Site) -> None:
    site.backend.status = HELD
    assert (await site.whoami())[0] == 504


async def test_a_value_that_no_cookie_has_is_refused_unasked(site: Site) -> None:
    status, _ = await site.whoami("sessionid=a,b")
    assert (status, site.backend.asked) == (401, [])


async def test_the_application_itself_may_know_the_cookie() -> None:
    app = make_app()
    sessions = {"abc:def-1": "ann"}  # as the site's framework keeps them

    @app.authenticate
    def who(token: str) -> str | None:
        return sessions.get(token)

    async with app.test_client(settings=Settings(identity=IDENTITY)) as test:
        site = Site(Backend(), test)
        assert await site.whoami() == (200, "ann False")
        assert (await site.whoami("sessionid=other"))[0] == 401


def test_the_cookie_has_to_be_named() -> None:
    environment = {
        "LONGWIRE_BACKEND_AUTHENTICATE_URL": "https://example.com/who",
        "LONGWIRE_IDENTITY_COOKIE": "none",
    }
    with pytest.raises(SettingsError, match=r"authenticate_url is given without identity\.cookie"):
        load_settings(None, environment)
    environment["LONGWIRE_IDENTITY_COOKIE"] = "sessionid"
    assert load_settings(None, environment).settings.identity.cookie == "sessionid"
    environment["LONGWIRE_BACKEND_AUTHENTICATE_URL"] = "ftp://example.com"
    with pytest.raises(SettingsError, match=r"authenticate_url is .*, which is no URL"):
        load_settings(None, environment)
