# cython: annotation_typing=False, auto_pickle=False
"""What is sent of a handler's response: coded, in part, or not at all when the client has it."""

from __future__ import annotations

import asyncio
import time

from longwire.http.coding import Codings, encode_pieces
from longwire.http.negotiation import IDENTITY
from longwire.http.representation import Selected, Selector
from longwire.server.request import Request
from longwire.server.response import Response
from longwire.server.settings import Settings

__all__ = ["ContentSelection", "make_selector"]

_INLINE_BYTES_MAX = 64 * 1024
"""A body that is larger is coded in a thread: for more than a millisecond, the loop goes on."""

_FRESHNESS_FIELDS = frozenset({"cache-control", "expires"})


def make_selector(settings: Settings) -> Selector:
    """Return what the settings say about content codings and ranges."""
    coding = settings.content_coding
    codings = None
    if coding.enabled:
        codings = Codings(
            coding.names,
            threshold_bytes=coding.threshold_bytes,
            cache_bytes_max=coding.cache_bytes_max,
        )
    return Selector(codings, settings.http.ranges_max)


class ContentSelection:
    """Fits responses to their requests; ``cache_control`` is for those that say nothing of it."""

    __slots__ = ("__weakref__", "_cache_control", "_selector")

    def __init__(self, selector: Selector, cache_control: str | None) -> None:
        self._selector = selector
        self._cache_control = cache_control

    def suits(self, request: Request, response: Response) -> bool:
        """Say how long a handler's response is fresh; tell whether it may be sent as it is."""
        if self._cache_control is not None and _is_left_to_guess(request, response):
            response.headers.add("Cache-Control", self._cache_control)
        if response.status != 200 and not response.body:
            return True  # there is nothing to code, and nothing to select from
        return not self._selector.concerns(request.headers, _whole(response))

    async def fit(self, request: Request, response: Response) -> Response:
        """Return what is to be sent for a handler's response. Cancel-safe."""
        if self.suits(request, response):
            return response
        headers, whole = response.headers, _whole(response)
        selected = self._selector.select(
            request.method, request.headers, response.status, headers, whole, now_s=time.time()
        )
        if selected is None:
            return response
        if selected.body is not None:
            return Response(selected.status, selected.headers, selected.body)
        return await self._encode(response, selected)

    async def _encode(self, response: Response, selected: Selected) -> Response:
        codings, body, coding = self._selector.codings, response.body, selected.coding
        if codings is not None and coding != IDENTITY:
            if isinstance(body, bytes):
                body = await _encode_whole(codings, coding, body)
            else:
                body = encode_pieces(codings.encoder(coding), body)
        return Response(selected.status, selected.headers, body)


def _whole(response: Response) -> bytes | None:
    return response.body if isinstance(response.body, bytes) else None


def _is_left_to_guess(request: Request, response: Response) -> bool:
    """Whether a cache may guess how long a response is fresh (RFC 9111 section 4.2.2).

    What is moved for good is so for caches too.
    """
    if request.method not in ("GET", "HEAD") or response.status in (301, 308):
        return False
    return not response.headers.has_any(_FRESHNESS_FIELDS)


async def _encode_whole(codings: Codings, coding: str, body: bytes) -> bytes:
    if len(body) <= _INLINE_BYTES_MAX:
        return codings.encode(coding, body)
    found = codings.find(coding, body)
    if found is None:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(None, codings.encode_anew, coding, body)
        codings.keep(coding, body, found)
    return found
