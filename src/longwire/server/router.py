# cython: annotation_typing=False, auto_pickle=False
"""Which handler a path means.

A path pattern is literal text with parameters: ``/rooms/{room}`` takes one segment,
``/files/{name...}`` takes the rest, slashes included, at least one character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from longwire.base.errors import ConfigError

__all__ = ["BadPathError", "Resource", "Router"]

Handler = TypeVar("Handler")
WebSocketHandler = TypeVar("WebSocketHandler")

# RFC 9110 section 5.6.2, in upper case: methods are case-sensitive, and ours are all upper case.
_METHOD = re.compile(r"[A-Z0-9!#$%&'*+\-.^_`|~]+")
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

KNOWN_PATHS_MAX = 1024
KNOWN_PATH_CHARACTERS_MAX = 256


class BadPathError(ValueError):
    """The path of a request cannot be read; the message is a sentence for the client."""


@dataclass(slots=True)
class Resource(Generic[Handler, WebSocketHandler]):
    """What answers on one path: a handler for each method, a handler for WebSocket, or both."""

    pattern: str
    methods: dict[str, Handler] = field(default_factory=dict)
    websocket: WebSocketHandler | None = None

    def find(self, method: str) -> Handler | None:
        """The handler for ``method``; HEAD is answered by GET's (RFC 9110 section 9.3.2)."""
        if method == "HEAD" and "HEAD" not in self.methods:
            return self.methods.get("GET")
        return self.methods.get(method)

    @property
    def allow(self) -> str:
        """The value of the Allow header (RFC 9110 section 10.2.1)."""
        names = set(self.methods) | {"OPTIONS"}
        if "GET" in names or self.websocket is not None:
            names |= {"GET", "HEAD"}
        return ", ".join(sorted(names))


class Router(Generic[Handler, WebSocketHandler]):
    """Finds the resource of a path: literal paths first, then patterns in the order added."""

    def __init__(self) -> None:
        self._literal: dict[str, Resource[Handler, WebSocketHandler]] = {}
        self._patterns: list[tuple[re.Pattern[str], Resource[Handler, WebSocketHandler]]] = []
        # What matching a pattern gave, for the paths that are asked for now.
        self._known: dict[str, tuple[Resource[Handler, WebSocketHandler], dict[str, str]]] = {}

    def add(self, pattern: str, methods: Iterable[str], handler: Handler) -> None:
        """Answer ``methods`` on ``pattern`` with ``handler``.

        Raises :exc:`~longwire.base.errors.ConfigError` for a bad pattern or method, and when
        something answers there already.
        """
        names = list(methods)
        if not names:
            raise ConfigError(pattern, "a route without methods", hint='methods=["GET"]')
        for method in names:
            if not _METHOD.fullmatch(method):
                hint = "methods are tokens in upper case, such as GET"
                raise ConfigError(pattern, f'"{method}" is no method', hint=hint)
        resource = self._resource(pattern)
        for method in names:
            if method in resource.methods:
                raise ConfigError(pattern, f"{method} has a handler already", hint="use one")
        for method in names:
            resource.methods[method] = handler

    def add_websocket(self, pattern: str, handler: WebSocketHandler) -> None:
        """Answer WebSocket handshakes on ``pattern`` with ``handler``; errors as for ``add``."""
        resource = self._resource(pattern)
        if resource.websocket is not None:
            raise ConfigError(pattern, "WebSocket has a handler already", hint="use one")
        resource.websocket = handler

    def find(self, path: str) -> tuple[Resource[Handler, WebSocketHandler], dict[str, str]] | None:
        """Return the resource of a path as it stood in the request, and its parameters, decoded.

        Raises :exc:`BadPathError` when a parameter is no UTF-8 text.
        """
        if "%" in path and _BROKEN_ESCAPE.search(path):
            raise BadPathError("In the path, % must be followed by two hexadecimal digits.")
        resource = self._literal.get(path)
        if resource is None and "%" in path and "%2f" not in path.lower():
            # RFC 3986 section 6.2.2.2: an escaped letter is that letter. Section 2.2: an escaped
            # slash is no slash.
            resource = self._literal.get(_decode(path))
        if resource is not None:
            return resource, {}
        known = self._known.get(path)
        if known is not None:
            return known[0], dict(known[1])
        return self._match(path)

    def _match(
        self, path: str
    ) -> tuple[Resource[Handler, WebSocketHandler], dict[str, str]] | None:
        for expression, candidate in self._patterns:
            match = expression.fullmatch(path)
            if match is not None:
                parameters = {name: _decode(text) for name, text in match.groupdict().items()}
                if len(self._known) >= KNOWN_PATHS_MAX:
                    self._known.clear()
                if len(path) <= KNOWN_PATH_CHARACTERS_MAX:
                    self._known[path] = candidate, dict(parameters)
                return candidate, parameters
        return None

    def resources(self) -> list[Resource[Handler, WebSocketHandler]]:
        """Return all resources, literal paths first, each in the order added."""
        return [*self._literal.values(), *(resource for _, resource in self._patterns)]

    def _resource(self, pattern: str) -> Resource[Handler, WebSocketHandler]:
        self._known.clear()
        if not pattern.startswith("/"):
            raise ConfigError(pattern, "a path begins with a slash", hint=f'"/{pattern}"')
        if "{" not in pattern and "}" not in pattern:
            return self._literal.setdefault(pattern, Resource(pattern))
        for _, resource in self._patterns:
            if resource.pattern == pattern:
                return resource
        resource = Resource(pattern)
        self._patterns.append((_compile(pattern), resource))
        return resource


def _decode(text: str) -> str:
    if "%" not in text and text.isascii():
        return text
    try:
        return unquote_to_bytes(text.encode("latin-1", "strict")).decode("utf-8")
    except UnicodeError:
        raise BadPathError("The path is no UTF-8 text once its % escapes are undone.") from None


def _compile(pattern: str) -> re.Pattern[str]:
    hint = "parameters are {name}, and {name...} for the rest of the path at its end"
    literals: list[str] = []
    parameters: list[tuple[str, bool]] = []
    names: set[str] = set()
    position = 0
    for match in _PARAMETER.finditer(pattern):
        literal = pattern[position : match.start()]
        name, rest = match.groups()
        if name in names or (rest and match.end() != len(pattern)):
            raise ConfigError(pattern, f"the parameter {name} stands wrong", hint=hint)
        names.add(name)
        literals.append(literal)
        parameters.append((name, bool(rest)))
        position = match.end()
    literals.append(pattern[position:])
    if any("{" in literal or "}" in literal for literal in literals):
        raise ConfigError(pattern, "braces that hold no parameter", hint=hint)
    return re.compile(_expression(literals, parameters), re.DOTALL)


def _expression(literals: list[str], parameters: list[tuple[str, bool]]) -> str:
    """The regular expression for literals with a parameter, and whether it is the rest, between
    each two."""
    expression = re.escape(literals[0])
    for number, (name, is_rest) in enumerate(parameters, 1):
        literal = re.escape(literals[number])
        if is_rest:
            expression += f"(?P<{name}>.+)"
        elif number < len(parameters) and "/" not in literal:
            # Another parameter follows in this segment. To try all ways to share it out takes time
            # without bound, which a client would choose: what was looked ahead for once, the
            # shortest text that fits, is not looked for anew.
            expression += f"(?=(?P<{name}>[^/]+?){literal})(?P={name}){literal}"
        else:
            expression += f"(?P<{name}>[^/]+){literal}"
    return expression
