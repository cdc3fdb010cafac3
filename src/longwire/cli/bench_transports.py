"""``longwire bench transports``: bytes and time for each message, transport by transport."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from longwire.cli.exit_codes import UNAVAILABLE, CommandError
from longwire.client.errors import ClientError
from longwire.client.transports import TRANSPORTS
from longwire.lab.processes import Child, RunError, free_port
from longwire.lab.report import describe_machine
from longwire.lab.targets.registry import ServerSettings, find_target
from longwire.lab.transports import Figures, Load, measure_transport

__all__ = ["transports_command"]

_WIDTH = 160


@click.command("transports")
@click.option("--messages", default=200, show_default=True, type=click.IntRange(1, 100_000))
@click.option(
    "--per-s", default=20.0, show_default=True, type=click.FloatRange(0.1), help="How fast."
)
@click.option(
    "--payload",
    "payload_bytes",
    default=100,
    show_default=True,
    type=click.IntRange(1, 500_000),
    help="Bytes of JSON in each message.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all figures to this file.",
)
def transports_command(
    messages: int, per_s: float, payload_bytes: int, json_path: Path | None
) -> int:
    """Measure a reader and a publisher over WebSocket, server-sent events and long-polls.

    A server on this machine; the client reaches it through a relay that counts bytes. Reading:
    from the publish to the handler. Publishing: from the call to its acknowledgement. The table is
    Markdown.
    """
    load = Load(messages, per_s, payload_bytes)
    with tempfile.TemporaryDirectory(prefix="longwire-lab-") as folder:
        try:
            figures = _measure(Path(folder), load)
        except RunError as error:
            raise CommandError(UNAVAILABLE, str(error)) from None
        except (ClientError, TimeoutError) as error:
            raise CommandError(UNAVAILABLE, f"not everything arrived: {error}") from None
    console = Console(width=None if Console().is_terminal else _WIDTH)
    console.print(describe_machine())
    console.print(f"{messages} messages of {payload_bytes} bytes, {per_s:g} a second")
    console.print(_table(figures))
    if json_path is not None:
        plain = [asdict(one) for one in figures]
        json_path.write_bytes(msgspec.json.format(msgspec.json.encode(plain)) + b"\n")
    return 0


def _measure(folder: Path, load: Load) -> list[Figures]:
    port = free_port()
    server = Child(
        "server", find_target("longwire").server(ServerSettings(port)), folder, port=port
    )
    server.start()
    try:
        server.wait_until_listening()
        figures: list[Figures] = []
        for transport in TRANSPORTS:
            figures += asyncio.run(measure_transport("127.0.0.1", port, transport, load))
        return figures
    finally:
        server.kill()


def _table(figures: Sequence[Figures]) -> Table:
    table = Table(box=box.MARKDOWN)
    table.add_column("transport")
    table.add_column("work")
    for name in ("p50", "p99", "bytes down", "bytes up"):
        table.add_column(name, justify="right")
    for one in sorted(figures, key=lambda one: one.work, reverse=True):
        table.add_row(
            one.transport,
            one.work,
            f"{one.p50_ms:.1f} ms",
            f"{one.p99_ms:.1f} ms",
            f"{one.bytes_down:,.0f}",
            f"{one.bytes_up:,.0f}",
        )
    return table
