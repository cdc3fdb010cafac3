"""``make conformance``: the whole suite, or part of it, with a dated record in docs/evidence/."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import importlib.machinery
import os
import platform
import shutil
import sys
import time
from pathlib import Path

import longwire
from tests.conformance.autobahn.judge import Judgement, Side, judge
from tests.conformance.autobahn.suite import ROOT, Unit, run_units, units_of

EVIDENCE = ROOT / "docs" / "evidence"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.autobahn")
    parser.add_argument("--wstest", type=Path, required=True, help="path of wstest")
    parser.add_argument("--side", choices=["server", "client", "both"], default="both")
    parser.add_argument("--cases", help="comma separated patterns, such as 1.*,12.1.* (all)")
    parser.add_argument("--tls", action="store_true", help="the server over wss; no client then")
    parser.add_argument("--workers", type=int, default=2, help="wstest processes at a time (2)")
    parser.add_argument("--evidence", help="write docs/evidence/DATE-NAME.txt under this name")
    parser.add_argument("--keep", type=Path, help="folder for the suite's own reports")
    arguments = parser.parse_args()
    if arguments.tls:
        arguments.side = "server"
    return arguments


def build_name() -> str:
    folder = Path(longwire.__file__).parent
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    compiled = [path for path in folder.rglob("*") if path.name.endswith(suffixes)]
    return f"compiled ({len(compiled)} extensions)" if compiled else "pure"


def describe(judgement: Judgement) -> str:
    lines = [judgement.summary()]
    lines += [
        f"  {case}: {outcome}"
        for case, outcome in judgement.outcomes.items()
        if str(outcome) != "OK, close OK"
    ]
    lines += [f"  NOT AS EXPECTED {finding}" for finding in judgement.findings]
    return "\n".join(lines)


def main() -> int:
    arguments = parse_arguments()
    sides: list[Side] = ["server", "client"] if arguments.side == "both" else [arguments.side]
    patterns = arguments.cases.split(",") if arguments.cases else None
    units: list[Unit] = [unit for side in sides for unit in units_of(side, patterns)]
    folder = arguments.keep or ROOT / ".cache" / "autobahn" / f"reports-{os.getpid()}"
    if folder.exists():
        shutil.rmtree(folder)

    started = time.monotonic()
    outcomes = asyncio.run(
        run_units(
            arguments.wstest.absolute(),
            units,
            folder,
            workers=arguments.workers,
            is_tls=arguments.tls,
            verbose=True,
        )
    )
    seconds = time.monotonic() - started

    judgements = [judge(side, outcomes.get(side, {}), patterns or ["*"]) for side in sides]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    over = ", over TLS" if arguments.tls else ""
    text = "\n".join(
        [
            f"Autobahn|Testsuite 25.10.1, cases {arguments.cases or 'all'}{over}, {today}",
            f"longwire {longwire.__version__}, {build_name()} build, {interpreter}, {machine}",
            f"{seconds:.0f} s with {arguments.workers} wstest processes at a time",
            *map(describe, judgements),
        ]
    )
    print(text)
    if arguments.evidence:
        EVIDENCE.mkdir(parents=True, exist_ok=True)
        path = EVIDENCE / f"{today}-{arguments.evidence}.txt"
        path.write_text(text + "\n")
        print(f"autobahn: wrote {path.relative_to(ROOT)}")
    return 1 if any(judgement.findings for judgement in judgements) else 0


if __name__ == "__main__":
    sys.exit(main())
