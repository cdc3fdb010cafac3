"""Entries of a stream: what is handed to a store, and what it hands out."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from longwire.streams.position import Position

__all__ = [
    "BYTES",
    "JSON",
    "Durability",
    "Entry",
    "NewEntry",
    "is_acceptable",
    "is_json",
    "normalize_content_type",
]

JSON = "application/json"
BYTES = "application/octet-stream"


# RFC 9110 section 5.6.6: a value that is a token may stand in quotes or not.
_QUOTED_TOKEN = re.compile(r'"([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)"\Z')


class Durability(Enum):
    """What a stored entry survives. The values are the words on the wire."""

    MEMORY = "memory"
    """Nothing: it is gone with the process."""
    DISK = "disk"
    """A crash of the machine."""
    REPLICATED = "replicated"
    """The loss of one machine."""

    # There is one of each, which is its own key; the hash of an enum is a function of Python's.
    __hash__ = object.__hash__

    @property
    def rank(self) -> int:
        """Greater is safer."""
        return list(Durability).index(self)


class NewEntry(NamedTuple):
    """One payload on its way into a stream.

    ``key`` counts in streams that keep the latest entry of each key only; the empty key is one
    like the others.
    """

    payload: bytes
    key: str = ""


class Entry(NamedTuple):
    """One stored payload. Never changes, so that all who read the stream share it."""

    position: Position
    """After this entry."""
    previous: Position
    """Before it: the position after the entry stored just before, whether or not that one is
    still kept."""
    payload: bytes
    time_ms: int
    """When it was stored, Unix time in milliseconds by the store's clock; never goes back within
    a stream."""
    content_type: str
    """That of the stream."""
    key: str = ""
    is_erased: bool = False
    """Its payload was erased and is empty now. The link is still that of what it was."""


def normalize_content_type(text: str) -> str:
    """Return a media type in the form in which types are compared.

    RFC 9110 section 8.3.1: type, subtype, parameter names and charsets have no case, and quotes
    around a token mean nothing. Other values are left as they are. JSON has no charset parameter,
    and one that clients send all the same has no effect (RFC 8259 section 11): it is left out.
    """
    media_type, _, parameters = text.partition(";")
    normalized = media_type.strip().lower()
    is_of_json = is_json(normalized)
    for parameter in parameters.split(";"):
        name, equals, value = parameter.strip().partition("=")
        name, value = name.strip().lower(), _QUOTED_TOKEN.sub(r"\1", value.strip())
        if name == "charset":
            value = value.lower()
        if name and not (name == "charset" and is_of_json):
            normalized += f";{name}{equals}{value}"
    return normalized


def is_json(content_type: str) -> bool:
    """Tell whether payloads of this normalized content type are JSON (RFC 8259, RFC 6839)."""
    media_type = content_type.partition(";")[0]
    return media_type == JSON or media_type.endswith("+json")


def is_acceptable(content_type: str | None, stream_type: str) -> bool:
    """Tell whether payloads of ``content_type`` may go into a stream of ``stream_type``.

    ``None`` goes into any stream; plain JSON into any that is JSON, and plain bytes into any that
    is not, since publishers over WebSocket know no more of their payloads.
    """
    if content_type is None or content_type == stream_type:
        return True
    if content_type == JSON:
        return is_json(stream_type)
    return content_type == BYTES and not is_json(stream_type)
