"""Tokens on every way in: which are accepted from where, what is answered, what is logged."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from longwire import App, HttpError, Request
from longwire.identity.api_keys import describe_api_key, make_api_key
from longwire.identity.settings import IdentitySettings
from longwire.server.app import WebSocket
from longwire.server.settings import AnonymousSettings, OriginSettings, Settings
from tests.integration.server.app_servers import WAYS, serve_app
from tests.integration.server.native_client import TIMEOUT_S, NativeClient, native_client
from tests.integration.server.running import RunningServer
from tests.unit.identity.forging import SECRET, encode, hmac_token, make_token

EVENTS = {"Accept": "text/event-stream"}
JSON = Subprotocol("longwire.v1.json")


def make_app() -> App:
    app = App(
        settings=Settings(
            anonymous=AnonymousSettings(read=("public/*",)),
            identity=IdentitySettings(secret=SECRET, audiences=("us",)),
        )
    )

    @app.route("/me")
    async def me(request: Request) -> dict[str, Any]:
        principal = await app.identify(request)
        return {"name": principal.name, "role": principal.claims.get("role")}

    return app


def token_of(name: str = "ann", **claims: Any) -> str:
    said = {
        "sub": name,
        "aud": "us",
        "exp": time.time() + 60,
        "role": "editor",
        "streams": {"read": ["rooms/*"], "publish": ["rooms/a"]},
    }
    return make_token(said | claims)


@pytest.fixture
def app() -> App:
    return make_app()


@pytest.fixture(params=WAYS)
async def url(app: App, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with serve_app(app, request.param) as served:
        yield served


@pytest.fixture
async def own_url(app: App) -> AsyncIterator[str]:
    async with serve_app(app, "longwire") as served:
        yield served


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        yield client


CARRIERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "header": lambda token: {"headers": {"Authorization": f"Bearer {token}"}},
    "query": lambda token: {"params": {"access_token": token}},
    "cookie": lambda token: {"headers": {"Cookie": f"longwire_token={token}"}},
}


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_route_learns_who_asks(url: str, http: httpx.AsyncClient, carrier: str) -> None:
    answer = await http.get(f"{url}/me", **CARRIERS[carrier](token_of()))
    assert answer.json() == {"name": "ann", "role": "editor"}
    assert (await http.get(f"{url}/me")).json() == {"name": "", "role": None}
    answer = await http.get(f"{url}/me", **CARRIERS[carrier]("stolen"))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="longwire", error="invalid_token"'


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_events_are_for_whom_the_token_allows(
    url: str, http: httpx.AsyncClient, carrier: str
) -> None:
    options = CARRIERS[carrier](token_of())
    headers = EVENTS | options.pop("headers", {})
    async with http.stream("GET", f"{url}/streams/rooms/a", headers=headers, **options) as answer:
        assert answer.status_code == 200
    answer = await http.get(f"{url}/streams/secret", headers=headers, **options)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    # Who shows nothing is told that there is something to show.
    answer = await http.get(f"{url}/streams/rooms/a", headers=EVENTS)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
        401,
        'Bearer realm="longwire"',
    )


async def open_native(url: str, **options: Any) -> NativeClient:
    subprotocols = options.pop("subprotocols", [JSON])
    address = url.replace("http", "ws", 1) + "/ws" + options.pop("query", "")
    return NativeClient(await connect(address, proxy=None, subprotocols=subprotocols, **options))


def handshakes(token: str) -> dict[str, dict[str, Any]]:
    """Ways to bring a token with a WebSocket's handshake."""
    return {
        "header": {"additional_headers": {"Authorization": f"Bearer {token}"}},
        "query": {"query": f"?access_token={quote(token)}"},
        "cookie": {"additional_headers": {"Cookie": f"longwire_token={token}"}},
        "subprotocol": {"subprotocols": [JSON, Subprotocol(f"longwire.token.{token}")]},
    }


@pytest.mark.parametrize("carrier", handshakes(""))
async def test_handshake_brings_the_token(url: str, carrier: str) -> None:
    client = await open_native(url, **handshakes(token_of())[carrier])
    assert client.socket.subprotocol == JSON
    connected = await client.ask("connect", version=1)
    assert connected["user"] == "ann" and 50 < connected["expires_in_s"] <= 62
    assert (await client.ask("subscribe", stream="rooms/a"))["op"] == "subscribed"
    assert (await client.ask("subscribe", stream="secret"))["code"] == "permission_denied"
    assert (await client.ask("publish", stream="rooms/b", data=1))["code"] == "permission_denied"
    await client.socket.close()


