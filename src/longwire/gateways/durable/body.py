"""Bodies and entries: how the bytes of a request are cut, and those of a response put together.

Durable Streams 9: a stream of ``application/json`` is one of messages, each an entry; every other
is one of bytes, and where one entry ends means nothing to its readers.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec

from longwire.hub.payloads import check_json
from longwire.streams.entry import JSON, Entry, NewEntry, is_json
from longwire.streams.errors import EntryLimitError, PayloadError

__all__ = ["Kind", "cut_body", "join_body", "kind_of"]

_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Kind(Enum):
    """How the payloads of a stream are sent."""

    JSON = "json"
    """As the elements of an array."""
    TEXT = "text"
    """As they are, also as server-sent events."""
    BINARY = "binary"
    """As they are, but in base64 as server-sent events."""


def kind_of(content_type: str) -> Kind:
    """The kind of a normalized content type."""
    media_type = content_type.partition(";")[0]
    if media_type == JSON:
        return Kind.JSON
    return Kind.TEXT if media_type.startswith("text/") else Kind.BINARY


def cut_body(
    body: bytes, content_type: str, *, entry_bytes_max: int, entries_max: int, json_depth_max: int
) -> tuple[NewEntry, ...]:
    """Cut a body into entries. An empty array is none.

    Raises ``PayloadError`` for what is no JSON, ``EntryLimitError`` for too many entries.
    """
    if not body:
        return ()
    if kind_of(content_type) is Kind.JSON:
        payloads = _cut_array(body, json_depth_max)
    elif is_json(content_type) or len(body) <= entry_bytes_max:
        payloads = [body]
    else:
        payloads = _cut_bytes(body, entry_bytes_max, is_text=kind_of(content_type) is Kind.TEXT)
    if len(payloads) > entries_max:
        raise EntryLimitError(
            f"the body makes {len(payloads)} entries, at most {entries_max} are stored at a time",
            entries_max,
        )
    return tuple(map(NewEntry, payloads))


def _cut_array(body: bytes, depth_max: int) -> list[bytes]:
    """Durable Streams 9.1.2: one level of an array is taken off, each element is a message."""
    text = body.strip(b" \t\r\n")
    if not text.startswith(b"["):
        check_json(text, depth_max)
        return [text]
    # The array itself is no part of any message.
    check_json(text, depth_max + 1)
    try:
        return [bytes(element) for element in _decode_elements(text)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise PayloadError(f"the body is not JSON: {error}") from None


def _cut_bytes(body: bytes, size: int, *, is_text: bool) -> list[bytes]:
    """Cut into pieces of at most ``size``; text not within a character, where it is UTF-8."""
    pieces = []
    start = 0
    while start < len(body):
        end = start + size
        if is_text and end < len(body):
            # RFC 3629 section 3: bytes that continue a character are 10xxxxxx, at most three.
            whole = end
            while whole > max(start, end - 4) and body[whole] & 0xC0 == 0x80:
                whole -= 1
            if whole > start and body[whole] & 0xC0 != 0x80:
                end = whole
        pieces.append(body[start:end])
        start = end
    return pieces


def join_body(kind: Kind, entries: Iterable[Entry]) -> bytes:
    """Put payloads together; those that were erased are left out."""
    payloads = [entry.payload for entry in entries if not entry.is_erased]
    return b"[" + b",".join(payloads) + b"]" if kind is Kind.JSON else b"".join(payloads)
