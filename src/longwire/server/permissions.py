"""Who may read and publish what: rules in code first, then the configuration's patterns."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from longwire.hub.policy import Action
from longwire.identity.principal import Principal
from longwire.server.patterns import StreamPattern
from longwire.server.settings import AnonymousSettings

__all__ = ["Access", "Action", "Permissions", "PermitRule"]

ACTIONS: tuple[Action, ...] = ("read", "publish", "presence")


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody wants to do."""

    principal: Principal
    action: Action
    stream: str


PermitRule: TypeAlias = Callable[[Access], "bool | Awaitable[bool]"]


class Permissions:
    """Decides about each access: the first rule whose pattern and action fit has the last word.

    Where no rule fits, the configuration's [anonymous] patterns are what anybody may do, and
    everything else is refused.
    """

    __slots__ = ("_anonymous", "_rules")

    def __init__(self) -> None:
        self._rules: list[tuple[StreamPattern, frozenset[Action], PermitRule]] = []
        self._anonymous: dict[Action, list[StreamPattern]] = {action: [] for action in ACTIONS}

    def add_rule(self, pattern: str, actions: Iterable[Action], rule: PermitRule) -> None:
        """Add a rule after those that are there."""
        wanted = frozenset(actions)
        unknown = wanted.difference(ACTIONS)
        if unknown or not wanted:
            raise ValueError(f"actions are any of {', '.join(ACTIONS)}, not {sorted(unknown)}")
        self._rules.append((StreamPattern(pattern), wanted, rule))

    def allow_anonymous(self, settings: AnonymousSettings) -> None:
        """Take over what the configuration allows to anybody."""
        self._anonymous["read"] = [StreamPattern(text) for text in settings.read]
        self._anonymous["publish"] = [StreamPattern(text) for text in settings.publish]
        self._anonymous["presence"] = [StreamPattern(text) for text in settings.presence]

    def may(self, principal: Principal, action: Action, stream: str) -> bool | Awaitable[bool]:
        """Decide; awaitable when the rule that decides is a coroutine.

        A rule that raises refuses: the error goes to the caller.
        """
        for pattern, actions, rule in self._rules:
            if action in actions and pattern.matches(stream):
                answer = rule(Access(principal, action, stream))
                return answer if inspect.isawaitable(answer) else bool(answer)
        return any(pattern.matches(stream) for pattern in self._anonymous[action])
