"""Outcomes for people (tables) and for programs (plain values)."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from longwire.base.version import __version__
from longwire.lab.plan import CutKind
from longwire.lab.returns import Returns
from longwire.lab.run import Outcome
from longwire.lab.targets.registry import find_target
from longwire.lab.verdict import Flow, Percentiles
from longwire.server.store_urls import hide_password

__all__ = [
    "describe_machine",
    "facts",
    "name_of",
    "outcome_to_json",
    "returns_table",
    "verdict_table",
]


def describe_machine() -> str:
    """Return date, version and machine in one line."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{now}, longwire {__version__}, {python}, {platform.system()}, {os.cpu_count()} CPUs"


def name_of(outcome: Outcome) -> str:
    """Return the target with its store or its version."""
    settings = outcome.settings
    target = find_target(settings.target)
    if target.has_stores:
        parts = [settings.store.partition(":")[0]]
        if settings.servers > 1:
            parts.append(f"{settings.servers} servers")
        if settings.has_nginx:
            parts.append("nginx")
        if settings.mount is not None:
            parts.append(f"in {settings.mount}")
        if settings.transport is not None:
            parts.append(settings.transport)
        return f"{target.name} ({', '.join(parts)})"
    version = target_version(outcome)
    return f"{target.name} {version}" if version else target.name


def target_version(outcome: Outcome) -> str:
    """Return the version of the target's library, or "" where it cannot be found."""
    target = find_target(outcome.settings.target)
    if target.node_packages:
        folder = outcome.settings.node_modules or Path("node_modules")
        package = msgspec.json.decode(
            (folder / target.node_packages[0] / "package.json").read_bytes()
        )
        return str(package["version"])
    return metadata.version(target.name)


def verdict_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one row for each flow of each run."""
    table = Table(
        title="Delivered?",
        title_justify="left",
        caption="own: each client's stream, to the server and back; shared: from the server only",
        caption_justify="left",
    )
    table.add_column("target")
    table.add_column("messages")
    for heading in ("expected", "delivered", "lost", "doubled", "out of order", "never returned"):
        table.add_column(heading, justify="right")
    for heading in ("p50", "p95", "p99", "max"):
        table.add_column(heading, justify="right")
    table.add_column("reconnects", justify="right")
    for outcome in outcomes:
        for place, (name, flow) in enumerate(outcome.verdict.flows.items()):
            is_first = place == 0
            table.add_row(
                name_of(outcome) if is_first else "",
                name,
                f"{flow.expected:,}",
                percentage(flow),
                f"{flow.lost:,}",
                f"{flow.doubled:,}",
                f"{flow.out_of_order:,}",
                f"{outcome.verdict.never_returned:,}" if is_first else "",
                *seconds(flow.latency_s),
                f"{outcome.verdict.reconnects:,}" if is_first else "",
            )
    return table


def facts(outcome: Outcome) -> list[str]:
    """Return lines on what was done in a run, and on what the log held in the end."""
    verdict, plan, proxy = outcome.verdict, outcome.plan, outcome.proxy
    kinds = ", ".join(f"{proxy[kind.value]:,} {kind.value}" for kind in CutKind)
    lines = [f"{len(plan.cuts):,} cuts ({kinds}), {len(plan.kills):,} servers killed"]
    if verdict.acknowledged:
        lines.append(
            f"{verdict.acknowledged:,} acknowledged publishes; read back from the log: "
            f"{verdict.missing_in_store} missing, {verdict.stored_twice} twice, "
            f"{verdict.stored_out_of_order} out of order"
        )
    if verdict.refused:
        lines.append(f"{verdict.refused:,} publishes that the library did not take")
    if verdict.gaps_told:
        lines.append(f"{verdict.gaps_told:,} gaps told to readers")
    return [f"{name_of(outcome)}: {line}" for line in lines]


def returns_table(rows: Sequence[tuple[Outcome, Sequence[Returns]]]) -> Table:
    """Return one row for each avalanche of each run."""
    table = Table(title="Back after an avalanche", title_justify="left")
    table.add_column("target")
    for heading in ("clients", "back", "back p50", "back p99", "back max"):
        table.add_column(heading, justify="right")
    for heading in ("caught up", "caught up p50", "caught up p99", "caught up max"):
        table.add_column(heading, justify="right")
    for outcome, avalanches in rows:
        for returns in avalanches:
            p50, _, p99, most = seconds(returns.back_s)
            caught_up_p50, _, caught_up_p99, caught_up_most = seconds(returns.caught_up_s)
            table.add_row(
                name_of(outcome),
                f"{returns.clients:,}",
                f"{returns.back:,}",
                p50,
                p99,
                most,
                f"{returns.caught_up:,}",
                caught_up_p50,
                caught_up_p99,
                caught_up_most,
            )
    return table


def percentage(flow: Flow) -> str:
    """Return the part delivered; it says 100 % only when nothing is missing."""
    if not flow.expected:
        return "–"
    if not flow.lost:
        return "100 %"
    return f"{min(99.999, 100 * flow.delivered / flow.expected):.3f} %"


def seconds(values: Percentiles) -> tuple[str, str, str, str]:
    """Return p50, p95, p99 and the greatest as texts."""
    texts = [
        "–" if value is None else f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"
        for value in (values.p50, values.p95, values.p99, values.most)
    ]
    return texts[0], texts[1], texts[2], texts[3]


def outcome_to_json(
    outcome: Outcome, faults: Sequence[str], returns: Sequence[Returns] = ()
) -> dict[str, Any]:
    """Return all that is known of a run as plain values."""
    settings = asdict(outcome.settings)
    settings["store"] = hide_password(outcome.settings.store)
    settings["cut_kinds"] = [kind.value for kind in outcome.settings.cut_kinds]
    settings["node_modules"] = str(outcome.settings.node_modules or "")
    return {
        "target": outcome.settings.target,
        "version": target_version(outcome),
        "machine": describe_machine(),
        "settings": settings,
        "cuts": len(outcome.plan.cuts),
        "kills": len(outcome.plan.kills),
        "proxy": outcome.proxy,
        "verdict": outcome.verdict.to_json(),
        "returns": [asdict(one) for one in returns],
        "faults": list(faults),
        "passed": not faults,
    }
