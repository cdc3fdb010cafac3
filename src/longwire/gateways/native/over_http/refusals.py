"""Requests that are refused as a whole: before ``connect`` was accepted, with a status of HTTP."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from longwire.base.headers import Headers
from longwire.http.challenge import bearer_challenge
from longwire.http.pages import error_page

__all__ = ["RequestRefused", "refusal_of"]

RETRY_AFTER_S = 5
"""When to come back to a server that says nothing more exact."""

_STATUS_BY_CODE = {
    "unauthorized": 401,
    "permission_denied": 403,
    "rate_limited": 429,
    "too_many_connections": 429,
    "backend_failed": 502,
    "backend_timeout": 504,
    "store_unavailable": 503,
    "store_full": 503,
    "closing": 503,
    "internal": 500,
}
"""By the code of the error that ``connect`` was answered with; every other is a 400."""


class RequestRefused(Exception):
    """Nothing of the request was done; ``details`` are further members of the problem document."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def response(self) -> tuple[int, Headers, bytes]:
        """Status, headers and body (RFC 9457) of the answer."""
        members = {"code": self.code, **self.details}
        detail = self.message[:1].upper() + self.message[1:] + "."
        headers, body = error_page(
            self.status, None, detail, "application/problem+json", members=members
        )
        headers.set("Cache-Control", "no-store")
        if self.status == 401:
            headers.set("WWW-Authenticate", bearer_challenge())
        if self.status in (429, 503):
            after_s = self.details.get("after_s", RETRY_AFTER_S)
            headers.set("Retry-After", str(math.ceil(after_s)))
        return self.status, headers, body


def refusal_of(error: Mapping[str, Any] | None) -> RequestRefused:
    """What the ``error`` that ``connect`` was answered with is over HTTP; ``None``: it was not
    answered, for the server goes away."""
    if error is None:
        return RequestRefused(503, "closing", "the server goes away; come back, to another one")
    known = {"op", "id", "code", "message"}
    details = {name: value for name, value in error.items() if name not in known}
    code = str(error["code"])
    return RequestRefused(_STATUS_BY_CODE.get(code, 400), code, str(error["message"]), **details)
