"""A backend that is asked who may do what: another application of ours, counting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import pytest

from longwire import App, ClientError, Request, Response
from longwire.server.settings import BackendSettings, Settings
from longwire.server.testing import TestClient, TestResponse

HELD = 0
"""A status with which the backend is silent."""


@dataclass
class Backend:
    """What it answers next, and what it was asked."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    @property
    def questions(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(request.query_text)) for request in self.asked]


@dataclass
class Site:
    backend: Backend
    test: TestClient

    async def read(self, token: str | None = None, **fields: str) -> TestResponse:
        headers = dict(fields)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return await self.test.get("/streams/a/b?offset=-1", headers=headers)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    backend = Backend()
    deciding, app = App(), App()
    release = asyncio.Event()

    @deciding.route("/may")
    async def may(request: Request) -> Response:
        backend.asked.append(request)
        if backend.status == HELD:
            await release.wait()
        return Response(backend.status or 204, dict(backend.headers))

    @app.authenticate
    def who(token: str) -> str:
        return token

    @app.permit("ruled/*")
    def nobody(access: object) -> bool:
        return False

    async with deciding.test_client() as decider:
        settings = BackendSettings(
            authorize_url=f"{decider.url}/may?of=longwire", token="s3cret", timeout_s=2
        )
        async with app.test_client(settings=Settings(backend=settings)) as test:
            yield Site(backend, test)
        release.set()


async def test_backend_is_asked_what_nobody_else_decides(site: Site) -> None:
    assert (await site.read("ann")).status == 404  # allowed, and not there
    assert (await site.read()).status == 404
    assert site.backend.questions == [
        {"of": "longwire", "action": "read", "stream": "a/b", "user": "ann"},
        {"of": "longwire", "action": "read", "stream": "a/b"},
    ]
    assert site.backend.asked[0].headers["Authorization"] == "Bearer s3cret"
    await site.test.get("/streams/ruled/x?offset=-1")
    assert len(site.backend.asked) == 2


@pytest.mark.parametrize(
    ("status", "of_user", "of_nobody"),
    [
        (200, 404, 404),
        (204, 404, 404),
        (401, 403, 401),
        (403, 403, 401),
        (404, 403, 401),
        (410, 403, 401),
        (500, 502, 502),
        (503, 502, 502),
        (302, 502, 502),
        (201, 502, 502),
    ],
)
async def test_answer(site: Site, status: int, of_user: int, of_nobody: int) -> None:
    site.backend.status = status
    assert (await site.read("ann")).status == of_user
    assert (await site.read()).status == of_nobody


async def test_9110_15_6_5_silent_backend_is_a_504(site: Site) -> None:
    site.backend.status = HELD
    answer = await site.read("ann")
    assert answer.status == 504
    assert answer.json()["code"] == "backend_timeout"
    assert "longwire_backend_failures_total 1.0" in (await site.test.get("/metrics")).text


async def test_9110_15_6_3_backend_that_is_not_there_is_a_502() -> None:
    settings = BackendSettings(authorize_url="http://127.0.0.1:1/may")
    async with App().test_client(settings=Settings(backend=settings)) as test:
        answer = await test.get("/streams/a?offset=-1")
        assert (answer.status, answer.json()["code"]) == (502, "backend_failed")
        events = await test.get("/streams/a", headers={"Accept": "text/event-stream"})
        assert events.status == 502


async def test_answers_are_kept_as_they_say(site: Site) -> None:
    site.backend.headers = {"Cache-Control": "max-age=60"}
    for _ in range(3):
        assert (await site.read("ann")).status == 404
    assert (await site.read("bob")).status == 404
    assert [question["user"] for question in site.backend.questions] == ["ann", "bob"]
    site.backend.headers = {"Cache-Control": "no-cache", "ETag": '"v1"'}
    site.backend.status = 200
    for _ in range(2):
        assert (await site.read("eve")).status == 404
    assert site.backend.asked[-1].headers["If-None-Match"] == '"v1"'
    figures = (await site.test.get("/metrics")).text
    assert "longwire_backend_cache_hits_total 2.0" in figures
    assert "longwire_backend_asked_total 4.0" in figures


async def test_native_client_is_told_the_same(site: Site) -> None:
    ann = await site.test.client(token="ann")
    await ann.publish("a/b", {"n": 1})
    assert site.backend.questions[-1]["action"] == "publish"
    site.backend.status = 403
    with pytest.raises(ClientError, match="not allowed"):
        await ann.publish("a/b", {"n": 2})
