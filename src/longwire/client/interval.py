"""What a reader holds of one stream, and whether a delivery goes on from there."""

from __future__ import annotations

from enum import Enum, auto

from longwire.client.errors import ClientError
from longwire.streams.position import Position

__all__ = ["Fit", "examine", "mismatch"]


class Fit(Enum):
    """How an interval lies to what is held."""

    NEXT = auto()
    """It begins there."""
    KNOWN = auto()
    """All of it was delivered before."""
    MISFIT = auto()
    """It begins elsewhere: something is missing, or the log is another one."""


def examine(held: Position, after: str, upto: Position) -> Fit:
    """Compare the interval ``(after, upto]`` with the position that is held."""
    if after == str(held):
        return Fit.NEXT
    if upto.epoch == held.epoch and upto.offset <= held.offset:
        return Fit.KNOWN
    return Fit.MISFIT


def mismatch(stream: str, held: Position, after: str) -> ClientError:
    """What is told about a misfit."""
    return ClientError(
        "interval_mismatch",
        f"{stream}: the server delivered what follows {after}, but {held} is held; it is asked to "
        "go on from there",
        retry=True,
        details={"stream": stream, "held": str(held), "after": after},
    )
