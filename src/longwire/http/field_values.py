"""The small grammars that header fields share (RFC 9110 section 5.6): tokens, lists, strings."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

__all__ = [
    "TOKEN_PATTERN",
    "is_field_value",
    "is_host",
    "is_token",
    "split_list",
    "tokens",
]

# RFC 9110 section 5.6.2:
#   token = 1*tchar
#   tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|"
#         / "~" / DIGIT / ALPHA
TOKEN_PATTERN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"

# RFC 9110 section 5.5:
#   field-value   = *field-content
#   field-content = field-vchar [ 1*( SP / HTAB / field-vchar ) field-vchar ]
#   field-vchar   = VCHAR / obs-text
# so a value neither begins nor ends with white space.
_FIELD_VALUE = re.compile(r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_TOKEN = re.compile(TOKEN_PATTERN)

# RFC 9110 section 5.6.1: elements are separated by commas; a comma inside a quoted-string
# (section 5.6.4) separates nothing.
_LIST_ELEMENT = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"|")*')

# RFC 9110 section 7.2: Host = uri-host [ ":" port ]; RFC 3986 section 3.2.2:
#   reg-name = *( unreserved / pct-encoded / sub-delims )
# RFC 9110 section 4.2.1 takes the empty host out for http.
_HOST = re.compile(
    r"(?P<name>(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})++|"
    r"\[(?P<ipv6>[0-9A-Fa-f:.]++)\])(?::(?P<port>[0-9]{0,5}))?"
)


def is_token(text: str) -> bool:
    """Tell whether ``text`` is a token: a method, a field name, a list member."""
    return _TOKEN.fullmatch(text) is not None


def is_field_value(text: str) -> bool:
    """Tell whether ``text`` may be a field's value: no control characters, no outer blanks."""
    return _FIELD_VALUE.fullmatch(text) is not None


def split_list(value: str) -> list[str]:
    """Return the elements of a comma-separated list; empty ones are dropped.

    Commas inside quoted strings do not separate; the quotes stay where they are.
    """
    if '"' not in value:
        return [element for part in value.split(",") if (element := part.strip(" \t"))]
    elements = []
    position = 0
    while position <= len(value):
        match = _LIST_ELEMENT.match(value, position)
        assert match is not None  # the pattern matches the empty string
        element = match.group().strip(" \t")
        if element:
            elements.append(element)
        position = match.end() + 1
    return elements


def tokens(values: list[str]) -> set[str]:
    """Return the members of a list field over all its lines, in lower case."""
    return {element.lower() for value in values for element in split_list(value)}


def is_host(text: str) -> bool:
    """Tell whether ``text`` is a host with an optional port, as Host and authorities have it."""
    match = _HOST.fullmatch(text)
    if match is None:
        return False
    port = match["port"]
    if port and int(port) > 65535:
        return False
    if match["ipv6"] is None:
        return True
    try:
        IPv6Address(match["ipv6"])
    except ValueError:
        return False
    return True
