"""An HTTP response as the connection of a session: a sink of the hub for shared texts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from longwire.base.errors import ProtocolError
from longwire.base.headers import Headers
from longwire.gateways.event_stream import EventExchange, EventResponse
from longwire.gateways.native.over_http.media import TextEncoder
from longwire.hub.sinks import FanOut, OneByOne

__all__ = ["HttpWire", "PollWire"]


class HttpWire(EventResponse):
    """See :class:`~longwire.gateways.native.wires.Wire`.

    What is sent before ``begin`` is kept: it decides with which status the response begins. A
    client that takes what it is sent is taken for alive, since it can say nothing.
    """

    __slots__ = ("_early", "_is_begun", "_kept", "_written_bytes", "encoder", "may_read")

    def __init__(self, exchange: EventExchange, encoder: TextEncoder, held_bytes_max: int) -> None:
        super().__init__(exchange, held_bytes_max)
        self.encoder = encoder
        self._early: list[bytes] = []
        self._kept: list[bytes] = []
        self._is_begun = False
        self._written_bytes = 0
        self.may_read = asyncio.Event()
        """Whether the session takes more operations of the request."""
        self.may_read.set()

    def begin(self) -> None:
        """Send the head of the response, and what was kept."""
        self._exchange.start(200, _head(self.encoder.media_type))
        self._is_begun = True
        self._early = []
        kept, self._kept = self._kept, []
        self.write(b"".join(kept))

    @property
    def early(self) -> list[dict[str, Any]]:
        """What the session has said before ``begin``."""
        return [msgspec.json.decode(message) for message in self._early]

    @property
    def held_bytes(self) -> int:
        return self._exchange.held_bytes

    def take_heard(self) -> bool:
        return self._exchange.held_bytes == 0

    def count_taken(self) -> tuple[int, bool]:
        held = self._exchange.held_bytes
        return self._written_bytes - held, held > 0

    def write(self, buffer: bytes) -> int:
        self._written_bytes += len(buffer)
        return super().write(buffer)

    def take_sent(self) -> bool:
        has_sent, self._has_sent = self._has_sent, False
        return has_sent

    def send(self, message: bytes) -> None:
        if not self._is_begun:
            self._early.append(message)
        self._put(self.encoder.encode_message(message))

    def send_bytes(self, buffer: bytes, messages: int) -> int:
        return self._put(buffer)

    def _put(self, buffer: bytes) -> int:
        if self._is_begun:
            return self.write(buffer)
        self._kept.append(buffer)
        return sum(map(len, self._kept))

    @classmethod
    def fan_out(cls, sinks: Sequence[HttpWire]) -> FanOut:
        return OneByOne(sinks)

    def close(self, code: int, reason: str) -> None:
        self.end()

    def fail(self, error: ProtocolError) -> None:
        self.close(error.code, error.message)

    def pause_reading(self) -> None:
        self.may_read.clear()

    def resume_reading(self) -> None:
        self.may_read.set()


class _Heading(msgspec.Struct):
    """As much of a message as a poll has to know."""

    op: str
    id: int | None = None
    recovered: bool = False


_read_heading = msgspec.json.Decoder(_Heading).decode

_NO_NEWS = frozenset({"ping", "closing"})


class PollWire(HttpWire):
    """The response of a long-poll: it ends when everything is answered and there is news, or
    nothing that any could come from, or time is up."""

    __slots__ = ("_has_news", "_is_asked", "_is_late", "_unanswered", "is_waited_for")

    def __init__(self, exchange: EventExchange, encoder: TextEncoder, held_bytes_max: int) -> None:
        super().__init__(exchange, encoder, held_bytes_max)
        self._unanswered = 0
        self._is_asked = False
        self._has_news = False
        self._is_late = False
        self.is_waited_for: Callable[[], bool] = bool
        """Tells whether the session reads anything."""

    def expect(self, answers: int) -> None:
        """So many answers belong to the operations behind ``connect``."""
        self._unanswered += answers

    def asked(self) -> None:
        """All operations have been taken up."""
        self._is_asked = True
        self._look()

    def time_up(self) -> None:
        """Wait for answers only."""
        self._is_late = True
        self._look()

    def send(self, message: bytes) -> None:
        super().send(message)
        if self._is_begun:
            self._note(_read_heading(message))

    def send_bytes(self, buffer: bytes, messages: int) -> int:
        held = super().send_bytes(buffer, messages)
        self._has_news = True
        self._look()
        return held

    def _note(self, heading: _Heading) -> None:
        if heading.id is not None:
            self._unanswered -= 1
        elif heading.op == "matched" and heading.recovered:
            return  # a stream that the client knows, where it has left it
        elif heading.op not in _NO_NEWS:
            self._has_news = True
        self._look()

    def _look(self) -> None:
        if not self._is_asked or self._unanswered > 0:
            return
        if self._has_news or self._is_late or not self.is_waited_for():
            # What else this turn of the loop brings is sent before the response ends.
            self.end()


def _head(media_type: str) -> Headers:
    fields: Mapping[str, str] = {
        "Content-Type": media_type,
        # Each response is of its own moment; and a proxy must neither keep nor hold nor change it.
        "Cache-Control": "no-store, no-transform",
        "X-Accel-Buffering": "no",
        "X-Content-Type-Options": "nosniff",
    }
    return Headers(fields)
