"""Members that several answers share."""

from __future__ import annotations

from typing import Any

from longwire.streams.position import Position
from longwire.streams.verdict import Start, Verdict

__all__ = ["subscribed_members"]


def subscribed_members(
    stream: str, start: Start, held: str | None, verdict: Verdict
) -> dict[str, Any]:
    """Where a subscription begins and why there (docs/protocol.md, 4.1). ``held`` is the position
    that was sent, as it was written."""
    members: dict[str, Any] = {
        "stream": stream,
        "position": str(verdict.resume),
        "tail": str(verdict.tail),
    }
    if isinstance(start, Position) and held is not None:
        members["recovered"] = verdict.reason is None
        if verdict.reason is not None:
            members["reason"] = verdict.reason.value
            members["held"] = held
    if verdict.is_closed:
        members["closed"] = True
    return members
