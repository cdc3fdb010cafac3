"""Who sends a request: its token, checked, or the answer that says what is missing."""

from __future__ import annotations

import time

from longwire.http.challenge import bearer_challenge
from longwire.hub.policy import Policy, identify
from longwire.identity.principal import Principal
from longwire.identity.refusal import KeysUnavailableError
from longwire.identity.settings import IdentitySettings
from longwire.server.credentials import find_credential
from longwire.server.errors import HttpError
from longwire.server.request import Request

__all__ = ["Admission"]

RETRY_AFTER_S = 5


class Admission:
    """Tells who a client is by its request."""

    def __init__(self, policy: Policy, settings: IdentitySettings) -> None:
        self._policy = policy
        self._cookie = settings.cookie

    async def identify(self, request: Request) -> Principal:
        """Return whom the token of a request names; nobody in particular without one.

        Raises an ``HttpError``: 400 for several tokens, 401 for one that is not accepted, 503
        while it cannot be told.
        """
        credential = find_credential(request, self._cookie)
        token = None if credential is None else credential.token
        try:
            principal = await identify(self._policy, token, time.time())
        except KeysUnavailableError as error:
            headers = {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"}
            raise HttpError(503, f"{error.message}.", headers) from None
        if principal is None:
            raise _unauthorized(has_token=token is not None)
        return principal


def _unauthorized(*, has_token: bool) -> HttpError:
    challenge = bearer_challenge("invalid_token" if has_token else None)
    headers = {"WWW-Authenticate": challenge, "Cache-Control": "no-store"}
    # One sentence for all reasons: what is wrong with a token is for the log.
    message = "The token is unknown or has expired." if has_token else "A token is needed here."
    return HttpError(401, message, headers)
