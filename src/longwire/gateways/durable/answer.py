"""Answers, and the header fields that several of them have."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from longwire.base.headers import Headers
from longwire.streams.position import Position

__all__ = ["Answer", "no_store", "protective_fields", "stream_fields"]


class Answer(NamedTuple):
    """A complete response."""

    status: int
    headers: Headers
    body: bytes = b""


# What a stream holds came from anybody who may publish to it. Opened as a page it must not run
# under our origin, nor be taken for another type than it says (Durable Streams 12.7).
_PROTECTIVE = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


def protective_fields(present: Container[str] = ()) -> list[tuple[str, str]]:
    """What every answer has, but for those that are ``present``."""
    return [field for field in _PROTECTIVE if field[0] not in present]


def stream_fields(
    content_type: str | None, next_offset: Position, *, is_closed: bool = False
) -> Headers:
    """What tells of a stream, in most answers."""
    headers = Headers(protective_fields())
    if content_type is not None:
        headers.add("Content-Type", content_type)
    headers.add("Stream-Next-Offset", str(next_offset))
    if is_closed:
        headers.add("Stream-Closed", "true")
    return headers


def no_store(headers: Headers) -> Headers:
    """Let nobody keep an answer that is of one moment."""
    headers.set("Cache-Control", "no-store")
    return headers
