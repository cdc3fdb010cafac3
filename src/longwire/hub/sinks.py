"""What a subscriber is to the hub: a sink for encoded bytes, or a sink for entries.

Both kinds are called on the thread of the event loop, must not block and must not raise; what is
sent to a connection that is gone is dropped. Each call returns the bytes that the sink now holds:
written, but not taken by the kernel or the next hop yet. Past the hub's ``held_bytes_max`` the hub
sends nothing more until the owner of the sink calls ``Attachment.drained``, which it must do once
what is held has fallen below that mark again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from longwire.streams.entry import Entry
from longwire.streams.position import Position
from longwire.streams.verdict import Reason

__all__ = [
    "SKIPPED",
    "SUPERSEDED",
    "BytesSink",
    "Encoder",
    "FanOut",
    "Gap",
    "MessageSink",
    "OneByOne",
    "Sink",
]

SKIPPED = "skipped"
"""The reason of a gap that the stream's rule for slow readers makes."""

SUPERSEDED = "superseded"
"""The reason of a gap in a keep-latest stream: newer entries took the place of these."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries in the interval (after, upto] will not come; reading goes on from ``upto``."""

    after: Position
    upto: Position
    reason: str

    @property
    def is_loss(self) -> bool:
        """Whether a reader that sees every entry has missed something."""
        return self.reason != SUPERSEDED

    @classmethod
    def of_refusal(cls, after: Position, upto: Position, reason: Reason) -> Gap:
        """The gap of a position that is not honoured."""
        return cls(after, upto, reason.value)


class Encoder(Protocol):
    """A wire format. What it makes of an entry depends on the stream only, so all share it.

    One object for each format: the hub encodes an entry once for each encoder object.
    """

    def encode_entry(self, stream: str, entry: Entry) -> bytes:
        """Return the complete message, framed as the transport wants it."""

    def encode_gap(self, stream: str, gap: Gap) -> bytes:
        """The same for a gap."""

    def encode_closed(self, stream: str, position: Position) -> bytes:
        """The same for the end of a stream."""


@runtime_checkable
class BytesSink(Protocol):
    """Takes bytes as they go over the wire."""

    @property
    def encoder(self) -> Encoder:
        """The format that this subscriber speaks; never changes."""

    def send_bytes(self, buffer: bytes, messages: int) -> int:
        """Send whole messages, which are shared with other subscribers; return what is held."""

    @classmethod
    def fan_out(cls, sinks: Sequence[Any]) -> FanOut:
        """Return what sends to all of ``sinks``, which are of this class, in one go."""


class FanOut(Protocol):
    """Sends to the same sinks again and again."""

    def send_bytes(self, buffer: bytes, messages: int, held_bytes_max: int) -> Sequence[int]:
        """Send whole messages to each sink; return the indexes of those who hold more than that."""


class OneByOne:
    """The fan-out of sinks that know no faster way."""

    __slots__ = ("_sinks",)

    def __init__(self, sinks: Sequence[BytesSink]) -> None:
        self._sinks = sinks

    def send_bytes(self, buffer: bytes, messages: int, held_bytes_max: int) -> Sequence[int]:
        return [
            index
            for index, sink in enumerate(self._sinks)
            if sink.send_bytes(buffer, messages) > held_bytes_max
        ]


class MessageSink(Protocol):
    """Takes entries; for transports that frame for themselves."""

    def send_entries(self, stream: str, entries: Sequence[Entry]) -> int:
        """Send entries in order; return what is held, bytes."""

    def send_gap(self, stream: str, gap: Gap) -> int:
        """Tell that entries will not come; return what is held, bytes."""

    def send_closed(self, stream: str, position: Position) -> int:
        """Tell that the stream has ended; return what is held, bytes."""


Sink: TypeAlias = BytesSink | MessageSink
