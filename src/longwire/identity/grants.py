"""What a client may do by what it showed: patterns of stream names for each kind of access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from longwire.streams.pattern import StreamPattern

__all__ = ["ACTIONS", "NO_GRANTS", "Action", "Grants"]

Action: TypeAlias = Literal["read", "publish", "manage", "presence"]
"""What may be done with a stream. ``manage`` is to end it: close, delete, limit its life."""

ACTIONS: tuple[Action, ...] = ("read", "publish", "manage", "presence")


@dataclass(frozen=True, slots=True)
class Grants:
    """Which streams may be read, published to, ended, and entered as a member.

    >>> grants = Grants(read=(StreamPattern("chat/**"),))
    >>> grants.allow("read", "chat/lobby"), grants.allow("publish", "chat/lobby")
    (True, False)
    """

    read: tuple[StreamPattern, ...] = ()
    publish: tuple[StreamPattern, ...] = ()
    manage: tuple[StreamPattern, ...] = ()
    presence: tuple[StreamPattern, ...] = ()

    def allow(self, action: Action, stream: str) -> bool:
        """Tell whether ``action`` on ``stream`` is among them."""
        patterns: tuple[StreamPattern, ...] = getattr(self, action)
        return any(pattern.matches(stream) for pattern in patterns)


NO_GRANTS = Grants()
"""Nothing beyond what anybody may."""
