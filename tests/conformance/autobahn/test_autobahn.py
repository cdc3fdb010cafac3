"""Sections 1 to 10 of Autobahn|Testsuite, both ways; `make conformance` runs all 517 cases."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conformance.autobahn.judge import Outcome, Side, judge
from tests.conformance.autobahn.suite import SECTIONS_1_TO_10, run_units, units_of
from tests.needs import ROOT, missing, require_python27


@pytest.fixture(scope="session")
def wstest() -> Path:
    require_python27()
    installed = subprocess.run(
        [ROOT / "scripts" / "autobahn_install.sh"], capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        missing("Autobahn|Testsuite", installed.stderr.strip())
    return Path(installed.stdout.strip())


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(400)
@pytest.mark.parametrize("side", ["server", "client"])
async def test_sections_1_to_10_are_as_expected(side: Side, wstest: Path, tmp_path: Path) -> None:
    units = units_of(side, SECTIONS_1_TO_10)
    outcomes = await run_units(wstest, units, tmp_path / "reports", workers=1)
    judgement = judge(side, outcomes[side], SECTIONS_1_TO_10)
    assert not judgement.findings, "\n".join(judgement.findings)
    assert len(judgement.outcomes) == 301


OK = Outcome("OK", "OK")
SECTION_3 = {f"3.{number}": OK for number in range(1, 8)}


def test_judge_accepts_what_is_as_expected() -> None:
    assert judge("server", SECTION_3, ["3.*"]).findings == []


def test_judge_names_a_failed_case() -> None:
    outcomes = {**SECTION_3, "3.5": Outcome("FAILED", "OK")}
    judgement = judge("server", outcomes, ["3.*"])
    assert judgement.findings == ["3.5: FAILED, close OK (expected OK, close OK)"]
    assert judgement.summary() == "server: 6/7 as expected (1 FAILED, 6 OK)"


def test_judge_names_a_case_that_closed_wrongly() -> None:
    outcomes = {**SECTION_3, "3.1": Outcome("OK", "FAILED")}
    assert judge("client", outcomes, ["3.*"]).findings == [
        "3.1: OK, close FAILED (expected OK, close OK)"
    ]


def test_judge_accepts_non_strict_only_where_it_is_listed() -> None:
    informational = Outcome("INFORMATIONAL", "INFORMATIONAL")
    listed = judge("server", {"7.13.1": informational}, [])
    unlisted = judge("server", {"7.13.3": informational}, [])
    assert listed.findings == []
    assert len(unlisted.findings) == 1


def test_judge_names_a_section_that_ran_fewer_cases() -> None:
    outcomes = {case: OK for case in SECTION_3 if case != "3.7"}
    assert judge("server", outcomes, ["3.*"]).findings == [
        "section 3: 6 cases ran, there are 7",
    ]


def test_judge_expects_all_sections_of_the_whole_suite() -> None:
    findings = judge("client", SECTION_3, ["*"]).findings
    assert len(findings) == 20
    assert "section 12.1: 0 cases ran, there are 18" in findings
