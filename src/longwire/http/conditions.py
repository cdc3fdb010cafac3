"""Conditional requests (RFC 9110 section 13)."""

from __future__ import annotations

from longwire.base.headers import Headers
from longwire.http.field_values import split_list

__all__ = ["is_unchanged"]


def is_unchanged(headers: Headers, etag: str) -> bool:
    """Tell whether If-None-Match holds what we would send (section 13.1.2)."""
    condition = headers.joined("If-None-Match")
    if condition is None:
        return False
    if condition.strip() == "*":
        return True
    # The comparison is the weak one: a W/ in front does not matter.
    return any(tag.removeprefix("W/") == etag for tag in split_list(condition))
