"""Where a request may carry a token: header, query, WebSocket subprotocol, cookie.

The first three are put there by a program that knows the token, so at most one of them may be used
(RFC 6750 section 2). Browsers add the cookie by themselves, so it counts only where there is none
of the others, and what it authorises has to be protected against foreign pages (``origins``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from longwire.http.challenge import bearer_challenge
from longwire.http.field_values import split_list
from longwire.server.errors import HttpError
from longwire.server.request import Request

__all__ = [
    "TOKEN_SUBPROTOCOL",
    "Credential",
    "find_cookie",
    "find_credential",
    "leave_out_tokens",
]

TOKEN_SUBPROTOCOL = "longwire.token."
"""A subprotocol that is none: what follows is a token. For browsers, whose WebSocket can send no
header of its own; it is offered beside the subprotocol that is meant, and never selected."""

QUERY_FIELD = "access_token"  # RFC 6750 section 2.3

# RFC 6750 section 2.1: credentials = "Bearer" 1*SP b64token; the scheme has no case.
_SCHEME = "bearer"


@dataclass(frozen=True, slots=True)
class Credential:
    """A token as it came."""

    token: str = field(repr=False)
    is_ambient: bool
    """Whether a browser adds it by itself, so that any page can make it do so."""


def find_credential(request: Request, cookie_name: str | None) -> Credential | None:
    """Return the token of a request, ``None`` when there is none.

    Raises an ``HttpError`` (400) when there are several.
    """
    tokens = [*_in_header(request), *_in_query(request), *_in_subprotocols(request)]
    if len(tokens) > 1:
        raise HttpError(
            400,
            "The request carries more than one token; use one of the Authorization header, the "
            f"query field {QUERY_FIELD} and the subprotocol {TOKEN_SUBPROTOCOL}….",
            {"WWW-Authenticate": bearer_challenge("invalid_request")},
        )
    if tokens:
        return Credential(tokens[0], is_ambient=False)
    token = None if cookie_name is None else find_cookie(request, cookie_name)
    return None if token is None else Credential(token, is_ambient=True)


def leave_out_tokens(offered: Sequence[str]) -> list[str]:
    """Return the subprotocols that are some."""
    return [name for name in offered if not name.startswith(TOKEN_SUBPROTOCOL)]


def _in_header(request: Request) -> Iterator[str]:
    for value in request.headers.get_all("Authorization"):
        scheme, _, credentials = value.strip().partition(" ")
        if scheme.lower() == _SCHEME:
            yield credentials.strip()


def _in_query(request: Request) -> Iterator[str]:
    # Most requests have none: do not parse for nothing.
    if QUERY_FIELD in request.query_text:
        yield from request.query.get_all(QUERY_FIELD)


def _in_subprotocols(request: Request) -> Iterator[str]:
    offered = request.headers.joined("Sec-WebSocket-Protocol")
    if offered is not None and TOKEN_SUBPROTOCOL in offered:
        for name in split_list(offered):
            if name.startswith(TOKEN_SUBPROTOCOL):
                yield name.removeprefix(TOKEN_SUBPROTOCOL)


def find_cookie(request: Request, name: str) -> str | None:
    """Return the value of a cookie."""
    # RFC 6265 section 5.4: those of the longest path come first. HTTP/2 may split the field (RFC
    # 9113 section 8.2.3).
    for value in request.headers.get_all("Cookie"):
        for pair in value.split(";"):
            found, separator, content = pair.strip().partition("=")
            if separator and found == name:
                return content.strip('"')
    return None
