"""The backend of the application, asked over HTTP whose session a cookie of the site is.

A site that signs its visitors in by itself has given them a cookie already; it is handed back to
the site, which alone knows what it stands for.
"""

from __future__ import annotations

import logging
import re
import time

import msgspec

from longwire.base.headers import Headers
from longwire.hub.errors import BackendFailedError, BackendTimeoutError
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.net.http_cache import Cached, CacheUse, HttpCache
from longwire.net.http_client import Fetched, FetchError
from longwire.server.settings import BackendSettings

__all__ = ["IdentityCallback"]

logger = logging.getLogger("longwire.identity")

# RFC 6265 section 4.1.1: cookie-octet
_COOKIE_VALUE = re.compile(r"[\x21\x23-\x2B\x2D-\x3A\x3C-\x5B\x5D-\x7E]+")

_NOBODY = 204
_REFUSED = frozenset({401, 403, 404, 410})


class _Visitor(msgspec.Struct):
    """What the backend says of somebody."""

    user: str
    expires_in_s: float | None = None


_decode = msgspec.json.Decoder(_Visitor).decode


class IdentityCallback:
    """Asks ``backend.authenticate_url``. ``cookie`` is the name of the cookie."""

    def __init__(self, url: str, cookie: str, settings: BackendSettings) -> None:
        self._url = url
        self._cookie = cookie
        self._settings = settings
        self._cache = HttpCache(bytes_max=settings.cache_bytes_max)
        self.uses = dict.fromkeys(CacheUse, 0)
        """Answers, by what the cache did for them."""
        self.unanswered = 0
        self.failures = 0
        """Questions without an answer that is one."""

    async def find(self, value: str) -> Principal | None:
        """Ask who has the cookie with this value; ``None`` when it is refused.

        Raises ``BackendTimeoutError`` without an answer in time, ``BackendFailedError`` for one
        that is none. Cancel-safe.
        """
        if not _COOKIE_VALUE.fullmatch(value):
            return None
        try:
            cached = await self._ask(value)
        except FetchError as error:
            self.unanswered += 1
            self._note_failure(str(error))
            if isinstance(error.cause, TimeoutError):
                raise BackendTimeoutError from None
            raise BackendFailedError from None
        self.uses[cached.use] += 1
        answer = cached.answer
        if answer.status == _NOBODY:
            return ANONYMOUS
        if answer.status in _REFUSED:
            return None
        return self._read(answer)

    async def _ask(self, value: str) -> Cached:
        headers = Headers([("Cookie", f"{self._cookie}={value}"), ("Accept", "application/json")])
        if self._settings.token is not None:
            headers.add("Authorization", f"Bearer {self._settings.token}")
        return await self._cache.fetch(
            self._url,
            headers=headers,
            timeout_s=self._settings.timeout_s,
            body_bytes_max=self._settings.answer_bytes_max,
        )

    def _read(self, answer: Fetched) -> Principal | None:
        if answer.status != 200:
            self._note_failure(f"it answered with the status {answer.status}")
            raise BackendFailedError
        try:
            visitor = _decode(answer.body)
        except msgspec.DecodeError as error:
            self._note_failure(f'its answer is not {{"user": NAME}}: {error}')
            raise BackendFailedError from None
        if not visitor.user:
            self._note_failure("it named a user without a name; 204 is nobody in particular")
            raise BackendFailedError
        if visitor.expires_in_s is None:
            return Principal(visitor.user)
        # It was said when the answer was made.
        left_s = visitor.expires_in_s - _age_s(answer)
        return Principal(visitor.user, expires_at_s=time.time() + left_s) if left_s > 0 else None

    def _note_failure(self, reason: str) -> None:
        self.failures += 1
        logger.warning("backend.authenticate_url could not be asked: %s", reason)

    def figures(self) -> dict[str, tuple[str, float, bool]]:
        """What is counted, for the metrics."""
        return {
            "longwire_backend_visitors_asked": (
                "Questions to the backend whose session a cookie is.",
                self.uses[CacheUse.NONE] + self.uses[CacheUse.VALIDATED] + self.unanswered,
                True,
            ),
            "longwire_backend_visitors_cache_hits": (
                "Answers about them that were still fresh, or under way.",
                self.uses[CacheUse.FRESH] + self.uses[CacheUse.SHARED],
                True,
            ),
            "longwire_backend_visitors_failures": (
                "Those of them without an answer.",
                self.failures,
                True,
            ),
        }


def _age_s(answer: Fetched) -> float:
    """How long ago the answer was made, by itself or by the cache (RFC 9111 section 5.1)."""
    text = answer.headers.get("Age") or ""
    return float(text) if re.fullmatch("[0-9]{1,9}", text) else 0.0
