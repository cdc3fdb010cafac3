"""What those who run a server ask of it over HTTP, with an API key that may ``operate``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from longwire.http.challenge import bearer_challenge
from longwire.server.admission import Admission
from longwire.server.errors import HttpError
from longwire.server.exchange import Exchange
from longwire.server.request import Request
from longwire.server.response import Response

__all__ = ["REVOKE_PATH", "Administration"]

REVOKE_PATH = "/api/users/{user}/revoke"


class Administration:
    """The handlers below ``/api``."""

    def __init__(self, admission: Admission, revoke: Callable[[str], Awaitable[None]]) -> None:
        self._admission = admission
        self._revoke = revoke

    async def revoke(self, request: Request, exchange: Exchange) -> Response:
        """Let a user in no longer with what he has until now."""
        principal = await self._admission.identify(request)
        if principal.is_anonymous:
            headers = {"WWW-Authenticate": bearer_challenge()}
            raise HttpError(401, "An API key that may operate is needed here.", headers)
        if not principal.is_operator:
            headers = {"WWW-Authenticate": bearer_challenge("insufficient_scope")}
            raise HttpError(403, "Only an API key that may operate revokes users.", headers)
        await self._revoke(request.path_parameters["user"])
        return Response(204)
