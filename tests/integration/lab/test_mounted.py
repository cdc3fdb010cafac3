"""Runs against longwire mounted in sites of web frameworks, under uvicorn."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from longwire.client.client import Client
from longwire.lab.plan import make_plan
from longwire.lab.processes import Child, RunError, free_port
from longwire.lab.run import run_plan
from longwire.lab.settings import RunSettings
from longwire.lab.targets.mounted_server import MOUNTS
from longwire.lab.targets.registry import ServerSettings, find_target

TARGET = find_target("longwire")


def start_server(folder: Path, mount: str, *set_flags: str) -> Child:
    given = ServerSettings(free_port(), set_flags=set_flags, mount=mount)
    server = Child("server", TARGET.server(given), folder, port=given.port)
    server.start()
    return server


@pytest.mark.parametrize("mount", MOUNTS)
async def test_the_server_of_a_run_has_a_site_and_the_streams(mount: str, tmp_path: Path) -> None:
    server = start_server(tmp_path, mount)
    try:
        await asyncio.to_thread(server.wait_until_listening)
        url = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(url)).text == mount
        async with Client(url + TARGET.path(mount)) as client:
            assert (await client.publish("news", 1)).position
    finally:
        server.kill()


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    server = start_server(tmp_path, "starlette", "websocket.message_bytes_max=many")
    try:
        with pytest.raises(RunError, match=r"(?s)ended by itself.*websocket\.message_bytes_max"):
            server.wait_until_listening()
    finally:
        server.kill()


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("mount", MOUNTS)
def test_all_arrives_while_links_are_cut(mount: str, tmp_path: Path) -> None:
    settings = RunSettings(clients=200, duration_s=120, mount=mount)
    plan = make_plan(seed=settings.seed, duration_s=settings.duration_s, links=settings.clients)
    outcome, _ = run_plan(settings, plan, folder=tmp_path)
    verdict = outcome.verdict
    assert verdict.faults() == []
    assert verdict.missing_in_store == verdict.stored_twice == verdict.stored_out_of_order == 0
    assert verdict.reconnects > settings.clients
