"""``longwire doctor``: for now what this installation is made of."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import ssl
import sys
import zlib
from pathlib import Path

import click

import longwire
from longwire.cli.exit_codes import USAGE, CommandError

__all__ = ["doctor_command"]

# What each extra brings, by the name that one imports.
_EXTRAS = {
    "uvloop": "uvloop",
    "redis": "redis",
    "nats": "nats",
    "h3": "aioquic",
    "protobuf": "google.protobuf",
    "zlib-ng": "zlib_ng",
    "plots": "matplotlib",
}


@click.command("doctor")
@click.option("--self", "is_self", is_flag=True, help="Report on this installation.")
def doctor_command(is_self: bool) -> None:
    """Find out what is wrong.

    With --self: versions, which modules are compiled, the event loop, and which extras are there.
    """
    if not is_self:
        raise CommandError(USAGE, "doctor: only `longwire doctor --self` is built yet")
    rows = [
        ("longwire", f"{longwire.__version__} in {_package_folder()}"),
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("tls", ssl.OPENSSL_VERSION),
        ("zlib", zlib.ZLIB_RUNTIME_VERSION),
        ("event loop", _event_loop()),
        ("compiled modules", _compiled_modules()),
    ]
    rows += [(f"package {name}", version) for name, version in _required_packages()]
    rows += [(f"extra {extra}", _describe_extra(extra)) for extra in _EXTRAS]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {text}")


def _package_folder() -> Path:
    return Path(longwire.__file__).resolve().parent


def _event_loop() -> str:
    if importlib.util.find_spec("uvloop") is not None:
        return f"uvloop {importlib.metadata.version('uvloop')}"
    return "asyncio (install longwire[uvloop] for more speed)"


def _compiled_modules() -> str:
    folder = _package_folder()
    compiled = sorted(
        ".".join(("longwire", *file.relative_to(folder).parent.parts, file.name.split(".")[0]))
        for pattern in ("*.so", "*.pyd")
        for file in folder.rglob(pattern)
    )
    return ", ".join(compiled) or "none: the plain Python modules run, slower"


def _required_packages() -> list[tuple[str, str]]:
    found = []
    for requirement in importlib.metadata.requires("longwire") or []:
        if "extra ==" in requirement:
            continue
        name = requirement.split(";")[0]
        for end in "<>=!~ [(":
            name = name.split(end)[0]
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append((name, f"MISSING: {requirement} is needed; install longwire anew"))
    return found


def _describe_extra(extra: str) -> str:
    try:
        is_there = importlib.util.find_spec(_EXTRAS[extra]) is not None
    except ModuleNotFoundError:  # the package around it is missing
        is_there = False
    return "present" if is_there else f"absent: pip install 'longwire[{extra}]'"
