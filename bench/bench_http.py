"""HTTP: longwire beside uvicorn, and server-sent events beside WebSocket, in one run, as ratios.

    bench/bench_http.py [--seconds 3] [--rounds 5] [--connections 64] [--subscribers 1000]
                        [--peers FOLDER]

What is compared is the server's CPU time for each request or delivery (all its threads, from the
kernel's scheduler), in interleaved rounds; the tables have medians. `wrk` makes the requests, on a
core of its own where there are two; it must be installed. Each server is one process on uvloop
without an access log. uvicorn (httptools) serves a bare ASGI application: "hello" answers 13 bytes,
"304" If-None-Match, which longwire does for a page of a stream's history.

For the fan-out one server has subscribers of both kinds, by turns; entries are published by the
server itself, one at a time and in bursts of 32, and are waited for by all.

References, which are reported where they are found: nginx with a static file, granian (`bin` of an
environment given by --peers), and over HTTP/2 longwire and hypercorn with `h2load`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from longwire.websocket.frames import TEXT, encode_frame

MARK = b"~~"
"""Stands once in each entry, and in nothing else that a subscriber gets."""

LONGWIRE_APP = """
import asyncio, longwire
app = longwire.App()
@app.route("/")
def hello(request):
    return "Hello, world!"
@app.route("/coroutine")
async def hello_later(request):
    return "Hello, world!"
@app.permit("*")
def anybody(access):
    return True
@app.on_start
async def fill():
    for number in range(2500):
        await app.publish("history", {"number": number, "text": "x" * 50})
