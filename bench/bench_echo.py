"""Echo: longwire beside other Python servers, in one run, as ratios.

Each server is a process of its own; one generator, here, keeps WINDOW masked binary messages on
the way on each of CONNECTIONS connections, and counts what comes back. What is compared is the
server's CPU time for each message (all its threads, from the kernel's scheduler), which bears a
busy machine better than a rate does. Rounds are interleaved, each with fresh servers; the table
has medians. No compression, uvloop everywhere.

    bench/bench_echo.py [--connections 100] [--window 8] [--bytes 32] [--seconds 2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

from longwire.websocket.frames import BINARY, encode_frame, encode_message

SERVERS = {
    "longwire, callbacks": """
        class Echo(longwire.Callbacks):
            def on_message(self, connection, message):
                connection.send(message)
        async def main():
            async with longwire.serve(Echo(), "127.0.0.1", 0, compression=None) as server:
                announce(server.sockets[0])
                await server.serve_forever()
    """,
    "longwire, async for": """
        async def echo(ws):
            async for message in ws:
                await ws.send(message)
        async def main():
            async with longwire.serve(echo, "127.0.0.1", 0, compression=None) as server:
                announce(server.sockets[0])
                await server.serve_forever()
    """,
    "picows": """
        import picows
        class Echo(picows.WSListener):
            def on_ws_frame(self, transport, frame):
                transport.send(frame.msg_type, frame.get_payload_as_bytes())
        async def main():
            server = await picows.ws_create_server(lambda request: Echo(), "127.0.0.1", 0)
            announce(server.sockets[0])
            await server.serve_forever()
    """,
    "websockets": """
        from websockets.asyncio.server import serve
        async def echo(ws):
            async for message in ws:
                await ws.send(message)
        async def main():
            async with serve(echo, "127.0.0.1", 0, compression=None) as server:
                announce(next(iter(server.sockets)))
                await server.serve_forever()
    """,
    "aiohttp": """
        from aiohttp import web
        async def echo(request):
            ws = web.WebSocketResponse(compress=False)
            await ws.prepare(request)
            async for message in ws:
                await ws.send_bytes(message.data)
            return ws
        async def main():
            application = web.Application()
            application.router.add_get("/", echo)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            announce(site._server.sockets[0])
            await asyncio.Event().wait()
    """,
}

PRELUDE = """
import asyncio, textwrap, longwire, uvloop
def announce(sock):
    print(sock.getsockname()[1], flush=True)
{body}
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def unindent(body: str) -> str:
    return "\n".join(line[8:] for line in body.splitlines())


def cpu_s(pid: int) -> float:
    """CPU time of all threads of a process, seconds."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextlib.asynccontextmanager
async def serving(body: str) -> AsyncIterator[tuple[int, int]]:
    """Run a server; give its pid and port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PRELUDE.format(body=unindent(body)),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.pid, int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


class Generator(asyncio.Protocol):
    """One connection: sends a message for each that comes back."""

    def __init__(self, frame: bytes, window: int, echo_bytes: int) -> None:
        self._frame = frame
        self._window = window
        self._echo_bytes = echo_bytes
        self._held = b""
        self._is_open = False
        self.echoes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self._is_open:
            head, separator, rest = self._held.partition(b"\r\n\r\n")
            if not separator:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._is_open, self._held = True, rest
            self._transport.write(self._frame * self._window)
        count, left = divmod(len(self._held), self._echo_bytes)
        if count:
            self._held = self._held[len(self._held) - left :]
            self.echoes += count
            self._transport.write(self._frame * count)


async def measure(body: str, options: argparse.Namespace) -> tuple[float, float]:
    """Return messages per second and the server's CPU microseconds per message."""
    payload = os.urandom(options.bytes)
    frame = encode_frame(BINARY, payload, mask=os.urandom(4))
    echo_bytes = len(encode_message(payload))
    loop = asyncio.get_running_loop()
    async with serving(body) as (pid, port):
        generators = [
            Generator(frame, options.window, echo_bytes) for _ in range(options.connections)
        ]
        for generator in generators:
            await loop.create_connection(lambda g=generator: g, "127.0.0.1", port)
        await asyncio.sleep(0.5)
        echoes, cpu, began = sum(g.echoes for g in generators), cpu_s(pid), loop.time()
        await asyncio.sleep(options.seconds)
        count = sum(g.echoes for g in generators) - echoes
        used, elapsed = cpu_s(pid) - cpu, loop.time() - began
    if count == 0:
        raise SystemExit("bench: nothing came back")
    return count / elapsed, used / count * 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--bytes", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    names = list(SERVERS)
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for round_number in range(options.rounds):
        # There and back again, so that a slow drift of the machine hits all alike.
        for name in names if round_number % 2 == 0 else reversed(names):
            results[name].append(await measure(SERVERS[name], options))
    peers = ", ".join(f"{name} {version(name)}" for name in ("picows", "websockets", "aiohttp"))
    print(
        f"echo {options.connections} connections x {options.window} x {options.bytes} B,"
        f" {options.rounds} rounds of {options.seconds:g} s, CPython {platform.python_version()},"
        f" uvloop {version('uvloop')}, {peers}, {os.cpu_count()} cores"
    )
    reference = statistics.median(cpu for _, cpu in results["websockets"])
    print(f"{'server':24}{'messages/s':>12}{'CPU us/message':>16}{'websockets = 1':>16}")
    for name in names:
        rate = statistics.median(rate for rate, _ in results[name])
        cpu = statistics.median(cpu for _, cpu in results[name])
        print(f"{name:24}{rate:>12,.0f}{cpu:>16.2f}{reference / cpu:>15.2f}x")


if __name__ == "__main__":
    asyncio.run(main())
