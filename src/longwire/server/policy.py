# cython: annotation_typing=False, auto_pickle=False
"""The application's decisions in the shape that the hub and the gateways ask for them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable

from longwire.hub.policy import PublishHook as BatchHook
from longwire.identity.principal import Principal
from longwire.server.app import App
from longwire.server.authentication import Authentication
from longwire.server.permissions import Action
from longwire.server.publication import Publication

__all__ = ["AppPolicy"]


class AppPolicy:
    """Who a client is, what it may do, and what becomes of what it publishes."""

    __slots__ = ("_app", "_authentication", "_permissions", "publish_hook")

    def __init__(self, app: App, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication
        self._permissions = app.permissions
        # Without hooks the hub has nothing to ask for each publish.
        self.publish_hook: BatchHook | None = self._show_to_hooks if app.publish_hooks else None

    async def authenticate(self, token: str | None) -> Principal | None:
        """Ask who has this token."""
        return await self._authentication.authenticate(token)

    async def call(self, principal: Principal, method: str, data: bytes | None) -> bytes | None:
        """Call a method of the application."""
        return await self._app.calls.call(principal, method, data)

    def may(self, principal: Principal, action: Action, stream: str) -> bool | Awaitable[bool]:
        """Ask the permissions."""
        return self._permissions.may(principal, action, stream)

    async def _show_to_hooks(
        self, principal: Principal, stream: str, payloads: list[bytes], content_type: str
    ) -> list[bytes]:
        hooks = [hook for pattern, hook in self._app.publish_hooks if pattern.matches(stream)]
        if not hooks:
            return payloads
        kept = []
        for payload in payloads:
            publication = Publication(stream, payload, content_type, principal)
            for hook in hooks:
                result = hook(publication)
                if inspect.isawaitable(result):
                    await result
            kept.append(publication.payload)
        return kept
