"""Patterns over stream names: for permissions, for hooks, and to subscribe to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from longwire.streams.errors import StreamError

__all__ = ["PATTERN_BYTES_MAX", "PatternError", "StreamPattern"]

PATTERN_BYTES_MAX = 512

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")

_SURROGATE = re.compile("[\ud800-\udfff]")

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

    Raises :exc:`PatternError` for text that is no pattern, and for one that no stream can match.
    With ``is_reserved_allowed`` it may mean streams that begin with ``$``, which belong to the
    server.
    """

    __slots__ = ("_match", "text")

    def __init__(self, text: str, *, is_reserved_allowed: bool = False) -> None:
        self.text = text
        if len(text.encode(errors="replace")) > PATTERN_BYTES_MAX:
            raise PatternError(f"the pattern has more than {PATTERN_BYTES_MAX} bytes")
        if _CONTROL.search(text):
            raise PatternError("the pattern holds a control character")
        problem = _find_problem(text)
        if not problem and text.startswith("$") and not is_reserved_allowed:
            problem = 'is for names that begin with "$", which belong to the server'
        if problem:
            shown = text.encode(errors="backslashreplace").decode()
            raise PatternError(f'the pattern "{shown}" {problem}; {_HINT}')
        self._match = re.compile(_expression(text.split("/"))).fullmatch

    def matches(self, stream: str) -> bool:
        """Tell whether the stream of this name is meant. Takes time in proportion to the lengths of
        both at the worst, whatever they are: clients give patterns and names."""
        return self._match(stream) is not None

    def __repr__(self) -> str:
        return f"StreamPattern({self.text!r})"


def _find_problem(text: str) -> str:
    """Why no stream can have such a name (see ``check_stream_name``)."""
    for part in text.split("/"):
        if not part:
            return "has an empty part" if text else "is empty"
        if part in (".", ".."):
            return f'has the part "{part}", which no stream name has'
        if "**" in part and part != "**":
            return f'has "**" in "{part}", where it is no part of its own'
    surrogate = _SURROGATE.search(text)
    if surrogate is not None:
        return f"has half of a surrogate pair as character {surrogate.start() + 1}"
    return ""


# A wildcard may end at many places, and to try all of them for each wildcard takes time without
# bound. But where another wildcard follows, the first place that fits is as good as any, for that
# one takes up the rest. So only the last one is tried at every place.

_SOME_PARTS = "[^/]++(?:/[^/]++)*?"  # as few as possible


def _expression(parts: list[str]) -> str:
    """The regular expression for a whole name, of the parts of a pattern."""
    numbers = count()
    first, *runs = _split(parts, "**")
    pieces = ["/".join(_part_expression(part, numbers) for part in first)] if first else []
    for place, run in enumerate(runs, 1):
        piece = "/".join([_SOME_PARTS, *(_part_expression(part, numbers) for part in run)])
        pieces.append(piece if place == len(runs) else _first_fit(piece, numbers))
    return "/".join(pieces)


def _part_expression(part: str, numbers: Iterator[int]) -> str:
    """The regular expression for one part of a name, up to its end."""
    if part == "*":
        return "[^/]++"
    first, *pieces = map(re.escape, part.split("*"))
    if not pieces:
        return rf"{first}(?![^/])"
    *inner, last = pieces
    ways = "".join(_first_fit(f"[^/]*?{piece}", numbers) for piece in inner)
    return f"{first}{ways}[^/]*{last}(?![^/])"


def _first_fit(expression: str, numbers: Iterator[int]) -> str:
    """Match the first text that fits, and no other when what follows fails.

    What was looked ahead for is not looked for anew. An atomic group says the same in less, but
    CPython before 3.11.5 has it wrong (gh-106052).
    """
    name = f"fit{next(numbers)}"
    return f"(?=(?P<{name}>{expression}))(?P={name})"


def _split(parts: list[str], separator: str) -> list[list[str]]:
    runs: list[list[str]] = [[]]
    for part in parts:
        if part == separator:
            runs.append([])
        else:
            runs[-1].append(part)
    return runs
