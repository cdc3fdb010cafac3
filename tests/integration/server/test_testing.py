"""``App.test_client``: an application served for the time of a block of a test."""

from __future__ import annotations

import msgspec
import pytest

from longwire import App, Call, ClientError, ConnectionClosed, HttpError, Publication, Request
from longwire.base.errors import LongwireError
from longwire.server.app import WebSocket
from longwire.server.settings import AnonymousSettings, Settings


class Bid(msgspec.Struct):
    cents: int
    by: str = ""


@pytest.fixture
def app() -> App:
    app = App()
    app.life = []  # type: ignore[attr-defined]

    @app.authenticate
    def who(token: str) -> str | None:
        return token if token in ("ann", "bob") else None

    @app.permit("auction/*")
    def people(access: object) -> bool:
        return True

    @app.on_publish("auction/*")
    async def sign(publication: Publication, bid: Bid) -> None:
        publication.data = Bid(bid.cents, publication.principal.name)

    @app.call("double")
    def double(call: Call, number: int) -> int:
        return 2 * number

    @app.route("/lots/{lot}", methods=["GET", "POST"])
    async def lot(request: Request) -> dict[str, object]:
        if request.path_parameters["lot"] == "0":
            raise HttpError(404, "There is no lot 0.")
        return {"method": request.method, "body": await request.text()}

    @app.websocket("/socket")
    async def shout(ws: WebSocket, request: Request) -> None:
        async for message in ws:
            await ws.send(str(message).upper())

    @app.on_start
    def started() -> None:
        app.life.append("start")  # type: ignore[attr-defined]

    @app.on_stop
    async def stopped() -> None:
        app.life.append("stop")  # type: ignore[attr-defined]

    return app


async def test_two_users_meet(app: App) -> None:
    async with app.test_client() as test:
        ann = await test.client(token="ann")
        bob = await test.client(token="bob")
        bids = aiter(bob.subscribe("auction/1", start="earliest"))
        await ann.publish("auction/1", {"cents": 5})
        assert (await anext(bids)).data == {"cents": 5, "by": "ann"}
        assert await bob.call("double", 21) == 42
        await app.publish("auction/1", {"cents": 6})
        assert (await anext(bids)).data == {"cents": 6}


@pytest.mark.parametrize("data", [{"cents": "many"}, {}, 5, b"\xff"])
async def test_data_of_another_type_are_refused_with_where(app: App, data: object) -> None:
    async with app.test_client() as test:
        ann = await test.client(token="ann")
        with pytest.raises(ClientError, match="auction/1: ") as refused:
            await ann.publish("auction/1", data)
        assert refused.value.code == "publish_refused"
        assert (await ann.history("auction/1")).messages == []


async def test_requests_and_sockets(app: App) -> None:
    async with app.test_client() as test:
        response = await test.post("/lots/3", json={"a": 1})
        assert response.status == 200
        assert response.json() == {"method": "POST", "body": '{"a": 1}'}
        missing = await test.get("/lots/0", headers={"accept": "application/json"})
        assert missing.status == 404
        assert "There is no lot 0." in missing.text
        async with test.connect("/socket") as ws:
            await ws.send("hello")
            assert await ws.recv() == "HELLO"


async def test_token_that_is_not_let_in(app: App) -> None:
    async with app.test_client() as test:
        with pytest.raises(ClientError) as refused:
            await test.client(token="eve")
        assert refused.value.code == "unauthorized"


async def test_hooks_run_and_connections_end_with_the_block(app: App) -> None:
    async with app.test_client() as test:
        assert app.life == ["start"]  # type: ignore[attr-defined]
        ws = await test.connect("/socket")
    assert app.life == ["start", "stop"]  # type: ignore[attr-defined]
    with pytest.raises(ConnectionClosed) as closed:
        await ws.recv()
    assert closed.value.code == 1001
    with pytest.raises(LongwireError, match="not being served"):
        await app.publish("auction/1", {})


async def test_each_block_begins_with_empty_streams(app: App) -> None:
    for _ in range(2):
        async with app.test_client() as test:
            ann = await test.client(token="ann")
            ack = await ann.publish("auction/1", {"cents": 1})
            assert ack.position.offset == 1


async def test_settings_of_the_test_come_first(app: App) -> None:
    settings = Settings(anonymous=AnonymousSettings(read=("public/*",)))
    async with app.test_client(settings=settings) as test:
        anybody = await test.client()
        assert (await anybody.history("public/news")).messages == []
        with pytest.raises(ClientError) as refused:
            await anybody.history("private/news")
        assert refused.value.code == "permission_denied"
