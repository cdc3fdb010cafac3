"""One reader of one stream, and the connection that its entries go to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from longwire.hub.errors import AlreadySubscribedError, SubscriptionLimitError
from longwire.hub.records import Recorded, join_frames
from longwire.hub.sinks import BytesSink, Encoder, Gap, MessageSink, Sink
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position
from longwire.streams.verdict import Start, Verdict

if TYPE_CHECKING:
    from longwire.hub.channel import Channel
    from longwire.hub.hub import Hub

__all__ = ["Attachment", "Owner", "ReaderState", "Subscription"]


class Owner(Protocol):
    """Who answers for a connection."""

    def read_too_slowly(self, stream: str) -> None:
        """Close it: it reads ``stream`` more slowly than the stream's rule allows."""


class ReaderState(Enum):
    """Where a subscription stands."""

    OPENED = auto()
    """Its place is known, nothing is delivered before ``begin``."""
    TAIL = auto()
    """It has everything; new entries reach it by the channel's shared buffers."""
    BEHIND = auto()
    """It waits for its turn to read the log, or is reading it."""
    BLOCKED = auto()
    """Its connection holds too much; it goes on when that drains."""
    ENDED = auto()


class Subscription:
    """A position that moves over a stream as its connection takes entries.

    It has no queue: what it has not got yet is in the log.
    """

    __slots__ = ("_position", "attachment", "channel", "on_closed", "state", "verdict")

    def __init__(self, attachment: Attachment, channel: Channel, verdict: Verdict) -> None:
        self.attachment = attachment
        self.channel = channel
        self.verdict = verdict
        """Where it begins, and why there. Forgotten at ``begin``: connections are many."""
        self.on_closed: Callable[[], None] | None = None
        """Called when the stream has ended and its subscriber has been told so."""
        self.state = ReaderState.OPENED
        self._position = verdict.resume

    @property
    def stream(self) -> str:
        return self.channel.name

    @property
    def head(self) -> Position | None:
        """The end of the stream as far as the hub knows; ``None`` while it has lost the thread."""
        return self.channel.head

    @property
    def closed_at(self) -> Position | None:
        """Where the stream ends, once it is closed and that is known."""
        return self.channel.closed_at

    @property
    def position(self) -> Position:
        """Up to where everything has been handed to the connection."""
        if self.state is ReaderState.TAIL and self.channel.flushed is not None:
            return self.channel.flushed
        return self._position

    @position.setter
    def position(self, position: Position) -> None:
        self._position = position

    def begin(self) -> None:
        """Let deliveries begin. The answer to the subscriber goes out before."""
        if self.state is ReaderState.OPENED:
            del self.verdict
            self.attachment.hub.start_reader(self)

    def end(self) -> None:
        """Deliver nothing more. Does nothing when it has ended already."""
        if self.state is not ReaderState.ENDED:
            self.attachment.hub.end_reader(self)


