"""The cases: scripts in files, with what they are run with.

A file ``*.script`` holds cases one after the other; lines that begin with ``#`` between them are
comments. A case begins with ``case NAME`` and these lines, all of which may be missing; then
comes the script::

    case 9293_3_6_active_close_passes_through_time_wait
    set plain                        no timestamps, no SACK, no window scaling
    set profile linux                instead of rfc
    set family 4 6                   once over IPv4, once over IPv6; else IPv4
    set peer_iss 1000000 4294967295  the peer's initial sequence number, each in turn
    set mtu 1000
    set user_timeout_ns 1500000000   any field of TcpProfile
    kernel differs: why Linux does something else than what the script says
    kernel cannot: why the script cannot be run against Linux
    use accepted, fin_wait_1
    ...

``use`` puts scripts of ``beginnings.script`` in its place; ``beginning NAME`` begins one there.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longwire.tcpip.durations import SECOND
from longwire.tcpip.tcp.profile import LINUX, RFC, TcpProfile
from tests.packet_scripts.language import parse_steps

__all__ = ["Case", "beginning", "read_cases"]

FOLDER = Path(__file__).parent / "cases"
BEGINNINGS = FOLDER / "beginnings.script"
PLAIN = {"timestamps": False, "sack": False, "window_scaling": False}
_PROFILES = {"rfc": RFC, "linux": LINUX}
_WORDS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One script and what it is run with."""

    name: str
    text: str
    profile: TcpProfile = RFC
    family: int = 4
    peer_iss: int = 1_000_000
    mtu: int = 1500
    kernel_differs: str = ""
    """Why Linux does something else."""
    kernel_cannot: str = ""
    """Why it cannot be run against Linux."""

    @property
    def duration_s(self) -> float:
        """How long it takes in real time, seconds."""
        return max((step.at_ns for step in parse_steps(self.text)), default=0) / SECOND


@dataclass
class _Draft:
    """A case while its lines are read."""

    name: str
    where: str
    settings: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def read_cases() -> list[Case]:
    """Return all cases of all files. Raises ValueError for what is none."""
    drafts = [
        draft
        for path in sorted(FOLDER.glob("*.script"))
        if path != BEGINNINGS
        for draft in _read_drafts(path)
    ]
    names = [draft.name for draft in drafts]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"cases with the same name: {', '.join(sorted(twice))}")
    return [case for draft in drafts for case in _make_cases(draft)]


def _read_drafts(path: Path) -> list[_Draft]:
    drafts: list[_Draft] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.name}:{number}"
        word, _, rest = line.partition(" ")
        if word == "case":
            drafts.append(_Draft(rest.strip(), where))
        elif not line.strip() or (line.startswith("#") and not re.match(r"#\d ", line)):
            continue
        elif not drafts:
            raise ValueError(f"{where}: {line!r} stands before the first case")
        elif word == "set":
            name, *values = rest.split()
            drafts[-1].settings[name] = values
        elif word == "kernel":
            kind, colon, reason = rest.partition(":")
            if kind not in ("differs", "cannot") or not colon or not reason.strip():
                raise ValueError(f"{where}: write `kernel differs: why` or `kernel cannot: why`")
            drafts[-1].reasons[kind] = reason.strip()
        elif word == "use":
            drafts[-1].lines += [beginning(name.strip()) for name in rest.split(",")]
        else:
            drafts[-1].lines.append(line)
    return drafts


@functools.cache
def _beginnings() -> dict[str, str]:
    parts = re.split(r"^beginning (\w+)\n", BEGINNINGS.read_text(), flags=re.MULTILINE)
    return {name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def beginning(name: str) -> str:
    """Return the script of that name in ``beginnings.script``. Raises ValueError."""
    found = _beginnings().get(name)
    if found is None:
        raise ValueError(f"there is no beginning {name!r}; there are {', '.join(_beginnings())}")
    return found + "\n"


def _make_cases(draft: _Draft) -> list[Case]:
    settings = dict(draft.settings)
    families = [int(text) for text in settings.pop("family", ["4"])]
    numbers = [int(text) for text in settings.pop("peer_iss", ["1000000"])]
    profile = _PROFILES[settings.pop("profile", ["rfc"])[0]]
    mtu = int(settings.pop("mtu", ["1500"])[0])
    changes: dict[str, Any] = {} if settings.pop("plain", None) is None else dict(PLAIN)
    for name, values in settings.items():
        changes[name] = _value(values[0])
    try:
        profile = dataclasses.replace(profile, **changes)
    except TypeError as error:
        raise ValueError(f"{draft.where}: {error}") from None
    made = []
    for family, peer_iss in itertools.product(families, numbers):
        variant = [f"ipv{family}"] if len(families) > 1 else []
        variant += [str(peer_iss)] if len(numbers) > 1 else []
        made.append(
            Case(
                name=draft.name + (f"[{'-'.join(variant)}]" if variant else ""),
                text="\n".join(draft.lines),
                profile=profile,
                family=family,
                peer_iss=peer_iss,
                mtu=mtu,
                kernel_differs=draft.reasons.get("differs", ""),
                kernel_cannot=draft.reasons.get("cannot", ""),
            )
        )
    return made


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if text.lstrip("-").isdigit() else text
