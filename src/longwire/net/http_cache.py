"""The HTTP client's private cache: it behaves as a browser's does (RFC 9111).

What is fresh is given without a request; what may have changed is asked about with its entity tag,
or its date, and a 304 makes it good again; what changes something makes the cache forget.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from longwire.base.headers import Headers, HeadersLike
from longwire.base.limits import MIB
from longwire.http.caching import (
    StoredResponse,
    directives,
    freshen,
    is_fresh,
    is_storable,
    matches,
    validation_fields,
)
from longwire.net.http_client import Fetched, fetch

__all__ = ["CacheUse", "Cached", "HttpCache"]

VARIANTS_MAX = 8
"""Responses for one URL that differ by what the request said."""

_OVERHEAD_BYTES = 512
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
# What a caller decides with these himself is no business of the cache.
_OWN_CONDITIONS = (
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Range",
)


class CacheUse(Enum):
    """What the cache did for a request."""

    NONE = "none"
    """The origin answered."""
    FRESH = "fresh"
    """No request was made."""
    VALIDATED = "validated"
    """The origin was asked, and said that what is kept still holds."""


@dataclass(frozen=True, slots=True)
class Cached:
    """An answer, and where it is from."""

    answer: Fetched
    use: CacheUse


Fetch = Callable[..., Awaitable[Fetched]]
"""``net.http_client.fetch``, or what does the same."""


class HttpCache:
    """Keeps answers, ``bytes_max`` of them; those not used for the longest go first.

    Belongs to one event loop. ``clock_s`` tells seconds since 1970.
    """

    def __init__(
        self,
        *,
        bytes_max: int = 4 * MIB,
        fetch: Fetch = fetch,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._bytes_max = bytes_max
        self._fetch = fetch
        self._clock_s = clock_s
        self._kept: OrderedDict[str, list[StoredResponse]] = OrderedDict()
        self.size_bytes = 0
        """What the cache costs."""

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: HeadersLike = (),
        body: bytes = b"",
        **options: Any,
    ) -> Cached:
        """Send one request if it takes one, and return the answer.

        ``options`` are those of :func:`longwire.net.http_client.fetch`, and so are the errors.
        Cancelled, nothing is kept.
        """
        request = Headers(headers)
        url = url.partition("#")[0]
        if method != "GET" or any(name in request for name in _OWN_CONDITIONS):
            answer = await self._fetch(url, method=method, headers=request, body=body, **options)
            if method not in _SAFE_METHODS and answer.status < 400:
                # Section 4.4: what was kept is of before.
                self.forget(url)
            return Cached(answer, CacheUse.NONE)
        stored = self._find(url, request)
        if stored is not None and is_fresh(stored, request, self._clock_s()):
            return Cached(self._give(stored), CacheUse.FRESH)
        if "only-if-cached" in directives(request):
            # Section 5.2.1.7.
            return Cached(Fetched(504, Headers(), b""), CacheUse.NONE)
        return await self._ask(url, request, stored, options)

    async def _ask(
        self, url: str, request: Headers, stored: StoredResponse | None, options: dict[str, Any]
    ) -> Cached:
        """Ask the origin, with the conditions of what is kept."""
        conditional = Headers(request)
        for name, value in {} if stored is None else validation_fields(stored).items():
            conditional.set(name, value)
        requested_s = self._clock_s()
        answer = await self._fetch(url, method="GET", headers=conditional, body=b"", **options)
        received_s = self._clock_s()
        if answer.status == 304 and stored is not None:
            fresh = freshen(stored, answer.headers, requested_s, received_s)
            self._drop(url, stored)
            if fresh is not None:
                self._keep(url, request, fresh)
                return Cached(self._give(fresh), CacheUse.VALIDATED)
            # It confirmed what is not kept: ask for all of it.
            return await self._ask(url, request, None, options)
        new = StoredResponse(
            request, answer.status, answer.headers, answer.body, requested_s, received_s
        )
        # Section 4.3.3: a failing server takes nothing away; the next request asks again.
        if stored is not None and answer.status < 500:
            self._drop(url, stored)
        self._keep(url, request, new)
        return Cached(answer, CacheUse.NONE)

    def forget(self, url: str) -> None:
        """Let everything go that is kept for a URL."""
        for stored in self._kept.pop(url, ()):
            self.size_bytes -= _cost(stored)

    def _give(self, stored: StoredResponse) -> Fetched:
        headers = Headers(stored.headers)
        # Section 5.1: whoever gives what is stored says how old it is.
        headers.set("Age", str(int(stored.age_s(self._clock_s()))))
        return Fetched(stored.status, headers, stored.body)

    def _find(self, url: str, request: Headers) -> StoredResponse | None:
        variants = self._kept.get(url)
        if variants is None:
            return None
        self._kept.move_to_end(url)
        # Section 4.1: of several that fit, the newest.
        return next((one for one in reversed(variants) if matches(one, request)), None)

    def _keep(self, url: str, request: Headers, response: StoredResponse) -> None:
        cost = _cost(response)
        if not is_storable("GET", request, response) or cost > self._bytes_max // 4:
            return
        for old in [one for one in self._kept.get(url, ()) if matches(one, request)]:
            self._drop(url, old)
        variants = self._kept.setdefault(url, [])
        variants.append(response)
        self.size_bytes += cost
        if len(variants) > VARIANTS_MAX:
            self._drop(url, variants[0])
        while self.size_bytes > self._bytes_max:
            self.forget(next(iter(self._kept)))

    def _drop(self, url: str, stored: StoredResponse) -> None:
        variants = self._kept.get(url, [])
        kept = [one for one in variants if one is not stored]
        if len(kept) == len(variants):
            return
        self.size_bytes -= _cost(stored)
        variants[:] = kept
        if not kept:
            del self._kept[url]


def _cost(stored: StoredResponse) -> int:
    fields = sum(len(name) + len(value) for name, value in [*stored.headers, *stored.request])
    return len(stored.body) + fields + _OVERHEAD_BYTES
