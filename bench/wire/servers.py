"""The servers that are compared: how each is started, and which of them are here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["SERVERS", "RunningServer", "Server", "install_npm_packages", "running"]

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).resolve().parents[2]
NPM_FOLDER = ROOT / ".cache" / "bench"
NPM_PACKAGES = ("ws", "bun", "uwebsockets")
BUN = NPM_FOLDER / "node_modules" / "@oven" / "bun-linux-x64" / "bin" / "bun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A program that prints its port and serves until it is killed."""

    name: str
    package: str
    program: str
    arguments: tuple[str, ...] = ()
    has_tls: bool = False
    is_pure: bool = False

    @property
    def command(self) -> list[str]:
        interpreters = {".py": sys.executable, ".cjs": "node", ".js": str(BUN)}
        return [interpreters[Path(self.program).suffix], str(PEERS / self.program)]

    def version(self) -> str | None:
        """That of its package; ``None`` when it is not here."""
        try:
            if self.program.endswith(".py"):
                return version(self.package)
            if self.program.endswith(".js") and not BUN.exists():
                return None
            if shutil.which("node") is None and self.program.endswith(".cjs"):
                return None
            manifest = NPM_FOLDER / "node_modules" / self.package / "package.json"
            return str(json.loads(manifest.read_text())["version"])
        except (OSError, PackageNotFoundError):
            return None


SERVERS = {
    server.name: server
    for server in (
        Server(
            name="longwire, callbacks",
            package="longwire",
            program="longwire_server.py",
            arguments=("callbacks",),
            has_tls=True,
        ),
        Server(
            name="longwire, async for",
            package="longwire",
            program="longwire_server.py",
            arguments=("coroutines",),
            has_tls=True,
        ),
        Server(
            name="longwire, pure Python",
            package="longwire",
            program="longwire_server.py",
            arguments=("coroutines",),
            is_pure=True,
        ),
        Server(name="picows", package="picows", program="picows_server.py"),
        Server(
            name="websockets", package="websockets", program="websockets_server.py", has_tls=True
        ),
        Server(name="aiohttp", package="aiohttp", program="aiohttp_server.py"),
        Server(name="ws (Node)", package="ws", program="ws_server.cjs"),
        Server(name="Bun", package="bun", program="bun_server.js"),
        Server(name="uWebSockets.js", package="uwebsockets", program="uws_server.cjs"),
    )
}


def install_npm_packages() -> None:
    """Put what runs on Node and Bun into .cache; without npm those servers are left out."""
    if all((NPM_FOLDER / "node_modules" / package).exists() for package in NPM_PACKAGES):
        return
    NPM_FOLDER.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *NPM_PACKAGES],
            cwd=NPM_FOLDER,
            stdout=subprocess.DEVNULL,
            check=False,
        )


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A started server, and what the kernel knows of its process."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """CPU time of all its threads, seconds."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def memory_bytes(self) -> int:
        """Its share of memory (PSS), bytes."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"the kernel does not say what process {self.pid} takes")


@contextlib.asynccontextmanager
async def running(
    server: Server, mode: str, tls: tuple[Path, Path] | None = None
) -> AsyncIterator[RunningServer]:
    """Start a server for ``mode`` ("echo" or "fanout"), alone on the first core."""
    environment = {**os.environ, "NODE_PATH": str(NPM_FOLDER / "node_modules")}
    if server.is_pure:
        environment["PYTHONPATH"] = str(ROOT / ".cache" / "pure")
    process = await asyncio.create_subprocess_exec(
        *server.command,
        mode,
        *server.arguments,
        *(() if tls is None else map(str, tls)),
        stdout=subprocess.PIPE,
        env=environment,
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError(f"{server.name} did not start: {line!r}")
        yield RunningServer(process.pid, int(line))
    finally:
        process.kill()
        await process.wait()
