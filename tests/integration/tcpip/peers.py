"""Servers on the kernel's side of a namespace: nginx, aiohttp, iperf3."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import needs
from tests.integration.tcpip.kernel_side import KernelSide

__all__ = [
    "AIOHTTP_PORT",
    "IPERF_PORT",
    "NGINX_PORT",
    "serving_aiohttp",
    "serving_iperf3",
    "serving_nginx",
]

NGINX_PORT = 80
AIOHTTP_PORT = 8080
IPERF_PORT = 5201

_NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
user root;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    server {{
        listen 80;
        listen [::]:80;
        root {folder};
    }}
}}
"""

# PUT answers the SHA-256 of what came, GET /N sends N octets.
_AIOHTTP = """
import hashlib
from aiohttp import web

async def put(request):
    digest = hashlib.sha256()
    async for block in request.content.iter_any():
        digest.update(block)
    return web.Response(text=digest.hexdigest())

async def get(request):
    return web.Response(body=bytes(range(256)) * (int(request.match_info["n"]) // 256))

app = web.Application()
app.add_routes([web.put("/", put), web.get("/{n}", get)])
web.run_app(app, host=["0.0.0.0", "::"], port=8080, print=None)
"""


@contextlib.contextmanager
def serving_nginx(side: KernelSide, folder: Path) -> Iterator[None]:
    """nginx, which gives the files of ``folder``."""
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder))
    command = (needs.require("nginx"), "-p", str(folder), "-c", str(configuration))
    with _running(side, command, NGINX_PORT):
        yield


@contextlib.contextmanager
def serving_aiohttp(side: KernelSide) -> Iterator[None]:
    """An aiohttp server: PUT answers the SHA-256 of what came, GET /N sends N octets."""
    with _running(side, (sys.executable, "-c", _AIOHTTP), AIOHTTP_PORT):
        yield


@contextlib.contextmanager
def serving_iperf3(side: KernelSide) -> Iterator[None]:
    """``iperf3 --server``."""
    with _running(side, (needs.require("iperf3"), "--server"), IPERF_PORT):
        yield


@contextlib.contextmanager
def _running(side: KernelSide, command: tuple[str, ...], port: int) -> Iterator[None]:
    with subprocess.Popen(
        [*side.prefix, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            side.wait_listening(port, process)
            yield
        finally:
            process.terminate()
