"""Limits of what may come in a second: per user, stream and address, on every way in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from longwire import App
from longwire.base.limits import RateLimits
from longwire.client.client import Client
from longwire.server.settings import AnonymousSettings, Settings
from tests.integration.server.app_servers import WAYS, serve_app
from tests.integration.server.native_client import TIMEOUT_S, native_client

ALL = ("**",)


def make_app(**rates: float) -> App:
    anonymous = AnonymousSettings(read=ALL, publish=ALL, manage=ALL, presence=ALL)
    app = App(settings=Settings(anonymous=anonymous, rates=RateLimits(**rates)))

    @app.authenticate
    def who(token: str) -> str:
        return token

    @app.route("/")
    def page(request: object) -> str:
        return "page"

    return app


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        yield client


@pytest.mark.parametrize("way", WAYS)
async def test_requests_of_an_address(http: httpx.AsyncClient, way: str) -> None:
    # Two at once, and another every five seconds: later than all this takes.
    async with serve_app(make_app(requests_per_address_max=0.2), way) as url:
        statuses = [(await http.get(f"{url}/")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        answer = await http.get(f"{url}/")
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 5
        assert "Too many requests" in answer.text
        if way == "longwire":
            with pytest.raises(InvalidStatus) as caught:
                await connect(url.replace("http", "ws") + "/ws", proxy=None)
            assert caught.value.response.status_code == 429


async def test_entries_of_a_user_over_all_connections(http: httpx.AsyncClient) -> None:
    async with (
        serve_app(make_app(entries_per_user_max=0.2), "longwire") as url,
        native_client(url, "ann") as one,
        native_client(url, "ann") as other,
        native_client(url, "bob") as stranger,
    ):
        for client in (one, other):
            assert (await client.ask("publish", stream="a", data=1))["op"] == "published"
        refused = await one.ask("publish", stream="b", data=1)
        assert (refused["code"], refused["retry"]) == ("rate_limited", True)
        assert 0 < refused["after_s"] <= 5
        assert (await stranger.ask("publish", stream="a", data=1))["op"] == "published"
        fields = {"Authorization": "Bearer ann", "Content-Type": "application/json"}
        answer = await http.post(f"{url}/streams/a", headers=fields, content="[1,2]")
        assert answer.status_code == 429
        assert 5 < int(answer.headers["Retry-After"]) <= 10  # two take ten seconds
        assert answer.json()["code"] == "rate_limited"
        figures = (await http.get(f"{url}/metrics")).text
        assert "longwire_rates_entries_per_user_refused_total 2.0" in figures


async def test_entries_of_a_stream_from_all(http: httpx.AsyncClient) -> None:
    app = make_app(entries_per_stream_max=0.3)
    async with (
        serve_app(app, "longwire") as url,
        native_client(url, "ann") as ann,
        native_client(url) as guest,
    ):
        for client in (ann, guest, ann):
            assert (await client.ask("publish", stream="a", data=1))["op"] == "published"
        assert (await guest.ask("publish", stream="a", data=1))["code"] == "rate_limited"
        assert (await guest.ask("publish", stream="b", data=1))["op"] == "published"
        await app.publish("a", 1)  # the application itself is not held up


async def test_messages_of_an_address() -> None:
    async with (
        serve_app(make_app(messages_per_address_max=0.4), "longwire") as url,
        native_client(url) as one,
        native_client(url) as other,
    ):
        for client in (one, other):  # to connect was a message each
            assert (await client.ask("ping"))["op"] == "pong"
        answers = [await client.ask("ping") for client in (one, other)]
        assert {answer["code"] for answer in answers} == {"rate_limited"}


async def test_client_waits_and_loses_nothing() -> None:
    """What is refused for its rate keeps its place and is stored once, later."""
    app = make_app(entries_per_user_max=20.0)
    async with serve_app(app, "longwire") as url, Client(url, token="ann") as client:
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*[client.publish("a", number) for number in range(230)])
        page = await client.history("a", limit=1000)
        assert [message.data for message in page.messages] == list(range(230))