@pytest.mark.parametrize("carrier", handshakes(""))
async def test_bad_token_ends_the_handshake_with_401(own_url: str, carrier: str) -> None:
    for token in (token_of(exp=time.time() - 3600), "stolen"):
        with pytest.raises(InvalidStatus) as caught:
            await open_native(own_url, **handshakes(token)[carrier])
        response = caught.value.response
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert token.encode() not in (response.body or b"")


async def test_connect_message_beats_the_handshake(own_url: str) -> None:
    client = await open_native(own_url, **handshakes(token_of("ann"))["header"])
    assert (await client.ask("connect", version=1, token=token_of("bob")))["user"] == "bob"
    await client.socket.close()


async def test_token_that_expires_between_handshake_and_connect(own_url: str) -> None:
    expires_s = time.time() + 1
    client = await open_native(own_url, **handshakes(token_of(exp=expires_s))["header"])
    while time.time() <= expires_s + 1:  # it has a leeway of a second
        await asyncio.sleep(0.1)
    answer = await client.ask("connect", version=1)
    assert (answer["op"], answer["code"]) == ("error", "unauthorized")
    await client.socket.close()


async def test_new_token_brings_new_permissions(own_url: str) -> None:
    async with native_client(own_url, token_of()) as client:
        await client.ask("subscribe", stream="rooms/a")
        token = token_of(streams={"read": ["secret"]})
        assert (await client.ask("authenticate", token=token))["user"] == "ann"
        ended = await client.receive_op("ended")
        assert (ended["stream"], ended["code"]) == ("rooms/a", "permission_denied")
        assert (await client.ask("subscribe", stream="secret"))["op"] == "subscribed"
        answer = await client.ask("authenticate", token=token_of(exp=1))
        assert (answer["op"], answer["code"]) == ("error", "unauthorized")


def attacks() -> dict[str, str]:
    """Tokens of the published kinds of forgery, by name."""
    good = {"sub": "ann", "aud": "us", "exp": time.time() + 60}
    return {
        "none": f"{encode({'alg': 'none'})}.{encode(good)}.",
        "none_signed": f"{encode({'alg': 'none'})}.{encode(good)}.AAAA",
        "empty_secret": hmac_token(b"", good),
        "kid_path": hmac_token(b"", good, {"alg": "HS256", "kid": "../../../dev/null"}),
        "kid_sql": hmac_token(b"x", good, {"alg": "HS256", "kid": "' UNION SELECT 'x"}),
        "jku": hmac_token(b"x", good, {"alg": "HS256", "jku": "http://evil.example/k"}),
        "psychic": f"{encode({'alg': 'ES256'})}.{encode(good)}.{encode(bytes(64))}",
        "expired": make_token(good | {"exp": time.time() - 60}),
        "not_yet": make_token(good | {"nbf": time.time() + 600}),
        "audience": make_token(good | {"aud": "them"}),
        "no_audience": make_token({"sub": "ann"}),
        "user": make_token(good | {"sub": ["ann"]}),
        "types": make_token(good | {"exp": "tomorrow"}),
        "twice": make_token('{"sub":"bob","sub":"ann","aud":"us"}'),
        "truncated": make_token(good)[:-5],
        "huge": make_token(good | {"x": "y" * 9000}),
        "dots": "." * 50,
    }


