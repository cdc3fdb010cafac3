"""The programs in examples/ do what they say."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from longwire import Client, ClientError
from longwire.client.transports import TRANSPORTS
from longwire.lab.processes import Child, free_port
from tests.integration.server.app_servers import serve_site
from tests.integration.server.native_client import TIMEOUT_S, native_client
from tests.integration.server.running import RunningServer
from tests.needs import ROOT

EXAMPLES = ROOT / "examples"


def example(name: str, folder: Path) -> RunningServer:
    """One that is served, with its streams in a folder of its own: others run beside it."""
    return RunningServer(folder, name, environment={"PYTHONPATH": str(EXAMPLES)})


def test_every_example_is_listed_and_tested() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    tested = Path(__file__).read_text()
    for file in EXAMPLES.glob("*.py"):
        assert f"`{file.name}`" in listed
        assert f'"{file.stem}' in tested


async def test_rooms_keep_their_order(tmp_path: Path) -> None:
    with example("rooms:app", tmp_path) as server:
        async with httpx.AsyncClient(
            base_url=server.url, trust_env=False, timeout=TIMEOUT_S
        ) as http:
            assert "lobby" in (await http.get("/rooms")).json()
            assert (await http.post("/rooms/cellar/notices", content="x")).status_code == 404
            assert (await http.post("/rooms/lobby/notices")).status_code == 400
            async with native_client(server.url) as client:
                await client.ask("subscribe", stream="rooms/lobby")
                await http.post("/rooms/lobby/notices", content="tea at five")
                assert (await client.receive())["data"] == {"notice": "tea at five"}
                said = await client.ask("publish", stream="rooms/garden", data={"text": "hello"})
                assert said["op"] == "published"
                refused = await client.ask("publish", stream="rooms/lobby", data="hello")
                assert refused["code"] == "publish_refused"
                denied = await client.ask("publish", stream="rooms/cellar", data={"text": "hi"})
                assert denied["code"] == "permission_denied"
                history = await client.ask("history", stream="rooms/garden")
                assert set(history["entries"][0]["data"]) == {"text", "at"}
        assert server.stop() == 0


async def test_ticker_ticks_and_takes_nothing(tmp_path: Path) -> None:
    with example("ticker:app", tmp_path) as server:
        async with native_client(server.url) as client:
            await client.ask("subscribe", stream="prices/gold")
            prices = [(await client.receive_op("entry"))["data"]["price"] for _ in range(3)]
            assert all(3_000 < price < 5_000 for price in prices)
        async with native_client(server.url) as client:
            denied = await client.ask("publish", stream="prices/gold", data=1)
            assert denied["code"] == "permission_denied"
        assert server.stop() == 0


async def test_shout_answers_louder(tmp_path: Path) -> None:
    with example("shout:app", tmp_path) as server:
        async with connect(server.websocket_url + "/shout?mark=!?", proxy=None) as socket:
            await socket.send("hello é")
            assert await socket.recv() == "HELLO É!?"
            await socket.send(b"bytes")
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (1003, "texts only, please")


def test_ledger_books_each_payment_once(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--dev") as server:
        variables = {"LEDGER_URL": server.url, "LEDGER_FOLDER": str(tmp_path)}

        def start(*arguments: str) -> subprocess.Popen[str]:
            command = [sys.executable, str(EXAMPLES / "ledger.py"), *arguments]
            environment = {**os.environ, **variables}
            return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

        def run(*arguments: str) -> str:
            output, _ = (process := start(*arguments)).communicate(timeout=30)
            assert process.returncode == 0
            return output

        assert run("pay", "250").startswith("stored at 0000000000000001_")
        for amount in (100, 50):
            run("pay", str(amount))
            with start("book") as booking:
                assert booking.stdout is not None
                while booking.stdout.readline() != f"booked {amount}\n":
                    pass
                booking.kill()
        assert run("total") == "400\n"


async def test_mounted_application_lives_beside_the_site() -> None:
    spec = importlib.util.spec_from_file_location("mounted", EXAMPLES / "mounted.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    async with serve_site(module.site) as url, native_client(url + "/live") as client:
        await client.ask("subscribe", stream="news")
        async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as http:
            assert "Starlette's" in (await http.get(url + "/")).text
        assert (await client.receive())["data"] == {"visited": "/"}


async def test_a_django_site_knows_its_visitors_on_every_transport(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", str(port)]
    site = Child("site", [*command, "django_site:application"], tmp_path, port=port)
    site.start()
    try:
        await asyncio.to_thread(site.wait_until_listening)
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as http:
            signed_in = await http.post(f"{url}/login", data={"name": "ann"})
            assert signed_in.status_code == 302
            assert "You are ann" in (await http.get(url)).text
        cookie = f"theme=dark; sessionid={signed_in.cookies['sessionid']}"
        options = {"additional_headers": {"Cookie": cookie}}
        for transport in TRANSPORTS:
            async with Client(
                f"{url}/live/ws", transports=[transport], websocket_options=options
            ) as ann:
                assert (await ann.publish("of/ann", transport)).position
                with pytest.raises(ClientError, match="not allowed"):
                    await ann.publish("of/bob", transport)
    finally:
        site.kill()


@pytest.mark.parametrize("name", ["rooms:app", "ticker", "shout"])
def test_example_shows_its_address_and_stops(name: str, tmp_path: Path) -> None:
    with example(name, tmp_path) as server:
        answer = server.request("/nowhere", headers={"Accept": "application/json"})
        assert json.loads(answer.body)["status"] == 404
        assert server.stop() == 0