class Attachment:
    """One connection's place in the hub: its sink and its subscriptions, by stream."""

    __slots__ = (
        "_first",
        "_opening",
        "_others",
        "blocked",
        "bytes_sink",
        "encoder",
        "hub",
        "is_blocked",
        "is_detached",
        "message_sink",
        "owner",
    )

    def __init__(self, hub: Hub, sink: Sink) -> None:
        self.hub = hub
        self.bytes_sink = sink if isinstance(sink, BytesSink) else None
        self.message_sink: MessageSink | None = None if isinstance(sink, BytesSink) else sink
        self.encoder: Encoder | None = sink.encoder if isinstance(sink, BytesSink) else None
        self.is_detached = False
        # Most connections read one stream, and a mapping costs more than all else here.
        self._first: Subscription | None = None
        self._others: dict[str, Subscription] | None = None
        self.is_blocked = False
        """The sink holds too much and has not drained yet."""
        self.blocked: list[Subscription] | None = None
        """Who waits for the sink to drain, if anybody does."""
        self.owner: Owner | None = None
        """``None``: the connection is never closed for reading too slowly."""
        self._opening: set[str] | None = None

    @property
    def subscriptions(self) -> list[Subscription]:
        """All that are open now, in a list of its own."""
        first, others = self._first, self._others or {}
        return [*others.values()] if first is None else [first, *others.values()]

    @property
    def subscription_count(self) -> int:
        return (self._first is not None) + len(self._others or ())

    def find(self, stream: str) -> Subscription | None:
        """The subscription of this connection to ``stream``, if it is open."""
        first = self._first
        if first is not None and first.stream == stream:
            return first
        return None if self._others is None else self._others.get(stream)

    def _add(self, subscription: Subscription) -> None:
        if self._first is None:
            self._first = subscription
            return
        if self._others is None:
            self._others = {}
        # By the channel's text for the name, so that the connection's own copy can go.
        self._others[subscription.stream] = subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription that has ended."""
        if self._first is subscription:
            self._first = None
        elif self._others is not None and self._others.get(subscription.stream) is subscription:
            del self._others[subscription.stream]
            self._others = self._others or None

    async def open(
        self, stream: str, start: Start, *, is_reserved_allowed: bool = False
    ) -> Subscription:
        """Find the place of a new subscription; nothing is delivered before its ``begin``.

        Raises ``StreamNameError``, ``AlreadySubscribedError``, ``SubscriptionLimitError``,
        ``StoreUnavailableError``. Cancelled, there is no subscription. If the connection is gone
        meanwhile, the subscription has ended already.
        """
        check_stream_name(stream, is_reserved_allowed=is_reserved_allowed)
        opening = self._opening
        if opening is None:
            opening = self._opening = set()
        if self.find(stream) is not None or stream in opening:
            raise AlreadySubscribedError(stream)
        limit = self.hub.limits.subscriptions_per_connection_max
        if self.subscription_count + len(opening) >= limit:
            raise SubscriptionLimitError("this connection", limit)
        opening.add(stream)
        try:
            subscription = await self.hub.open_reader(self, stream, start)
        finally:
            opening.discard(stream)
            if not opening:
                self._opening = None
        if self.is_detached:
            subscription.end()
        else:
            self._add(subscription)
        return subscription

    def send_run(self, stream: str, run: Sequence[Recorded]) -> int:
        """Send entries to this connection alone; return what it holds, bytes."""
        if self.bytes_sink is not None:
            buffer = join_frames(self.bytes_sink.encoder, stream, run, self.hub.counters)
            return self.bytes_sink.send_bytes(buffer, len(run))
        assert self.message_sink is not None
        return self.message_sink.send_entries(stream, tuple(recorded.entry for recorded in run))

    def send_gap(self, stream: str, gap: Gap) -> int:
        """Tell this connection that entries will not come; return what it holds, bytes."""
        if self.bytes_sink is not None:
            return self.bytes_sink.send_bytes(self.bytes_sink.encoder.encode_gap(stream, gap), 1)
        assert self.message_sink is not None
        return self.message_sink.send_gap(stream, gap)

    def send_closed(self, stream: str, position: Position) -> None:
        """Tell this connection that the stream has ended."""
        if self.bytes_sink is not None:
            frame = self.bytes_sink.encoder.encode_closed(stream, position)
            self.bytes_sink.send_bytes(frame, 1)
        else:
            assert self.message_sink is not None
            self.message_sink.send_closed(stream, position)

    def block(self) -> None:
        """The sink holds too much: nothing more goes to it before it has drained."""
        self.is_blocked = True
        for subscription in self.subscriptions:
            if subscription.state is ReaderState.TAIL:
                subscription.channel.note_blocked(subscription)

    def drained(self) -> None:
        """The sink takes more again: let those go on that were held up by it."""
        if not self.is_blocked:
            return
        self.is_blocked = False
        blocked, self.blocked = self.blocked, None
        for subscription in blocked or ():
            self.hub.resume_reader(subscription)

    def detach(self) -> None:
        """The connection is gone: end all its subscriptions, also those being opened."""
        self.is_detached = True
        for subscription in self.subscriptions:
            subscription.end()
