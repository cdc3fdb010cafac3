"""Reports round in nobody's favour and keep passwords to themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from longwire.lab.ledger import Ledger
from longwire.lab.plan import make_plan
from longwire.lab.report import facts, outcome_to_json, percentage, seconds
from longwire.lab.run import Outcome
from longwire.lab.settings import RunSettings
from longwire.lab.verdict import Flow, Percentiles

NONE = Percentiles(None, None, None, None)


@pytest.mark.parametrize(
    ("expected", "delivered", "text"),
    [
        (1000, 1000, "100 %"),
        (1000, 0, "0.000 %"),
        (10_000_000, 9_999_999, "99.999 %"),  # not 100.000 %
        (8, 7, "87.500 %"),
        (0, 0, "–"),
    ],
)
def test_only_what_is_complete_is_100_percent(expected: int, delivered: int, text: str) -> None:
    assert percentage(Flow(1, expected, delivered, 0, 0, NONE)) == text


def test_times_have_units() -> None:
    assert seconds(Percentiles(0.0014, 0.9994, 1.0, 12.346)) == (
        "1 ms",
        "999 ms",
        "1.00 s",
        "12.35 s",
    )
    assert seconds(NONE) == ("–", "–", "–", "–")


def outcome_of(**settings: object) -> Outcome:
    made = RunSettings(**settings)  # type: ignore[arg-type]
    plan = make_plan(seed=1, duration_s=30, links=2)
    counts = {"rst": 1, "fin": 2, "silence": 3}
    return Outcome(made, Ledger({}).judge(), plan, counts, [Path("journal")], 0.0)


def test_plain_values_can_be_written_and_hide_the_password() -> None:
    outcome = outcome_of(store="redis://ann:secret@127.0.0.1:6379")
    plain = json.dumps(outcome_to_json(outcome, ["something is wrong"]))
    assert "secret" not in plain
    assert json.loads(plain)["passed"] is False
    assert json.loads(plain)["settings"]["cut_kinds"] == ["rst", "fin", "silence"]


def test_facts_tell_what_was_done() -> None:
    outcome = outcome_of(store="redis://ann:secret@127.0.0.1:6379", servers=3)
    cuts = len(outcome.plan.cuts)
    assert facts(outcome) == [
        f"longwire (redis, 3 servers): {cuts} cuts (1 rst, 2 fin, 3 silence), 0 servers killed"
    ]
