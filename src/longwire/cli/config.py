"""``longwire config``: check what is configured, and show it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from longwire.cli.exit_codes import CONFIG, USAGE, CommandError
from longwire.server.config import Configuration, Flag, SettingsError, load_settings
from longwire.server.setting_fields import describe_value, sections, setting_fields
from longwire.server.store_urls import hide_password

__all__ = ["config_group", "parse_set_flags", "read_configuration"]

HIDDEN = "***"

config_option = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file to read.  [default: longwire.toml, where there is one]",
)
set_option = click.option(
    "--set",
    "set_flags",
    metavar="SECTION.KEY=VALUE",
    multiple=True,
    help="Any setting of docs/configuration.md; may be repeated.",
)


def parse_set_flags(texts: tuple[str, ...]) -> list[Flag]:
    """Turn ``--set section.key=value`` into flags."""
    flags = []
    for text in texts:
        name, separator, value = text.partition("=")
        section, dot, key = name.strip().partition(".")
        if not separator or not dot:
            message = f'--set "{text}": write SECTION.KEY=VALUE, such as --set log.level=debug'
            raise CommandError(USAGE, message)
        flags.append(Flag(f"--set {name.strip()}", section, key, value))
    return flags


def read_configuration(file: Path | None, flags: list[Flag]) -> Configuration:
    """Read all sources; wrong settings end the command, one line for each."""
    try:
        return load_settings(file, os.environ, flags)
    except SettingsError as error:
        is_usage = all(problem.path.startswith("--") for problem in error.problems)
        lines = [str(problem) for problem in error.problems]
        raise CommandError(USAGE if is_usage else CONFIG, *lines) from None


@click.group("config", no_args_is_help=True)
def config_group() -> None:
    """Check the configuration, or show it."""


@config_group.command("check")
@config_option
@set_option
def check_command(config_file: Path | None, set_flags: tuple[str, ...]) -> None:
    """Say whether the configuration is right.

    Reads longwire.toml and the LONGWIRE_* variables as `longwire serve` does. Each mistake is one
    line: file and line (or variable, or flag), what was found, what would be right. Exit code 0
    when all is well, 78 when not.
    """
    configuration = read_configuration(config_file, parse_set_flags(set_flags))
    where = "defaults" if configuration.file is None else str(configuration.file)
    variables = sum(source.startswith("LONGWIRE_") for source in configuration.sources.values())
    if variables:
        where += f" and {variables} variable{'s' if variables > 1 else ''}"
    click.echo(f"longwire: the configuration is right ({where})")


@config_group.command("show")
@config_option
@set_option
def show_command(config_file: Path | None, set_flags: tuple[str, ...]) -> None:
    """Print all settings as TOML, and where each that is not a default came from."""
    configuration = read_configuration(config_file, parse_set_flags(set_flags))
    for section in sections():
        click.echo(f"[{section}]")
        values = getattr(configuration.settings, section)
        for owner, key in setting_fields():
            if owner == section:
                source = configuration.sources.get((section, key))
                note = "" if source is None else f"  # {source}"
                value = getattr(values, key)
                if (section, key) == ("store", "url"):
                    value = hide_password(value)
                elif value and setting_fields()[section, key].is_secret:
                    value = HIDDEN
                click.echo(f"{key} = {describe_value(value)}{note}")
        click.echo("")