async def test_every_attack_gets_the_same_answer_and_leaves_no_token_in_the_log(
    own_url: str, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = attacks() | {"good": token_of()}
    said = set()
    for name, token in tokens.items():
        for options in CARRIERS.values():
            answer = await http.get(f"{own_url}/me", **options(token))
            if name == "huge" and answer.status_code == 414:
                continue  # too long for a URL of any kind
            assert answer.status_code == (200 if name == "good" else 401), name
            if name != "good":
                said.add((answer.text, answer.headers["WWW-Authenticate"]))
        for options in handshakes(token).values():
            try:
                client = await open_native(own_url, **options)
            except InvalidStatus as error:
                statuses = {"good": (101,), "huge": (401, 414)}.get(name, (401,))
                assert error.response.status_code in statuses, name
            else:
                assert name == "good"
                await client.socket.close()
        async with connect(own_url.replace("http", "ws") + "/ws", proxy=None) as socket:
            await socket.send(json.dumps({"op": "connect", "id": 1, "version": 1, "token": token}))
            answer = json.loads(await socket.recv())
            if name == "huge":
                assert answer["code"] == "bad_message"
            elif name != "good":
                assert (answer["code"], answer["message"]) == (
                    "unauthorized",
                    "this token is not accepted here",
                )
    assert len(said) == 1
    ours = [record for record in caplog.records if record.name.startswith("longwire")]
    assert any("a token was refused: expired" in record.getMessage() for record in ours)
    lines = [logging.Formatter("%(message)s").format(record) for record in ours]
    for token in tokens.values():
        for part in [token, *token.split(".")]:
            assert len(part) < 8 or not any(part in line for line in lines)


@pytest.mark.parametrize("way", WAYS)
async def test_own_websocket_of_an_application(way: str) -> None:
    app = make_app()

    @app.websocket("/own", subprotocols=["mine"])
    async def own(socket: WebSocket, request: Request) -> None:
        principal = await app.identify(request)
        if principal.is_anonymous:
            raise HttpError(403, "Members only.")
        await socket.send(principal.name)

    async with serve_app(app, way) as url:
        address = url.replace("http", "ws", 1) + "/own"
        for token, said in [(token_of(), "ann"), ("stolen", 3000), (None, 3003)]:
            offered = ["mine"] if token is None else [f"longwire.token.{token}", "mine"]
            subprotocols = [Subprotocol(name) for name in offered]
            async with connect(address, proxy=None, subprotocols=subprotocols) as socket:
                assert socket.subprotocol == "mine"
                try:
                    assert await socket.recv() == said
                except ConnectionClosed as closed:
                    assert closed.rcvd is not None and closed.rcvd.code == said


async def test_more_than_one_token_is_400(url: str, http: httpx.AsyncClient) -> None:
    token = token_of()
    headers = {"Authorization": f"Bearer {token}"}
    answer = await http.get(f"{url}/me?access_token={token}", headers=headers)
    assert answer.status_code == 400
    assert token not in answer.text


async def test_application_is_asked_about_other_tokens_only(http: httpx.AsyncClient) -> None:
    app, asked = make_app(), []

    @app.authenticate
    def who(token: str) -> str:
        asked.append(token)
        return "somebody"

    async with serve_app(app, "longwire") as url:
        for token, status in [("ticket-7", 200), (token_of(exp=1), 401), (token_of(), 200)]:
            headers = {"Authorization": f"Bearer {token}"}
            assert (await http.get(f"{url}/me", headers=headers)).status_code == status
    assert asked == ["ticket-7"]


async def test_backend_shows_its_api_key(http: httpx.AsyncClient) -> None:
    key = make_api_key(os.urandom)
    line = describe_api_key("billing", key, ["publish=orders/*"])
    app = App(settings=Settings(identity=IdentitySettings(api_keys=(line,))))

    @app.authenticate
    def who(token: str) -> str:
        return "somebody"

    @app.route("/me")
    async def me(request: Request) -> str:
        return (await app.identify(request)).name

    async with serve_app(app, "longwire") as url:
        headers = {"Authorization": f"Bearer {key}"}
        assert (await http.get(f"{url}/me", headers=headers)).text == "key:billing"
        headers["Authorization"] += "x"  # and the application is not asked
        assert (await http.get(f"{url}/me", headers=headers)).status_code == 401
        async with native_client(url, key) as client:
            assert (await client.ask("publish", stream="orders/1", data=1))["op"] == "published"
            answer = await client.ask("publish", stream="other", data=1)
            assert answer["code"] == "permission_denied"


async def test_keys_that_cannot_be_had_are_no_verdict(http: httpx.AsyncClient) -> None:
    identity = IdentitySettings(jwks_url="http://127.0.0.1:1/keys", audiences=("us",))
    app = App(settings=Settings(identity=identity))

    @app.route("/me")
    async def me(request: Request) -> str:
        return (await app.identify(request)).name

    async with serve_app(app, "longwire") as url:
        answer = await http.get(f"{url}/me", headers={"Authorization": f"Bearer {token_of()}"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        async with connect(url.replace("http", "ws") + "/ws", proxy=None) as socket:
            hello = {"op": "connect", "id": 1, "version": 1, "token": token_of()}
            await socket.send(json.dumps(hello))
            answer = json.loads(await socket.recv())
            assert (answer["code"], answer["retry"]) == ("identity_unavailable", True)


async def test_pages_of_one_setting(http: httpx.AsyncClient) -> None:
    """The allow-list holds for routes, streams and WebSockets alike, refusals included."""
    allowed, foreign = "https://chat.example", "https://evil.example"
    app = App(
        settings=Settings(
            identity=IdentitySettings(secret=SECRET, audiences=("us",)),
            origins=OriginSettings(allowed=("same", allowed)),
        )
    )
    done = []

    @app.route("/do", methods=["POST"])
    async def do(request: Request) -> str:
        done.append((await app.identify(request)).name)
        return "done"

    async with serve_app(app, "longwire") as url:
        cookie = {"Cookie": f"longwire_token={token_of()}"}
        asking = {"Access-Control-Request-Method": "POST", "Origin": allowed}
        answer = await http.options(f"{url}/do", headers=asking)
        assert answer.headers["Access-Control-Allow-Origin"] == allowed
        assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS, POST"
        for origin, status in [(allowed, 200), (foreign, 403), ("null", 403), (url, 200)]:
            answer = await http.post(f"{url}/do", headers={**cookie, "Origin": origin})
            assert answer.status_code == status
            assert ("Access-Control-Allow-Origin" in answer.headers) == (status == 200)
        assert done == ["ann", "ann"]
        # A page that is allowed sees why it was refused.
        answer = await http.get(f"{url}/streams/a", headers={"Origin": allowed})
        assert answer.status_code == 401
        assert answer.headers["Access-Control-Allow-Origin"] == allowed
        assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]
        with pytest.raises(InvalidStatus) as caught:
            await open_native(url, additional_headers={**cookie, "Origin": foreign})
        assert caught.value.response.status_code == 403
        client = await open_native(url, additional_headers={**cookie, "Origin": allowed})
        assert (await client.ask("connect", version=1))["user"] == "ann"
        await client.socket.close()


def test_log_of_a_whole_server_holds_no_token(tmp_path: Path) -> None:
    """Every way to show one, a failing application, and the log as talkative as it gets."""
    (tmp_path / "failing.py").write_text(
        "import longwire\n"
        "app = longwire.App()\n"
        "@app.authenticate\n"
        "def who(token):\n"
        "    raise RuntimeError(f'cannot look up {token}')\n"
        "@app.route('/me')\n"
        "async def me(request):\n"
        "    return (await app.identify(request)).name\n"
    )
    environment = {"LONGWIRE_IDENTITY_SECRET": SECRET, "LONGWIRE_IDENTITY_AUDIENCES": "us"}
    arguments = ["failing:app", "--store", "memory", "--access-log", "--log-level", "debug"]
    good, bad = token_of(), token_of(exp=1)
    key = make_api_key(os.urandom)
    odd = f"{encode('{')}.x" + "secret" * 3  # no JWT, so the application is asked, and fails
    with RunningServer(tmp_path, *arguments, environment=environment) as server:
        for token in (good, bad, key, odd):
            server.request("/me", headers={"Authorization": f"Bearer {token}"})
            server.request(f"/me?access_token={quote(token)}")
            server.request(f"/nowhere?access_token={quote(token)}")
            server.request("/me", headers={"Cookie": f"longwire_token={token}"})
            handshake = {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Protocol": f"nothing, longwire.token.{token}",
            }
            server.request("/ws", headers=handshake)
        assert server.request("/me", headers={"Authorization": f"Bearer {good}"}).text == "ann"
        server.stop()
    log = "".join(server.log)
    assert "GET /me 401" in log and "a token was refused: expired" in log
    assert "RuntimeError: cannot look up" in log
    assert SECRET not in log
    for token in (good, bad, key):
        assert not any(part in log for part in [token, *token.split(".")])
