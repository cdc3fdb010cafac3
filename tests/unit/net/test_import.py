"""``import longwire`` and the plain client load nothing but the standard library."""

from __future__ import annotations

import subprocess
import sys

import longwire

PROBE = """
import sys
before = set(sys.modules)
import asyncio, longwire
async def echo(ws):
    async for message in ws:
        await ws.send(message)
async def main():
    async with longwire.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with longwire.connect(f"ws://127.0.0.1:{port}/") as ws:
            await ws.send("x")
            assert await ws.recv() == "x"
asyncio.run(main())
known = sys.stdlib_module_names | {"longwire"}
for name in sorted(set(sys.modules) - before):
    top = name.partition(".")[0]
    # Cython registers its run-time support for compiled modules under a name of its own.
    if top not in known and not top.startswith(("_cython_", "cython_runtime")):
        print(name)
for name in sorted(sys.modules):
    if name.startswith("longwire.") and name.split(".")[1] not in ("base", "net", "websocket"):
        print(name)
"""


def test_plain_api_loads_no_third_party_package() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout == ""


def test_plain_names_are_there_for_tools_to_see() -> None:
    """Editors and type checkers do not see what a module makes up when asked for it."""
    for name in ("connect", "serve", "broadcast", "Callbacks", "ConnectionClosed", "Connection"):
        assert name in longwire.__all__
        assert name in vars(longwire)
