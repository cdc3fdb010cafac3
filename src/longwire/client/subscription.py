"""A reader of one stream: complete, in order, nothing twice, and never silent about a gap.

Two sides. The server's: what it was told and what it delivers, interval by interval. The
application's: a queue that a handler or an ``async for`` works off, with the position that has
been dealt with. In between the queue is bounded; when it is full the stream is left and taken up
again later, since the stream keeps what this process need not pile up.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import Any, Generic, Protocol, TypeAlias

import msgspec

from longwire.client.errors import ClientError
from longwire.client.events import Data, End, Gap, Message, Recovered, Start
from longwire.client.payloads import decode_entry
from longwire.streams.position import Position, parse_position

__all__ = ["Handler", "Subscription", "SubscriptionHost", "start_members"]

Handler: TypeAlias = Callable[[Message[Data]], Awaitable[None] | None]
"""Called for each message, one after the other. The position advances when it has returned."""

MISMATCHES_MAX = 3
"""Intervals that do not fit, without a message in between, that are tried to be mended."""


class SubscriptionHost(Protocol):
    """What a subscription needs of its client."""

    @property
    def is_usable(self) -> bool: ...
    @property
    def queue_messages_max(self) -> int: ...
    def request(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Callable[[dict[str, Any]], None],
        refused: Callable[[ClientError], None],
    ) -> None: ...
    def announce(self, event: Recovered | Gap | End | ClientError) -> None: ...
    def retry_delay_s(self, error: ClientError, failures: int) -> float: ...
    def forget(self, subscription: Subscription[Any]) -> None: ...


class WireState(Enum):
    """What the server was told on this connection."""

    IDLE = auto()
    """Nothing yet."""
    ASKING = auto()
    """``subscribe``, without its answer."""
    LIVE = auto()
    LEAVING = auto()
    """``unsubscribe``, without its answer."""
    PAUSED = auto()
    """Not subscribed by own will, until the queue has drained."""
    FINISHED = auto()
    """At the end of a closed stream."""
    ENDED = auto()


def start_members(start: Start) -> dict[str, Any]:
    """Where to begin, as a member of a request."""
    return {"start": {"last": start} if isinstance(start, int) else start}


class Subscription(Generic[Data]):
    """Made by ``Client.subscribe``; iterate over it, or give it a handler there."""

    def __init__(
        self,
        host: SubscriptionHost,
        stream: str,
        *,
        start: Start,
        position: Position | None,
        data_type: Any,
        handler: Handler[Data] | None,
    ) -> None:
        self.stream = stream
        self._host = host
        self._start = start
        self._type = data_type
        self._handler = handler
        self._queue: deque[Message[Data] | Recovered | Gap | End | Position] = deque()
        self._queued_messages = 0
        self._state = WireState.IDLE
        self._received = position
        self._handled = position
        self._was_interrupted = position is not None
        self._mismatches = 0
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._worker: asyncio.Task[None] | None = None
        self._has_more = asyncio.Event()
        self._error: ClientError | None = None
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())

    # -- the application's side -----------------------------------------------------------------

    @property
    def position(self) -> Position | None:
        """How far the stream has been dealt with; ``None`` before the server's first answer."""
        return self._handled

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come."""
        return self._state is WireState.ENDED and not self._queue

    async def ready(self) -> None:
        """Wait for the server's first answer. Raises ``ClientError`` when it refused."""
        await asyncio.shield(self._ready)

    def unsubscribe(self) -> None:
        """Stop. What was received and not dealt with is dropped; ``position`` says which."""
        if self._state in (WireState.ASKING, WireState.LIVE):
            self._tell_unsubscribe(lambda: None)
        self._queue.clear()
        self.end(None)

    async def __aiter__(self) -> AsyncIterator[Message[Data]]:
        if self._handler is not None:
            raise ClientError(
                "bad_use", f"the subscription to {self.stream} has a handler: it gets the messages"
            )
        try:
            while True:
                message = self._take()
                if message is None:
                    if self._state is WireState.ENDED:
                        break
                    self._has_more.clear()
                    await self._has_more.wait()
                    continue
                yield message
                self._handled = message.position
        finally:
            self.unsubscribe()
        if self._error is not None:
            raise self._error

    # -- from the client ------------------------------------------------------------------------

    def connected(self) -> None:
        """There is a connection: ask for what comes after what was received."""
        if self._state is WireState.IDLE:
            self._ask()
        else:
            self._take_up_again()

    def disconnected(self) -> None:
        """The connection is gone."""
        if self._state in (WireState.FINISHED, WireState.ENDED):
            return
        is_paused = self._state in (WireState.LEAVING, WireState.PAUSED)
        self._state = WireState.PAUSED if is_paused else WireState.IDLE
        self._was_interrupted = self._received is not None

    def end(self, error: ClientError | None) -> None:
        """No message will follow; the error is why."""
        if self._state is WireState.ENDED:
            return
        self._state = WireState.ENDED
        self._error = error
        if self._retry is not None:
            self._retry.cancel()
        if not self._ready.done():
            self._ready.set_exception(error or ClientError("closed", "there was no answer yet"))
        self._host.forget(self)
        self._has_more.set()

    async def stop(self) -> None:
        """End, and wait for the handler that is running."""
        self._queue.clear()
        self.end(ClientError("closed", "the client was closed"))
        worker = self._worker
        if worker is not None and worker is not asyncio.current_task():
            await asyncio.wait([worker])

    # -- the server's side ----------------------------------------------------------------------

    def _ask(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if not self._host.is_usable:
            return
        self._state = WireState.ASKING
        held = self._received
        place = start_members(self._start) if held is None else {"position": str(held)}
        self._host.request(
            "subscribe",
            {"stream": self.stream, **place},
            lambda answer: self._subscribed(held, answer),
            self._refused,
        )

    def _subscribed(self, held: Position | None, answer: dict[str, Any]) -> None:
        if self._state is not WireState.ASKING:
            return
        self._state = WireState.LIVE
        self._failures = 0
        position = parse_position(answer["position"])
        self._received = position
        if held is None:
            self._handled = position
        elif answer.get("recovered") is False:
            self._put(Gap(self.stream, str(answer.get("reason")), held, position))
        elif self._was_interrupted:
            missed = max(0, parse_position(answer["tail"]).offset - held.offset)
            self._put(Recovered(self.stream, held, missed))
        self._was_interrupted = False
        if not self._ready.done():
            self._ready.set_result(None)

    def _refused(self, error: ClientError) -> None:
        if self._state is not WireState.ASKING:
            return
        self._state = WireState.IDLE
        details = {**error.details, "stream": self.stream}
        named = ClientError(error.code, error.message, retry=error.retry, details=details)
        self._host.announce(named)
        if not error.retry:
            self.end(named)
            return
        delay_s = self._host.retry_delay_s(error, self._failures)
        self._failures += 1
        self._retry = self._loop.call_later(delay_s, self.connected)

    def entry(self, entry: dict[str, Any]) -> None:
        """An entry of the stream, covering the interval from ``after`` to ``position``."""
        position = parse_position(entry["position"])
        if not self._follows(entry["after"], position):
            return
        self._received = position
        data, is_erased = decode_entry(entry)
        if self._type is not None and not is_erased:
            try:
                data = msgspec.convert(data, self._type)
            except msgspec.ValidationError as error:
                self._skip_misfit(position, error)
                return
        time_ms = int(entry.get("time", 0))
        self._put(Message(self.stream, data, position, time_ms, entry.get("key", ""), is_erased))

    def _skip_misfit(self, position: Position, error: msgspec.ValidationError) -> None:
        self._host.announce(
            ClientError(
                "bad_data",
                f"{self.stream}: the message at {position} is no {self._type}: {error}",
                details={"stream": self.stream, "position": position},
            )
        )
        self._put(position)

    def gap(self, gap: Mapping[str, Any]) -> None:
        """The server's word that an interval will not come."""
        upto = parse_position(gap["upto"])
        held = self._received
        if not self._follows(gap["after"], upto):
            return
        assert held is not None
        self._received = upto
        is_lost = gap.get("lost") is not False
        self._put(Gap(self.stream, str(gap.get("reason")), held, upto) if is_lost else upto)

    def closed(self, message: Mapping[str, Any]) -> None:
        """The server's word that the stream is closed and this was all of it."""
        if self._state is WireState.LIVE:
            self._state = WireState.FINISHED
            self._put(End(self.stream, parse_position(message["position"])))

    def ended(self, message: Mapping[str, Any], error: ClientError) -> None:
        """The server has ended this subscription."""
        if self._state in (WireState.LIVE, WireState.ASKING):
            self._state = WireState.ASKING
            self._refused(error)

    def _follows(self, after_text: str, upto: Position) -> bool:
        """Whether an interval goes on from what was received. What does not is never passed on."""
        held = self._received
        if self._state is not WireState.LIVE or held is None:
            return False
        if after_text == str(held):
            self._mismatches = 0
            return True
        if upto == held:
            return False  # the same once more
        self._mismatches += 1
        details = {"stream": self.stream, "held": str(held), "after": after_text}
        error = ClientError(
            "interval_mismatch",
            f"{self.stream}: the server delivered what follows {after_text}, but {held} is held; "
            "it is asked to go on from there",
            retry=True,
            details=details,
        )
        self._host.announce(error)
        if self._mismatches > MISMATCHES_MAX:
            self.end(ClientError("interval_mismatch", f"{self.stream}: deliveries never fit"))
        else:
            self._leave()
        return False

    def _tell_unsubscribe(self, done: Callable[[], None]) -> None:
        if self._host.is_usable:
            self._host.request(
                "unsubscribe", {"stream": self.stream}, lambda answer: done(), lambda error: done()
            )

    def _leave(self) -> None:
        """Leave the stream, and come back when the answer is there and the queue has room."""
        self._state = WireState.LEAVING

        def left() -> None:
            if self._state is WireState.LEAVING:
                self._state = WireState.PAUSED
                self._take_up_again()

        self._tell_unsubscribe(left)

    def _take_up_again(self) -> None:
        if self._state is not WireState.PAUSED:
            return
        if self._queued_messages <= self._host.queue_messages_max // 2:
            self._state = WireState.IDLE
            self._ask()

    # -- the queue ------------------------------------------------------------------------------

    def _put(self, item: Message[Data] | Recovered | Gap | End | Position) -> None:
        self._queue.append(item)
        if isinstance(item, Message):
            self._queued_messages += 1
            is_full = self._queued_messages >= self._host.queue_messages_max
            if is_full and self._state is WireState.LIVE:
                self._leave()
        if self._handler is None:
            self._has_more.set()
        elif self._worker is None:
            self._work_off()

    def _work_off(self) -> None:
        """Call the handler as long as it returns at once; go on in a task when it waits."""
        handler = self._handler
        assert handler is not None
        while (message := self._take()) is not None:
            try:
                waiting = handler(message)
            except Exception as error:
                self._handler_failed(message, error)
                waiting = None
            if inspect.isawaitable(waiting):
                self._worker = self._loop.create_task(self._go_on(message, waiting))
                return
            self._handled = message.position

    async def _go_on(self, message: Message[Data], waiting: Awaitable[None]) -> None:
        handler = self._handler
        assert handler is not None
        current: Message[Data] | None = message
        result: Awaitable[None] | None = waiting
        try:
            while current is not None:
                try:
                    if result is not None:
                        await result
                except Exception as error:
                    self._handler_failed(current, error)
                self._handled = current.position
                current = self._take()
                if current is not None:
                    try:
                        result = handler(current)
                    except Exception as error:
                        self._handler_failed(current, error)
                        result = None
        finally:
            self._worker = None

    def _handler_failed(self, message: Message[Data], error: Exception) -> None:
        named = ClientError(
            "handler_failed",
            f"the handler of {self.stream} failed at {message.position}: {error!r}",
            details={"stream": self.stream, "position": message.position},
        )
        named.__cause__ = error
        self._host.announce(named)

    def _take(self) -> Message[Data] | None:
        """The next message; what was queued between is announced on the way."""
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, Message):
                self._queued_messages -= 1
                self._take_up_again()
                return item
            if isinstance(item, Position):
                self._handled = item
                continue
            if isinstance(item, Gap):
                self._handled = item.position
            self._host.announce(item)
            if isinstance(item, End):
                self.end(None)
        return None
