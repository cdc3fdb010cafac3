"""What a private cache may keep, for how long, and how it asks whether it still holds (RFC 9111).

Read section 4 first. Nothing here keeps anything: responses and times go in, verdicts come out.
There are no heuristics (section 4.2.2): what does not say how long it is fresh is asked about each
time, and nothing is given that is stale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from longwire.base.dates import parse_http_date
from longwire.base.headers import Headers
from longwire.http.conditions import Validators
from longwire.http.field_values import split_list, tokens

__all__ = [
    "IDENTIFYING",
    "StoredResponse",
    "directives",
    "freshen",
    "is_fresh",
    "is_storable",
    "matches",
    "validation_fields",
    "wants_validation",
]

# Section 1.2.2: delta-seconds; what is larger than can be counted is 2**31.
_DELTA_SECONDS = re.compile(r'"?([0-9]+)"?')
_SECONDS_MAX = 2**31

# Section 3.2 and RFC 9110 section 7.6.1: what is of one connection, or of the body that came.
_NOT_UPDATED = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

IDENTIFYING = ("Authorization", "Cookie")
"""Whose request it is. A cache that asks for several people keeps what each got apart, whatever
Vary says."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response to GET, and what is needed to tell whether it may be used again."""

    request: Headers
    status: int
    headers: Headers
    body: bytes
    requested_s: float
    """When the request was sent, seconds since 1970."""
    received_s: float
    """When the response came."""

    @property
    def validators(self) -> Validators:
        """What tells this version from another."""
        return Validators.of(self.headers)

    def age_s(self, now_s: float) -> float:
        """How long ago the origin made or confirmed it (section 4.2.3)."""
        date_s = _date(self.headers, "Date")
        apparent_s = max(0.0, self.received_s - (self.received_s if date_s is None else date_s))
        told_s = _seconds((self.headers.get("Age") or "0").strip()) or 0
        corrected_s = told_s + (self.received_s - self.requested_s)
        return max(apparent_s, corrected_s) + max(0.0, now_s - self.received_s)

    def lifetime_s(self) -> float:
        """How long it is fresh from its beginning (section 4.2.1); 0 where it does not say."""
        known = directives(self.headers)
        if "max-age" in known:
            # An argument that is no number: stale.
            return _seconds(known["max-age"]) or 0
        if "Expires" in self.headers:
            expires_s, date_s = _date(self.headers, "Expires"), _date(self.headers, "Date")
            if expires_s is not None:
                return max(0.0, expires_s - (self.received_s if date_s is None else date_s))
        return 0


def directives(headers: Headers) -> dict[str, str]:
    """Return the directives of Cache-Control, names in lower case; of several the first counts."""
    known: dict[str, str] = {}
    for element in split_list(headers.joined("Cache-Control") or ""):
        name, _, argument = element.partition("=")
        known.setdefault(name.strip().lower(), argument.strip())
    if not known and "no-cache" in tokens(headers.get_all("Pragma")):
        # Section 5.4: how HTTP/1.0 said it.
        known["no-cache"] = ""
    return known


def is_storable(method: str, request: Headers, response: StoredResponse) -> bool:
    """Tell whether a private cache may keep a response (section 3), and would gain by it."""
    if method != "GET" or not _is_whole(response.status):
        return False
    if "no-store" in directives(request) or "no-store" in directives(response.headers):
        return False
    # Section 4.1: with "*" it would never be found again.
    if "*" in tokens(response.headers.get_all("Vary")):
        return False
    return response.lifetime_s() > 0 or response.validators != (None, None)


def _is_whole(status: int) -> bool:
    """Whether a status is final and of a whole answer (section 3). A 206 is not put together here,
    and that a server failed is worth no keeping."""
    return 200 <= status < 500 and status not in (206, 304)


def matches(stored: StoredResponse, request: Headers) -> bool:
    """Tell whether a stored response is the one that a request selects (section 4.1)."""
    names = [*tokens(stored.headers.get_all("Vary")), *IDENTIFYING]
    return all(_normal(stored.request, name) == _normal(request, name) for name in names)


def is_fresh(stored: StoredResponse, request: Headers, now_s: float) -> bool:
    """Tell whether a stored response may be given without asking (section 4.2)."""
    if "no-cache" in directives(stored.headers) or wants_validation(request):
        return False
    wishes = directives(request)
    age_s, lifetime_s = stored.age_s(now_s), stored.lifetime_s()
    if "max-age" in wishes and age_s > (_seconds(wishes["max-age"]) or 0):
        return False
    margin_s = (_seconds(wishes["min-fresh"]) or 0) if "min-fresh" in wishes else 0
    return lifetime_s - age_s > margin_s


def wants_validation(request: Headers) -> bool:
    """Tell whether a request is for what the origin says now."""
    return "no-cache" in directives(request)


def validation_fields(stored: StoredResponse) -> Mapping[str, str]:
    """Return the conditions that ask whether a stored response still holds (section 4.3.1).

    Both are sent where both are known: a server that knows tags heeds the tag.
    """
    fields = {}
    etag, date = stored.headers.get("ETag"), stored.headers.get("Last-Modified")
    if etag is not None:
        fields["If-None-Match"] = etag
    if date is not None and parse_http_date(date) is not None:
        fields["If-Modified-Since"] = date
    return fields


def freshen(
    stored: StoredResponse, answer: Headers, requested_s: float, received_s: float
) -> StoredResponse | None:
    """Return a stored response with what a 304 says anew (section 4.3.4); ``None``: the 304 is of
    another version, and the stored one must not be used."""
    if not _is_of(Validators.of(answer).etag, stored.validators.etag):
        return None
    headers = Headers(stored.headers)
    dropped = _NOT_UPDATED | tokens(answer.get_all("Connection"))
    updates = [(name, value) for name, value in answer if name.lower() not in dropped]
    # An age that is not told again is over.
    for name in {"age", *(name.lower() for name, _ in updates)}:
        headers.remove(name)
    for name, value in updates:
        headers.add(name, value)
    return replace(stored, headers=headers, requested_s=requested_s, received_s=received_s)


def _is_of(told: str | None, kept: str | None) -> bool:
    """Whether a 304 with one tag confirms what is kept with another (section 4.3.4): a strong one
    only itself; without one, what was asked about."""
    if told is None:
        return True
    if told.startswith("W/"):
        return kept is None or told.removeprefix("W/") == kept.removeprefix("W/")
    return told == kept


def _normal(headers: Headers, name: str) -> list[str]:
    return split_list(headers.joined(name) or "")


def _seconds(text: str) -> int | None:
    match = _DELTA_SECONDS.fullmatch(text)
    if match is None:
        return None
    digits = match[1].lstrip("0") or "0"
    return min(int(digits), _SECONDS_MAX) if len(digits) <= 10 else _SECONDS_MAX


def _date(headers: Headers, name: str) -> int | None:
    value = headers.get(name)
    return None if value is None else parse_http_date(value)
