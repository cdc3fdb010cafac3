# cython: annotation_typing=False
"""``longwire.v1.json``: each message is one JSON object, in a text message."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from longwire.base.tuples import parts
from longwire.gateways.native.formats.format import DURABILITY_TEXTS, FrameEncoder, JsonText
from longwire.gateways.native.formats.shapes import explain_shape
from longwire.gateways.native.requests import OPS, BadMessageError, JsonRequest, Request
from longwire.streams.entry import Entry, is_json
from longwire.streams.errors import StreamError
from longwire.streams.position import Position, spell_position
from longwire.streams.store import Appended
from longwire.websocket.frames import TEXT

__all__ = ["JSON_FORMAT", "BadJsonError", "JsonFormat"]


class BadJsonError(StreamError):
    """The message is not JSON."""

    code = "bad_json"


class _Envelope(msgspec.Struct):
    """As much of a faulty message as can be told."""

    id: Any = None
    op: Any = None


def _encode_special(value: object) -> object:
    if isinstance(value, JsonText):
        return msgspec.Raw(value.text)
    raise TypeError(f"{type(value).__name__} is not written as JSON")


_ENDED_EARLY = "JSON is malformed: the message ends before its value does"

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(JsonRequest)
_envelope_decoder = msgspec.json.Decoder(_Envelope)
_encode = msgspec.json.Encoder(enc_hook=_encode_special).encode


@lru_cache(maxsize=4096)
def _quote(text: str) -> bytes:
    """Text as a JSON string. Names of busy streams are few."""
    return json.dumps(text, ensure_ascii=False).encode()


_QUOTED_MAX = 4_096
_quoted: dict[str, str] = {}


def _quote_name(name: str) -> str:
    """The same, as text: each publish is answered with the name of its stream."""
    quoted = _quoted.get(name)
    if quoted is None:
        if len(_quoted) >= _QUOTED_MAX:
            _quoted.clear()
        quoted = _quoted[name] = _quote(name).decode()
    return quoted


def _quote_place(position: Position | None) -> str:
    """A position as a JSON string, which needs no escapes."""
    if position is None:
        return "null"
    offset, epoch, link = parts(position)
    return f'"{spell_position(offset, epoch, link)}"'


@lru_cache(maxsize=256)
def _is_json(content_type: str) -> bool:
    return is_json(content_type)


class JsonFormat:
    """See :class:`~longwire.gateways.native.formats.format.Format`."""

    subprotocol = "longwire.v1.json"
    opcode = TEXT

    def __init__(self) -> None:
        self.frames = FrameEncoder(self)

    # -- reading --------------------------------------------------------------------------------

    def decode(self, message: str | bytes) -> Request:
        if not isinstance(message, str):
            raise BadMessageError(
                f"a binary message came; with {self.subprotocol} every message is text"
            )
        try:
            request: Request = _decoder.decode(message)
        except msgspec.ValidationError as error:
            raise BadMessageError(_explain(message, str(error))) from None
        except msgspec.DecodeError as error:
            raise BadJsonError(_explain_syntax(message, str(error))) from None
        except RecursionError:
            raise BadMessageError("the message nests too deeply") from None
        return request

    def read_id(self, message: str | bytes) -> int | None:
        try:
            value = _envelope_decoder.decode(message).id
        except (msgspec.DecodeError, RecursionError):
            return None
        is_id = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
        return value if is_id else None

    # -- writing --------------------------------------------------------------------------------

    def answer(self, op: str, request_id: int | None, members: Mapping[str, Any]) -> bytes:
        head: dict[str, Any] = {"op": op}
        if request_id is not None:
            head["id"] = request_id
        head.update(members)
        return _encode(head)

    def published(self, request_id: int, stream: str, outcome: Appended) -> bytes:
        first_place, last_place, is_duplicate, kept, _, _, _, _ = parts(outcome)
        first = last = _quote_place(first_place)
        if last_place is not first_place:
            last = _quote_place(last_place)
        duplicate = "true" if is_duplicate else "false"
        durability = DURABILITY_TEXTS[kept]
        text = (
            f'{{"op":"published","id":{request_id},"stream":{_quote_name(stream)},'
            f'"first":{first},"last":{last},"duplicate":{duplicate},"durability":"{durability}"}}'
        )
        return text.encode()

    def entry(self, stream: str, entry: Entry) -> bytes:
        # The members stand in the order that docs/protocol.md, 5.2 promises.
        return b"".join(
            (b'{"op":"entry","stream":', _quote(stream), b",", *_entry_members(entry), b"}")
        )

    def delivery(self, consumer: str, attempt: int, stream: str, entry: Entry) -> bytes:
        head = b'{"op":"delivery","consumer":%s,"attempt":%d,"stream":' % (
            _quote(consumer),
            attempt,
        )
        return b"".join((head, _quote(stream), b",", *_entry_members(entry), b"}"))

    def history(
        self,
        request_id: int,
        stream: str,
        entries: Sequence[Entry],
        has_more: bool,
        tail: Position,
    ) -> bytes:
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
    key = b'"key":%s,' % _quote(entry.key) if entry.key else b""
    head = b'"after":"%s","position":"%s","time":%d,%s' % (
        str(entry.previous).encode(),
        str(entry.position).encode(),
        entry.time_ms,
        key,
    )
    if entry.is_erased:
        return head, b'"erased":true'
    if _is_json(entry.content_type):
        return head, b'"data":', entry.payload
    return head, b'"base64":"', base64.b64encode(entry.payload), b'"'


def _explain(message: str, problem: str) -> str:
    """Say of a message of the wrong shape what would be right."""
    try:
        op = _envelope_decoder.decode(message).op
    except (msgspec.DecodeError, RecursionError):
        return f"a message is a JSON object: {explain_shape(problem)}"
    if op not in OPS:
        what = "no op" if op is None else f"the unknown op {json.dumps(op)[:80]}"
        return f"the message has {what}; known are {', '.join(OPS)}"
    return f"{op}: {explain_shape(problem)}"


def _explain_syntax(message: str, problem: str) -> str:
    def refuse(constant: str) -> None:
        raise ValueError

    try:
        json.loads(message, parse_constant=refuse)
    except (ValueError, RecursionError):
        return _ENDED_EARLY if problem == "Input data was truncated" else problem
    # The one thing that is JSON to other parsers.
    return "a string holds an escape of half a surrogate pair, which is no Unicode text"


JSON_FORMAT = JsonFormat()
