"""longwire beside other WebSocket servers: the server's CPU time for each message, as ratios.

Each server is a process of its own on one core; one generator keeps masked messages on the way and
counts what comes back. The server's CPU time (all threads, from the kernel's scheduler) bears a
busy machine better than a rate does. Rounds are interleaved, there and back again, so that a slow
drift of the machine hits all alike. No compression anywhere.

    python -m bench.wire [--rounds 3] [--seconds 2] [--servers NAME,…] [--cells WORD,…] [--write]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop
from tests.integration.net.certificates import Authority

from bench.wire.cells import CELLS, TLS_CELLS, Cell, Tls
from bench.wire.report import Results, describe_run, table, write_page
from bench.wire.servers import ROOT, SERVERS, Server, install_npm_packages

PAGE = ROOT / "docs" / "performance.md"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.wire")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="that each cell is measured (2)")
    parser.add_argument("--servers", help="names, comma separated (all that are here)")
    parser.add_argument("--cells", help="words of names, comma separated (all)")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    return parser.parse_args()


def choose_servers(asked: str | None) -> list[str]:
    """The servers that are here, or those that were asked for."""
    install_npm_packages()
    if not (ROOT / ".cache" / "pure").exists():
        subprocess.run([ROOT / "scripts" / "install_copy.sh", ".cache/pure", "off"], check=True)
    names = [name.strip() for name in asked.split(",")] if asked else list(SERVERS)
    unknown = [name for name in names if name not in SERVERS]
    if unknown:
        sys.exit(f"bench: no server {unknown[0]!r}; there are {'; '.join(SERVERS)}")
    missing = [name for name in names if SERVERS[name].version() is None]
    if missing:
        print(f"bench: not here, left out: {', '.join(missing)}", file=sys.stderr)
    return [name for name in names if name not in missing]


async def measure(
    cells: tuple[Cell, ...], servers: list[Server], rounds: int, seconds: float, tls: Tls | None
) -> Results:
    results: Results = {cell.name: {} for cell in cells}
    for number in range(rounds):
        for cell in cells:
            for server in servers if number % 2 == 0 else servers[::-1]:
                try:
                    figure = await cell.measure(server, seconds, tls)
                except (OSError, RuntimeError, TimeoutError) as error:
                    print(f"bench: {server.name}, {cell.name}: {error}", file=sys.stderr)
                    continue
                results[cell.name].setdefault(server.name, []).append(figure)
    return results


async def run(arguments: argparse.Namespace) -> str:
    names = choose_servers(arguments.servers)
    words = arguments.cells.split(",") if arguments.cells else [""]
    cells = tuple(cell for cell in CELLS if any(word in cell.name for word in words))
    tls_cells = tuple(cell for cell in TLS_CELLS if any(word in cell.name for word in words))
    tls_names = [name for name in names if SERVERS[name].has_tls]
    rounds, seconds = arguments.rounds, arguments.seconds
    plain = await measure(cells, [SERVERS[name] for name in names], rounds, seconds, None)
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        tls = Tls(authority.issue("bench", "127.0.0.1"), authority.client_context())
        servers = [SERVERS[name] for name in tls_names]
        encrypted = await measure(tls_cells, servers, rounds, seconds, tls)
    command = shlex.join(["python", "-m", "bench.wire", *sys.argv[1:]])
    return "\n\n".join(
        [
            describe_run(command, rounds, seconds, names),
            table(cells, names, plain),
            "Over TLS 1.3, with a certificate on P-256:",
            table(tls_cells, tls_names, encrypted),
        ]
    )


def main() -> None:
    arguments = parse_arguments()
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {0})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        text = runner.run(run(arguments))
    print(text)
    if arguments.write:
        write_page(PAGE, text)


if __name__ == "__main__":
    main()
