"""What clients may say, decoded strictly: what is unknown or out of range is named in the error.

The declarations below are the checks. Payloads (``data``) are cut out of the message as bytes and
never turned into objects and back.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from longwire.hub.payloads import check_json, check_json_depth
from longwire.streams.entry import BYTES, JSON, Durability, NewEntry
from longwire.streams.errors import PayloadError, StreamError
from longwire.streams.position import Position, parse_position
from longwire.streams.producer import (
    PRODUCER_ID_BYTES_MAX,
    PRODUCER_NUMBER_MAX,
    ProducerStamp,
)
from longwire.streams.verdict import Last, Start, StartAt

__all__ = [
    "CLIENT_BYTES_MAX",
    "CONSUMER_NAME_BYTES_MAX",
    "METHOD_BYTES_MAX",
    "OPS",
    "Ack",
    "Authenticate",
    "BadMessageError",
    "BinaryCall",
    "BinaryEnter",
    "BinaryPublish",
    "BinaryRequest",
    "CallRequest",
    "Connect",
    "Consume",
    "ConsumerRequest",
    "EnterRequest",
    "History",
    "JsonCall",
    "JsonEnter",
    "JsonPublish",
    "JsonRequest",
    "Leave",
    "Members",
    "Nack",
    "Ping",
    "Pong",
    "PublishRequest",
    "Release",
    "Request",
    "Resume",
    "ResumedStream",
    "Subscribe",
    "Unsubscribe",
    "Unwatch",
    "read_batch",
    "read_condition",
    "read_durability",
    "read_history_place",
    "read_json",
    "read_producer",
    "read_start",
]

CLIENT_BYTES_MAX = 256
METHOD_BYTES_MAX = 128
CONSUMER_NAME_BYTES_MAX = 128
LAST_ENTRIES_MAX = 1_000_000

Id: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Number: TypeAlias = Annotated[int, Meta(ge=0, le=PRODUCER_NUMBER_MAX)]
T = TypeVar("T")
Optional: TypeAlias = T | UnsetType
"""A member that may be left out; null is not the same."""


class BadMessageError(StreamError):
    """The message can be read, but is none that the protocol knows."""

    code = "bad_message"


OPS = (
    "connect",
    "authenticate",
    "subscribe",
    "unsubscribe",
    "resume",
    "publish",
    "history",
    "call",
    "consume",
    "ack",
    "nack",
    "consumer",
    "release",
    "enter",
    "leave",
    "members",
    "unwatch",
    "ping",
    "pong",
)


class _Request(Struct, tag_field="op", forbid_unknown_fields=True, frozen=True):
    pass


class Connect(_Request, tag="connect", frozen=True):
    id: Id
    version: int
    token: Optional[str] = UNSET
    client: Optional[str] = UNSET
    inbox: Optional[str] = UNSET


class Authenticate(_Request, tag="authenticate", frozen=True):
    id: Id
    token: str


class _LastEntries(Struct, forbid_unknown_fields=True, frozen=True):
    last: Annotated[int, Meta(ge=0, le=LAST_ENTRIES_MAX)]


StartMember: TypeAlias = Literal["tail", "earliest"] | _LastEntries


class Subscribe(_Request, tag="subscribe", frozen=True):
    id: Id
    stream: Optional[str] = UNSET
    position: Optional[str] = UNSET
    start: Optional[StartMember] = UNSET
    pattern: Optional[str] = UNSET
    positions: Optional[dict[str, str]] = UNSET


class ResumedStream(Struct, forbid_unknown_fields=True, frozen=True):
    """One of the streams of ``resume``."""

    stream: str
    position: Optional[str] = UNSET
    start: Optional[StartMember] = UNSET


class Resume(_Request, tag="resume", frozen=True):
    id: Id
    streams: Annotated[list[ResumedStream], Meta(min_length=1)]


class Unsubscribe(_Request, tag="unsubscribe", frozen=True):
    id: Id
    stream: Optional[str] = UNSET
    pattern: Optional[str] = UNSET


class _JsonItem(Struct, forbid_unknown_fields=True, frozen=True):
    data: Optional[Raw] = UNSET
    base64: Optional[str] = UNSET
    key: Optional[str] = UNSET


class _BinaryItem(Struct, forbid_unknown_fields=True, frozen=True, rename={"raw": "bytes"}):
    data: Optional[bytes] = UNSET
    raw: Optional[bytes] = UNSET
    key: Optional[str] = UNSET


class _Publish(_Request, frozen=True, kw_only=True):
    id: Id
    stream: str
    key: Optional[str] = UNSET
    producer: Optional[str] = UNSET
    epoch: Optional[Number] = UNSET
    sequence: Optional[Number] = UNSET
    if_tail: Optional[str] = UNSET
    durability: Optional[Literal["memory", "disk", "replicated"]] = UNSET


class JsonPublish(_Publish, tag="publish", frozen=True, kw_only=True):
    data: Optional[Raw] = UNSET
    base64: Optional[str] = UNSET
    batch: Optional[list[_JsonItem]] = UNSET


class BinaryPublish(_Publish, tag="publish", frozen=True, kw_only=True, rename={"raw": "bytes"}):
    data: Optional[bytes] = UNSET
    raw: Optional[bytes] = UNSET
    batch: Optional[list[_BinaryItem]] = UNSET


PublishRequest: TypeAlias = JsonPublish | BinaryPublish

_Item: TypeAlias = _JsonItem | _BinaryItem | JsonPublish | BinaryPublish
"""One entry of a publish: of its batch, or the request itself."""


class History(_Request, tag="history", frozen=True):
    id: Id
    stream: str
    after: Optional[str] = UNSET
    before: Optional[str] = UNSET
    limit: Annotated[int, Meta(ge=1)] = 50


class _Call(_Request, frozen=True, kw_only=True):
    id: Id
    method: str
    timeout_s: Optional[float] = UNSET


class JsonCall(_Call, tag="call", frozen=True, kw_only=True):
    data: Optional[Raw] = UNSET


class BinaryCall(_Call, tag="call", frozen=True, kw_only=True):
    data: Optional[bytes] = UNSET


CallRequest: TypeAlias = JsonCall | BinaryCall


class _Enter(_Request, frozen=True, kw_only=True):
    id: Id
    stream: str


class JsonEnter(_Enter, tag="enter", frozen=True, kw_only=True):
    data: Optional[Raw] = UNSET


class BinaryEnter(_Enter, tag="enter", frozen=True, kw_only=True):
    data: Optional[bytes] = UNSET


EnterRequest: TypeAlias = JsonEnter | BinaryEnter


class Consume(_Request, tag="consume", frozen=True):
    id: Id
    stream: str
    consumer: str
    position: Optional[str] = UNSET
    start: Optional[StartMember] = UNSET
    window: Optional[Annotated[int, Meta(ge=1)]] = UNSET
    ack_wait_s: Optional[Annotated[float, Meta(ge=0.1, le=43_200)]] = UNSET
    held: Optional[list[str]] = UNSET


class Ack(_Request, tag="ack", frozen=True):
    stream: str
    consumer: str
    id: Optional[Id] = UNSET
    upto: Optional[str] = UNSET
    positions: Optional[list[str]] = UNSET


class Nack(_Request, tag="nack", frozen=True):
    stream: str
    consumer: str
    positions: list[str]
    id: Optional[Id] = UNSET
    after_s: Optional[Annotated[float, Meta(ge=0, le=43_200)]] = UNSET


class ConsumerRequest(_Request, tag="consumer", frozen=True):
    id: Id
    stream: str
    consumer: str


class Release(_Request, tag="release", frozen=True):
    id: Id
    stream: str
    consumer: str
    forget: bool = False


class Leave(_Request, tag="leave", frozen=True):
    id: Id
    stream: str


class Members(_Request, tag="members", frozen=True):
    id: Id
    stream: str
    watch: bool = False


class Unwatch(_Request, tag="unwatch", frozen=True):
    id: Id
    stream: str


class Ping(_Request, tag="ping", frozen=True):
    id: Optional[Id] = UNSET


class Pong(_Request, tag="pong", frozen=True):
    id: Optional[Id] = UNSET


_Common: TypeAlias = (
    Connect
    | Authenticate
    | Subscribe
    | Unsubscribe
    | Resume
    | History
    | Consume
    | Ack
    | Nack
    | ConsumerRequest
    | Release
    | Leave
    | Members
    | Unwatch
    | Ping
    | Pong
)
JsonRequest: TypeAlias = _Common | JsonPublish | JsonCall | JsonEnter
"""What comes as JSON."""
BinaryRequest: TypeAlias = _Common | BinaryPublish | BinaryCall | BinaryEnter
"""What comes in the binary formats: payloads are bytes there."""
Request: TypeAlias = JsonRequest | BinaryRequest


# -- what the members mean ----------------------------------------------------------------------


def read_start(
    request: Subscribe | ResumedStream | Consume, default: Literal["tail", "earliest"] = "tail"
) -> Start:
    """Where reading shall begin."""
    if request.position is not UNSET:
        if request.start is not UNSET:
            raise BadMessageError("position and start exclude each other")
        return parse_position(request.position)
    start = default if request.start is UNSET else request.start
    if isinstance(start, _LastEntries):
        return Last(start.last)
    return StartAt(start)


def read_history_place(request: History) -> tuple[Position | None, Position | None]:
    """``after`` and ``before`` of a history request, at most one of them."""
    after = None if request.after is UNSET else parse_position(request.after)
    before = None if request.before is UNSET else parse_position(request.before)
    if after is not None and before is not None:
        raise BadMessageError("history: after and before exclude each other")
    return after, before


def read_condition(request: PublishRequest) -> Position | None:
    """The tail that a publish is to follow, if it names one."""
    return None if request.if_tail is UNSET else parse_position(request.if_tail)


def read_durability(request: PublishRequest) -> Durability:
    """How safely a publish wants to be kept at least."""
    return Durability.MEMORY if request.durability is UNSET else Durability(request.durability)


def read_json(value: Raw | bytes | UnsetType, depth_max: int, where: str) -> bytes | None:
    """``data`` that is JSON in every format: its text."""
    if value is UNSET:
        return None
    text = bytes(value)
    _check(check_json_depth if isinstance(value, Raw) else check_json, text, depth_max, where)
    return text


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


def read_batch(
    request: PublishRequest, depth_max: int, key_bytes_max: int
) -> tuple[tuple[NewEntry, ...], str]:
    """The entries of a publish and their content type."""
    if request.batch is UNSET:
        entry, content_type = _read_entry(
            _single_item(request), "publish", depth_max, key_bytes_max
        )
        return (entry,), content_type
    entries: list[NewEntry] = []
    content_type = ""
    for index, item in enumerate(_batch_items(request, request.batch)):
        where = f"publish: batch[{index}]"
        entry, item_type = _read_entry(item, where, depth_max, key_bytes_max)
        if content_type not in ("", item_type):
            raise BadMessageError(f"{where}: a batch holds JSON only or bytes only")
        content_type = item_type
        entries.append(entry)
    return tuple(entries), content_type


def _read_entry(
    item: _Item, where: str, depth_max: int, key_bytes_max: int
) -> tuple[NewEntry, str]:
    payload, content_type = _read_item(item, where, depth_max)
    if item.key is UNSET:
        return NewEntry(payload), content_type
    size = len(item.key.encode())
    if size > key_bytes_max:
        raise BadMessageError(f"{where}: key has {size} bytes, at most {key_bytes_max} are allowed")
    return NewEntry(payload, item.key), content_type


def _has_other(request: PublishRequest) -> tuple[str, bool]:
    """What a format has for payloads that are not JSON, and whether it is there."""
    if isinstance(request, JsonPublish):
        return "base64", request.base64 is not UNSET
    return "bytes", request.raw is not UNSET


def _single_item(request: PublishRequest) -> _Item:
    """The request, which has the members of an item itself."""
    if request.data is UNSET:
        name, has_other = _has_other(request)
        if not has_other:
            raise BadMessageError(f"publish: data, {name} or batch is missing")
    return request


def _batch_items(request: PublishRequest, batch: Sequence[_Item]) -> Sequence[_Item]:
    name, has_other = _has_other(request)
    if request.data is not UNSET or has_other:
        raise BadMessageError(f"publish: data, {name} and batch exclude each other")
    if request.key is not UNSET:
        raise BadMessageError("publish: with batch, key stands in each of its objects")
    if not batch:
        raise BadMessageError("publish: batch is empty")
    return batch


def _read_item(item: _Item, where: str, depth_max: int) -> tuple[bytes, str]:
    if isinstance(item, (_BinaryItem, BinaryPublish)):
        return _read_binary_item(item, where, depth_max)
    if item.data is not UNSET:
        if item.base64 is not UNSET:
            raise BadMessageError(f"{where}: data and base64 exclude each other")
        payload = bytes(item.data)
        _check(check_json_depth, payload, depth_max, where)
        return payload, JSON
    if item.base64 is UNSET:
        raise BadMessageError(f"{where}: data or base64 is missing")
    try:
        return base64.b64decode(item.base64, validate=True), BYTES
    except (binascii.Error, ValueError) as error:
        raise BadMessageError(
            f"{where}: base64 is not padded base64 of RFC 4648 section 4: {error}"
        ) from None


def _read_binary_item(
    item: _BinaryItem | BinaryPublish, where: str, depth_max: int
) -> tuple[bytes, str]:
    if item.data is not UNSET:
        if item.raw is not UNSET:
            raise BadMessageError(f"{where}: data and bytes exclude each other")
        # Nobody has read it as JSON yet.
        _check(check_json, item.data, depth_max, where)
        return item.data, JSON
    if item.raw is UNSET:
        raise BadMessageError(f"{where}: data or bytes is missing")
    return item.raw, BYTES


def _check(check: Callable[[bytes, int], None], payload: bytes, depth_max: int, where: str) -> None:
    try:
        check(payload, depth_max)
    except PayloadError as error:
        raise BadMessageError(f"{where}: {error}") from None
