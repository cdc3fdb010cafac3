"""What clients may say, decoded strictly: what is unknown or out of range is named in the error.

The declarations below are the checks. Payloads (``data``) are cut out of the message as bytes and
never turned into objects and back.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from longwire.hub.payloads import check_json, check_json_depth
from longwire.streams.errors import PayloadError, StreamError
from longwire.streams.position import Position, parse_position
from longwire.streams.producer import (
    PRODUCER_NUMBER_MAX,
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
    "BinaryItem",
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
    "JsonItem",
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
    "check_data",
    "read_history_place",
    "read_json",
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


class JsonItem(Struct, forbid_unknown_fields=True, frozen=True):
    data: Optional[Raw] = UNSET
    base64: Optional[str] = UNSET
    key: Optional[str] = UNSET


class BinaryItem(Struct, forbid_unknown_fields=True, frozen=True, rename={"raw": "bytes"}):
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
    batch: Optional[list[JsonItem]] = UNSET


class BinaryPublish(_Publish, tag="publish", frozen=True, kw_only=True, rename={"raw": "bytes"}):
    data: Optional[bytes] = UNSET
    raw: Optional[bytes] = UNSET
    batch: Optional[list[BinaryItem]] = UNSET


PublishRequest: TypeAlias = JsonPublish | BinaryPublish


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


def read_json(value: Raw | bytes | UnsetType, depth_max: int, where: str) -> bytes | None:
    """``data`` that is JSON in every format: its text."""
    if value is UNSET:
        return None
    text = bytes(value)
    check_data(text, depth_max, where, is_read=isinstance(value, Raw))
    return text


def check_data(payload: bytes, depth_max: int, where: str, *, is_read: bool) -> None:
    """Raise ``BadMessageError`` unless ``payload`` is JSON, not too deep; ``is_read``: a decoder
    has seen already that it is JSON."""
    try:
        if is_read:
            check_json_depth(payload, depth_max)
        else:
            check_json(payload, depth_max)
    except PayloadError as error:
        raise BadMessageError(f"{where}: {error}") from None
