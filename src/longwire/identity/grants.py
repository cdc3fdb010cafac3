# cython: annotation_typing=False, auto_pickle=False
"""What a client may do by what it showed: patterns of stream names for each kind of access."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from longwire.streams.pattern import StreamPattern

__all__ = ["ACTIONS", "NO_GRANTS", "Action", "Grants"]

Action: TypeAlias = Literal["read", "publish", "manage", "presence"]
"""What may be done with a stream. ``manage`` is to end it: close, delete, limit its life."""

ACTIONS: tuple[Action, ...] = ("read", "publish", "manage", "presence")

_KNOWN_MAX = 256
"""Answers that are kept, of a set of grants."""


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
    # What was asked before: a publisher asks the same for each entry.
    _known: dict[tuple[Action, str], bool] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def allow(self, action: Action, stream: str) -> bool:
        """Tell whether ``action`` on ``stream`` is among them."""
        known = self._known.get((action, stream))
        return self._find(action, stream) if known is None else known

    def _find(self, action: Action, stream: str) -> bool:
        patterns: tuple[StreamPattern, ...] = getattr(self, action)
        answer = any(pattern.matches(stream) for pattern in patterns)
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[action, stream] = answer
        return answer


NO_GRANTS = Grants()
"""Nothing beyond what anybody may."""
