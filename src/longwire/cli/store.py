"""``longwire store``: copies of the streams in an SQLite file."""

from __future__ import annotations

from pathlib import Path

import click

from longwire.base.errors import StoreError
from longwire.cli.config import config_option, read_configuration
from longwire.cli.exit_codes import CONFIG, UNAVAILABLE, CommandError
from longwire.server.config import Flag
from longwire.server.store_urls import find_sqlite_path, hide_password
from longwire.stores.sqlite import backup

__all__ = ["store_group"]

store_option = click.option(
    "--store", metavar="URL", help="Which streams.  [default: those that `longwire serve` keeps]"
)


@click.group("store", no_args_is_help=True)
def store_group() -> None:
    """Back up the streams that are kept in a file, and restore them."""


@store_group.command("backup")
@click.argument("destination", type=click.Path(path_type=Path))
@store_option
@config_option
def backup_command(destination: Path, store: str | None, config_file: Path | None) -> None:
    """Copy the streams to the new file DESTINATION, also while a server is running."""
    path = _find_path(store, config_file)
    try:
        size = backup.backup(path, destination)
    except StoreError as error:
        raise CommandError(UNAVAILABLE, str(error)) from None
    click.echo(f"longwire: {path} copied to {destination}, {size} bytes")


@store_group.command("restore")
@click.argument("copy", type=click.Path(path_type=Path))
@store_option
@config_option
def restore_command(copy: Path, store: str | None, config_file: Path | None) -> None:
    """Put the streams of the backup COPY in the place of those that are kept.

    No server may be running on them. Clients that have seen more than the backup holds are told
    when they come back.
    """
    path = _find_path(store, config_file)
    try:
        backup.restore(copy, path)
    except StoreError as error:
        raise CommandError(UNAVAILABLE, str(error)) from None
    click.echo(f"longwire: {path} is as it was in {copy}")


def _find_path(store: str | None, config_file: Path | None) -> Path:
    flags = [] if store is None else [Flag("--store", "store", "url", store)]
    settings = read_configuration(config_file, flags).settings
    path = find_sqlite_path(settings.store)
    if path is None:
        shown = hide_password(settings.store.url)
        raise CommandError(CONFIG, f'the store is "{shown}": only sqlite:PATH is kept in a file')
    return path
