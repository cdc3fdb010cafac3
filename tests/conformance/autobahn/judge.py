"""Read what the suite reported and compare it with expected.toml."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Judgement", "Outcome", "Side", "judge", "read_report"]

Side = Literal["server", "client"]
EXPECTED = Path(__file__).with_name("expected.toml")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the suite said of one case: of the messages, and of the way the connection closed."""

    behavior: str
    behavior_close: str

    def __str__(self) -> str:
        return f"{self.behavior}, close {self.behavior_close}"


OK = Outcome("OK", "OK")


@dataclass(frozen=True, slots=True)
class Judgement:
    """``findings`` is empty when everything is as expected."""

    side: Side
    outcomes: dict[str, Outcome]
    findings: list[str]

    @property
    def passed(self) -> int:
        return len(self.outcomes) - sum(not line.startswith("section") for line in self.findings)

    def summary(self) -> str:
        behaviors = Counter(outcome.behavior for outcome in self.outcomes.values())
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(behaviors.items()))
        return f"{self.side}: {self.passed}/{len(self.outcomes)} as expected ({kinds})"


def read_report(folder: Path) -> dict[str, Outcome]:
    """The outcomes in a report folder's index.json, which covers one agent."""
    (cases,) = json.loads((folder / "index.json").read_text()).values()
    return {
        case: Outcome(entry["behavior"], entry["behaviorClose"]) for case, entry in cases.items()
    }


def case_order(case: str) -> tuple[int, ...]:
    return tuple(int(part) for part in case.split("."))


def section_of(case: str, sections: dict[str, int]) -> str:
    first, second = case.split(".")[:2]
    return f"{first}.{second}" if f"{first}.{second}" in sections else first


def judge(side: Side, outcomes: dict[str, Outcome], patterns: list[str]) -> Judgement:
    """Compare ``outcomes`` of the case patterns (``"1.*"``, ``"12.1.*"``) with expected.toml."""
    expected = tomllib.loads(EXPECTED.read_text())
    listed = {
        case: Outcome(entry["behavior"], entry.get("behavior_close", "OK"))
        for case, entry in expected.get(side, {}).items()
    }
    findings = []
    for case in sorted(outcomes, key=case_order):
        outcome = outcomes[case]
        if outcome not in (OK, listed.get(case, OK)):
            findings.append(f"{case}: {outcome} (expected {listed.get(case, OK)})")

    sections: dict[str, int] = expected["cases"]
    counts = Counter(section_of(case, sections) for case in outcomes)
    for section, count in sections.items():
        wanted = any(
            pattern == "*" or f"{section}.".startswith(pattern.removesuffix("*"))
            for pattern in patterns
        )
        if wanted and counts[section] != count:
            findings.append(f"section {section}: {counts[section]} cases ran, there are {count}")
    ordered = {case: outcomes[case] for case in sorted(outcomes, key=case_order)}
    return Judgement(side, ordered, findings)
