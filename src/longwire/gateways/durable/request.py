"""What a request asks for: query and header fields as values, or what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from urllib.parse import unquote_to_bytes

from longwire.base.headers import Headers
from longwire.gateways.durable.faults import BadRequestError
from longwire.gateways.durable.recent import Question
from longwire.http.field_values import TOKEN_PATTERN
from longwire.identity.principal import Principal
from longwire.streams.entry import normalize_content_type
from longwire.streams.name import check_stream_name
from longwire.streams.position import START, Position, parse_position
from longwire.streams.producer import PRODUCER_ID_BYTES_MAX, PRODUCER_NUMBER_MAX, ProducerStamp
from longwire.streams.verdict import Start, StartAt

__all__ = [
    "ForkWish",
    "Live",
    "StreamRequest",
    "read_application_sequence",
    "read_content_type",
    "read_expiry",
    "read_fork",
    "read_live",
    "read_producer",
    "read_start",
    "read_ttl",
    "spell_expiry",
    "wants_closed",
]

TTL_S_MAX = 10**10
"""Longest time to live, seconds: three centuries."""

CONTENT_TYPE_CHARACTERS_MAX = 256
APPLICATION_SEQUENCE_BYTES_MAX = 256

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
# RFC 9110 section 8.3.1: media-type = type "/" subtype parameters
_MEDIA_TYPE = re.compile(rf"{TOKEN_PATTERN}/{TOKEN_PATTERN}[ \t]*(?:;.*)?")
# RFC 3339 section 5.6: date-time; "T" and "Z" may be in lower case.
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?P<fraction>\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Live(Enum):
    """How a reader wants to hear of what comes later. The values are those of ``live``."""

    LONG_POLL = "long-poll"
    SSE = "sse"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """A request for one stream, whichever server it came through."""

    method: str
    stream: str
    """Its name, as it was decoded from the path."""
    headers: Headers
    query: Sequence[tuple[str, str]]
    principal: Principal
    mount: str
    """The path under which all streams are, with a slash at its end."""
    url: str
    """Of the stream, as the client named it."""
    question: Question | None = None
    """All that it asks, if that is no more than for a page."""

    def parameter(self, name: str) -> str | None:
        """The query parameter of this name. Raises ``BadRequestError`` when there are several."""
        values = [value for key, value in self.query if key == name]
        if len(values) > 1:
            raise BadRequestError(f"the query has {name} {len(values)} times; once is right")
        return values[0] if values else None

    def text(self, name: str) -> str | None:
        """A header field as UTF-8 text. Raises ``BadRequestError`` when it is none."""
        value = self.headers.get(name)
        if value is None:
            return None
        try:
            return value.encode("latin-1").decode()
        except UnicodeError:
            raise BadRequestError(f"{name} is not UTF-8 text") from None


def read_live(request: StreamRequest) -> Live | None:
    """How the reader wants to wait; ``None``: not at all."""
    text = request.parameter("live")
    if text is None:
        return None
    try:
        return Live(text)
    except ValueError:
        raise BadRequestError("live is neither long-poll nor sse") from None


def read_start(request: StreamRequest, *, is_required: bool) -> Start:
    """Where reading begins. Raises ``BadRequestError``, ``PositionError``."""
    text = request.parameter("offset")
    if text is None and is_required:
        raise BadRequestError("with live, the query has to have an offset")
    # Durable Streams 8: the values -1 and now.
    if text is None or text == "-1":
        return StartAt.EARLIEST
    return StartAt.TAIL if text == "now" else parse_position(text)


def read_content_type(request: StreamRequest) -> str | None:
    """The content type, normalized; ``None`` when there is none."""
    value = request.headers.get("Content-Type")
    if value is None or not value.strip():
        return None
    if len(value) > CONTENT_TYPE_CHARACTERS_MAX or not _MEDIA_TYPE.fullmatch(value.strip()):
        raise BadRequestError(
            "Content-Type is no media type such as text/plain, or is longer than "
            f"{CONTENT_TYPE_CHARACTERS_MAX} characters"
        )
    return normalize_content_type(value)


def wants_closed(request: StreamRequest) -> bool:
    """Whether the stream is to be closed. Durable Streams 4.1: any value but true is as none."""
    return (request.headers.get("Stream-Closed") or "").lower() == "true"


def read_ttl(request: StreamRequest) -> int | None:
    """The time to live, seconds."""
    text = request.headers.get("Stream-TTL")
    if text is None:
        return None
    if not _DECIMAL.fullmatch(text) or int(text) > TTL_S_MAX:
        raise BadRequestError(
            f"Stream-TTL is a whole number of seconds from 0 to {TTL_S_MAX}, in digits without "
            "leading zeros"
        )
    return int(text)


def read_expiry(request: StreamRequest) -> int | None:
    """When the stream is deleted; Unix time, milliseconds."""
    text = request.headers.get("Stream-Expires-At")
    if text is None:
        return None
    match = _DATE_TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        # RFC 3339 has years of four digits, and a moment may be of the year 10000 in UTC.
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequestError(
            "Stream-Expires-At is a time of RFC 3339 such as 2030-01-02T03:04:05Z"
        ) from None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def spell_expiry(expires_ms: int) -> str:
    """The text of ``Stream-Expires-At`` for what ``read_expiry`` returned."""
    moment = _EPOCH + timedelta(milliseconds=expires_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_application_sequence(request: StreamRequest) -> str | None:
    """``Stream-Seq``."""
    text = request.text("Stream-Seq")
    if text is None:
        return None
    if not 1 <= len(text.encode()) <= APPLICATION_SEQUENCE_BYTES_MAX:
        raise BadRequestError(f"Stream-Seq has 1 to {APPLICATION_SEQUENCE_BYTES_MAX} bytes")
    return text


def read_producer(request: StreamRequest) -> ProducerStamp | None:
    """The three producer fields (Durable Streams 5.2.1): all or none."""
    producer = request.text("Producer-Id")
    epoch, sequence = (request.headers.get(f"Producer-{name}") for name in ("Epoch", "Seq"))
    if producer is None and epoch is None and sequence is None:
        return None
    if producer is None or epoch is None or sequence is None:
        raise BadRequestError(
            "Producer-Id, Producer-Epoch and Producer-Seq come together or not at all"
        )
    if not 1 <= len(producer.encode()) <= PRODUCER_ID_BYTES_MAX:
        raise BadRequestError(f"Producer-Id has 1 to {PRODUCER_ID_BYTES_MAX} bytes")
    for name, text in (("Epoch", epoch), ("Seq", sequence)):
        if not _DECIMAL.fullmatch(text) or int(text) > PRODUCER_NUMBER_MAX:
            raise BadRequestError(
                f"Producer-{name} is a whole number from 0 to {PRODUCER_NUMBER_MAX}"
            )
    return ProducerStamp(producer, int(epoch), int(sequence))


@dataclass(frozen=True, slots=True)
class ForkWish:
    """From what a new stream is to branch off (Durable Streams 4.2)."""

    source: str
    after: Position | None
    sub_offset: int


def read_fork(request: StreamRequest) -> ForkWish | None:
    """The fork that is asked for. Raises ``BadRequestError`` and what is wrong with its parts."""
    source = request.text("Stream-Forked-From")
    offset = request.headers.get("Stream-Fork-Offset")
    sub_offset = request.headers.get("Stream-Fork-Sub-Offset")
    if source is None:
        if offset is not None or sub_offset is not None:
            raise BadRequestError(
                "Stream-Fork-Offset and Stream-Fork-Sub-Offset go with Stream-Forked-From"
            )
        return None
    if sub_offset is not None and not _DECIMAL.fullmatch(sub_offset):
        raise BadRequestError("Stream-Fork-Sub-Offset is a whole number, 0 or more")
    further = int(sub_offset or 0)
    if further and offset is None:
        raise BadRequestError("Stream-Fork-Sub-Offset counts from Stream-Fork-Offset, and needs it")
    after = None
    if offset is not None:
        after = START if offset == "-1" else parse_position(offset)
    return ForkWish(_read_source(source, request.mount), after, further)


def _read_source(path: str, mount: str) -> str:
    """The stream that a path names: in full, or from the mount on."""
    name = path[len(mount) :] if path.startswith(mount) else path.removeprefix("/")
    try:
        decoded = unquote_to_bytes(name).decode()
    except UnicodeDecodeError:
        raise BadRequestError("Stream-Forked-From is no UTF-8 text once decoded") from None
    return check_stream_name(decoded)
