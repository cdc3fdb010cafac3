"""Which response a client gets for a representation: all of it, a part, or that it has it already.

One layer for pages, API, static files and history. It takes the 200 that a handler made and makes
of it the 200, 206, 304, 412 or 416 that the request deserves (RFC 9110 sections 13 and 14).
"""

from __future__ import annotations

from typing import NamedTuple

from longwire.base.headers import Headers
from longwire.http.conditions import Outcome, Validators, evaluate, is_range_of
from longwire.http.pages import error_page
from longwire.http.ranges import ByteRange, MultipartRanges, parse_ranges

__all__ = ["RANGES_MAX", "Selected", "is_selective", "select"]

RANGES_MAX = 32
"""Ranges of one request that are honoured, where no setting says otherwise."""

_SELECTING_FIELDS = frozenset(
    {
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
    }
)

# RFC 9110 section 15.4.5: a 304 has the fields that steer caches and none that describes content.
_DESCRIBING_FIELDS = (
    "Accept-Ranges",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Type",
)


class Selected(NamedTuple):
    """A complete response."""

    status: int
    headers: Headers
    body: bytes


def is_selective(request: Headers) -> bool:
    """Tell whether a request may want anything else than the whole."""
    return not _SELECTING_FIELDS.isdisjoint([name.lower() for name, _ in request])


def select(
    method: str,
    request: Headers,
    headers: Headers,
    body: bytes | None,
    *,
    now_s: float,
    ranges_max: int = RANGES_MAX,
) -> Selected | None:
    """Make of the 200 to a GET or HEAD what the request deserves; ``None``: the 200 as it is.

    ``body`` is ``None`` when it is not at hand: then there are no ranges of it. ``now_s`` is the
    time of the response, seconds since 1970.
    """
    validators = Validators.of(headers)
    match evaluate(method, request, validators):
        case Outcome.FAILED:
            detail = "The resource is not in the state that the request is conditional on."
            return _refuse(412, detail, request, headers)
        case Outcome.NOT_MODIFIED:
            return Selected(304, _without_description(headers), b"")
    # Section 14.2: Range is of GET alone. Without a validator nobody could tell whether two parts
    # are of one version.
    wanted = request.get("Range") if method == "GET" and body is not None else None
    if wanted is None or body is None or validators == (None, None):
        return None
    if not is_range_of(request, validators, now_s):
        return None
    ranges = parse_ranges(wanted, len(body), ranges_max=ranges_max)
    if ranges is None:
        return None
    if not ranges:
        detail = f"There are {len(body)} bytes, and none where the range begins."
        refused = _refuse(416, detail, request, headers)
        refused.headers.set("Content-Range", f"bytes */{len(body)}")
        return refused
    return _partial(headers, body, ranges)


def _partial(headers: Headers, body: bytes, ranges: list[ByteRange]) -> Selected:
    fields = Headers(headers)
    fields.remove("Content-Length")
    if len(ranges) == 1:
        part = ranges[0]
        fields.set("Content-Range", part.content_range(len(body)))
        return Selected(206, fields, body[part.first : part.last + 1])
    parts = MultipartRanges(body, ranges, headers.get("Content-Type"))
    fields.set("Content-Type", parts.content_type)
    return Selected(206, fields, parts.body)


def _without_description(headers: Headers) -> Headers:
    fields = Headers(headers)
    for name in _DESCRIBING_FIELDS:
        fields.remove(name)
    if "ETag" in fields:
        # The tag says it all; the date is for who has nothing better.
        fields.remove("Last-Modified")
    return fields


def _refuse(status: int, detail: str, request: Headers, headers: Headers) -> Selected:
    page, body = error_page(status, None, detail, request.joined("Accept"))
    for value in headers.get_all("Vary"):
        page.add("Vary", value)
    page.add("Cache-Control", "no-store")
    return Selected(status, page, body)
