"""The HTTP client's private cache: it behaves as a browser's does (RFC 9111).

What is fresh is given without a request; what may have changed is asked about with its entity tag,
or its date, and a 304 makes it good again; what changes something makes the cache forget. Requests
that are alike and under way at a time are made once.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from longwire.base.headers import Headers, HeadersLike
from longwire.base.limits import MIB
from longwire.http.caching import (
    IDENTIFYING,
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
"""Responses to one client for one URL that differ by what else the request said."""

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
    SHARED = "shared"
    """A request like it was under way; its answer is for both."""


@dataclass(frozen=True, slots=True)
class Cached:
    """An answer, and where it is from."""

    answer: Fetched
    use: CacheUse


Fetch = Callable[..., Awaitable[Fetched]]
"""``net.http_client.fetch``, or what does the same."""

_Key: TypeAlias = tuple[str, str | None, str | None]
"""A URL, and who asks: ``IDENTIFYING``."""


@dataclass(slots=True)
class _Flight:
    """A request that is under way, for as many as wait for it."""

    task: asyncio.Task[Cached]
    waiting: int = 0


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
        self._kept: OrderedDict[_Key, list[StoredResponse]] = OrderedDict()
        self._flights: dict[tuple[str, tuple[tuple[str, str], ...]], _Flight] = {}
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

        ``options`` are those of :func:`longwire.net.http_client.fetch`, and so are the errors; of
        requests alike, those of the first one count. Cancelled, nothing is kept, unless others
        wait for the same.
        """
        request = Headers(headers)
        url = url.partition("#")[0]
        if method != "GET" or any(name in request for name in _OWN_CONDITIONS):
            answer = await self._fetch(url, method=method, headers=request, body=body, **options)
            if method not in _SAFE_METHODS and answer.status < 400:
                # Section 4.4: what was kept is of before.
                self.forget(url)
            return Cached(answer, CacheUse.NONE)
        key = _key_of(url, request)
        stored = self._find(key, request)
        if stored is not None and is_fresh(stored, request, self._clock_s()):
            return Cached(self._give(stored), CacheUse.FRESH)
        if "only-if-cached" in directives(request):
            # Section 5.2.1.7.
            return Cached(Fetched(504, Headers(), b""), CacheUse.NONE)
        return await self._ask_once(key, request, stored, options)

    async def _ask_once(
        self, key: _Key, request: Headers, stored: StoredResponse | None, options: dict[str, Any]
    ) -> Cached:
        """Ask the origin, or wait for the answer to a request like this one."""
        question = (key[0], tuple(request))
        flight = self._flights.get(question)
        is_first = flight is None
        if flight is None:
            asking = self._ask(key, request, stored, options)
            task = asyncio.get_running_loop().create_task(asking)
            flight = self._flights[question] = _Flight(task)
        flight.waiting += 1
        try:
            cached = await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 or flight.task.done():
                flight.task.cancel()
                if self._flights.get(question) is flight:
                    del self._flights[question]
        return cached if is_first else Cached(cached.answer, CacheUse.SHARED)

    async def _ask(
        self, key: _Key, request: Headers, stored: StoredResponse | None, options: dict[str, Any]
    ) -> Cached:
        """Ask the origin, with the conditions of what is kept."""
        conditional = Headers(request)
        for name, value in {} if stored is None else validation_fields(stored).items():
            conditional.set(name, value)
        requested_s = self._clock_s()
        answer = await self._fetch(key[0], method="GET", headers=conditional, body=b"", **options)
        received_s = self._clock_s()
        if answer.status == 304 and stored is not None:
            fresh = freshen(stored, answer.headers, requested_s, received_s)
            self._drop(key, stored)
            if fresh is not None:
                self._keep(key, request, fresh)
                return Cached(self._give(fresh), CacheUse.VALIDATED)
            # It confirmed what is not kept: ask for all of it.
            return await self._ask(key, request, None, options)
        new = StoredResponse(
            request, answer.status, answer.headers, answer.body, requested_s, received_s
        )
        # Section 4.3.3: a failing server takes nothing away; the next request asks again.
        if stored is not None and answer.status < 500:
            self._drop(key, stored)
        self._keep(key, request, new)
        return Cached(answer, CacheUse.NONE)

    def forget(self, url: str) -> None:
        """Let everything go that is kept for a URL, whoever asked."""
        for key in [key for key in self._kept if key[0] == url]:
            self._forget(key)

    def _forget(self, key: _Key) -> None:
        for stored in self._kept.pop(key):
            self.size_bytes -= _cost(stored)

    def _give(self, stored: StoredResponse) -> Fetched:
        headers = Headers(stored.headers)
        # Section 5.1: whoever gives what is stored says how old it is.
        headers.set("Age", str(int(stored.age_s(self._clock_s()))))
        return Fetched(stored.status, headers, stored.body)

    def _find(self, key: _Key, request: Headers) -> StoredResponse | None:
        variants = self._kept.get(key)
        if variants is None:
            return None
        self._kept.move_to_end(key)
        # Section 4.1: of several that fit, the newest.
        return next((one for one in reversed(variants) if matches(one, request)), None)

    def _keep(self, key: _Key, request: Headers, response: StoredResponse) -> None:
        cost = _cost(response)
        if not is_storable("GET", request, response) or cost > self._bytes_max // 4:
            return
        for old in [one for one in self._kept.get(key, ()) if matches(one, request)]:
            self._drop(key, old)
        variants = self._kept.setdefault(key, [])
        variants.append(response)
        self.size_bytes += cost
        if len(variants) > VARIANTS_MAX:
            self._drop(key, variants[0])
        while self.size_bytes > self._bytes_max:
            self._forget(next(iter(self._kept)))

    def _drop(self, key: _Key, stored: StoredResponse) -> None:
        variants = self._kept.get(key, [])
        kept = [one for one in variants if one is not stored]
        if len(kept) == len(variants):
            return
        self.size_bytes -= _cost(stored)
        variants[:] = kept
        if not kept:
            del self._kept[key]


def _key_of(url: str, request: Headers) -> _Key:
    authorization, cookie = (request.joined(name) for name in IDENTIFYING)
    return (url, authorization, cookie)


def _cost(stored: StoredResponse) -> int:
    fields = sum(len(name) + len(value) for name, value in [*stored.headers, *stored.request])
    return len(stored.body) + fields + _OVERHEAD_BYTES
