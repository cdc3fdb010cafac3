"""``App.test_client``: an application in the process of its tests."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from longwire import App, Call, ClientError, LongwireError, SyncClient
from longwire.server.settings import AnonymousSettings, Settings, StoreSettings

EVERYBODY = AnonymousSettings(read=("**",), publish=("**",))


class Tea(msgspec.Struct):
    kind: str
    cups: int = 1


def make_app(**sections) -> App:
    app = App(settings=Settings(**sections))

    @app.authenticate
    def who(token: str) -> str | None:
        return token if token == "ann" else None

    @app.call("tea.make")
    async def make(call: Call, tea: Tea) -> Tea:
        return Tea(f"{tea.kind} for {call.principal.name}", tea.cups)

    @app.route("/tea/{kind}", methods=["GET", "POST"])
    async def tell(request):
        order = await request.json() if request.method == "POST" else None
        return {"kind": request.path_parameters["kind"], "order": order}

    @app.websocket("/shout")
    async def shout(connection, request):
        async for message in connection:
            await connection.send(message.upper())

    return app


async def test_requests_are_answered():
    async with make_app().test_client() as server:
        answer = await server.get("/tea/green")
        assert (answer.status, answer.json()) == (200, {"kind": "green", "order": None})
        assert answer.headers.get("content-type") == "application/json"
        assert (await server.post("/tea/green", json={"cups": 2})).json()["order"] == {"cups": 2}
        refused = await server.request("DELETE", "/tea/green", headers={"Accept": "text/plain"})
        assert refused.status == 405
        assert "DELETE" in refused.text or "GET" in (refused.headers.get("Allow") or "")
        assert (await server.get("/readyz")).status == 200


async def test_clients_call_and_publish():
    async with (
        make_app(anonymous=EVERYBODY).test_client() as server,
        server.client(token="ann") as ann,
        server.client() as guest,
    ):
        assert await ann.call("tea.make", {"kind": "oolong"}, type=Tea) == Tea("oolong for ann")
        with pytest.raises(ClientError, match=r"\$\.cups") as refused:
            await guest.call("tea.make", {"kind": "oolong", "cups": "many"})
        assert refused.value.code == "bad_arguments"
        ack = await guest.publish("orders", {"cups": 3})
        (message,) = (await ann.history("orders")).messages
        assert (message.data, message.position) == ({"cups": 3}, ack.position)


async def test_other_clients_find_the_server():
    async with make_app(anonymous=EVERYBODY).test_client() as server:
        async with server.websocket("/shout") as connection:
            await connection.send("hello")
            assert await connection.recv() == "HELLO"

        def publish() -> None:
            with SyncClient(server.url) as client:
                client.publish("orders", 1)

        await asyncio.to_thread(publish)
        async with server.client() as client:
            assert len((await client.history("orders")).messages) == 1


async def test_streams_end_with_the_block_whatever_store_is_configured(tmp_path):
    path = tmp_path / "streams.db"
    store = StoreSettings(url=f"sqlite:{path}")
    app = make_app(anonymous=EVERYBODY, store=store)
    for _ in range(2):
        async with app.test_client() as server, server.client() as client:
            ack = await client.publish("orders", 1)
            assert (ack.position.offset, ack.durability) == (1, "memory")
    assert not path.exists()


async def test_settings_that_are_asked_for_hold(tmp_path):
    store = StoreSettings(url=f"sqlite:{tmp_path}/streams.db")
    settings = Settings(anonymous=EVERYBODY, store=store)
    app = make_app()
    for expected in (1, 2):
        async with app.test_client(settings) as server, server.client() as client:
            assert (await client.publish("orders", 1)).position.offset == expected


async def test_hooks_run_at_the_ends_and_a_failing_one_is_raised():
    app, seen = make_app(), []
    app.on_start(lambda: seen.append("start"))
    app.on_stop(lambda: seen.append("stop"))
    async with app.test_client():
        assert seen == ["start"]
    assert seen == ["start", "stop"]

    @app.on_start
    async def fail() -> None:
        raise ValueError("no database")

    for _ in range(2):
        with pytest.raises(ValueError, match="no database"):
            async with app.test_client():
                pass


async def test_an_application_is_served_once_at_a_time():
    app = make_app()
    client = app.test_client()
    with pytest.raises(LongwireError, match="not started"):
        client.url  # noqa: B018
    async with client as server:
        with pytest.raises(LongwireError, match="twice"):
            async with app.test_client():
                pass
        assert (await server.get("/tea/green")).status == 200


async def test_nothing_listens_after_the_block():
    app = make_app()

    async with app.test_client() as server:
        port = server.port
    with pytest.raises(LongwireError, match="not started"):
        await server.get("/tea/green")
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)
