# cython: annotation_typing=False, auto_pickle=False
"""Which response a client gets for a representation: all of it, a part, or that it has it already.

One layer for pages, API, static files and history. It takes the response that a handler made,
chooses a content coding, and makes of a 200 the 206, 304, 412 or 416 that the request deserves (RFC
9110 sections 12.5.3, 13 and 14). The coding comes first: conditions are about the representation
that would be sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from longwire.base.headers import Headers
from longwire.http.coding import Codings
from longwire.http.conditions import Outcome, Validators, evaluate, is_range_of, weaken
from longwire.http.field_values import tokens
from longwire.http.negotiation import IDENTITY
from longwire.http.pages import error_page
from longwire.http.ranges import ByteRange, MultipartRanges, parse_ranges

__all__ = ["RANGES_MAX", "Selected", "Selector", "add_vary"]

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
    """What is to be sent."""

    status: int
    headers: Headers
    body: bytes | None
    """``None``: the body that the handler gave."""
    coding: str = IDENTITY
    """The content coding that is still to be applied to that."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Makes of a handler's response what the request deserves."""

    codings: Codings | None = None
    """What may code it; ``None``: everything goes plain."""
    ranges_max: int = RANGES_MAX

    def concerns(self, request: Headers, body: bytes | None) -> bool:
        """Tell, at little cost, whether ``select`` could change a response."""
        codings = self.codings
        if codings is not None and (body is None or len(body) >= codings.threshold_bytes):
            return True
        if request.has_any(_SELECTING_FIELDS):
            return True
        # A small body is coded for who refuses it plain alone.
        return _refuses(request.joined("Accept-Encoding"))

    def select(
        self,
        method: str,
        request: Headers,
        status: int,
        headers: Headers,
        body: bytes | None,
        *,
        now_s: float,
    ) -> Selected | None:
        """Return what is to be sent; ``None``: the response as it is.

        ``body`` is ``None`` when it comes in pieces: then there are no ranges of it. ``now_s`` is
        the time of the response, seconds since 1970.
        """
        coded = None
        if self.codings is not None:
            accept = request.joined("Accept-Encoding")
            coded = _choose_coding(method, request, status, headers, body, self.codings, accept)
            if coded is not None and coded.body is not None:
                return coded
        if status != 200 or method not in ("GET", "HEAD"):
            return coded
        fields = headers if coded is None else coded.headers
        is_plain = coded is None or coded.coding == IDENTITY
        whole = body if is_plain else None
        return _meet_conditions(method, request, fields, whole, now_s, self.ranges_max) or coded


def _refuses(accept_encoding: str | None) -> bool:
    """Tell, at little cost, whether a client may refuse a coding: a weight of nothing is written
    with a 0."""
    return accept_encoding is not None and "0" in accept_encoding


def _choose_coding(
    method: str,
    request: Headers,
    status: int,
    headers: Headers,
    body: bytes | None,
    codings: Codings,
    accept: str | None,
) -> Selected | None:
    """Return the response with the fields of the coding that is chosen, a 406 if there is none;
    ``None`` where the client has no influence."""
    size = None if body is None else len(body)
    if size == 0 or status in (204, 304) or (size is None and status == 206):
        return None
    is_worthwhile = codings.is_worthwhile(headers, size)
    if not is_worthwhile and not _refuses(accept):
        return None
    if not codings.may_code(headers):
        return None
    # A range is of the plain representation; who asks for one gets that, if he takes it.
    wants_part = method == "GET" and "Range" in request
    coding = codings.choose(accept, is_worthwhile=is_worthwhile and not wants_part)
    fields = Headers(headers)
    add_vary(fields, "Accept-Encoding")
    if coding is None:
        known = ", ".join([*codings.names, IDENTITY])
        detail = f"The content codings here are {known}; Accept-Encoding refuses all of them."
        return _refuse(406, detail, request, fields)
    if coding != IDENTITY:
        fields.set("Content-Encoding", coding)
        fields.remove("Content-Length")
        fields.remove("Accept-Ranges")
        etag = fields.get("ETag")
        if etag is not None:
            fields.set("ETag", weaken(etag))
    return Selected(status, fields, None, coding)


def _meet_conditions(
    method: str,
    request: Headers,
    headers: Headers,
    body: bytes | None,
    now_s: float,
    ranges_max: int,
) -> Selected | None:
    """Return what conditions and ranges make of a 200 to a GET or HEAD; ``None``: the 200."""
    validators = Validators.of(headers)
    match evaluate(method, request, validators):
        case Outcome.FAILED:
            detail = "The resource is not in the state that the request is conditional on."
            return _refuse(412, detail, request, headers)
        case Outcome.NOT_MODIFIED:
            return Selected(304, _without_description(headers), b"")
    # Section 14.2: Range is of GET alone. Without a validator nobody could tell whether two parts
    # are of one version.
    wanted = request.get("Range") if method == "GET" else None
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


def add_vary(headers: Headers, name: str) -> None:
    """Say that the response depends on a field of the request (RFC 9110 section 12.5.5)."""
    known = tokens(headers.get_all("Vary"))
    if name.lower() not in known and "*" not in known:
        headers.add("Vary", name)


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
