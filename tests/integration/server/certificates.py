"""Certificates for tests, made with the openssl program."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.needs import require


def make_certificate(folder: Path, name: str, *, stem: str = "server") -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1 that bears ``name``; return it and its key."""
    certificate, key = folder / f"{stem}-cert.pem", folder / f"{stem}-key.pem"
    subprocess.run(
        [
            require("openssl"),
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
