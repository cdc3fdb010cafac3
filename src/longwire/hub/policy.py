# cython: annotation_typing=False, auto_pickle=False
"""What the application decides: who a client is, what it may do, what becomes of its entries."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from longwire.hub.errors import PermissionDeniedError, UnknownMethodError
from longwire.identity.grants import Action
from longwire.identity.principal import ANONYMOUS, Principal

__all__ = ["Action", "AllowAll", "Policy", "PublishHook", "demand", "identify"]

PublishHook: TypeAlias = Callable[
    [Principal, str, list[bytes], str], "list[bytes] | Awaitable[list[bytes]]"
]
"""Gets who publishes, the stream, the payloads and their content type; returns the payloads to
store, or raises :exc:`~longwire.hub.errors.PublishRefused`. A publish that a client sends again
passes here again, before the store recognises it."""


class Policy(Protocol):
    """The application, as hub and gateways see it."""

    @property
    def publish_hook(self) -> PublishHook | None:
        """Sees, changes or refuses what clients publish; ``None``: it is stored as it is."""

    async def authenticate(self, token: str | None) -> Principal | None:
        """Tell who a client is by its token; ``None`` refuses it."""

    async def call(self, principal: Principal, method: str, data: bytes | None) -> bytes | None:
        """Call a function of the application, with JSON and for JSON.

        Raises ``UnknownMethodError``, ``BadArgumentsError``, ``CallRefused``.
        """

    def may(self, principal: Principal, action: Action, stream: str) -> bool | Awaitable[bool]:
        """Tell whether ``principal`` may do ``action`` on ``stream``."""


class AllowAll:
    """Everybody may do everything, as nobody in particular; tokens are not understood."""

    publish_hook: PublishHook | None = None

    async def authenticate(self, token: str | None) -> Principal | None:
        return ANONYMOUS if token is None else None

    async def call(self, principal: Principal, method: str, data: bytes | None) -> bytes | None:
        raise UnknownMethodError(method)

    def may(self, principal: Principal, action: Action, stream: str) -> bool:
        return True


async def identify(policy: Policy, token: str | None, now_s: float) -> Principal | None:
    """Tell who a client is by its token at ``now_s``, Unix time; ``None`` refuses it.

    Gateways ask here and not the policy itself: an answer that has expired already is none, also
    where an application looks up who it was and not until when.
    """
    principal = await policy.authenticate(token)
    if principal is None or principal.has_expired(now_s):
        return None
    return principal


def demand(
    policy: Policy, principal: Principal, action: Action, stream: str
) -> Awaitable[None] | None:
    """Raise :exc:`PermissionDeniedError` unless the policy allows it.

    Returns ``None`` when that is decided already, else something to await that may raise.
    """
    answer = policy.may(principal, action, stream)
    if answer is True:
        return None
    if inspect.isawaitable(answer):
        return _demand_later(answer, action, stream)
    raise PermissionDeniedError(action, stream)


async def _demand_later(answer: Awaitable[bool], action: Action, stream: str) -> None:
    if not await answer:
        raise PermissionDeniedError(action, stream)
