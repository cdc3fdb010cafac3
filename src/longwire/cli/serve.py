"""``longwire serve``."""

from __future__ import annotations

import gc
import ipaddress
import logging
from pathlib import Path

import click

from longwire.base.errors import ConfigError, StoreError
from longwire.cli.config import config_option, parse_set_flags, read_configuration, set_option
from longwire.cli.exit_codes import CONFIG, UNAVAILABLE, CommandError
from longwire.net.loops import run
from longwire.server.app import App
from longwire.server.config import Flag
from longwire.server.development import development_settings
from longwire.server.load_app import load_app
from longwire.server.logs import configure_logging
from longwire.server.serve import ListenError, serve_until_stopped
from longwire.server.service import Service
from longwire.server.settings import ServerSettings
from longwire.server.store_urls import keep_on_disk

__all__ = ["serve_command"]

logger = logging.getLogger("longwire.server")

# Flags of their own for the settings that are given most, by the parameter's name.
_FLAGS = {
    "host": ("--host", "server", "host"),
    "port": ("--port", "server", "port"),
    "unix_path": ("--unix", "server", "unix"),
    "tls_cert": ("--tls-cert", "server", "tls_cert"),
    "tls_key": ("--tls-key", "server", "tls_key"),
    "tls_keylog": ("--tls-keylog", "server", "tls_keylog"),
    "store": ("--store", "store", "url"),
    "log_level": ("--log-level", "log", "level"),
}


@click.command("serve")
@click.argument("application", metavar="[MODULE:APP]", required=False)
@click.option("--host", metavar="HOST", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", metavar="PORT", help="TCP port; 0 takes a free one.  [default: 8080]")
@click.option("--unix", "unix_path", metavar="PATH", help="Listen on this Unix socket instead.")
@config_option
@click.option(
    "--store",
    metavar="URL",
    help="Where streams are kept: memory, sqlite:PATH or redis://HOST:PORT.  "
    "[default: sqlite:longwire-data/streams.db]",
)
@click.option("--tls-cert", metavar="FILE", help="Certificate chain (PEM): speak https and wss.")
@click.option("--tls-key", metavar="FILE", help="Its private key (PEM).")
@click.option("--tls-keylog", metavar="FILE", help="Append TLS secrets, for Wireshark.")
@click.option(
    "--dev",
    "is_development",
    is_flag=True,
    help="For trying things out: a demo page at /, an echo at /echo, and anybody may read and "
    "publish every stream.",
)
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning, error or critical.")
@click.option("--access-log", is_flag=True, help="Log each request and connection.")
@set_option
def serve_command(
    application: str | None,
    config_file: Path | None,
    is_development: bool,
    access_log: bool,
    set_flags: tuple[str, ...],
    **given: str | None,
) -> int:
    """Run a server.

    MODULE:APP names a longwire.App, such as chat:app for `app` in chat.py; without it the streams
    are served alone. Settings come from longwire.toml, then from LONGWIRE_* variables, then from
    the flags here; docs/configuration.md has them all.

    Once it listens, the server prints one line with its addresses. SIGTERM or SIGINT (Ctrl-C)
    drains and ends with exit code 0, a second one stops at once, SIGHUP reads the certificates
    again.
    """
    flags = [Flag(*_FLAGS[name], text) for name, text in given.items() if text is not None]
    if access_log:
        flags.append(Flag("--access-log", "log", "access", "true"))
    configuration = read_configuration(config_file, flags + parse_set_flags(set_flags))
    settings = keep_on_disk(configuration.settings)
    if is_development:
        settings = development_settings(settings)
    configure_logging(settings.log)
    if is_development and not is_local(settings.server):
        logger.warning(
            "--dev on %s: whoever reaches it may read and publish every stream",
            settings.server.host,
        )
    try:
        app = App() if application is None else load_app(application)
        service = Service(app, settings, is_development=is_development)
        spare_the_collector()
        return run(serve_until_stopped(service, announce))
    except (ListenError, StoreError) as error:
        raise CommandError(UNAVAILABLE, str(error)) from None
    except ConfigError as error:
        raise CommandError(CONFIG, str(error)) from None


def spare_the_collector() -> None:
    """Have the collector of cyclic garbage look less often, and not at what is there already.

    What a server keeps for long (entries, connections) is no garbage: to look through it every
    700 objects costs a server under load of publishes a fifth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def is_local(settings: ServerSettings) -> bool:
    """Tell whether only this machine can reach the server; a name is not looked up for that."""
    if settings.unix is not None or settings.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        return False


def announce(line: str) -> None:
    """Print the line that says where the server listens; whoever started us may wait for it."""
    click.echo(f"longwire: {line}")
