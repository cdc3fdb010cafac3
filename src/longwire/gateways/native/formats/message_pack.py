"""``longwire.v1.msgpack``: each message is one MessagePack map, in a binary message.

Payloads are **bin**: JSON text where the stream is JSON, else the bytes themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from longwire.gateways.native.formats.format import FrameEncoder, JsonText, published_members
from longwire.gateways.native.formats.shapes import explain_shape
from longwire.gateways.native.requests import OPS, BadMessageError, BinaryRequest, Request
from longwire.streams.entry import Entry, is_json
from longwire.streams.errors import StreamError
from longwire.streams.position import Position
from longwire.streams.store import Appended
from longwire.websocket.frames import BINARY

__all__ = ["MESSAGE_PACK_FORMAT", "BadMessagePackError", "MessagePackFormat"]


class BadMessagePackError(StreamError):
    """The message is not MessagePack."""

    code = "bad_msgpack"


def _encode_special(value: object) -> object:
    if isinstance(value, JsonText):
        return value.text
    raise TypeError(f"{type(value).__name__} is not written as MessagePack")


def _refuse_extension(code: int, data: memoryview) -> object:
    raise msgspec.ValidationError(f"extension type {code} has no meaning here")


_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(
    BinaryRequest, ext_hook=_refuse_extension
)
_any_decoder = msgspec.msgpack.Decoder(ext_hook=_refuse_extension)
_encode = msgspec.msgpack.Encoder(enc_hook=_encode_special).encode


class MessagePackFormat:
    """See :class:`~longwire.gateways.native.formats.format.Format`."""

    subprotocol = "longwire.v1.msgpack"
    opcode = BINARY

    def __init__(self) -> None:
        self.frames = FrameEncoder(self)

    # -- reading --------------------------------------------------------------------------------

    def decode(self, message: str | bytes) -> Request:
        if isinstance(message, str):
            raise BadMessageError(
                f"a text message came; with {self.subprotocol} every message is binary"
            )
        try:
            request: Request = _decoder.decode(message)
        except msgspec.ValidationError as error:
            raise BadMessageError(_explain(message, str(error))) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadMessagePackError(str(error)) from None
        except RecursionError:
            raise BadMessageError("the message nests too deeply") from None
        return request

    def read_id(self, message: str | bytes) -> int | None:
        value = _read_map(message).get("id")
        is_id = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
        return value if is_id else None

    # -- writing --------------------------------------------------------------------------------

    def answer(self, op: str, request_id: int | None, members: Mapping[str, Any]) -> bytes:
        head: dict[str, Any] = {"op": op}
        if request_id is not None:
            head["id"] = request_id
        head.update({name: value for name, value in members.items() if value is not None})
        return _encode(head)

    def published(self, request_id: int, stream: str, outcome: Appended) -> bytes:
        return self.answer("published", request_id, published_members(stream, outcome))

    def entry(self, stream: str, entry: Entry) -> bytes:
        return _encode({"op": "entry", "stream": stream, **_entry_members(entry)})

    def delivery(self, consumer: str, attempt: int, stream: str, entry: Entry) -> bytes:
        head = {"op": "delivery", "consumer": consumer, "attempt": attempt, "stream": stream}
        return _encode(head | _entry_members(entry))

    def history(
        self,
        request_id: int,
        stream: str,
        entries: Sequence[Entry],
        has_more: bool,
        tail: Position,
    ) -> bytes:
        members = {
            "stream": stream,
            "entries": [_entry_members(entry) for entry in entries],
            "more": has_more,
            "tail": str(tail),
        }
        return self.answer("history", request_id, members)


def _entry_members(entry: Entry) -> dict[str, Any]:
    members: dict[str, Any] = {
        "after": str(entry.previous),
        "position": str(entry.position),
        "time": entry.time_ms,
    }
    if entry.key:
        members["key"] = entry.key
    if entry.is_erased:
        members["erased"] = True
    else:
        members["data" if is_json(entry.content_type) else "bytes"] = entry.payload
    return members


def _read_map(message: str | bytes) -> dict[Any, Any]:
    try:
        value = _any_decoder.decode(message) if isinstance(message, bytes) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
        return {}
    return value if isinstance(value, dict) else {}


def _explain(message: bytes, problem: str) -> str:
    """Say of a message of the wrong shape what would be right."""
    members = _read_map(message)
    op = members.get("op")
    if not members:
        return f"a message is a map: {explain_shape(problem)}"
    if op not in OPS:
        what = "no op" if op is None else f"the unknown op {str(op)[:80]!r}"
        return f"the message has {what}; known are {', '.join(OPS)}"
    return f"{op}: {explain_shape(problem)}"


MESSAGE_PACK_FORMAT = MessagePackFormat()
