# cython: annotation_typing=False, auto_pickle=False
"""Who may read and publish what: rules in code first, then what tokens and settings grant."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from longwire.identity.grants import ACTIONS, NO_GRANTS, Action, Grants
from longwire.identity.principal import Principal
from longwire.server.patterns import StreamPattern
from longwire.server.settings import AnonymousSettings

__all__ = ["Access", "Action", "Permissions", "PermitRule"]


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody wants to do."""

    principal: Principal
    action: Action
    stream: str


PermitRule: TypeAlias = Callable[[Access], "bool | Awaitable[bool]"]


class Permissions:
    """Decides about each access: the first rule whose pattern and action fit has the last word.

    Where no rule fits, a client may do what its token grants and what the configuration's
    [anonymous] patterns allow to anybody, and what the backend allows when it is asked.
    """

    __slots__ = ("_anonymous", "_last", "_rules")

    def __init__(self) -> None:
        self._rules: list[tuple[StreamPattern, frozenset[Action], PermitRule]] = []
        self._anonymous = NO_GRANTS
        self._last: PermitRule | None = None

    def add_rule(self, pattern: str, actions: Iterable[Action], rule: PermitRule) -> None:
        """Add a rule after those that are there."""
        wanted = frozenset(actions)
        unknown = wanted.difference(ACTIONS)
        if unknown or not wanted:
            raise ValueError(f"actions are any of {', '.join(ACTIONS)}, not {sorted(unknown)}")
        self._rules.append((StreamPattern(pattern), wanted, rule))

    def allow_anonymous(self, settings: AnonymousSettings) -> None:
        """Take over what the configuration allows to anybody."""
        self._anonymous = Grants(
            read=tuple(map(StreamPattern, settings.read)),
            publish=tuple(map(StreamPattern, settings.publish)),
            manage=tuple(map(StreamPattern, settings.manage)),
            presence=tuple(map(StreamPattern, settings.presence)),
        )

    def ask_last(self, rule: PermitRule | None) -> None:
        """Let a rule decide where no other one does and nothing grants the access."""
        self._last = rule

    def may(self, principal: Principal, action: Action, stream: str) -> bool | Awaitable[bool]:
        """Decide; awaitable when the rule that decides is a coroutine.

        A rule that raises refuses: the error goes to the caller.
        """
        for pattern, actions, rule in self._rules:
            if action in actions and pattern.matches(stream):
                answer = rule(Access(principal, action, stream))
                if answer is True:
                    return True
                return answer if inspect.isawaitable(answer) else bool(answer)
        if self._anonymous.allow(action, stream) or principal.grants.allow(action, stream):
            return True
        return False if self._last is None else self._last(Access(principal, action, stream))
