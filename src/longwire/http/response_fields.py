# cython: annotation_typing=False, auto_pickle=False
"""What every version of HTTP asks of a response before it is framed (RFC 9110 sections 5 and 6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from longwire.base.errors import ProtocolError
from longwire.base.headers import Headers
from longwire.http.events import Body, End, HttpCommand
from longwire.http.field_values import is_token, split_list

__all__ = [
    "ResponseFields",
    "check_field",
    "check_trailers",
    "known_body_bytes",
    "misuse",
    "read_fields",
]

# RFC 9110 section 5.5: what would end the field, or what no field may hold.
_FORBIDDEN_IN_VALUE = re.compile(r"[^\t -~\x80-\xff]")

# RFC 9110 section 6.5.1: fields that frame, route, authenticate or describe the message must
# stand before it.
_FORBIDDEN_TRAILERS = frozenset(
    {
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "host",
        "location",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "vary",
        "www-authenticate",
    }
)


def known_body_bytes(following: Sequence[HttpCommand]) -> int | None:
    """Return the length of a body that is given whole together with its response.

    ``following`` are the commands after the response; ``None`` when they do not end it, or when
    there are trailers, which only chunks can carry.
    """
    size = 0
    for command in following:
        if isinstance(command, Body):
            size += len(command.data)
        elif isinstance(command, End) and not command.trailers:
            return size
        else:
            break
    return None


class ResponseFields:
    """The headers of a response, checked, without what the framing decides. Shared, so that
    nobody changes it."""

    __slots__ = ("length", "lines", "names", "options", "text")

    def __init__(
        self, lines: list[tuple[str, str, str]], options: list[str], length: int | None
    ) -> None:
        self.lines = lines
        """(lower-case name, name, value) of each."""
        self.text = "".join([f"{name}: {value}\r\n" for _, name, value in lines])
        """The same as HTTP/1.x writes them."""
        self.names = frozenset([lower for lower, _, _ in lines])
        """In lower case."""
        self.options = options
        """Those of Connection."""
        self.length = length
        """The Content-Length."""


def read_fields(headers: Headers) -> ResponseFields:
    """Check a response's headers.

    What a handler answers has the same headers again and again, so what was found is kept for a
    while. Raises ProtocolError(side="local").
    """
    fields: ResponseFields = _read_fields(headers.as_tuple())
    return fields


@lru_cache(maxsize=256)
def _read_fields(headers: tuple[tuple[str, str], ...]) -> ResponseFields:
    lines: list[tuple[str, str, str]] = []
    options: list[str] = []
    length: int | None = None
    for name, value in headers:
        lower = check_field(name, value)
        if lower == "connection":
            options.extend(option.lower() for option in split_list(value))
        elif lower == "content-length":
            length = _read_length(value, length)
        elif lower == "transfer-encoding":
            if value.strip().lower() != "chunked":
                raise misuse("Transfer-Encoding is the engine's: leave it out of the response")
        else:
            lines.append((lower, name, value.strip(" \t")))
    return ResponseFields(lines, options, length)


def check_field(name: str, value: str) -> str:
    """Return the lower-case name of a field that may be sent."""
    lower = _lower_name(name)
    if lower is None:
        raise misuse(f"{name!r} is not a header name")
    wrong = _FORBIDDEN_IN_VALUE.search(value)
    if wrong is not None:
        # Text from a user that reached a header could otherwise end it and begin another.
        raise misuse(f"the value of header {name} holds the character {wrong.group()!r}")
    return lower


@lru_cache(maxsize=1024)
def _lower_name(name: str) -> str | None:
    return name.lower() if is_token(name) else None


def _read_length(value: str, earlier: int | None) -> int:
    if earlier is not None:
        raise misuse("the response has more than one Content-Length")
    digits = value.strip(" \t")
    if not (digits.isascii() and digits.isdigit()):
        raise misuse(f"Content-Length {value!r} is not a decimal number of bytes")
    return int(digits)


def check_trailers(trailers: Headers) -> list[tuple[str, str, str]]:
    """Return (lower-case name, name, value) of each trailer.

    Raises ProtocolError(side="local") for one that may not stand behind a body.
    """
    lines = []
    for name, value in trailers:
        lower = check_field(name, value)
        if lower in _FORBIDDEN_TRAILERS:
            raise misuse(f"{name} is not allowed in the trailers")
        lines.append((lower, name, value.strip(" \t")))
    return lines


def misuse(message: str) -> ProtocolError:
    """Return the error for what a caller of an engine may not do."""
    return ProtocolError(500, message, side="local")
