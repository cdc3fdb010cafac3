"""What clients may say, decoded strictly: what is unknown or out of range is named in the error.

The declarations below are the checks. Payloads (``data``) are cut out of the message as bytes and
never turned into objects and back.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from longwire.hub.payloads import check_json_depth
from longwire.streams.entry import BYTES, JSON, NewEntry
from longwire.streams.errors import PayloadError, StreamError
from longwire.streams.position import Position, parse_position
from longwire.streams.producer import PRODUCER_NUMBER_MAX, ProducerStamp
from longwire.streams.verdict import Last, Start, StartAt

__all__ = [
    "BadJsonError",
    "BadMessageError",
    "Connect",
    "History",
    "Ping",
    "Pong",
    "PublishRequest",
    "Request",
    "Subscribe",
    "Unsubscribe",
    "decode_request",
    "read_batch",
    "read_history_place",
    "read_id",
    "read_producer",
    "read_start",
]

PRODUCER_ID_BYTES_MAX = 128
CLIENT_BYTES_MAX = 256
LAST_ENTRIES_MAX = 1_000_000

Id: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Number: TypeAlias = Annotated[int, Meta(ge=0, le=PRODUCER_NUMBER_MAX)]
T = TypeVar("T")
Optional: TypeAlias = T | UnsetType
"""A member that may be left out; null is not the same."""


class BadJsonError(StreamError):
    """The message is not JSON."""

    code = "bad_json"


class BadMessageError(StreamError):
    """The message is JSON, but none that the protocol knows."""

    code = "bad_message"


class _Request(Struct, tag_field="op", forbid_unknown_fields=True, frozen=True):
    pass


class Connect(_Request, tag="connect", frozen=True):
    id: Id
    version: int
    token: Optional[str] = UNSET
    client: Optional[str] = UNSET


class _LastEntries(Struct, forbid_unknown_fields=True, frozen=True):
    last: Annotated[int, Meta(ge=0, le=LAST_ENTRIES_MAX)]


class Subscribe(_Request, tag="subscribe", frozen=True):
    id: Id
    stream: str
    position: Optional[str] = UNSET
    start: Optional[Literal["tail", "earliest"] | _LastEntries] = UNSET


class Unsubscribe(_Request, tag="unsubscribe", frozen=True):
    id: Id
    stream: str


class _Item(Struct, forbid_unknown_fields=True, frozen=True):
    data: Optional[Raw] = UNSET
    base64: Optional[str] = UNSET


class PublishRequest(_Request, tag="publish", frozen=True):
    id: Id
    stream: str
    data: Optional[Raw] = UNSET
    base64: Optional[str] = UNSET
    batch: Optional[list[_Item]] = UNSET
    producer: Optional[str] = UNSET
    epoch: Optional[Number] = UNSET
    sequence: Optional[Number] = UNSET


class History(_Request, tag="history", frozen=True):
    id: Id
    stream: str
    after: Optional[str] = UNSET
    before: Optional[str] = UNSET
    limit: Annotated[int, Meta(ge=1)] = 50


class Ping(_Request, tag="ping", frozen=True):
    id: Optional[Id] = UNSET


class Pong(_Request, tag="pong", frozen=True):
    id: Optional[Id] = UNSET


Request: TypeAlias = Connect | Subscribe | Unsubscribe | PublishRequest | History | Ping | Pong

_OPS = ("connect", "subscribe", "unsubscribe", "publish", "history", "ping", "pong")
_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)


class _Envelope(Struct):
    """As much of a faulty message as can be told."""

    id: Any = None
    op: Any = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)


def decode_request(message: str | bytes) -> Request:
    """Decode one message; raise :exc:`BadJsonError` or :exc:`BadMessageError`."""
    if not isinstance(message, str):
        raise BadMessageError("a binary message came; with longwire.v1.json every message is text")
    try:
        return _decoder.decode(message)
    except msgspec.ValidationError as error:
        raise BadMessageError(_explain(message, str(error))) from None
    except msgspec.DecodeError as error:
        raise BadJsonError(_explain_syntax(message, str(error))) from None
    except RecursionError:
        raise BadMessageError("the message nests too deeply") from None


def read_id(message: str | bytes) -> int | None:
    """Return the ``id`` of a faulty message, if it can be told."""
    try:
        value = _envelope_decoder.decode(message).id
    except (msgspec.DecodeError, RecursionError):
        return None
    is_id = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if is_id else None


def _explain(message: str, problem: str) -> str:
    """Say of a message of the wrong shape what would be right."""
    try:
        op = _envelope_decoder.decode(message).op
    except (msgspec.DecodeError, RecursionError):
        return f"a message is a JSON object: {problem}"
    if op not in _OPS:
        what = "no op" if op is None else f"the unknown op {json.dumps(op)[:80]}"
        return f"the message has {what}; known are {', '.join(_OPS)}"
    return f"{op}: {problem}"


def _explain_syntax(message: str, problem: str) -> str:
    def refuse(constant: str) -> None:
        raise ValueError

    try:
        json.loads(message, parse_constant=refuse)
    except (ValueError, RecursionError):
        return problem
    # The one thing that is JSON to other parsers.
    return "a string holds an escape of half a surrogate pair, which is no Unicode text"


# -- what the members mean ----------------------------------------------------------------------


def read_start(request: Subscribe) -> Start:
    """Where a subscription shall begin."""
    if request.position is not UNSET:
        if request.start is not UNSET:
            raise BadMessageError("subscribe: position and start exclude each other")
        return parse_position(request.position)
    if request.start is UNSET or request.start == "tail":
        return StartAt.TAIL
    if isinstance(request.start, _LastEntries):
        return Last(request.start.last)
    return StartAt.EARLIEST


def read_history_place(request: History) -> tuple[Position | None, Position | None]:
    """``after`` and ``before`` of a history request, at most one of them."""
    after = None if request.after is UNSET else parse_position(request.after)
    before = None if request.before is UNSET else parse_position(request.before)
    if after is not None and before is not None:
        raise BadMessageError("history: after and before exclude each other")
    return after, before


def read_producer(request: PublishRequest) -> ProducerStamp | None:
    """The producer triple: all three members or none."""
    producer, epoch, sequence = request.producer, request.epoch, request.sequence
    if producer is UNSET and epoch is UNSET and sequence is UNSET:
        return None
    if producer is UNSET or epoch is UNSET or sequence is UNSET:
        raise BadMessageError("publish: producer, epoch and sequence come together or not at all")
    size = len(producer.encode())
    if not 1 <= size <= PRODUCER_ID_BYTES_MAX:
        raise BadMessageError(
            f"publish: producer has {size} bytes; it has 1 to {PRODUCER_ID_BYTES_MAX}"
        )
    return ProducerStamp(producer, epoch, sequence)


def read_batch(request: PublishRequest, depth_max: int) -> tuple[tuple[NewEntry, ...], str]:
    """The entries of a publish and their content type."""
    is_single = request.data is not UNSET or request.base64 is not UNSET
    if request.batch is UNSET:
        if not is_single:
            raise BadMessageError("publish: data, base64 or batch is missing")
        items = [_Item(request.data, request.base64)]
    elif is_single:
        raise BadMessageError("publish: data, base64 and batch exclude each other")
    elif not request.batch:
        raise BadMessageError("publish: batch is empty")
    else:
        items = request.batch
    entries: list[NewEntry] = []
    content_type = ""
    for index, item in enumerate(items):
        where = f"publish: batch[{index}]" if request.batch is not UNSET else "publish"
        payload, item_type = _read_item(item, where, depth_max)
        if content_type not in ("", item_type):
            raise BadMessageError(f"{where}: a batch has data only or base64 only")
        content_type = item_type
        entries.append(NewEntry(payload))
    return tuple(entries), content_type


def _read_item(item: _Item, where: str, depth_max: int) -> tuple[bytes, str]:
    if item.data is not UNSET:
        if item.base64 is not UNSET:
            raise BadMessageError(f"{where}: data and base64 exclude each other")
        payload = bytes(item.data)
        try:
            check_json_depth(payload, depth_max)
        except PayloadError as error:
            raise BadMessageError(f"{where}: {error}") from None
        return payload, JSON
    if item.base64 is UNSET:
        raise BadMessageError(f"{where}: data or base64 is missing")
    try:
        return base64.b64decode(item.base64, validate=True), BYTES
    except (binascii.Error, ValueError) as error:
        raise BadMessageError(
            f"{where}: base64 is not padded base64 of RFC 4648 section 4: {error}"
        ) from None
