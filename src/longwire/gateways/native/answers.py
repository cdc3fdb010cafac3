"""What the server says, as the UTF-8 text of one message each, and as frames that many share."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from longwire.hub.sinks import Gap
from longwire.streams.entry import Entry, is_json
from longwire.streams.errors import StreamError
from longwire.streams.position import Position
from longwire.websocket.frames import TEXT, encode_frame

__all__ = ["FRAMES", "FrameEncoder", "encode_answer", "encode_error", "encode_history"]

_encode_json = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def _quote(text: str) -> bytes:
    """Text as a JSON string. Names of busy streams are few."""
    return json.dumps(text, ensure_ascii=False).encode()


@lru_cache(maxsize=256)
def _is_json(content_type: str) -> bool:
    return is_json(content_type)


def encode_answer(op: str, request_id: int | None, **members: Any) -> bytes:
    """Encode an answer or a message of the server's own; members that are ``None`` are null."""
    head: dict[str, Any] = {"op": op}
    if request_id is not None:
        head["id"] = request_id
    return _encode_json(head | members)


def encode_error(request_id: int | None, error: StreamError) -> bytes:
    """Encode a refusal."""
    return encode_answer(
        "error",
        request_id,
        code=error.code,
        message=error.message,
        retry=error.is_retryable,
        **error.details,
    )


def encode_entry(stream: str, entry: Entry) -> bytes:
    """Encode an entry with its members in the order that docs/protocol.md, 5.2 promises."""
    return b"".join(
        (b'{"op":"entry","stream":', _quote(stream), b",", *_entry_members(entry), b"}")
    )


def encode_history(
    request_id: int, stream: str, entries: Sequence[Entry], has_more: bool, tail: Position
) -> bytes:
    """Encode the answer to ``history``."""
    items = [b"{" + b"".join(_entry_members(entry)) + b"}" for entry in entries]
    return b"".join(
        (
            b'{"op":"history","id":%d,"stream":' % request_id,
            _quote(stream),
            b',"entries":[',
            b",".join(items),
            b'],"more":',
            b"true" if has_more else b"false",
            b',"tail":"%s"}' % str(tail).encode(),
        )
    )


def _entry_members(entry: Entry) -> tuple[bytes, ...]:
    head = b'"after":"%s","position":"%s","time":%d,' % (
        str(entry.previous).encode(),
        str(entry.position).encode(),
        entry.time_ms,
    )
    if entry.is_erased:
        return head, b'"erased":true'
    if _is_json(entry.content_type):
        return head, b'"data":', entry.payload
    return head, b'"base64":"', base64.b64encode(entry.payload), b'"'


def encode_gap(stream: str, gap: Gap) -> bytes:
    """Encode a gap."""
    return encode_answer(
        "gap",
        None,
        stream=stream,
        after=str(gap.after),
        upto=str(gap.upto),
        reason=gap.reason,
        lost=gap.is_loss,
    )


def encode_closed(stream: str, position: Position) -> bytes:
    """Encode the end of a stream."""
    return encode_answer("closed", None, stream=stream, position=str(position))


def encode_text_frame(text: bytes) -> bytes:
    """Frame a message: unmasked and uncompressed, so that every connection can be sent it.

    RFC 7692 section 6: a message may be sent uncompressed whatever was agreed.
    """
    return encode_frame(TEXT, text)


class FrameEncoder:
    """The format ``longwire.v1.json`` as WebSocket frames."""

    __slots__ = ()

    def encode_entry(self, stream: str, entry: Entry) -> bytes:
        return encode_text_frame(encode_entry(stream, entry))

    def encode_gap(self, stream: str, gap: Gap) -> bytes:
        return encode_text_frame(encode_gap(stream, gap))

    def encode_closed(self, stream: str, position: Position) -> bytes:
        return encode_text_frame(encode_closed(stream, position))


FRAMES = FrameEncoder()
"""The one encoder, so that all connections of this format share what it makes."""
