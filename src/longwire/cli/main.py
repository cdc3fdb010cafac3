"""The ``longwire`` command: its groups, and how its errors look."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Sequence

import click

from longwire.base.version import __version__
from longwire.cli.config import config_group
from longwire.cli.doctor import doctor_command
from longwire.cli.exit_codes import USAGE, CommandError
from longwire.cli.serve import serve_command
from longwire.cli.store import store_group

__all__ = ["main"]


# Since click 8.2 a group without a command raises its help text.
_NO_ARGUMENTS = getattr(click.exceptions, "NoArgsIsHelpError", ())


# Commands that load much of their own, in which module and under which name: a server should start
# fast.
_LAZY_COMMANDS = {
    "bench": ("longwire.cli.bench", "bench_group"),
    "sim": ("longwire.cli.sim", "sim_command"),
    "tcpip": ("longwire.cli.tcpip", "tcpip_group"),
    "token": ("longwire.cli.token", "token_group"),
}


class _Commands(click.Group):
    """Loads commands with much of their own when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_LAZY_COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _LAZY_COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, name = _LAZY_COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(
    __version__,
    prog_name="longwire",
    message=f"%(prog)s %(version)s (Python {platform.python_version()}, {platform.system()})",
)
def longwire_group() -> None:
    """Real-time messaging that survives bad networks: a server for WebSocket, Server-Sent Events
    and HTTP over streams that can be resumed.

    Exit codes: 0 done, 2 the command line is wrong, 69 cannot listen or use the store, 78 the
    configuration is wrong.
    """


longwire_group.add_command(serve_command)
longwire_group.add_command(config_group)
longwire_group.add_command(doctor_command)
longwire_group.add_command(store_group)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code. Errors are one line each on standard error."""
    try:
        result = longwire_group.main(arguments, prog_name="longwire", standalone_mode=False)
    except _NO_ARGUMENTS as error:
        print(error.format_message(), file=sys.stderr)
        return USAGE
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "longwire"
        print(f"{command}: {error.format_message()} (see {command} --help)", file=sys.stderr)
        return USAGE
    except click.ClickException as error:
        print(f"longwire: {error.format_message()}", file=sys.stderr)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except CommandError as error:
        for line in error.lines:
            print(f"longwire: {line}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output is gone; the interpreter must not stumble over it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return result if isinstance(result, int) else 0
