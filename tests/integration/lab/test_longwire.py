"""Small runs against longwire: everything arrives once, in order, whatever goes wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longwire.cli.main import main
from longwire.lab.plan import CutKind, make_plan
from longwire.lab.run import Outcome, run_plan
from longwire.lab.settings import RunSettings
from tests.needs import require

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CLIENTS = 20
DURATION_S = 12.0
SETTLE_S = 60.0  # it goes on as soon as all has come


def bench(
    folder: Path,
    *,
    kill_every_s: float = 0,
    cut_every_s: float = 4,
    settle_s: float = SETTLE_S,
    **more: object,
) -> Outcome:
    settings = RunSettings(
        clients=CLIENTS,
        duration_s=DURATION_S,
        settle_s=settle_s,
        **more,  # type: ignore[arg-type]
    )
    plan = make_plan(
        seed=2,
        duration_s=DURATION_S,
        links=CLIENTS,
        cut_every_s=cut_every_s,
        cut_for_s=1,
        servers=settings.servers,
        kill_every_s=kill_every_s,
    )
    outcome, _ = run_plan(settings, plan, folder=folder)
    return outcome


def assert_nothing_is_missing(outcome: Outcome) -> None:
    verdict = outcome.verdict
    assert verdict.faults() == []
    assert verdict.reconnects > 0
    assert verdict.acknowledged == sum(flow.attempted for flow in verdict.flows.values())
    assert verdict.missing_in_store == verdict.stored_twice == verdict.stored_out_of_order == 0
    assert verdict.gaps_told == 0


@pytest.mark.long
@pytest.mark.parametrize("transport", ["sse", "long-poll"])
def test_all_arrives_over_http_from_servers_behind_nginx(transport: str, tmp_path: Path) -> None:
    require("redis-server")
    require("nginx")
    outcome = bench(tmp_path, store="redis", servers=3, has_nginx=True, transport=transport)
    assert_nothing_is_missing(outcome)


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
def test_all_arrives_while_links_are_cut(store: str, tmp_path: Path) -> None:
    if store == "redis":
        require("redis-server")
    outcome = bench(tmp_path, store=store)
    assert sum(outcome.proxy[kind.value] for kind in CutKind) == len(outcome.plan.cuts) > CLIENTS
    assert_nothing_is_missing(outcome)


def test_all_arrives_though_the_server_is_killed(tmp_path: Path) -> None:
    outcome = bench(tmp_path, store="sqlite", kill_every_s=3.5, cut_every_s=0, per_s=5)
    assert len(outcome.plan.kills) == 3
    assert_nothing_is_missing(outcome)


def test_all_arrives_though_servers_on_one_redis_are_killed_and_links_cut(tmp_path: Path) -> None:
    require("redis-server")
    outcome = bench(tmp_path, store="redis", servers=3, kill_every_s=3, writers=4)
    assert {kill.server for kill in outcome.plan.kills} == {0, 1, 2}
    assert_nothing_is_missing(outcome)


def test_a_memory_store_that_is_killed_is_found_out(tmp_path: Path) -> None:
    """The verdict can be bad for longwire, too."""
    outcome = bench(tmp_path, store="memory", kill_every_s=6, cut_every_s=0, settle_s=5)
    assert outcome.verdict.missing_in_store
    assert outcome.verdict.gaps_told > 0  # what is lost is not lost in silence
    assert outcome.verdict.faults()


def test_the_command_prints_tables_writes_json_and_ends_with_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", "avalanche", "--clients", "10", "--times", "1", "--every", "3"]
    arguments += ["--p99", "60", "--json", str(tmp_path / "run.json")]
    arguments += ["--folder", str(tmp_path / "kept")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "Back after an avalanche" in printed
    assert "longwire (memory): all well" in printed
    (run,) = json.loads((tmp_path / "run.json").read_text())
    assert run["passed"] and run["faults"] == []
    assert run["returns"][0]["back"] == 10
    assert run["verdict"]["flows"]["own"]["lost"] == 0
    assert (tmp_path / "kept" / "0-longwire" / "fleet-0.journal").stat().st_size > 0


def test_the_command_ends_with_one_when_the_verdict_is_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", "avalanche", "--clients", "5", "--times", "1", "--every", "2"]
    assert main([*arguments, "--p99", "0.000001"]) == 1
    assert "longwire (memory): the 99th percentile of 'own' is " in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_broken_off_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    arguments = ["bench", "jitter", "--clients", "5", "--folder", str(tmp_path / "kept")]
    with subprocess.Popen([sys.executable, "-m", "longwire", *arguments]) as process:
        journal = tmp_path / "kept" / "0-longwire" / "fleet-0.journal"
        while not journal.exists() or not journal.stat().st_size:
            assert process.poll() is None
            time.sleep(0.05)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 4  # a server, the proxy, two fleets
        process.send_signal(number)
        assert process.wait(30) == 130
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
