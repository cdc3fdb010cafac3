"""Patterns over stream names, for permissions and publish hooks."""

from __future__ import annotations

import re

from longwire.base.errors import ConfigError

__all__ = ["StreamPattern"]

_HINT = (
    'a pattern is a stream name in which "*" stands for (a piece of) one part between slashes '
    'and a part of "**" for one or more parts'
)


class StreamPattern:
    """A stream name with wildcards.

    ``*`` stands for one part between slashes, or for a piece of one when other characters stand
    beside it; a whole part of ``**`` stands for one or more parts.

    >>> StreamPattern("chat/*").matches("chat/lobby")
    True
    >>> StreamPattern("chat/*").matches("chat/lobby/files")
    False
    >>> StreamPattern("chat/**").matches("chat/lobby/files")
    True

    Raises :exc:`~longwire.base.errors.ConfigError` for text that is no pattern.
    """

    __slots__ = ("_match", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        parts = text.split("/")
        if not all(parts):
            problem = "is empty" if not text else "has an empty part"
            raise ConfigError("pattern", f'the pattern "{text}" {problem}', hint=_HINT)
        self._match = re.compile("/".join(map(_part_expression, parts)), re.DOTALL).fullmatch

    def matches(self, stream: str) -> bool:
        """Tell whether the stream of this name is meant."""
        return self._match(stream) is not None

    def __repr__(self) -> str:
        return f"StreamPattern({self.text!r})"


def _part_expression(part: str) -> str:
    if part == "**":
        return ".+"
    if "**" in part:
        raise ConfigError("pattern", f'in "{part}" the "**" is no part of its own', hint=_HINT)
    if part == "*":
        return "[^/]+"
    return "[^/]*".join(re.escape(piece) for piece in part.split("*"))
