"""Peers that run as processes of their own, so that they can be stopped, killed and cut off."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

__all__ = ["ClientPeer", "ServerPeer", "run_peer"]

# A peer is another library on purpose: what is judged shall not share our mistakes.
SERVER = """
import asyncio, sys
from websockets.asyncio.server import serve

async def handler(ws):
    async for message in ws:
        if message == "reset":
            import socket, struct
            sock = ws.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ws.transport.abort()
        elif message == "hang up":
            ws.transport.close()
        else:
            await ws.send(message)

async def main():
    host, interval, timeout = sys.argv[1], float(sys.argv[2]) or None, float(sys.argv[3])
    async with serve(handler, host, 0, ping_interval=interval, ping_timeout=timeout) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

asyncio.run(main())
"""

CLIENT = """
import asyncio, sys
from websockets.asyncio.client import connect

async def main():
    async with connect(sys.argv[1], ping_interval=None, proxy=None) as ws:
        await ws.send("here")
        print("connected", flush=True)
        async for message in ws:
            pass

asyncio.run(main())
"""


class Peer:
    """A process that is ours to stop and kill; ended when the test ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def stop(self) -> None:
        """Freeze it: its kernel goes on, its program does not."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._process.kill()


class ServerPeer(Peer):
    port: int

    def uri(self, host: str = "127.0.0.1") -> str:
        return f"ws://{host}:{self.port}/"


class ClientPeer(Peer):
    pass


@contextlib.asynccontextmanager
async def run_peer(
    source: str, *arguments: str, prefix: tuple[str, ...] = ()
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run ``source`` with this interpreter; give the process and the first line it prints."""
    process = await asyncio.create_subprocess_exec(
        *prefix, sys.executable, "-c", source, *arguments, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        assert line, "the peer ended before it was ready"
        yield process, line.decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def server_peer(
    host: str = "127.0.0.1",
    *,
    ping_interval_s: float = 0.0,
    ping_timeout_s: float = 20.0,
    prefix: tuple[str, ...] = (),
) -> AsyncIterator[ServerPeer]:
    """A WebSocket server of another library; it echoes, resets and hangs up as told."""
    arguments = (host, str(ping_interval_s), str(ping_timeout_s))
    async with run_peer(SERVER, *arguments, prefix=prefix) as (process, line):
        peer = ServerPeer(process)
        peer.port = int(line)
        yield peer


@contextlib.asynccontextmanager
async def client_peer(uri: str) -> AsyncIterator[ClientPeer]:
    """A WebSocket client of another library that connects, says "here" and listens."""
    async with run_peer(CLIENT, uri) as (process, _):
        yield ClientPeer(process)
