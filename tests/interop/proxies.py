"""nginx and HAProxy in front of a server, each started on a free port and stopped again."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from pathlib import Path

from longwire.lab.processes import free_port
from tests import needs

__all__ = ["PROXIES", "SHARING_PROXIES", "haproxy", "nginx"]

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_read_timeout 60s;
        }}
    }}
}}
"""

# Connections to the server are kept and shared by clients, and requests that the proxy itself
# took for such are marked. They wait for no client longer than a test would.
NGINX_SHARING = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_header_timeout 1s;
    client_body_timeout 1s;
    keepalive_timeout 1s;
    upstream back {{
        server 127.0.0.1:{upstream};
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Front nginx;
        }}
    }}
}}
"""

HAPROXY_SHARING = """
global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 1s
    timeout http-request 1s
    timeout http-keep-alive 1s
    timeout server 30s
    http-reuse always
frontend front
    bind 127.0.0.1:{port}
    http-request set-header Front haproxy
    default_backend back
backend back
    server one 127.0.0.1:{upstream}
"""

HAPROXY = """
global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server one 127.0.0.1:{upstream}
"""


@contextlib.asynccontextmanager
async def nginx(upstream: int, folder: Path, template: str = NGINX) -> AsyncIterator[int]:
    """nginx before ``upstream``; gives its port."""
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(template.format(folder=folder, port=port, upstream=upstream))
    command = (needs.require("nginx"), "-p", str(folder), "-c", str(configuration))
    async with running(command, port):
        yield port


@contextlib.asynccontextmanager
async def haproxy(upstream: int, folder: Path, template: str = HAPROXY) -> AsyncIterator[int]:
    """HAProxy before ``upstream``; gives its port."""
    port = free_port()
    configuration = folder / "haproxy.cfg"
    configuration.write_text(template.format(port=port, upstream=upstream))
    async with running((needs.require("haproxy"), "-db", "-f", str(configuration)), port):
        yield port


PROXIES = {"nginx": nginx, "haproxy": haproxy}

SHARING_PROXIES = {
    "nginx": functools.partial(nginx, template=NGINX_SHARING),
    "haproxy": functools.partial(haproxy, template=HAPROXY_SHARING),
}


@contextlib.asynccontextmanager
async def running(command: tuple[str, ...], port: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*command)
    try:
        async with asyncio.timeout(30):
            await until_it_listens(process, port)
        yield
    finally:
        # SIGTERM, so that the master of nginx ends its workers too.
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def until_it_listens(process: asyncio.subprocess.Process, port: int) -> None:
    while True:
        assert process.returncode is None, "the proxy ended at once"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
