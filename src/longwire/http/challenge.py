"""``WWW-Authenticate`` for bearer tokens (RFC 6750 section 3)."""

from __future__ import annotations

from typing import Literal

__all__ = ["REALM", "bearer_challenge"]

REALM = "longwire"


def bearer_challenge(
    error: Literal["invalid_request", "invalid_token", "insufficient_scope"] | None = None,
) -> str:
    """Return the value of the field.

    RFC 6750 section 3.1: a request that shows no token learns that one is asked for, and of no
    error.

    >>> bearer_challenge("invalid_token")
    'Bearer realm="longwire", error="invalid_token"'
    """
    challenge = f'Bearer realm="{REALM}"'
    return challenge if error is None else f'{challenge}, error="{error}"'
