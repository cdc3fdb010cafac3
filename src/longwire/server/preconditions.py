"""Conditions of requests that change something: demanded, and held against what is there."""

from __future__ import annotations

import functools
from typing import Any, Protocol, TypeVar, cast

from longwire.base.headers import Headers
from longwire.http.conditions import Outcome, Validators, evaluate
from longwire.server.errors import HttpError

__all__ = ["check_conditions", "require_condition"]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_CONDITIONS = ("If-Match", "If-None-Match", "If-Unmodified-Since")


class _Asked(Protocol):
    @property
    def method(self) -> str: ...

    @property
    def headers(self) -> Headers: ...


_Handler = TypeVar("_Handler")


def check_conditions(
    method: str, headers: Headers, validators: Validators, *, exists: bool
) -> None:
    """Raise ``HttpError`` (412) when the state is not what the client believes, 304 when it asks
    for what it has (RFC 9110 section 13.2.2)."""
    match evaluate(method, headers, validators, exists=exists):
        case Outcome.FAILED:
            raise HttpError(
                412,
                "The resource is not in the state that the request is conditional on: get it "
                "again, and decide anew.",
                {"Cache-Control": "no-store"},
            )
        case Outcome.NOT_MODIFIED:
            etag = validators.etag
            raise HttpError(304, "The client has it.", {} if etag is None else {"ETag": etag})


def require_condition(handler: _Handler) -> _Handler:
    """Return a handler that refuses (428) what would change something without a condition."""

    @functools.wraps(cast(Any, handler))
    def handle(request: _Asked) -> Any:
        if request.method not in _SAFE_METHODS:
            headers = request.headers
            if not any(name in headers for name in _CONDITIONS):
                raise HttpError(
                    428,
                    f"{request.method} needs a condition here, so that nobody's change is lost: "
                    "If-Match with the ETag that GET brought, or If-None-Match: * to create.",
                    # RFC 6585 section 3: it is of this request alone.
                    {"Cache-Control": "no-store"},
                )
        return cast(Any, handler)(request)

    return cast(_Handler, handle)
