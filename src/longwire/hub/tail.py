"""Those at the tail of one stream who speak one format: one buffer is sent to them all.

In a large channel most ticks bring something and few change who is there, so what sends the buffer
is made once and kept until somebody comes or goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from longwire.hub.sinks import FanOut
from longwire.hub.subscription import Attachment, ReaderState, Subscription
from longwire.streams.entry import Entry

__all__ = ["Tail"]


class Tail:
    """Readers who hold everything up to the channel's ``flushed``, with one encoder.

    Without an encoder their sinks take entries.
    """

    __slots__ = ("_attachments", "_fan_out", "_readers", "has_blocked")

    def __init__(self) -> None:
        self._readers: dict[Subscription, None] = {}
        self._attachments: list[Attachment] = []
        self._fan_out: FanOut | None = None
        self.has_blocked = False
        """Somebody here may have a connection that holds too much."""

    def __len__(self) -> int:
        return len(self._readers)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(tuple(self._readers))

    def add(self, reader: Subscription) -> None:
        """From now on ``reader`` gets what the others get."""
        self._readers[reader] = None
        self._fan_out = None
        self.has_blocked |= reader.attachment.is_blocked

    def remove(self, reader: Subscription) -> None:
        """``reader`` gets nothing more from here."""
        del self._readers[reader]
        self._fan_out = None

    def take_blocked(self) -> list[Subscription]:
        """Return those whose connections hold too much; the caller removes them."""
        if not self.has_blocked:
            return []
        self.has_blocked = False
        return [reader for reader in self._readers if reader.attachment.is_blocked]

    def send_bytes(self, buffer: bytes, messages: int, held_bytes_max: int) -> None:
        """Send a buffer to all; connections that hold more than that afterwards are blocked."""
        fan_out = self._fan_out
        if fan_out is None:
            fan_out = self._fan_out = self._make_fan_out()
        attachments = self._attachments
        for index in fan_out.send_bytes(buffer, messages, held_bytes_max):
            attachments[index].block()

    def _make_fan_out(self) -> FanOut:
        self._attachments = [reader.attachment for reader in self._readers]
        sinks = [
            attachment.bytes_sink
            for attachment in self._attachments
            if attachment.bytes_sink is not None
        ]
        # An encoder belongs to one kind of sink, so the first can speak for all.
        return type(sinks[0]).fan_out(sinks)

    def send_entries(self, stream: str, entries: Sequence[Entry], held_bytes_max: int) -> None:
        """The same with entries."""
        for reader in tuple(self._readers):
            sink = reader.attachment.message_sink
            if reader.state is not ReaderState.TAIL or sink is None:
                continue  # it ended while the others were sent to
            if sink.send_entries(stream, entries) > held_bytes_max:
                reader.attachment.block()
