"""The connections of one server through which one member is in a room, lost ones for a while."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

__all__ = ["MemberConnections", "Said"]


class Said(NamedTuple):
    """What a member entered with."""

    at_ms: int
    """When, in milliseconds of the server's wall clock: what was said last counts."""
    data: bytes | None
    """JSON text."""


class MemberConnections:
    """By name, in the order of entering. A lost one counts until its grace period ends, or until
    another connection of the member takes its place."""

    def __init__(self) -> None:
        self._said: dict[str, Said] = {}
        self._lost: dict[str, asyncio.TimerHandle] = {}

    @property
    def is_empty(self) -> bool:
        """Whether the member is gone."""
        return not self._said

    @property
    def said(self) -> Said:
        """What was entered last."""
        return next(reversed(self._said.values()))

    def enter(self, connection: str, said: Said) -> None:
        """A connection comes in, or says something else."""
        if self._said.pop(connection, None) is None and self._lost:
            # Who is back after a loss: the longest lost one is what he is back from.
            self.expire(next(iter(self._lost)))
        self._said[connection] = said

    def has(self, connection: str) -> bool:
        """Whether the connection is in, and not lost."""
        return connection in self._said and connection not in self._lost

    def leave(self, connection: str) -> None:
        """A connection that is in goes out."""
        del self._said[connection]

    def lose(self, connection: str, grace: asyncio.TimerHandle) -> None:
        """A connection that is in is lost; ``grace`` calls for ``expire``."""
        self._lost[connection] = grace

    def expire(self, connection: str) -> None:
        """A lost connection counts no more."""
        self._lost.pop(connection).cancel()
        del self._said[connection]

    def close(self) -> None:
        """Stop all timers."""
        for grace in self._lost.values():
            grace.cancel()
