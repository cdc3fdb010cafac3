"""A user is let in no longer with what he has: at once, on every way in, on every server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from longwire import App
from longwire.client.client import Client
from longwire.client.errors import ClientError
from longwire.identity.principal import Principal
from longwire.identity.settings import IdentitySettings
from longwire.server.settings import AnonymousSettings, Settings, StoreSettings
from tests.integration.server.app_servers import WAYS, serve_app
from tests.integration.server.native_client import TIMEOUT_S, native_client
from tests.integration.server.running import RunningServer, run_longwire
from tests.redis_servers import RedisServer
from tests.unit.identity.forging import SECRET, make_token

EVENTS = {"Accept": "text/event-stream"}


def make_app(store: str = "memory") -> App:
    return App(
        settings=Settings(
            store=StoreSettings(url=store),
            anonymous=AnonymousSettings(read=("public",)),
            identity=IdentitySettings(secret=SECRET),
        )
    )


def token_of(name: str, issued_s: float | None = None, lifetime_s: float = 60) -> str:
    claims = {"sub": name, "exp": time.time() + lifetime_s, "streams": {"read": ["**"]}}
    return make_token(claims if issued_s is None else claims | {"iat": issued_s})


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        yield client


async def status_of(http: httpx.AsyncClient, url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    answer = await http.get(f"{url}/streams/none?offset=-1", headers=headers)
    return answer.status_code


@pytest.mark.parametrize("way", WAYS)
async def test_connections_end_and_tokens_of_before_are_refused(
    http: httpx.AsyncClient, way: str
) -> None:
    app = make_app()
    async with serve_app(app, way) as url:
        ann, bob = token_of("ann", time.time() - 5), token_of("bob")
        header = EVENTS | {"Authorization": f"Bearer {ann}"}
        await app.publish("s", 1)
        async with (
            native_client(url, ann) as one,
            native_client(url, bob) as other,
            http.stream("GET", f"{url}/streams/public", headers=header) as events,
        ):
            poll = asyncio.create_task(
                http.get(f"{url}/streams/s?offset=now&live=long-poll", headers=header)
            )
            assert events.status_code == 200
            while not app.service.gateways.durable.waiting.poll_count:
                await asyncio.sleep(0.01)
            await app.revoke("ann")
            closing = await one.receive_op("closing")
            assert (closing["code"], closing["reconnect"]) == (4504, False)
            with pytest.raises(ConnectionClosed):
                await one.receive()
            async with asyncio.timeout(TIMEOUT_S):
                async for _ in events.aiter_raw():
                    pass
            assert (await poll).status_code == 204
            assert (await other.ask("subscribe", stream="s"))["op"] == "subscribed"
        assert await status_of(http, url, ann) == 401
        assert await status_of(http, url, token_of("ann")) == 401  # it may be from before
        assert await status_of(http, url, token_of("ann", time.time() + 1)) == 404
        assert await status_of(http, url, bob) == 404


async def test_client_does_not_come_back() -> None:
    app = make_app()
    async with serve_app(app, "longwire") as url:
        asked = []

        def token() -> str:
            asked.append(1)
            return token_of("ann", time.time())

        async with Client(url, token=token) as client:
            await client.connected(TIMEOUT_S)
            await app.revoke("ann")
            with pytest.raises(ClientError) as caught:
                async with asyncio.timeout(TIMEOUT_S):
                    while True:
                        await client.history("public")
                        await asyncio.sleep(0.05)
            assert "revoked" in caught.value.message
        assert len(asked) == 1


async def test_connections_of_users_of_the_application_end_too() -> None:
    app = App(settings=Settings())

    @app.authenticate
    def who(token: str) -> Principal:
        return Principal(token)

    async with serve_app(app, "longwire") as url, native_client(url, "ann") as client:
        await app.revoke("ann")
        assert (await client.receive_op("closing"))["code"] == 4504


async def test_restart_forgets_no_revocation(http: httpx.AsyncClient, tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'streams.db'}"
    app = make_app(store)
    users = [f"user {number}" for number in range(30)]
    async with serve_app(app, "longwire"):
        for user in users:
            await app.revoke(user)
        await app.revoke(users[0])
    async with serve_app(make_app(store), "longwire") as url:
        for user in users:
            assert await status_of(http, url, token_of(user, time.time() - 5)) == 401
        assert await status_of(http, url, token_of("ann", time.time() - 5)) == 404


async def test_all_servers_on_one_store_hear_of_it(http: httpx.AsyncClient, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as redis:
        here, there = make_app(redis.url), make_app(redis.url)
        async with serve_app(here, "longwire") as url, serve_app(there, "longwire") as other:
            token = token_of("ann", time.time() - 5)
            async with native_client(other, token) as client:
                await here.revoke("ann")
                assert (await client.receive_op("closing"))["code"] == 4504
            assert await status_of(http, url, token) == 401
            assert await status_of(http, other, token) == 401


async def test_events_end_when_the_token_does(http: httpx.AsyncClient) -> None:
    async with serve_app(make_app(), "longwire") as url:
        header = EVENTS | {"Authorization": f"Bearer {token_of('ann', lifetime_s=0.5)}"}
        began_s = time.monotonic()
        async with http.stream("GET", f"{url}/streams/public", headers=header) as events:
            assert events.status_code == 200
            async with asyncio.timeout(TIMEOUT_S):
                async for _ in events.aiter_raw():
                    pass
        assert time.monotonic() - began_s > 0.2
        assert (await http.get(f"{url}/streams/public", headers=header)).status_code == 401


def test_operator_revokes_a_user_from_the_command_line(tmp_path: Path) -> None:
    made = run_longwire("token", "key", "ops", "--operate", folder=tmp_path)
    (tmp_path / "longwire.toml").write_text(f"[identity]\nsecret = {SECRET!r}\n{made.stderr}")
    (tmp_path / "ops.key").write_text(made.stdout)
    other = run_longwire("token", "key", "billing", folder=tmp_path).stdout.strip()
    token = token_of("ann / b", time.time() - 5)
    headers = {"Authorization": f"Bearer {token}"}
    with RunningServer(tmp_path, "--store", "memory") as server:
        path = "/streams/none?offset=-1"
        assert server.request(path, headers=headers).status == 404
        target = ("token", "revoke", "ann / b", "--server", server.url)
        refused = [
            run_longwire(*target, folder=tmp_path),
            run_longwire(*target, folder=tmp_path, environment={"LONGWIRE_API_KEY": "x"}),
            run_longwire(*target, folder=tmp_path, environment={"LONGWIRE_API_KEY": other}),
            run_longwire(
                "token", "revoke", "a", "--server", "http://127.0.0.1:1",
                folder=tmp_path, environment={"LONGWIRE_API_KEY": other},
            ),
        ]  # fmt: skip
        assert [run.returncode for run in refused] == [2, 2, 1, 69]
        assert all(run.stderr.count("\n") == 1 for run in refused)
        assert server.request(path, headers=headers).status == 404
        for method, fields, status in [
            ("POST", {}, 401),
            ("POST", headers, 403),
            ("GET", headers, 405),
        ]:
            answer = server.request("/api/users/x/revoke", method=method, headers=fields)
            assert answer.status == status
        done = run_longwire(*target, "--key-file", "ops.key", folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, "longwire: ann / b is revoked\n")
        assert server.request(path, headers=headers).status == 401
