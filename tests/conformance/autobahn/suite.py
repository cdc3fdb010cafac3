"""Run Autobahn|Testsuite: units of cases, each one wstest process, a few of them at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from longwire.lab.processes import free_port
from tests.conformance.autobahn.judge import Outcome, Side, read_report
from tests.integration.net.certificates import Authority

__all__ = ["SECTIONS_1_TO_10", "Unit", "run_units", "serve_longwire", "units_of"]

ROOT = Path(__file__).resolve().parents[3]
AGENT = "longwire"

SECTIONS_1_TO_10 = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]

# Units of the whole suite, the ones that take longest first, so that no worker is left alone
# with them at the end.
ALL_UNITS = [
    *(f"12.{number}.*" for number in range(1, 6)),
    *(f"13.{number}.*" for number in range(1, 8)),
    ",".join(SECTIONS_1_TO_10),
]

# One unit of section 12 or 13 takes four to eight minutes on a quiet machine.
UNIT_TIMEOUT_S = 3600.0
START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Unit:
    """The cases of one wstest process, and which side of longwire they are for."""

    side: Side
    patterns: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.side}-{self.patterns[0].removesuffix('.*')}"


def units_of(side: Side, patterns: Sequence[str] | None = None) -> list[Unit]:
    """Units for these case patterns, or for the whole suite."""
    if patterns is None:
        return [Unit(side, tuple(unit.split(","))) for unit in ALL_UNITS]
    return [Unit(side, tuple(patterns))]


async def wait_for_port(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    """Return when something accepts on ``port``; raise if the process ends or time runs out."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"exit {process.returncode} before listening: {tail(log)}")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)


def tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


@contextlib.asynccontextmanager
async def running(
    command: Sequence[str | Path], log: Path, folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child process whose output goes to ``log``; terminated at the end if it still runs."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                await process.wait()


@contextlib.asynccontextmanager
async def serve_longwire(folder: Path, *, is_tls: bool = False) -> AsyncIterator[str]:
    """``longwire serve --dev`` on a free port; yields the URL of its echo endpoint."""
    port = free_port()
    start = "from longwire.cli.main import main; main()"
    log = folder / "serve.log"
    command = [sys.executable, "-c", start, "serve", "--dev", "--host", "127.0.0.1"]
    if is_tls:
        # The suite's client takes any certificate.
        cert_path, key_path = Authority(folder).issue("autobahn", "127.0.0.1")
        command += ["--tls-cert", str(cert_path), "--tls-key", str(key_path)]
    async with running([*command, "--port", str(port)], log, folder) as process:
        await wait_for_port(port, process, log)
        yield f"{'wss' if is_tls else 'ws'}://127.0.0.1:{port}/echo"


def write_spec(folder: Path, unit: Unit, where: dict[str, object]) -> Path:
    """The suite's own settings. A connection dropped without a close frame is no pass."""
    path = folder / "spec.json"
    spec = {
        "outdir": str(folder),
        "cases": list(unit.patterns),
        "exclude-cases": [],
        "exclude-agent-cases": {},
        "options": {"failByDrop": False},
        **where,
    }
    path.write_text(json.dumps(spec))
    return path


async def finish(process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(UNIT_TIMEOUT_S):
        await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"exit {process.returncode}: {tail(log)}")


async def run_server_unit(wstest: Path, unit: Unit, folder: Path, url: str) -> dict[str, Outcome]:
    """The suite's client against the echo endpoint at ``url``."""
    spec = write_spec(folder, unit, {"servers": [{"agent": AGENT, "url": url}]})
    log = folder / "wstest.log"
    async with running([wstest, "-m", "fuzzingclient", "-s", spec], log, folder) as process:
        await finish(process, log)
    return read_report(folder)


async def run_client_unit(wstest: Path, unit: Unit, folder: Path) -> dict[str, Outcome]:
    """The suite's server against client.py."""
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    spec = write_spec(folder, unit, {"url": url})
    log = folder / "wstest.log"
    command = [wstest, "-m", "fuzzingserver", "-s", spec, "-u", "0"]
    async with running(command, log, folder) as server:
        await wait_for_port(port, server, log)
        client_log = folder / "client.log"
        client = [sys.executable, "-m", "tests.conformance.autobahn.client", url, AGENT]
        async with running(client, client_log, ROOT) as process:
            await finish(process, client_log)
    return read_report(folder)


async def run_units(
    wstest: Path,
    units: Sequence[Unit],
    folder: Path,
    *,
    workers: int,
    is_tls: bool = False,
    verbose: bool = False,
) -> dict[Side, dict[str, Outcome]]:
    """Run every unit, ``workers`` at a time, and return the outcomes by side.

    With ``is_tls`` the server speaks wss.

    wstest is one thread of slow Python and longwire under test mostly waits for it, so two
    workers on two cores take little more than half the time of one.
    """
    outcomes: dict[Side, dict[str, Outcome]] = {}
    waiting = list(units)
    folder.mkdir(parents=True, exist_ok=True)

    async def work(url: str) -> None:
        while waiting:
            unit = waiting.pop(0)
            place = folder / unit.name
            place.mkdir(parents=True)
            if unit.side == "server":
                result = await run_server_unit(wstest, unit, place, url)
            else:
                result = await run_client_unit(wstest, unit, place)
            outcomes.setdefault(unit.side, {}).update(result)
            if verbose:
                print(f"autobahn: {unit.name} done, {len(result)} cases", flush=True)

    async with contextlib.AsyncExitStack() as stack:
        url = ""
        if any(unit.side == "server" for unit in units):
            url = await stack.enter_async_context(serve_longwire(folder, is_tls=is_tls))
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work(url))
    return outcomes
