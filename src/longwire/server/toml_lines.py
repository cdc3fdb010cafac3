"""On which line of a TOML document each key stands: ``tomllib`` does not tell.

The scan relies on the document being valid (``tomllib`` has read it before) and only finds its
way past strings, comments and brackets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["find_key_lines", "line_of"]

KeyPath = tuple[str, ...]

# TOML 1.0 "Keys": a bare key, a basic string or a literal string; dots between them.
_KEY_PART = re.compile(
    r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')[ \t]*""", re.ASCII
)
# What a value is made of as far as finding its end goes. Multi-line strings come first.
_VALUE_PIECE = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""+|\'\'\'.*?\'\'\'+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'|#[^\n]*|[\[\]{}\n]|[^\[\]{}\n"'#]+''',
    re.DOTALL,
)


def find_key_lines(text: str) -> dict[KeyPath, int]:
    """Map the path of every key and table in ``text`` to its line, counted from 1.

    Keys inside inline tables are not listed; :func:`line_of` gives the line of what holds them.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    line = 1
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\n":
            line += 1
            position += 1
        elif character in " \t\r":
            position += 1
        elif character == "#":
            position = _end_of_line(text, position)
        elif character == "[":
            opening = 2 if text.startswith("[[", position) else 1
            table, position = _read_key(text, position + opening)
            lines.setdefault(table, line)
            position = _end_of_line(text, position)
        else:
            key, position = _read_key(text, position)
            path = table + key
            for length in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:length], line)
            end = _skip_value(text, position + 1)
            line += text.count("\n", position, end)
            position = end
    return lines


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """Return the line of ``path``, or of the nearest thing around it that has one."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _read_key(text: str, position: int) -> tuple[KeyPath, int]:
    parts: list[str] = []
    while True:
        match = _KEY_PART.match(text, position)
        if match is None:
            return tuple(parts), position
        parts.append(next(part for part in match.groups() if part is not None))
        position = match.end()
        if not text.startswith(".", position):
            return tuple(parts), position
        position += 1


def _skip_value(text: str, position: int) -> int:
    """Return where the line that ends the value at ``position`` ends."""
    depth = 0
    while position < len(text):
        match = _VALUE_PIECE.match(text, position)
        if match is None:
            return _end_of_line(text, position)
        piece = match[0]
        if piece in "[{":
            depth += 1
        elif piece in "]}":
            depth -= 1
        elif piece == "\n" and depth <= 0:
            return position
        position = match.end()
    return position
