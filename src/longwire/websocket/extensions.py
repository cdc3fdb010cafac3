"""Header values of the handshake: tokens, lists, extensions (RFC 6455 sections 4.3 and 9.1).

The grammar, from RFC 9110 section 5.6 and RFC 6455 section 9.1::

    token           = 1*tchar
    extension-list  = 1#extension
    extension       = extension-token *( ";" extension-param )
    extension-param = token [ "=" ( token | quoted-string ) ]
                      ; a quoted value must be a token once its quotes are gone

Empty elements of lists are skipped, as RFC 9110 section 5.6.1.2 asks of recipients.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from longwire.base.headers import Headers

__all__ = [
    "Extension",
    "HeaderValueError",
    "format_extensions",
    "has_token",
    "parse_extensions",
    "parse_protocols",
    "parse_tokens",
]

# tchar of RFC 9110 section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SPACE = re.compile(r"[ \t]*")
# protocol of RFC 9110 section 7.8: protocol-name ["/" protocol-version].
_PROTOCOL = re.compile(_TOKEN.pattern + "(?:/" + _TOKEN.pattern + ")?")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class HeaderValueError(ValueError):
    """A header value does not follow its grammar; says where."""


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension as offered or accepted: its name and parameters in order, repeats included."""

    name: str
    parameters: tuple[tuple[str, str | None], ...] = ()


class _Scanner:
    """Reads one header value from left to right."""

    __slots__ = ("_name", "_offset", "_text")

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._offset = 0
        self.skip_space()

    def skip_space(self) -> None:
        match = _SPACE.match(self._text, self._offset)
        assert match is not None, "the pattern matches nothing too"
        self._offset = match.end()

    def is_at_end(self) -> bool:
        return self._offset == len(self._text)

    def peek(self, character: str) -> bool:
        return self._text.startswith(character, self._offset)

    def take(self, character: str) -> bool:
        """Skip ``character`` and the white space after it, if it is next."""
        if not self.peek(character):
            return False
        self._offset += 1
        self.skip_space()
        return True

    def token(self, what: str, pattern: re.Pattern[str] = _TOKEN) -> str:
        match = pattern.match(self._text, self._offset)
        if match is None:
            raise self.error(f"{what} is expected")
        self._offset = match.end()
        self.skip_space()
        return match.group()

    def quoted_token(self) -> str:
        match = _QUOTED.match(self._text, self._offset)
        if match is None:
            raise self.error("a quoted string is not closed")
        value = re.sub(r"\\(.)", r"\1", match.group(1), flags=re.DOTALL)
        # RFC 6455 section 9.1: unescaped, it MUST be a token.
        if _TOKEN.fullmatch(value) is None:
            raise self.error("a quoted value is not a token")
        self._offset = match.end()
        self.skip_space()
        return value

    def error(self, message: str) -> HeaderValueError:
        return HeaderValueError(
            f"{self._name}: {message} at character {self._offset + 1} of {self._text!r}"
        )


def parse_tokens(name: str, values: Iterable[str]) -> list[str]:
    """Return the tokens of a comma-separated list header that may stand on several lines.

    ``name`` is for the message of :exc:`HeaderValueError`.
    """
    return _parse_list(name, values, _TOKEN)


def parse_protocols(values: Iterable[str]) -> list[str]:
    """Return the protocols in ``Upgrade`` values, with their versions (RFC 9110 section 7.8)."""
    return _parse_list("Upgrade", values, _PROTOCOL)


def _parse_list(name: str, values: Iterable[str], pattern: re.Pattern[str]) -> list[str]:
    elements: list[str] = []
    for value in values:
        if pattern.fullmatch(value) is not None:
            elements.append(value)  # nearly always there is one element and no space
            continue
        scanner = _Scanner(name, value)
        while not scanner.is_at_end():
            if scanner.take(","):
                continue
            elements.append(scanner.token("a token", pattern))
            if not scanner.is_at_end() and not scanner.peek(","):
                raise scanner.error("a comma is expected")
    return elements


def has_token(headers: Headers, name: str, token: str) -> bool:
    """Tell whether the list header ``name`` holds ``token``, in any case."""
    return token in (each.lower() for each in parse_tokens(name, headers.get_all(name)))


def parse_extensions(values: Iterable[str]) -> list[Extension]:
    """Return the extensions in ``Sec-WebSocket-Extensions`` values, in order of preference."""
    extensions: list[Extension] = []
    for value in values:
        scanner = _Scanner("Sec-WebSocket-Extensions", value)
        while not scanner.is_at_end():
            if scanner.take(","):
                continue
            extensions.append(_parse_extension(scanner))
            if not scanner.is_at_end() and not scanner.peek(","):
                raise scanner.error("a comma or a semicolon is expected")
    return extensions


def _parse_extension(scanner: _Scanner) -> Extension:
    name = scanner.token("the name of an extension")
    parameters: list[tuple[str, str | None]] = []
    while scanner.take(";"):
        parameter = scanner.token("the name of a parameter")
        value: str | None = None
        if scanner.take("="):
            value = scanner.quoted_token() if scanner.peek('"') else scanner.token("a value")
        parameters.append((parameter, value))
    return Extension(name, tuple(parameters))


def format_extensions(extensions: Iterable[Extension]) -> str:
    """Return the header value that names ``extensions``."""
    return ", ".join(
        "; ".join(
            [extension.name]
            + [name if value is None else f"{name}={value}" for name, value in extension.parameters]
        )
        for extension in extensions
    )
