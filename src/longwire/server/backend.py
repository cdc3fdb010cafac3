"""The backend of the application, asked over HTTP who may do what (the section [backend]).

The question is a GET, so that the backend says by Cache-Control how long its answer holds, and a
304 to the entity tag of the last one is answer enough.
"""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from longwire.base.headers import Headers
from longwire.hub.errors import BackendFailedError, BackendTimeoutError
from longwire.net.http_cache import Cached, CacheUse, HttpCache
from longwire.net.http_client import FetchError
from longwire.server.permissions import Access
from longwire.server.settings import BackendSettings

__all__ = ["AuthorizationCallback"]

logger = logging.getLogger("longwire.server")

_YES = frozenset({200, 204})
_NO = frozenset({401, 403, 404, 410})


class AuthorizationCallback:
    """Asks ``backend.authorize_url``. Belongs to one event loop."""

    def __init__(self, url: str, settings: BackendSettings) -> None:
        self._url = url
        self._settings = settings
        self._cache = HttpCache(bytes_max=settings.cache_bytes_max)
        self._headers = Headers()
        if settings.token is not None:
            self._headers.add("Authorization", f"Bearer {settings.token}")
        self.uses = dict.fromkeys(CacheUse, 0)
        """Answers, by what the cache did for them."""
        self.failures = 0
        """Questions without an answer that is one."""

    async def may(self, access: Access) -> bool:
        """Ask whether somebody may do something.

        Raises ``BackendTimeoutError`` without an answer in time, ``BackendFailedError`` for one
        that is neither yes nor no. Cancel-safe.
        """
        try:
            cached = await self._ask(access)
        except FetchError as error:
            self._note_failure(str(error))
            if isinstance(error.cause, TimeoutError):
                raise BackendTimeoutError from None
            raise BackendFailedError from None
        self.uses[cached.use] += 1
        status = cached.answer.status
        if status in _YES:
            return True
        if status not in _NO:
            self._note_failure(f"it answered with the status {status}")
            raise BackendFailedError
        return False

    async def _ask(self, access: Access) -> Cached:
        question = {"action": access.action, "stream": access.stream}
        if not access.principal.is_anonymous:
            question["user"] = access.principal.name
        separator = "&" if "?" in self._url else "?"
        return await self._cache.fetch(
            f"{self._url}{separator}{urlencode(question)}",
            headers=self._headers,
            timeout_s=self._settings.timeout_s,
            body_bytes_max=self._settings.answer_bytes_max,
        )

    def _note_failure(self, reason: str) -> None:
        self.failures += 1
        # The query may name a user, the URL hold a secret.
        logger.warning("backend.authorize_url could not be asked: %s", reason)

    def figures(self) -> dict[str, tuple[str, float, bool]]:
        """What is counted, for the metrics."""
        return {
            "longwire_backend_asked": (
                "Questions that the backend was asked about permissions, those for a 304 too.",
                self.uses[CacheUse.NONE] + self.uses[CacheUse.VALIDATED],
                True,
            ),
            "longwire_backend_cache_hits": (
                "Answers about permissions that were still fresh, or under way.",
                self.uses[CacheUse.FRESH] + self.uses[CacheUse.SHARED],
                True,
            ),
            "longwire_backend_failures": (
                "Questions about permissions without an answer.",
                self.failures,
                True,
            ),
        }
