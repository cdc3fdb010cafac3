"""What a format is, and the frames that all its connections share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from longwire.gateways.native.requests import Request
from longwire.hub.sinks import Gap
from longwire.streams.entry import Durability, Entry
from longwire.streams.errors import StreamError
from longwire.streams.position import Position
from longwire.streams.store import Appended
from longwire.websocket.frames import encode_frame

__all__ = [
    "DURABILITY_TEXTS",
    "Format",
    "FrameEncoder",
    "JsonText",
    "closed_members",
    "error_members",
    "gap_members",
    "published_members",
]

DURABILITY_TEXTS = {durability: durability.value for durability in Durability}
"""An enum's value is slow to look up, and each publish is answered with one."""


class JsonText:
    """A value that is JSON text already: a payload that is passed on byte for byte.

    No tuple and no dataclass, which encoders would write as what they are.
    """

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text


class Format(Protocol):
    """How messages are written and read. Stateless; one object serves all connections."""

    subprotocol: str
    opcode: int
    """Of its WebSocket messages: text or binary."""

    @property
    def frames(self) -> FrameEncoder:
        """The hub's encoder for this format: one, so that all who follow a stream share it."""

    def decode(self, message: str | bytes) -> Request:
        """Read a request. Raises ``StreamError`` that names what is wrong."""

    def read_id(self, message: str | bytes) -> int | None:
        """Return the ``id`` of a faulty message, if it can be told."""

    def answer(self, op: str, request_id: int | None, members: Mapping[str, Any]) -> bytes:
        """Write an answer, or a message of the server's own. Values are those of JSON, and
        :class:`JsonText`."""

    def published(self, request_id: int, stream: str, outcome: Appended) -> bytes:
        """Write the answer to a publish that was stored."""

    def entry(self, stream: str, entry: Entry) -> bytes:
        """Write an entry."""

    def delivery(self, consumer: str, attempt: int, stream: str, entry: Entry) -> bytes:
        """Write an entry for a worker of a consumer."""

    def history(
        self,
        request_id: int,
        stream: str,
        entries: Sequence[Entry],
        has_more: bool,
        tail: Position,
    ) -> bytes:
        """Write the answer to ``history``."""


class FrameEncoder:
    """A format as WebSocket frames: unmasked and uncompressed, so that every connection can be sent
    them. RFC 7692 section 6: a message may be sent uncompressed whatever was agreed."""

    __slots__ = ("_format",)

    def __init__(self, format_: Format) -> None:
        self._format = format_

    def encode_message(self, message: bytes) -> bytes:
        return encode_frame(self._format.opcode, message)

    def encode_entry(self, stream: str, entry: Entry) -> bytes:
        return self.encode_message(self._format.entry(stream, entry))

    def encode_gap(self, stream: str, gap: Gap) -> bytes:
        return self.encode_message(self._format.answer("gap", None, gap_members(stream, gap)))

    def encode_closed(self, stream: str, position: Position) -> bytes:
        members = closed_members(stream, position)
        return self.encode_message(self._format.answer("closed", None, members))


def error_members(error: StreamError) -> dict[str, Any]:
    """The members of a refusal."""
    head = {"code": error.code, "message": error.message, "retry": error.is_retryable}
    return head | error.details


def gap_members(stream: str, gap: Gap) -> dict[str, Any]:
    """The members of a gap."""
    return {
        "stream": stream,
        "after": str(gap.after),
        "upto": str(gap.upto),
        "reason": gap.reason,
        "lost": gap.is_loss,
    }


def closed_members(stream: str, position: Position) -> dict[str, Any]:
    """The members of the end of a stream."""
    return {"stream": stream, "position": str(position)}


def published_members(stream: str, outcome: Appended) -> dict[str, Any]:
    """The members of the answer to a publish."""
    first, last = outcome.first, outcome.last
    text = None if first is None else str(first)
    return {
        "stream": stream,
        "first": text,
        "last": text if last is first else str(last),
        "duplicate": outcome.is_duplicate,
        "durability": DURABILITY_TEXTS[outcome.durability],
    }
