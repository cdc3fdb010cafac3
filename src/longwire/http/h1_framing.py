"""Which of its headers say how long the body of an HTTP/1.x request is (RFC 9112 section 6).

llhttp has an opinion on the same headers and is heard first. Neither is trusted alone with the
decision on which request smuggling turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from longwire.base.errors import ProtocolError
from longwire.http.field_values import split_list

__all__ = ["CHUNKED", "Fields", "body_length"]

Fields: TypeAlias = Mapping[str, list[str]]
"""The values of each field, by its name in lower case, in order."""

CHUNKED: Final = -1
"""The body's length is told by its chunks."""

# Codings that RFC 9112 section 7 registers; we are asked to understand "chunked" only.
_OTHER_CODINGS = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress"})

# Enough for 2^63; also keeps the conversion of absurdly long digit strings away.
_CONTENT_LENGTH_DIGITS_MAX = 19


def body_length(fields: Fields, version: str) -> int:
    """Return the length of the body in bytes, or ``CHUNKED`` (RFC 9112 section 6.3).

    Raises ProtocolError with 400 for whatever two readers could read differently, 501 for
    codings that we do not know.
    """
    lengths = fields.get("content-length")
    codings = fields.get("transfer-encoding")
    if codings:
        return _check_codings(codings, version, bool(lengths))
    if not lengths:
        # RFC 9112 section 6.3 item 7: a request without either has no body.
        return 0
    # RFC 9112 section 6.3 item 5: more than one value is an unrecoverable error; equal ones may
    # be merged, and are refused here, for another reader may take the last or the first.
    if len(lengths) > 1:
        raise ProtocolError(400, "Content-Length stands there more than once")
    # RFC 9110 section 8.6: Content-Length = 1*DIGIT
    value = lengths[0]
    if not (value.isascii() and value.isdigit() and len(value) <= _CONTENT_LENGTH_DIGITS_MAX):
        raise ProtocolError(400, "Content-Length is not a decimal number of bytes")
    return int(value)


def _check_codings(values: list[str], version: str, has_length: bool) -> int:
    if has_length:
        # RFC 9112 section 6.1: a server may reject a request with both; it is how requests are
        # smuggled.
        raise ProtocolError(400, "Content-Length and Transfer-Encoding contradict each other")
    if version == "1.0":
        # RFC 9112 section 6.1: such a message is treated as if its framing were faulty.
        raise ProtocolError(400, "HTTP/1.0 has no Transfer-Encoding")
    codings = [coding.lower() for value in values for coding in split_list(value)]
    if codings == ["chunked"] and len(values) == 1 and values[0].lower() == "chunked":
        return CHUNKED
    if len(codings) > 1 and codings[-1] == "chunked" and _OTHER_CODINGS.issuperset(codings[:-1]):
        # RFC 9112 section 6.1: 501 for a coding that is not understood.
        raise ProtocolError(501, "of the transfer codings only chunked is implemented")
    # RFC 9112 section 6.3 item 4: without chunked last the length cannot be known: 400, close.
    raise ProtocolError(400, "Transfer-Encoding is not exactly chunked")
