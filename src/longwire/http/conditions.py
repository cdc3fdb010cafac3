"""Conditional requests: whether the client's idea of a resource still holds (RFC 9110 section 13).

Read sections 8.8 (validators) and 13.2.2 (order of evaluation) first. Nothing here knows where a
representation comes from: its validators go in, what is to be done comes out.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from longwire.base.dates import parse_http_date
from longwire.base.headers import Headers

__all__ = [
    "Outcome",
    "Validators",
    "entity_tags",
    "evaluate",
    "is_range_of",
    "is_unchanged",
    "weaken",
]

# RFC 9110 section 8.8.3:
#   entity-tag = [ weak ] opaque-tag ; weak = %s"W/" ; opaque-tag = DQUOTE *etagc DQUOTE
#   etagc      = %x21 / %x23-7E / obs-text
# A backslash in it is a backslash: entity tags are no quoted strings. What is no entity tag
# matches nothing.
_ENTITY_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"(?:^|,)[ \t]*({_ENTITY_TAG})[ \t]*(?=,|$)")

# RFC 9110 section 8.8.2.2: a date says which version it is when no other can have been made in the
# same second that was sent before. A representation that is older than this is sure.
_STRONG_DATE_AGE_S = 60

_SAFE = ("GET", "HEAD")


class Validators(NamedTuple):
    """What tells one version of a representation from another."""

    etag: str | None = None
    """``"opaque"``, or ``W/"opaque"`` for one that is only equivalent."""
    last_modified_s: int | None = None
    """Seconds since 1970."""

    @classmethod
    def of(cls, response: Headers) -> Validators:
        """The validators that stand in a response."""
        date = response.get("Last-Modified")
        etag = response.get("ETag")
        return cls(etag and etag.strip(" \t"), None if date is None else parse_http_date(date))


class Outcome(Enum):
    """What preconditions make of a request."""

    PERFORM = "perform"
    """Do what it asks."""
    NOT_MODIFIED = "not modified"
    """Answer 304: the client has it."""
    FAILED = "failed"
    """Answer 412: things are not as the client believes."""


def evaluate(
    method: str, request: Headers, validators: Validators, *, exists: bool = True
) -> Outcome:
    """Evaluate the preconditions of a request, in the order of section 13.2.2.

    ``exists``: whether the resource has a current representation at all. Call it only when the
    request without conditions would have got a 2xx (section 13.2.1).
    """
    # Steps 1 and 2: whether it is still what the client knows.
    if_match = request.joined("If-Match")
    if if_match is not None:
        if not _is_matched(if_match, validators.etag, exists, is_strong=True):
            return Outcome.FAILED
    elif _is_modified_since(request, "If-Unmodified-Since", validators) is True:
        return Outcome.FAILED
    # Steps 3 and 4: whether it is something that the client does not know yet.
    if_none_match = request.joined("If-None-Match")
    if if_none_match is not None:
        if _is_matched(if_none_match, validators.etag, exists, is_strong=False):
            return Outcome.NOT_MODIFIED if method in _SAFE else Outcome.FAILED
    elif method in _SAFE and _is_modified_since(request, "If-Modified-Since", validators) is False:
        return Outcome.NOT_MODIFIED
    return Outcome.PERFORM


def is_range_of(request: Headers, validators: Validators, sent_s: float | None) -> bool:
    """Tell whether the range that is asked for is one of this version (step 5, section 13.1.5).

    ``sent_s`` is the time of the response, seconds since 1970; ``None``: not known.
    """
    condition = request.joined("If-Range")
    if condition is None:
        return True
    tags = entity_tags(condition)
    if tags:
        return len(tags) == 1 and _is_same(tags[0], validators.etag, is_strong=True)
    date_s = parse_http_date(condition)
    modified_s = validators.last_modified_s
    if date_s is None or modified_s is None or sent_s is None:
        return False
    return date_s == modified_s and sent_s - modified_s >= _STRONG_DATE_AGE_S


def entity_tags(condition: str) -> list[str]:
    """The entity tags in a list, each as it stands there."""
    tags: list[str] = _TAGS.findall(condition)
    return tags


def is_unchanged(request: Headers, etag: str) -> bool:
    """Tell whether If-None-Match holds what we would send (section 13.1.2)."""
    condition = request.joined("If-None-Match")
    return condition is not None and _is_matched(condition, etag, True, is_strong=False)


def weaken(etag: str) -> str:
    """Return the weak tag for what is equivalent, no more, to what a tag is of."""
    return etag if etag.startswith("W/") else f"W/{etag}"


def _is_matched(condition: str, etag: str | None, exists: bool, *, is_strong: bool) -> bool:
    """Tell whether a list of tags, or ``*``, names the current representation."""
    if condition.strip(" \t") == "*":
        return exists
    if not exists:
        return False
    return any(_is_same(tag, etag, is_strong=is_strong) for tag in entity_tags(condition))


def _is_same(tag: str, etag: str | None, *, is_strong: bool) -> bool:
    """Compare two entity tags (section 8.8.3.2)."""
    if etag is None:
        return False
    if is_strong:
        return tag == etag and not tag.startswith("W/")
    return tag.removeprefix("W/") == etag.removeprefix("W/")


def _is_modified_since(request: Headers, name: str, validators: Validators) -> bool | None:
    """Tell whether the representation is newer than a date; ``None``: the field counts for nothing.

    Sections 13.1.3 and 13.1.4: it is ignored without a modification date, and when it is not one
    valid date.
    """
    values = request.get_all(name)
    if len(values) != 1 or validators.last_modified_s is None:
        return None
    date_s = parse_http_date(values[0])
    return None if date_s is None else validators.last_modified_s > date_s
