"""The small grammars that header fields share (RFC 9110 section 5.6): tokens, lists, strings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address

__all__ = [
    "TOKEN_PATTERN",
    "is_host",
    "is_token",
    "split_list",
    "split_parameters",
    "tokens",
]

# RFC 9110 section 5.6.2:
#   token = 1*tchar
#   tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|"
#         / "~" / DIGIT / ALPHA
# Possessive repeats are of single characters only, here and below: of groups they are broken in
# CPython before 3.11.5 (gh-106052), where they keep half of a repetition that failed.
TOKEN_PATTERN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"

_TOKEN = re.compile(TOKEN_PATTERN)

# RFC 9110 section 5.6.1: elements are separated by commas; a comma inside a quoted-string
# (section 5.6.4) separates nothing. A string that is not closed takes the rest: looking for its
# end from every quote in it would take time with the square of its length.
_LIST_ELEMENT = re.compile(r'(?:[^",]++|"(?:[^"\\]|\\.)*(?:"|\\?\Z))*', re.DOTALL)

# RFC 9110 section 5.6.6:
#   parameters = *( OWS ";" OWS [ parameter ] )
#   parameter  = parameter-name "=" ( token / quoted-string )
_PARAMETER = re.compile(
    r"[ \t]*;[ \t]*(?:(?P<name>" + TOKEN_PATTERN + r")=(?:(?P<token>" + TOKEN_PATTERN + r")|"
    r'"(?P<quoted>(?:[^"\\]|\\.)*)"))?[ \t]*'
)
_QUOTED_PAIR = re.compile(r"\\(.)")

# RFC 9110 section 7.2: Host = uri-host [ ":" port ]; RFC 3986 section 3.2.2:
#   reg-name = *( unreserved / pct-encoded / sub-delims )
# RFC 9110 section 4.2.1 takes the empty host out for http.
_HOST = re.compile(
    r"(?P<name>(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+|"
    r"\[(?P<ipv6>[0-9A-Fa-f:.]++)\])(?::(?P<port>[0-9]{0,5}))?"
)


def is_token(text: str) -> bool:
    """Tell whether ``text`` is a token: a method, a field name, a list member."""
    return _TOKEN.fullmatch(text) is not None


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


def split_parameters(value: str) -> tuple[str, dict[str, str]]:
    """Split ``text/html; charset="utf-8"`` into its first part and its parameters.

    Names come in lower case, values without quotes. What is no parameter ends the reading.
    """
    first, _, _ = value.partition(";")
    parameters: dict[str, str] = {}
    position = len(first)
    while position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None:
            break
        if match["name"] is not None:
            text = match["token"]
            if text is None:
                text = _QUOTED_PAIR.sub(r"\1", match["quoted"])
            parameters.setdefault(match["name"].lower(), text)
        position = match.end()
    return first.strip(" \t"), parameters


def tokens(values: Iterable[str]) -> set[str]:
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
