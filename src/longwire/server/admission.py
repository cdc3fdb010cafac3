"""Who sends a request: its token, checked, or the answer that says what is missing."""

from __future__ import annotations

import time

from longwire.base.errors import StoreError
from longwire.http.challenge import bearer_challenge
from longwire.hub.errors import BackendFailedError, BackendTimeoutError
from longwire.hub.policy import Policy, identify
from longwire.identity.principal import Principal
from longwire.identity.refusal import KeysUnavailableError
from longwire.identity.revocations import Revocations
from longwire.identity.settings import IdentitySettings
from longwire.server.credentials import find_credential
from longwire.server.errors import HttpError
from longwire.server.request import Request
from longwire.server.sessions import Sessions
from longwire.streams.errors import StreamError

__all__ = ["Admission"]

RETRY_AFTER_S = 5


class Admission:
    """Tells who a client is by its request."""

    def __init__(
        self,
        policy: Policy,
        settings: IdentitySettings,
        sessions: Sessions | None,
        revocations: Revocations,
    ) -> None:
        self._policy = policy
        self._cookie = settings.cookie
        self._sessions = sessions
        self._revocations = revocations

    async def identify(self, request: Request) -> Principal:
        """Return whom the token or the session of a request names; nobody in particular without.

        A session that is over is none: who signed in then has to do it again, and is anonymous
        meanwhile. Raises an ``HttpError``: 400 for several tokens, 401 for one that is not
        accepted, 503 while it cannot be told, 502 and 504 when the backend does not tell.
        """
        credential = find_credential(request, self._cookie)
        if credential is None and self._sessions is not None:
            signed_in = await self._find_session(self._sessions, request)
            if signed_in is not None:
                return signed_in
        token = None if credential is None else credential.token
        try:
            principal = await identify(self._policy, token, time.time())
        except KeysUnavailableError as error:
            raise _unavailable(f"{error.message}.") from None
        except BackendFailedError as error:
            raise HttpError(502, f"{error.message}.") from None
        except BackendTimeoutError as error:
            raise HttpError(504, f"{error.message}.") from None
        if principal is None:
            raise _unauthorized(has_token=token is not None)
        return principal

    async def _find_session(self, sessions: Sessions, request: Request) -> Principal | None:
        try:
            found = await sessions.find(request)
        except (StoreError, StreamError, OSError):
            raise _unavailable("Sessions cannot be looked up now; try again later.") from None
        if found is not None and self._revocations.is_revoked(found):
            return None
        return found


def _unavailable(message: str) -> HttpError:
    headers = {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"}
    return HttpError(503, message, headers)


def _unauthorized(*, has_token: bool) -> HttpError:
    challenge = bearer_challenge("invalid_token" if has_token else None)
    headers = {"WWW-Authenticate": challenge, "Cache-Control": "no-store"}
    # One sentence for all reasons: what is wrong with a token is for the log.
    message = "The token is unknown or has expired." if has_token else "A token is needed here."
    return HttpError(401, message, headers)
