"""``longwire bench``: the reliability lab."""

from __future__ import annotations

import functools
import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from longwire.cli.bench_transports import transports_command
from longwire.cli.exit_codes import FAILED, UNAVAILABLE, CommandError
from longwire.client.transports import TRANSPORTS
from longwire.lab.plan import CutKind, Drop, Kill, Plan, make_plan
from longwire.lab.processes import RunError
from longwire.lab.proxy import LINKS_MAX
from longwire.lab.report import (
    describe_machine,
    facts,
    name_of,
    outcome_to_json,
    returns_table,
    verdict_table,
)
from longwire.lab.returns import Returns, measure_returns
from longwire.lab.run import Outcome, Progress, Watch, run_plan
from longwire.lab.settings import RunSettings
from longwire.lab.targets.mounted_server import MOUNTS
from longwire.lab.targets.registry import TARGETS, TargetError, find_target

__all__ = ["bench_group"]

Command = Callable[..., Any]

_P99_S = 3.0
_WIDTH = 160  # of tables that go to a file


@click.group("bench", no_args_is_help=True)
def bench_group() -> None:
    """Measure what arrives while links are cut and servers are killed, and what transports cost.

    Everything runs on this machine: servers, a proxy whose links fail, and clients, each with a
    link of its own. Each client publishes to a stream of its own that it also reads, and reads one
    shared stream. Exit code 1 when something was lost, doubled, reordered or late.
    """


bench_group.add_command(transports_command)


def common_options(command: Command) -> Command:
    """Add the options that all benches have."""
    options = [
        click.option(
            "--target",
            "targets",
            multiple=True,
            default=["longwire"],
            show_default=True,
            type=click.Choice(list(TARGETS)),
            help="What to test; may be repeated.",
        ),
        click.option(
            "--store",
            "stores",
            multiple=True,
            default=["memory"],
            show_default=True,
            metavar="STORE",
            help="For longwire: memory, sqlite, redis (one is started), or a URL; may be repeated.",
        ),
        click.option(
            "--clients",
            default=100,
            show_default=True,
            type=click.IntRange(1, LINKS_MAX),
        ),
        click.option("--seed", default=1, show_default=True, help="Of the faults."),
        click.option("--per-s", default=1.0, show_default=True, help="Messages of each client."),
        click.option("--shared-per-s", default=10.0, show_default=True, help="To the shared one."),
        click.option(
            "--writers",
            default=1,
            show_default=True,
            type=click.IntRange(1, 1000),
            help="Publishers of the shared stream, in equal parts.",
        ),
        click.option(
            "--servers",
            default=1,
            show_default=True,
            type=click.IntRange(1, 64),
            help="Servers on one Redis; clients come back to any.",
        ),
        click.option(
            "--transport",
            type=click.Choice(TRANSPORTS),
            help="The only one that the clients of longwire use.  [default: they choose]",
        ),
        click.option(
            "--nginx",
            "has_nginx",
            is_flag=True,
            help="Put nginx before the servers; it spreads requests without stickiness.",
        ),
        click.option(
            "--mount",
            type=click.Choice(MOUNTS),
            help="Serve longwire from within a site of this framework, under uvicorn.",
        ),
        click.option(
            "--settle",
            "settle_s",
            default=30.0,
            show_default=True,
            help="Seconds that are waited for what is still missing.",
        ),
        click.option(
            "--p99",
            "p99_s",
            default=_P99_S,
            show_default=True,
            help="Seconds from publish to receipt that 99 % must not exceed.",
        ),
        click.option(
            "--processes",
            default=2,
            show_default=True,
            type=click.IntRange(1, 64),
            help="That the clients are spread over.",
        ),
        click.option(
            "--node-modules",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder with the npm packages of the Node.js targets.  [default: node_modules]",
        ),
        click.option(
            "--set",
            "set_flags",
            multiple=True,
            metavar="SECTION.KEY=VALUE",
            help="A setting of the longwire server; may be repeated.",
        ),
        click.option(
            "--folder",
            type=click.Path(path_type=Path, file_okay=False),
            help="Keep logs and journals here.",
        ),
        click.option(
            "--json",
            "json_path",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write all figures to this file.",
        ),
    ]
    return functools.reduce(lambda built, option: option(built), reversed(options), command)


@bench_group.command("jitter")
@common_options
@click.option("--minutes", default=1.0, show_default=True, help="For how long things go wrong.")
@click.option(
    "--cut-every", "cut_every_s", default=15.0, show_default=True, help="Seconds; 0: never."
)
@click.option("--cut-for", "cut_for_s", default=2.0, show_default=True, help="Seconds.")
@click.option(
    "--blind-for",
    "blind_s",
    default=0.2,
    show_default=True,
    help="Seconds from a cut until the ends learn of it; what they send until then is lost.",
)
@click.option(
    "--cut",
    "cut_kinds",
    multiple=True,
    default=[kind.value for kind in CutKind],
    show_default=True,
    type=click.Choice([kind.value for kind in CutKind]),
    help="How links are cut, in equal parts; may be repeated.",
)
@click.option(
    "--kill-every",
    "kill_every_s",
    default=0.0,
    help="Kill (SIGKILL) a server and start it again every so many seconds.",
)
def jitter_command(
    minutes: float, cut_every_s: float, cut_kinds: tuple[str, ...], **given: Any
) -> int:
    """Cut every link again and again, and kill servers."""
    kinds = tuple(CutKind(name) for name in cut_kinds)
    base = base_settings(given, duration_s=60 * minutes, cut_every_s=cut_every_s, cut_kinds=kinds)
    return bench(base, given, jitter_plan)


