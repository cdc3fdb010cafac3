"""What the README shows is run as it stands there, but for the port."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import longwire
from tests.docs.snippets import ROOT, snippets
from tests.integration.server.running import RunningServer


def only(found: list[str]) -> str:
    assert len(found) == 1, f"{len(found)} snippets fit, one was looked for"
    return found[0]


def test_readme_client_gets_its_echo(tmp_path: Path) -> None:
    code = only(snippets("README.md", "python", "127.0.0.1:8080/echo"))
    with RunningServer(tmp_path, "--dev") as server:
        address = server.url.removeprefix("http://")
        done = subprocess.run(
            [sys.executable, "-c", code.replace("127.0.0.1:8080", address)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    hello, answered = done.stdout.splitlines()
    assert hello == "hello"
    assert answered.startswith("answered in ")


def run_snippet(code: str, server: RunningServer) -> str:
    """Run what a page shows, with this server in the place of the usual one."""
    address = server.url.removeprefix("http://")
    assert "127.0.0.1:8080" in code
    done = subprocess.run(
        [sys.executable, "-c", code.replace("127.0.0.1:8080", address)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout


def test_readme_client_reads_what_it_published(tmp_path: Path) -> None:
    code = only(snippets("README.md", "python", "longwire.Client("))
    (line,) = re.findall(r"`(longwire\.SyncClient\(.*)`\.", (ROOT / "README.md").read_text())
    with RunningServer(tmp_path, "--dev") as server:
        assert run_snippet(f"import longwire\n{line}", server) == ""
        first, second = run_snippet(code, server).splitlines()
    assert first.startswith("{'text': 'hello'} 0000000000000001_")
    assert second.startswith("{'text': 'hello'} 0000000000000002_")


def test_client_page_publishes_in_one_line(tmp_path: Path) -> None:
    code = only(snippets("docs/client.md", "python", "def order_paid"))
    with RunningServer(tmp_path, "--dev") as server:
        assert run_snippet(f"{code}\norder_paid(7)", server) == ""
        with longwire.SyncClient(server.url) as client:
            messages = client.history("orders/7").messages
            assert [message.data for message in messages] == [{"paid": True}]


async def test_readme_server_echoes() -> None:
    code = only(snippets("README.md", "python", "serve_forever", "8765"))
    # Any free port, told on the way out.
    tell = "print(server.sockets[0].getsockname()[1], flush=True)"
    code = code.replace("8765", "0").replace("await server.", f"{tell}; await server.")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 30))
        async with longwire.connect(f"ws://127.0.0.1:{port}/") as ws:
            await ws.send("as written")
            assert await ws.recv() == "as written"
    finally:
        process.kill()
        await process.wait()


def test_readme_application_is_served(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(only(snippets("README.md", "python", "App()")))
    command = only(snippets("README.md", "console", "serve hello:app"))
    assert command == "$ .venv/bin/longwire serve hello:app\n"
    with (
        RunningServer(tmp_path, "hello:app") as server,
        urllib.request.urlopen(f"{server.url}/hello/reader", timeout=10) as response,
    ):
        assert response.read() == b'{"hello":"reader"}'


def test_readme_test_of_the_application_passes(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(only(snippets("README.md", "python", "App()")))
    (tmp_path / "test_hello.py").write_text(only(snippets("README.md", "python", "test_client")))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "test_hello.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_readme_names_real_make_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in ("serve", "test"):
        assert f"$ make {command}" in (ROOT / "README.md").read_text()
        assert f"\n{command}:" in makefile
