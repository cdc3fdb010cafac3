"""Which stream sends next: extensible priorities (RFC 9218)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["DEFAULT_PRIORITY", "Priority", "parse_priority", "sending_order"]

# RFC 9218 section 4.1: u is an integer from 0 (first) to 7, 3 unless said otherwise; section 4.2:
# i is a boolean, false unless said otherwise. Both are members of a dictionary (RFC 8941), of
# which everything else, and what is out of range, is ignored.
_MEMBER = re.compile(r"[ \t]*(?P<key>[a-z*][a-z0-9_\-.*]*)(?:=(?P<value>[^,;]*))?(?:;[^,]*)?[ \t]*")


@dataclass(frozen=True, slots=True)
class Priority:
    """``urgency`` 0 goes first, 7 last; ``incremental`` responses share, others go one by one."""

    urgency: int = 3
    incremental: bool = False


DEFAULT_PRIORITY = Priority()


def parse_priority(value: str) -> Priority:
    """Read a Priority field; what is malformed counts as not said."""
    urgency, incremental = DEFAULT_PRIORITY.urgency, DEFAULT_PRIORITY.incremental
    for part in value.split(","):
        match = _MEMBER.fullmatch(part)
        if match is None:
            continue
        key, text = match["key"], match["value"]
        if key == "u" and text is not None and re.fullmatch(r"[0-7]", text):
            urgency = int(text)
        elif key == "i" and text in (None, "?1", "?0"):
            incremental = text != "?0"
    return Priority(urgency, incremental)


_Key = TypeVar("_Key", bound=int)


def sending_order(
    waiting: Iterable[tuple[_Key, Priority]], last_sent: int
) -> list[tuple[_Key, bool]]:
    """Return the streams of the first urgency in order, and whether each sends one frame only.

    RFC 9218 section 10: by urgency; within one, those that are not incremental whole and in the
    order of their identifiers, then the incremental ones in turn, beginning behind the one that
    sent last.
    """
    streams = list(waiting)
    if not streams:
        return []
    first = min(priority.urgency for _, priority in streams)
    chosen = [(key, each) for key, each in streams if each.urgency == first]
    whole = sorted(key for key, each in chosen if not each.incremental)
    shared = sorted(key for key, each in chosen if each.incremental)
    turn = [key for key in shared if key > last_sent] + [key for key in shared if key <= last_sent]
    return [(key, False) for key in whole] + [(key, True) for key in turn]
