"""Patterns over stream names: for permissions, for hooks, and to subscribe to."""

from __future__ import annotations

import re

from longwire.streams.errors import StreamError

__all__ = ["PATTERN_BYTES_MAX", "PatternError", "StreamPattern"]

PATTERN_BYTES_MAX = 512

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")

_HINT = (
    'a pattern is a stream name in which "*" stands for (a piece of) one part between slashes '
    'and a part of "**" for one or more parts'
)


class PatternError(StreamError):
    """Text that is no pattern."""

    code = "bad_pattern"


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

    Raises :exc:`PatternError` for text that is no pattern.
    """

    __slots__ = ("_match", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text.encode(errors="replace")) > PATTERN_BYTES_MAX:
            raise PatternError(f"the pattern has more than {PATTERN_BYTES_MAX} bytes")
        if _CONTROL.search(text):
            raise PatternError("the pattern holds a control character")
        parts = text.split("/")
        if not all(parts):
            problem = "is empty" if not text else "has an empty part"
            raise PatternError(f'the pattern "{text}" {problem}; {_HINT}')
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
        raise PatternError(f'in "{part}" the "**" is no part of its own; {_HINT}')
    if part == "*":
        return "[^/]+"
    return "[^/]*".join(re.escape(piece) for piece in part.split("*"))