@app.route("/publish/{count}/{burst}", methods=["POST"])
async def publish(request):
    count, burst = (int(request.path_parameters[name]) for name in ("count", "burst"))
    for _ in range(count // burst):
        entries = [app.publish("live", {"text": "~~" + "x" * 30}) for _ in range(burst)]
        await asyncio.gather(*entries)
        await asyncio.sleep(0)
"""

ASGI_APP = """
def head(status, *fields):
    return {"type": "http.response.start", "status": status, "headers": list(fields)}
HELLO = head(200, (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"13"))
SAME = head(304, (b"etag", b'"e"'), (b"cache-control", b"max-age=300"), (b"vary", b"Accept"))
TEXT = {"type": "http.response.body", "body": b"Hello, world!"}
NOTHING = {"type": "http.response.body", "body": b""}
async def app(scope, receive, send):
    if scope["type"] == "http":
        is_same = any(name == b"if-none-match" for name, _ in scope["headers"])
        await send(SAME if is_same else HELLO)
        await send(NOTHING if is_same else TEXT)
"""

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000;
  server {{ listen 127.0.0.1:{port}; root {folder}; }} }}
"""

PAGE = "/streams/history?offset=-1"


def cpu_s(pid: int) -> float:
    """CPU time of all threads of a process and of its children, seconds."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
        children = (task / "children").read_text().split()
        total += sum(int(cpu_s(int(child)) * 1e9) for child in children)
    return total / 1e9


def on_core(core: int, command: Sequence[str]) -> list[str]:
    """The command, kept to one core where there are several."""
    return ["taskset", "-c", str(core), *command] if (os.cpu_count() or 1) > 1 else list(command)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server under test, until ``stop``."""

    def __init__(self, command: Sequence[str], folder: str) -> None:
        self.port = free_port()
        filled = [word.format(port=self.port, folder=folder) for word in command]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            on_core(0, filled), cwd=folder, stdout=self._log, stderr=self._log
        )
        deadline_s = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self._log.seek(0)
                text = self._log.read().decode(errors="replace")
                raise SystemExit(f"bench: {filled[0]} does not listen:\n{text}")
            time.sleep(0.05)

    @property
    def cpu_s(self) -> float:
        return cpu_s(self._process.pid)

    def etag(self, path: str) -> str:
        """The entity tag of what is there."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
            return str(answer.headers["ETag"])

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def requests_by_wrk(
    server: Server, path: str, etag: str | None, options: argparse.Namespace
) -> int:
    """Let wrk ask for ``path``; return how many answers came."""
    condition = [] if etag is None else ["-H", f"If-None-Match: {etag}"]
    url = f"http://127.0.0.1:{server.port}{path}"
    text = run(
        *("wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds:g}s", *condition, url)
    )
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"bench: these are not the answers that were meant:\n{text}")
    return _number(r"(\d+) requests in", text)


def requests_by_h2load(server: Server, path: str, options: argparse.Namespace) -> int:
    """Let h2load ask over HTTP/2 in the clear, eight requests at a time on each connection."""
    url = f"http://127.0.0.1:{server.port}{path}"
    text = run("h2load", "-t1", f"-c{options.connections}", "-m8", f"-D{options.seconds:g}", url)
    return _number(r"(\d+) succeeded", text)


def run(*command: str) -> str:
    finished = subprocess.run(on_core(1, command), capture_output=True, text=True, check=True)
    return finished.stdout


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if found is None or not int(found[1]):
        raise SystemExit(f"bench: nothing came back:\n{text}")
    return int(found[1])


# -- requests -------------------------------------------------------------------------------------


@contextlib.contextmanager
def servers(options: argparse.Namespace, folder: str) -> Iterator[dict[str, Server]]:
    """Run all servers that are there, by name."""
    own = Path(sys.executable).parent
    peers = Path(options.peers) if options.peers else own
    commands: dict[str, list[str]] = {
        "longwire": [
            *(f"{own}/longwire", "serve", "longwire_app:app", "--store", "memory"),
            *("--port", "{port}"),
        ],
        "uvicorn": [
            *(f"{peers if (peers / 'uvicorn').exists() else own}/uvicorn", "asgi_app:app"),
            *("--port", "{port}", "--loop", "uvloop", "--http", "httptools", "--no-access-log"),
        ],
    }
    if (peers / "granian").exists():
        commands["granian"] = [
            *(f"{peers}/granian", "--interface", "asgi", "--workers", "1", "--loop", "uvloop"),
            *("--port", "{port}", "--no-log", "asgi_app:app"),
        ]
    if (peers / "hypercorn").exists():
        commands["hypercorn"] = [
            *(f"{peers}/hypercorn", "--worker-class", "uvloop", "--bind", "127.0.0.1:{port}"),
            "asgi_app:app",
        ]
    running: dict[str, Server] = {}
    try:
        for name, command in commands.items():
            running[name] = Server(command, folder)
        if nginx := shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin"):
            running["nginx"] = _start_nginx(nginx, folder)
        yield running
    finally:
        for server in running.values():
            server.stop()


def _start_nginx(nginx: str, folder: str) -> Server:
    Path(folder, "hello.txt").write_text("Hello, world!")
    script = 'printf "%s" "$1" > nginx.conf; exec "$0" -p "$PWD" -c "$PWD/nginx.conf"'
    return Server(["sh", "-c", script, nginx, NGINX], folder)


def measure_requests(options: argparse.Namespace, folder: str) -> None:
    with servers(options, folder) as running:
        jobs: dict[str, tuple[Server, str, str | None, bool]] = {}
        longwire = running["longwire"]
        jobs["hello: longwire"] = longwire, "/", None, False
        jobs["hello: longwire, coroutine"] = longwire, "/coroutine", None, False
        jobs["304: longwire"] = longwire, PAGE, longwire.etag(PAGE), False
        for name in ("uvicorn", "granian"):
            if name in running:
                jobs[f"hello: {name}"] = running[name], "/", None, False
                jobs[f"304: {name}"] = running[name], "/", '"e"', False
        if "nginx" in running:
            tag = running["nginx"].etag("/hello.txt")
            jobs["hello: nginx"] = running["nginx"], "/hello.txt", None, False
            jobs["304: nginx"] = running["nginx"], "/hello.txt", tag, False
        if shutil.which("h2load"):
            for name in ("longwire", "hypercorn"):
                if name in running:
                    jobs[f"HTTP/2 hello: {name}"] = running[name], "/", None, True
        costs: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(options.rounds):
            for name, (server, path, etag, is_http2) in jobs.items():
                time.sleep(0.5)  # what the generator before left behind is no cost of this one
                used_s = server.cpu_s
                if is_http2:
                    count = requests_by_h2load(server, path, options)
                else:
                    count = requests_by_wrk(server, path, etag, options)
                costs[name].append((server.cpu_s - used_s) / count * 1e6)
    print(f"{'requests':34}{'CPU us':>10}{'uvicorn = 1':>14}")
    for name in sorted(jobs):
        cost = statistics.median(costs[name])
        peer = costs.get(name.partition(":")[0] + ": uvicorn")
        ratio = f"{cost / statistics.median(peer):.2f}" if peer else "-"
        print(f"{name:34}{cost:>10.1f}{ratio:>14}")


# -- fan-out --------------------------------------------------------------------------------------


class Subscriber(asyncio.Protocol):
    """One connection: counts the entries that it gets."""

    def __init__(self, hello: Sequence[bytes]) -> None:
        self._hello = list(hello)
        self._end = b""
        self.entries = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._hello.pop(0))

    def data_received(self, data: bytes) -> None:
        for line in self._hello:
            self._transport.write(line)
        self._hello.clear()
        # The mark may be cut between two reads.
        self.entries += (self._end + data).count(MARK)
        self._end = data[-1:] if not data.endswith(MARK) else b""


def _frame(text: str) -> bytes:
    return encode_frame(TEXT, text.encode(), mask=os.urandom(4))


SSE = (b"GET /streams/live HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",)
WEBSOCKET = (
    (
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: longwire.v1.json\r\n\r\n"
    ),
    _frame('{"op":"connect","id":1,"version":1}'),
    _frame('{"op":"subscribe","id":2,"stream":"live","start":"tail"}'),
)


async def deliver(
    server: Server, hello: Sequence[bytes], burst: int, count: int, size: int
) -> float:
    """Publish ``count`` entries to ``size`` subscribers; return CPU microseconds per delivery."""
    loop = asyncio.get_running_loop()
    subscribers = [Subscriber(hello) for _ in range(size)]
    waiting = iter(subscribers)
    for _ in subscribers:
        await loop.create_connection(lambda: next(waiting), "127.0.0.1", server.port)
    await asyncio.sleep(1)

    async def publish(number: int) -> None:
        before = sum(subscriber.entries for subscriber in subscribers)
        url = f"http://127.0.0.1:{server.port}/publish/{number}/{burst}"
        request = urllib.request.Request(url, method="POST")
        await asyncio.to_thread(lambda: urllib.request.urlopen(request).close())
        async with asyncio.timeout(120):
            while sum(s.entries for s in subscribers) < before + number * size:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    await publish(burst)  # all are there
    used_s = server.cpu_s
    await publish(count)
    used_s = server.cpu_s - used_s
    for subscriber in subscribers:
        subscriber._transport.abort()
    await asyncio.sleep(1)
    return used_s / (count * size) * 1e6


async def measure_fan_out(options: argparse.Namespace, folder: str) -> None:
    own = Path(sys.executable).parent
    command = [f"{own}/longwire", "serve", "longwire_app:app", "--store", "memory"]
    server = Server([*command, "--port", "{port}"], folder)
    kinds = {"WebSocket": WEBSOCKET, "SSE": SSE}
    costs: dict[tuple[int, str], list[float]] = {}
    try:
        for _ in range(options.rounds):
            for burst, count in ((1, 100), (32, 1600)):
                for name, hello in kinds.items():
                    cost = await deliver(server, hello, burst, count, options.subscribers)
                    costs.setdefault((burst, name), []).append(cost)
    finally:
        server.stop()
    print(f"\n{f'fan-out to {options.subscribers}':34}{'CPU us':>10}{'WebSocket = 1':>14}")
    for burst, name in costs:
        cost = statistics.median(costs[burst, name])
        ratio = cost / statistics.median(costs[burst, "WebSocket"])
        print(f"{f'{name}, {burst} at a time':34}{cost:>10.2f}{ratio:>14.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--peers", help="bin folder of an environment with granian, hypercorn …")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("bench: wrk is not installed (apt-get install wrk)")
    print(
        f"{options.connections} connections, {options.rounds} rounds of {options.seconds:g} s, "
        f"CPython {platform.python_version()}, uvloop {version('uvloop')}, "
        f"uvicorn {version('uvicorn')}, {os.cpu_count()} cores\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # nginx's worker is another user
        Path(folder, "longwire_app.py").write_text(LONGWIRE_APP)
        Path(folder, "asgi_app.py").write_text(ASGI_APP)
        measure_requests(options, folder)
        asyncio.run(measure_fan_out(options, folder))


if __name__ == "__main__":
    main()
