"""The streams of an App, behind our own server, uvicorn, and mounted in Starlette."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from longwire import Access, App, Publication, PublishRefused
from longwire.server.settings import AnonymousSettings, OriginSettings, Settings
from tests.integration.server.app_servers import WAYS, serve_app
from tests.integration.server.native_client import TIMEOUT_S, native_client


def make_app() -> App:
    app = App(
        settings=Settings(
            anonymous=AnonymousSettings(read=("public/**",)),
            origins=OriginSettings(allowed=("same", "https://*.example.com")),
        )
    )

    @app.authenticate
    def who(token: str) -> str | None:
        return token.removeprefix("token-of-") if token.startswith("token-of-") else None

    @app.permit("rooms/*")
    async def members_and_guests(access: Access) -> bool:
        return access.action == "read" or not access.principal.is_anonymous

    @app.on_publish("rooms/*")
    async def check(publication: Publication) -> None:
        said = publication.data
        if said == "refuse me":
            raise PublishRefused("Not here, please.")
        if said == "fail":
            raise RuntimeError("the secret of the house")
        publication.data = {"said": said, "by": publication.principal.name}

    @app.on_publish("**")
    def seen(publication: Publication) -> None:
        app.seen.append(publication.stream)  # type: ignore[attr-defined]

    app.seen = []  # type: ignore[attr-defined]
    return app


@pytest.fixture
def app() -> App:
    return make_app()


@pytest.fixture(params=WAYS)
async def url(app: App, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with serve_app(app, request.param) as served:
        yield served


async def test_subscribe_publish_and_acknowledge(url: str) -> None:
    async with native_client(url, "token-of-ann") as ann, native_client(url) as guest:
        subscribed = await guest.ask("subscribe", stream="rooms/lobby")
        assert subscribed["op"] == "subscribed"
        published = await ann.ask(
            "publish", stream="rooms/lobby", data="hé", producer="p", epoch=0, sequence=0
        )
        assert (published["op"], published["durability"]) == ("published", "memory")
        entry = await guest.receive()
        assert entry["op"] == "entry"
        assert entry["data"] == {"said": "hé", "by": "ann"}
        assert entry["after"] == subscribed["position"]
        assert entry["position"] == published["last"]
        again = await ann.ask(
            "publish", stream="rooms/lobby", data="hé", producer="p", epoch=0, sequence=0
        )
        assert (again["duplicate"], again["last"]) == (True, published["last"])


async def test_position_is_honoured_after_a_reconnect(url: str, app: App) -> None:
    async with native_client(url) as client:
        await app.publish("public/news", 1)
        subscribed = await client.ask("subscribe", stream="public/news", start="earliest")
        first = await client.receive()
        assert (first["data"], first["after"]) == (1, subscribed["position"])
    await app.publish("public/news", 2)
    await app.publish("public/news", 3)
    async with native_client(url) as client:
        held = first["position"]
        recovered = await client.ask("subscribe", stream="public/news", position=held)
        assert (recovered["recovered"], recovered["position"]) == (True, held)
        assert [(await client.receive())["data"] for _ in range(2)] == [2, 3]


async def test_permissions_are_asked(url: str) -> None:
    async with native_client(url) as guest:
        for op, stream in (("publish", "rooms/lobby"), ("publish", "public/a"), ("subscribe", "x")):
            extra = {"data": 1} if op == "publish" else {}
            answer = await guest.ask(op, stream=stream, **extra)
            assert (answer["op"], answer["code"]) == ("error", "permission_denied"), answer
        assert (await guest.ask("subscribe", stream="public/a"))["op"] == "subscribed"


async def test_hooks_change_refuse_and_fail_without_a_leak(url: str, app: App) -> None:
    async with native_client(url, "token-of-ann") as ann:
        refused = await ann.ask("publish", stream="rooms/lobby", data="refuse me")
        assert (refused["code"], refused["message"]) == ("publish_refused", "Not here, please.")
        failed = await ann.ask("publish", stream="rooms/lobby", data="fail")
        assert failed["op"] == "error"
        assert "secret" not in json.dumps(failed)
        accepted = await ann.ask("publish", stream="rooms/lobby", batch=[{"data": 1}, {"data": 2}])
        assert accepted["op"] == "published"
    assert app.seen == ["rooms/lobby", "rooms/lobby"]  # type: ignore[attr-defined]


async def test_unknown_token_is_refused(url: str) -> None:
    with pytest.raises((AssertionError, websockets.ConnectionClosed)) as caught:
        async with native_client(url, "stolen"):
            pass
    assert "unauthorized" in str(caught.value)


@pytest.mark.parametrize(
    "origin", [None, "https://chat.example.com", "https://evil.example", "same"]
)
async def test_6455_10_2_foreign_page_gets_no_websocket(url: str, origin: str | None) -> None:
    sent = "/".join(url.split("/")[:3]) if origin == "same" else origin
    try:
        async with connect(url.replace("http", "ws", 1) + "/ws", origin=sent, proxy=None):  # type: ignore[arg-type]
            status = 101
    except websockets.InvalidStatus as refusal:
        status = refusal.response.status_code
    assert status == (403 if origin == "https://evil.example" else 101)


async def test_unknown_subprotocol_is_refused(url: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with connect(
            url.replace("http", "ws", 1) + "/ws",
            subprotocols=["graphql-ws"],  # type: ignore[list-item]
            proxy=None,
        ):
            pass
    assert caught.value.response.status_code == 400


async def read_events(response: httpx.Response, count: int) -> list[dict[str, str]]:
    """Return the first events of a response as their fields."""
    events: list[dict[str, str]] = []
    rest = b""
    async with asyncio.timeout(TIMEOUT_S):
        async for piece in response.aiter_bytes():
            *blocks, rest = (rest + piece).split(b"\n\n")
            for block in blocks:
                lines = [line.partition(": ") for line in block.decode().splitlines()]
                fields = {name: value for name, _, value in lines}
                if "data" in fields:
                    events.append(fields)
            if len(events) >= count:
                break
    return events[:count]


async def test_event_source_reads_a_stream_and_comes_back(url: str, app: App) -> None:
    headers = {"Accept": "text/event-stream"}
    await app.publish("public/news", {"n": 1})
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        where = f"{url}/streams/public/news"
        async with client.stream("GET", where + "?offset=earliest", headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert "access-control-allow-origin" not in response.headers
            await app.publish("public/news", {"n": 2})
            events = await read_events(response, 3)
        assert events[0]["event"] == "subscribed"
        assert [json.loads(event["data"]) for event in events[1:]] == [{"n": 1}, {"n": 2}]
        await app.publish("public/news", {"n": 3})
        headers["Last-Event-ID"] = events[2]["id"]
        async with client.stream("GET", where, headers=headers) as response:
            subscribed, entry = await read_events(response, 2)
        assert json.loads(subscribed["data"])["recovered"] is True
        assert json.loads(entry["data"]) == {"n": 3}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/streams/public/news", {"Accept": "*/*"}, 404),
        ("/streams/public/news", {"Accept": "text/event-stream;q=0"}, 404),
        ("/streams/private", {}, 401),
        ("/streams/private", {"Authorization": "Bearer token-of-ann"}, 403),
        ("/streams/public/news?offset=7", {}, 400),
        ("/streams/public//news", {}, 400),
        ("/streams/public/%00", {}, 400),
        ("/streams/", {}, 404),
        ("/streams/public/news", {"Origin": "https://evil.example"}, 403),
        ("/streams/public/news", {"Authorization": "Bearer stolen"}, 401),
    ],
)
async def test_stream_is_refused_with_a_reason(
    url: str, path: str, headers: dict[str, str], status: int
) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        answer = await client.get(url + path, headers={"Accept": "text/event-stream", **headers})
        assert answer.status_code == status
        assert len(answer.text) > 20
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (await client.post(url + path.partition("?")[0])).status_code in (400, 401, 403, 404)


async def test_page_of_an_allowed_origin_may_read_a_stream(url: str, app: App) -> None:
    headers = {"Accept": "text/event-stream", "Origin": "https://chat.example.com"}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client,
        client.stream("GET", f"{url}/streams/public/news", headers=headers) as response,
    ):
        assert response.headers["access-control-allow-origin"] == "https://chat.example.com"
        assert "Origin" in response.headers["vary"]
        await app.publish("public/news", "é")
        assert (await read_events(response, 2))[1]["data"] == '"é"'


async def test_slow_event_source_is_held_back_and_misses_nothing(url: str, app: App) -> None:
    """More than the server holds for one client; it is read again from the log."""
    headers = {"Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client,
        client.stream("GET", f"{url}/streams/public/big", headers=headers) as response,
    ):
        for number in range(60):
            await app.publish("public/big", [number, "x" * 100_000])
        events = await read_events(response, 61)
    assert [json.loads(event["data"])[0] for event in events[1:]] == list(range(60))


async def test_slow_subscriber_is_held_back_and_misses_nothing(url: str, app: App) -> None:
    async with native_client(url) as client:
        await client.ask("subscribe", stream="public/big")
        for number in range(60):
            await app.publish("public/big", [number, "x" * 100_000])
        received = [(await client.receive_op("entry"))["data"][0] for _ in range(60)]
    assert received == list(range(60))


async def test_mounted_application_starts_with_its_first_request(app: App) -> None:
    async with serve_app(app, "starlette-lazy") as url, native_client(url) as client:
        await client.ask("subscribe", stream="public/news")
        await app.publish("public/news", 1)
        assert (await client.receive())["data"] == 1


async def test_clients_that_go_away_leave_nothing_behind(url: str, app: App) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        headers = {"Accept": "text/event-stream"}
        async with client.stream("GET", f"{url}/streams/public/a", headers=headers) as response:
            assert response.status_code == 200
            async with native_client(url) as native:
                await native.ask("subscribe", stream="public/a")
                hub, gateways = app.service.hub, app.service.gateways
                assert hub.counters.subscriptions == 2
                native.socket.transport.abort()
    async with asyncio.timeout(TIMEOUT_S):
        while hub.counters.subscriptions or hub.channel_count:
            await asyncio.sleep(0.02)
        while gateways.native.connection_count or gateways.events.response_count:
            await asyncio.sleep(0.02)
    figures = app.service.metrics.render().decode()
    assert "longwire_websocket_connections 0.0" in figures
    assert "longwire_subscriptions 0.0" in figures