def jitter_plan(settings: RunSettings) -> Plan:
    """Return the plan that these settings ask for."""
    return make_plan(
        seed=settings.seed,
        duration_s=settings.duration_s,
        links=settings.clients,
        cut_every_s=settings.cut_every_s,
        cut_for_s=settings.cut_for_s,
        blind_s=settings.blind_s,
        kinds=settings.cut_kinds,
        servers=settings.servers,
        kill_every_s=settings.kill_every_s,
    )


@bench_group.command("avalanche")
@common_options
@click.option("--times", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--every", "every_s", default=15.0, show_default=True, help="Seconds between two of them."
)
@click.option(
    "--how",
    default="rst",
    show_default=True,
    type=click.Choice(["rst", "fin", "kill"]),
    help="All connections are cut at once, or every server is killed and started again.",
)
def avalanche_command(times: int, every_s: float, how: str, **given: Any) -> int:
    """Drop all clients at once, and see when they are back and have what they missed."""
    base = base_settings(given, duration_s=every_s * (times + 1))

    def plan(settings: RunSettings) -> Plan:
        moments = [every_s * (number + 1) for number in range(times)]
        if how != "kill":
            return Plan(tuple(Drop(at_s, CutKind(how)) for at_s in moments))
        pairs = itertools.product(moments, range(settings.servers))
        return Plan(tuple(Kill(at_s, server) for at_s, server in pairs))

    return bench(base, given, plan, measure_avalanches)


def measure_avalanches(outcome: Outcome) -> list[Returns]:
    """Return how all came back from each moment of the plan."""
    moments = sorted({outcome.began_at_s + event.at_s for event in outcome.plan.events})
    return measure_returns(outcome.journals, outcome.settings.clients, moments)


def base_settings(given: dict[str, Any], **more: Any) -> RunSettings:
    """Return what all runs have in common."""
    names = RunSettings.__dataclass_fields__.keys() & given.keys()
    return RunSettings(**{name: given[name] for name in names}, **more)


def bench(
    base: RunSettings,
    given: dict[str, Any],
    make: Callable[[RunSettings], Plan],
    measure: Callable[[Outcome], list[Returns]] | None = None,
) -> int:
    """Run every target on every store that applies; print tables and what is wrong."""
    console = Console(width=None if Console().is_terminal else _WIDTH)
    runs = list(runs_of(base, given["targets"], given["stores"]))
    outcomes: list[tuple[Outcome, list[Returns], list[str]]] = []
    for number, settings in enumerate(runs):
        folder = given["folder"]
        if folder is not None:
            folder = (folder / f"{number}-{settings.target}").resolve()
            folder.mkdir(parents=True, exist_ok=False)
        with watching(settings) as watch:
            try:
                outcome, returns = run_plan(
                    settings, make(settings), folder=folder, watch=watch, measure=measure
                )
            except (RunError, TargetError) as error:
                raise CommandError(UNAVAILABLE, str(error)) from None
        outcomes.append((outcome, returns, outcome.verdict.faults(p99_s=given["p99_s"])))
    console.print(describe_machine())
    if measure is not None:
        console.print(returns_table([(outcome, returns) for outcome, returns, _ in outcomes]))
    console.print(verdict_table([outcome for outcome, _, _ in outcomes]))
    for outcome, _, faults in outcomes:
        for line in facts(outcome):
            click.echo(line)
        for line in faults or ["all well"]:
            click.echo(f"{name_of(outcome)}: {line}")
    if given["json_path"] is not None:
        plain = [outcome_to_json(outcome, faults, returns) for outcome, returns, faults in outcomes]
        given["json_path"].write_bytes(msgspec.json.format(msgspec.json.encode(plain)) + b"\n")
    return FAILED if any(faults for _, _, faults in outcomes) else 0


def runs_of(
    base: RunSettings, targets: tuple[str, ...], stores: tuple[str, ...]
) -> Iterator[RunSettings]:
    """Yield the settings of each run; a target without stores has one."""
    for target in targets:
        has_stores = find_target(target).has_stores
        for store in stores if has_stores else ("",):
            is_shared = store.startswith("redis")
            if base.servers > 1 and has_stores and not is_shared:
                raise click.UsageError(
                    f"--servers {base.servers}: several servers need one store that they share; "
                    f"give --store redis, not {store}"
                )
            servers = base.servers if has_stores else 1
            yield replace(base, target=target, store=store, servers=servers)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, so that the processes of a run end with it."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def watching(settings: RunSettings) -> Iterator[Watch]:
    """Show on a terminal how far the run is."""
    console = Console(stderr=True)
    with ending_in_order(), console.status(f"{settings.target}: starting") as status:

        def watch(progress: Progress) -> None:
            status.update(
                f"{settings.target} {settings.store}: {progress.phase}, "
                f"{progress.elapsed_s:.0f} s, {progress.connected:,} connected, "
                f"{progress.received:,} of {progress.expected:,} received"
            )

        yield watch
