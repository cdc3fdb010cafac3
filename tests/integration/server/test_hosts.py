"""Requests that are meant for another server (RFC 9110 sections 7.4 and 15.5.20)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import longwire
from longwire import App, Request
from longwire.server.settings import ServerSettings, Settings
from longwire.websocket.handshake import HandshakeError
from tests.integration.server.app_servers import WAYS, serve_app

OURS = {"Host": "www.example.com:8443"}
FOREIGN = {"Host": "evil.test"}


def make_app() -> App:
    app = App(settings=Settings(server=ServerSettings(hosts=("*.example.com",))))

    @app.route("/it")
    def it(request: Request) -> str:
        return request.authority

    @app.websocket("/socket")
    async def socket(socket: Any, request: Request) -> None:
        await socket.send("hello")

    return app


@pytest.fixture(params=WAYS)
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with serve_app(make_app(), request.param) as url:
        yield url


async def test_9110_15_5_20_request_for_another_host_is_misdirected(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        for _ in range(2):
            answer = await http.get("/it", headers=OURS)
            assert (answer.status_code, answer.text) == (200, OURS["Host"])
            answer = await http.get("/it", headers=FOREIGN)
            assert answer.status_code == 421
            assert "evil" not in answer.text
        assert (await http.get("/none", headers=FOREIGN)).status_code == 421
        assert (await http.options("/it", headers=FOREIGN)).status_code == 421
        assert (await http.get("/streams/s", headers=FOREIGN)).status_code == 421
        assert (await http.get("/healthz", headers=FOREIGN)).status_code == 200


async def test_9113_9_1_2_one_connection_may_carry_both() -> None:
    async with (
        serve_app(make_app(), "longwire") as url,
        httpx.AsyncClient(base_url=url, http1=False, http2=True) as http,
    ):
        for host, status in ((OURS, 200), (FOREIGN, 421), (OURS, 200)):
            answer = await http.get("/it", headers=host)
            assert (answer.http_version, answer.status_code) == ("HTTP/2", status)


async def test_websocket_for_another_host_is_refused() -> None:
    async with serve_app(make_app(), "longwire") as url:
        port = int(url.rpartition(":")[2])
        near = {"host": "127.0.0.1", "port": port}
        async with longwire.connect("ws://a.example.com/socket", **near) as socket:
            assert await socket.recv() == "hello"
        with pytest.raises(HandshakeError) as raised:
            await longwire.connect("ws://evil.test/socket", **near)
        assert raised.value.status == 421
