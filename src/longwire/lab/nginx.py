"""nginx in front of the servers of a run, spreading requests over them without stickiness."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from string import Template

from longwire.lab.processes import Child, RunError, free_port

__all__ = ["start_nginx"]

# One process: killed as a crash kills, a master would leave its workers behind.
_CONFIGURATION = Template("""\
daemon off;
master_process off;
worker_rlimit_nofile 16384;
pid $folder/nginx.pid;
error_log stderr warn;
events { worker_connections 8192; }
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    map $$http_upgrade $$connection_field { default upgrade; "" ""; }
    upstream longwire {
        $servers
        keepalive 64;
    }
    server {
        listen 127.0.0.1:$port;
        client_max_body_size 32m;
        location / {
            proxy_pass http://longwire;
            proxy_http_version 1.1;
            proxy_set_header Host $$http_host;
            proxy_set_header Upgrade $$http_upgrade;
            proxy_set_header Connection $$connection_field;
        }
    }
}
""")


def start_nginx(folder: Path, ports: Sequence[int]) -> Child:
    """Start it, with its defaults of buffering and of which server gets the next request."""
    # Debian keeps it where only root looks.
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    program = shutil.which("nginx", path=places)
    if program is None:
        raise RunError("no nginx on PATH: install it, or run without --nginx")
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{one};" for one in ports)
    path = folder / "nginx.conf"
    path.write_text(_CONFIGURATION.substitute(folder=folder, port=port, servers=servers))
    nginx = Child("nginx", [program, "-p", str(folder), "-c", str(path)], folder, port=port)
    nginx.start()
    nginx.wait_until_listening()
    return nginx
