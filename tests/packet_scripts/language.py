"""The language of packet scripts: lines to steps, and segments as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from longwire.tcpip.durations import SECOND
from longwire.tcpip.wire.tcp import ACK, FIN, PSH, RST, SYN, URG

__all__ = ["SegmentText", "Step", "parse_segment", "parse_steps", "pattern"]

_FLAGS = {"S": SYN, "F": FIN, "R": RST, "P": PSH, "U": URG, ".": ACK}
_COMMENT = re.compile(r"(^|\s)#(?!\d )\s.*$")
_LINE = re.compile(r"(?P<time>\+?\d+(?:\.\d+)?)?\s*(?:#(?P<peer>\d) )?(?P<step>[<>a-z].*)")
_SEGMENT = re.compile(
    r"(?P<flags>[SFRPU.]+) (?P<start>\d+):(?P<end>\d+)"
    r"(?: ack (?P<ack>\d+))?(?: win (?P<win>\d+))?(?: urg (?P<urg>\d+))?(?: <(?P<options>.*)>)?"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One line: when, to which connection, what."""

    number: int
    text: str
    at_ns: int
    peer: int
    verb: str
    rest: str


@dataclass(frozen=True, slots=True)
class SegmentText:
    """A segment as it is written; what was not said is ``None``."""

    flags: int
    start: int
    end: int
    ack: int | None
    window: int | None
    urgent: int | None
    options: dict[str, str] | None


def parse_steps(text: str) -> Iterator[Step]:
    """Read a script. Raises ValueError with the line that is none."""
    previous_ns = 0
    for number, raw in enumerate(text.strip("\n").split("\n"), 1):
        line = _COMMENT.sub("", raw).strip()
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {number} is no step: {line!r}")
        time = match["time"]
        if time is not None:
            at_ns = int(Decimal(time) * SECOND)
            previous_ns = previous_ns + at_ns if time.startswith("+") else at_ns
        verb, _, rest = match["step"].partition(" ")
        yield Step(number, raw.strip(), previous_ns, int(match["peer"] or 1), verb, rest)


def parse_segment(text: str) -> SegmentText:
    """Read what stands behind ``<`` or ``>``. Raises ValueError."""
    match = _SEGMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"no segment: {text!r}")
    flags = 0
    for letter in match["flags"]:
        flags |= _FLAGS[letter]
    return SegmentText(
        flags,
        int(match["start"]),
        int(match["end"]),
        _number(match["ack"]),
        _number(match["win"]),
        _number(match["urg"]),
        None if match["options"] is None else _options(match["options"]),
    )


def pattern(start: int, count: int) -> bytes:
    """Return the text that begins at a relative sequence number."""
    return bytes(index & 0xFF for index in range(start, start + count))


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _options(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, value = part.partition(" ")
        found[name] = value
    return found
