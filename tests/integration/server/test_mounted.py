"""Mounted in a site of a framework, every transport gets everything, though connections break."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from longwire import App
from longwire.base.errors import ConfigError
from longwire.client.client import Client
from longwire.client.transports import TRANSPORTS
from longwire.lab.targets.mounted_server import MOUNT_PATH, MOUNTS, make_site
from longwire.server.development import development_settings
from longwire.server.settings import Settings
from tests.integration.client.cutting import CuttingProxy, Direction
from tests.integration.server.app_servers import serve_site

MESSAGES = 20
CUTS_MIN = 5

PLACES = pytest.mark.parametrize(
    ("framework", "server"),
    [*((framework, "uvicorn") for framework in MOUNTS), ("starlette", "hypercorn")],
)


def make_app() -> App:
    return App(settings=development_settings(Settings()))


@PLACES
async def test_all_transports_deliver_what_is_published_while_connections_are_cut(
    framework: str, server: str
) -> None:
    source = random.Random(framework)
    async with (
        serve_site(make_site(framework, make_app()), server) as url,
        CuttingProxy(urlsplit(url).port or 0) as proxy,
    ):
        proxy.plans = lambda: (
            source.choice(list(Direction)),
            int(source.expovariate(1 / 8_000)),
        )
        way = proxy.url.removesuffix("/ws") + f"{MOUNT_PATH}/ws"
        clients = [
            Client(way, transports=[transport], retry_first_s=0.02, retry_max_s=0.05)
            for transport in TRANSPORTS
        ]
        got: list[list[Any]] = [[] for _ in clients]
        for client, mine in zip(clients, got, strict=True):
            await client.start()
            client.subscribe(
                "news", lambda message, mine=mine: mine.append(message.data), start="earliest"
            )
        sent, acks = 0, []
        async with asyncio.timeout(45):
            while sent < MESSAGES or proxy.cuts < CUTS_MIN:
                for client, transport in zip(clients, TRANSPORTS, strict=True):
                    acks.append(await client.submit("news", [[transport, sent]]))
                sent += 1
                await asyncio.sleep(0.005)
            await asyncio.gather(*acks)
            while any(len(mine) < sent * len(clients) for mine in got):
                await asyncio.sleep(0.01)
        proxy.plans = None
        for client in clients:
            await client.close()
    assert got[0] == got[1] == got[2]
    for transport in TRANSPORTS:
        mine = [number for who, number in got[0] if who == transport]
        assert mine == list(range(sent))


@PLACES
async def test_the_site_answers_everything_else(framework: str, server: str) -> None:
    async with serve_site(make_site(framework, make_app()), server) as url:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.get("/")).text == framework
            assert (await http.get("/livelihood")).status_code == 404
            assert (await http.get(f"{MOUNT_PATH}/healthz")).status_code == 200
            created = await http.put(f"{MOUNT_PATH}/streams/a/b")
            assert created.status_code == 201
            assert urlsplit(created.headers["Location"]).path == f"{MOUNT_PATH}/streams/a/b"
        with pytest.raises(InvalidStatus):
            async with connect(url.replace("http", "ws", 1) + "/ws", proxy=None):
                pass


@pytest.mark.parametrize("path", ["live", "/live/", "/", ""])
def test_a_path_to_be_beside_a_site_at_is_checked(path: str) -> None:
    with pytest.raises(ConfigError, match=r'no path to be beside a site at.*"/live"'):
        App().beside(App(), path)
