"""Small runs against other libraries: the harness runs them, and its verdict can be bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from longwire.lab.plan import CutKind, Drop, Plan, make_plan
from longwire.lab.returns import measure_returns
from longwire.lab.run import Outcome, run_plan
from longwire.lab.settings import RunSettings
from tests.needs import require_node_modules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CLIENTS = 20


def jitter(target: str, folder: Path, **more: object) -> Outcome:
    """Twelve seconds in which each link is cut about twice."""
    settings = RunSettings(
        target=target,
        clients=CLIENTS,
        duration_s=12,
        settle_s=10,
        **more,  # type: ignore[arg-type]
    )
    plan = make_plan(seed=1, duration_s=12, links=CLIENTS, cut_every_s=5, cut_for_s=1)
    assert {cut.kind for cut in plan.cuts} == set(CutKind)
    outcome, _ = run_plan(settings, plan, folder=folder)
    return outcome


def assert_is_a_fair_run(outcome: Outcome) -> None:
    """What must hold whoever is tested, or it was no test of him."""
    verdict = outcome.verdict
    assert sum(outcome.proxy[kind.value] for kind in CutKind) == len(outcome.plan.cuts)
    assert verdict.never_returned == verdict.invented == 0
    assert verdict.reconnects > 0
    assert verdict.flows["own"].attempted > CLIENTS * 10
    assert verdict.flows["shared"].expected == verdict.flows["shared"].attempted * CLIENTS
    for flow in verdict.flows.values():
        assert flow.delivered > flow.expected / 2


@pytest.mark.parametrize(
    "target", ["websockets", pytest.param("python-socketio", marks=pytest.mark.long)]
)
def test_a_library_without_recovery_loses_messages(target: str, tmp_path: Path) -> None:
    outcome = jitter(target, tmp_path)
    assert_is_a_fair_run(outcome)
    assert outcome.verdict.flows["own"].lost > 0
    assert outcome.verdict.flows["shared"].lost > 0
    assert any("lost" in fault for fault in outcome.verdict.faults())


@pytest.mark.long
def test_socket_io_loses_messages(tmp_path: Path) -> None:
    folder = require_node_modules("socket.io", "socket.io-client")
    outcome = jitter("socket.io", tmp_path, node_modules=folder / "node_modules")
    assert_is_a_fair_run(outcome)
    assert outcome.verdict.flows["shared"].lost > 0


def test_connection_state_recovery_of_socket_io_brings_back_what_the_server_sent(
    tmp_path: Path,
) -> None:
    folder = require_node_modules("socket.io", "socket.io-client")
    outcome = jitter("socket.io-recovery", tmp_path, node_modules=folder / "node_modules")
    assert_is_a_fair_run(outcome)
    shared = outcome.verdict.flows["shared"]
    assert shared.lost < shared.expected / 100


def test_after_an_avalanche_all_are_back(tmp_path: Path) -> None:
    settings = RunSettings(target="websockets", clients=CLIENTS, duration_s=6, settle_s=5)
    plan = Plan((Drop(3.0, CutKind.RST),))
    outcome, (returns,) = run_plan(
        settings,
        plan,
        folder=tmp_path,
        measure=lambda run: measure_returns(run.journals, CLIENTS, [run.began_at_s + 3.0]),
    )
    assert returns.back == CLIENTS
    assert outcome.verdict.reconnects == CLIENTS
    assert returns.back_s.most is not None
    assert 0 < returns.back_s.most < 60
