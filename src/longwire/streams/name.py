# cython: annotation_typing=False, auto_pickle=False
"""Names of streams (docs/protocol.md, 1.1)."""

from __future__ import annotations

import re

from longwire.streams.errors import StreamNameError

__all__ = ["NAME_BYTES_MAX", "check_stream_name"]

NAME_BYTES_MAX = 512

_KNOWN_MAX = 4_096
"""Names that were right and are known to be: those of the streams that are busy now."""

_known: dict[str, str] = {}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def check_stream_name(name: str, is_reserved_allowed: bool = False) -> str:
    """Return ``name`` if it is a stream name; else raise :exc:`StreamNameError`.

    Of a busy stream it is always the same text, which is quick to look up and to compare.
    ``is_reserved_allowed`` lets names pass that begin with ``$``, which belong to the server.
    """
    known = _known.get(name)
    if known is not None:
        return known
    problem = _find_problem(name)
    is_reserved = name.startswith("$")
    if not problem and is_reserved and not is_reserved_allowed:
        problem = 'names that begin with "$" belong to the server'
    if problem:
        raise StreamNameError(name, problem)
    if not is_reserved:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        _known[name] = name
    return name


def _find_problem(name: str) -> str:
    if not name:
        return "it is empty"
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        return f"character {error.start + 1} is half of a surrogate pair"
    if size > NAME_BYTES_MAX:
        return f"it has {size} bytes, at most {NAME_BYTES_MAX} are allowed"
    control = _CONTROL.search(name)
    if control is not None:
        return f"character {control.start() + 1} is the control character U+{ord(control[0]):04X}"
    if "*" in name:
        return f'character {name.index("*") + 1} is "*", which stands for any name in patterns'
    for segment in name.split("/"):
        if not segment:
            return 'a segment between "/" is empty'
        if segment in (".", ".."):
            return f'"{segment}" is no segment'
    return ""
