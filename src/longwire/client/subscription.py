"""A reader of one stream: complete, in order, nothing twice, and never silent about a gap.

Two sides. The server's: what it was told and what it delivers, interval by interval. The
application's: a queue that a handler or an ``async for`` works off, with the position that has
been dealt with. In between the queue is bounded; when it is full the stream is left and taken up
again later, since the stream keeps what this process need not pile up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from enum import Enum, auto
from typing import Any, Generic, Protocol

from longwire.client.delivery import Deliveries, Handler
from longwire.client.errors import ClientError, error_from_answer
from longwire.client.events import Data, End, Gap, Message, Recovered, Start
from longwire.client.interval import Fit, examine, mismatch
from longwire.client.payloads import make_message
from longwire.streams.position import Position, parse_position

__all__ = ["ReaderHost", "Subscription", "WireState", "is_known", "start_members"]

MISMATCHES_MAX = 3
"""Intervals that do not fit, without a message in between, that are tried to be mended."""


class ReaderHost(Protocol):
    """What a subscription needs of its client."""

    @property
    def is_usable(self) -> bool: ...
    @property
    def queue_messages_max(self) -> int: ...
    def limit(self, name: str) -> float: ...
    def request(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Callable[[dict[str, Any]], None],
        refused: Callable[[ClientError], None],
    ) -> None: ...
    def announce(self, event: Any) -> None: ...
    def retry_delay_s(self, error: ClientError, failures: int) -> float: ...
    def forget(self, reader: Any) -> None: ...
    def is_shared(self, stream: str) -> bool:
        """Whether it has several readers here, which the server does not tell apart."""

    def place_for(self, stream: str, held: Position) -> Position:
        """From where all of its readers have what they need."""

    def moved(self, stream: str, reason: str, position: Position) -> None:
        """The server could not go on from where a stream was asked for, for whatever reads it."""

    def restart(self, reason: str) -> None:
        """Give the connection up and take everything up again on another one."""


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
        host: ReaderHost,
        stream: str,
        *,
        start: Start = "tail",
        position: Position | None = None,
        data_type: Any = None,
        handler: Handler[Message[Data]] | None = None,
    ) -> None:
        self.stream = stream
        self._host = host
        self._start = start
        self._type = data_type
        self._deliveries: Deliveries[Message[Data]] = Deliveries(
            self, f"the subscription to {stream}", handler
        )
        self._state = WireState.IDLE
        self._received = position
        self._handled = position
        self._was_interrupted = position is not None
        self._mismatches = 0
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())

    # -- the application's side -----------------------------------------------------------------

    @property
    def position(self) -> Position | None:
        """How far the stream has been dealt with; ``None`` before the server's first answer."""
        return self._handled

    @property
    def received(self) -> Position | None:
        """How far the stream has been received."""
        return self._received

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come."""
        return self._state is WireState.ENDED and self._deliveries.is_empty

    async def ready(self) -> None:
        """Wait for the server's first answer. Raises ``ClientError`` when it refused."""
        await asyncio.shield(self._ready)

    def unsubscribe(self) -> None:
        """Stop. What was received and not dealt with is dropped; ``position`` says which."""
        if self._state in (WireState.ASKING, WireState.LIVE):
            self._tell_unsubscribe(lambda: None)
        self._deliveries.clear()
        self.end(None)

    def __aiter__(self) -> AsyncIterator[Message[Data]]:
        return self._deliveries.iterate()

    # -- from the client ------------------------------------------------------------------------

    def connected(self) -> None:
        """There is a connection: ask for what comes after what was received."""
        members = self.begin_asking()
        if members is not None:
            self._host.request("subscribe", members, self.answer, self.refuse)

    def begin_asking(self) -> dict[str, Any] | None:
        """The members of ``subscribe``, when that is what is to be sent now; ``answer`` or
        ``refuse`` follows."""
        if self._state is WireState.PAUSED and self._has_room:
            self._state = WireState.IDLE
        if self._state is not WireState.IDLE or not self._host.is_usable:
            return None
        self._cancel_retry()
        self._state = WireState.ASKING
        held = self._received
        if held is None:
            place = start_members(self._start)
        else:
            place = {"position": str(self._host.place_for(self.stream, held))}
        return {"stream": self.stream, **place}

    def attach(self, answer: Mapping[str, Any]) -> None:
        """The server has subscribed this connection by itself."""
        if self._state is WireState.PAUSED and not self._has_room:
            self._state = WireState.LIVE
            self._leave()
        elif self._state in (WireState.IDLE, WireState.PAUSED):
            self._cancel_retry()
            self._state = WireState.ASKING
            self.answer(answer)

    def disconnected(self) -> None:
        """The connection is gone."""
        if self._state in (WireState.FINISHED, WireState.ENDED):
            return
        self._cancel_retry()
        is_paused = self._state in (WireState.LEAVING, WireState.PAUSED)
        self._state = WireState.PAUSED if is_paused else WireState.IDLE
        self._was_interrupted = self._received is not None

    def end(self, error: ClientError | None) -> None:
        """No message will follow; the error is why."""
        if self._state is WireState.ENDED:
            return
        self._state = WireState.ENDED
        self._cancel_retry()
        if not self._ready.done():
            self._ready.set_exception(error or ClientError("closed", "there was no answer yet"))
        self._host.forget(self)
        self._deliveries.finish(error)

    async def stop(self, error: ClientError) -> None:
        """End, and wait for the handler that is running."""
        self.end(error)
        await self._deliveries.stop()

    # -- the server's side ----------------------------------------------------------------------

    def answer(self, answer: Mapping[str, Any]) -> None:
        """``subscribed``, or its like inside ``resumed``: where deliveries go on."""
        if self._state is not WireState.ASKING:
            return
        if "code" in answer:
            self.refuse(error_from_answer(answer))
            return
        self._state = WireState.LIVE
        self._failures = 0
        held, position = self._received, parse_position(answer["position"])
        if held is None:
            self._received = self._handled = position
        elif answer.get("recovered") is False and not is_known(answer, position, held):
            self._received = position
            reason = str(answer.get("reason"))
            self._deliveries.put_event(Gap(self.stream, reason, held, position))
        elif self._was_interrupted:
            missed = max(0, parse_position(answer["tail"]).offset - held.offset)
            self._deliveries.put_event(Recovered(self.stream, held, missed))
        self._was_interrupted = False
        if not self._ready.done():
            self._ready.set_result(None)
        if answer.get("recovered") is False:
            self._host.moved(self.stream, str(answer.get("reason")), position)

    def refuse(self, error: ClientError) -> None:
        """The server does not let it read this stream, or not now."""
        if self._state is not WireState.ASKING:
            return
        self._state = WireState.IDLE
        named = error.with_details(stream=self.stream)
        self._host.announce(named)
        if error.code == "already_subscribed":
            # A pattern brings it too, and has gone on while this was paused.
            self._host.restart(str(named))
            return
        if not error.retry:
            self.end(named)
            return
        delay_s = self._host.retry_delay_s(error, self._failures)
        self._failures += 1
        self._retry = self._loop.call_later(delay_s, self.connected)

    def entry(self, entry: Mapping[str, Any]) -> None:
        """An entry of the stream, covering the interval from ``after`` to ``position``."""
        position = parse_position(entry["position"])
        if not self._follows(entry["after"], position):
            return
        self._received = position
        try:
            message: Message[Data] = make_message(self.stream, entry, position, self._type)
        except ClientError as error:
            self._host.announce(error)
            self._deliveries.put_event(position)
            return
        self._deliveries.put(message)
        if self._deliveries.messages >= self._host.queue_messages_max:
            self._leave()

    def gap(self, gap: Mapping[str, Any]) -> None:
        """The server's word that an interval will not come."""
        upto = parse_position(gap["upto"])
        held = self._received
        if not self._follows(gap["after"], upto):
            return
        assert held is not None
        self._received = upto
        is_lost = gap.get("lost") is not False
        event = Gap(self.stream, str(gap.get("reason")), held, upto) if is_lost else upto
        self._deliveries.put_event(event)

    def closed(self, message: Mapping[str, Any]) -> None:
        """The server's word that the stream is closed and this was all of it."""
        if self._state is WireState.LIVE:
            self._state = WireState.FINISHED
            self._deliveries.put_event(End(self.stream, parse_position(message["position"])))

    def ended(self, error: ClientError) -> None:
        """The server has ended this subscription."""
        if self._state in (WireState.LIVE, WireState.ASKING):
            self._state = WireState.ASKING
            self.refuse(error)

    def _follows(self, after: str, upto: Position) -> bool:
        """Whether an interval goes on from what was received. What does not is never passed on."""
        held = self._received
        if self._state is not WireState.LIVE or held is None:
            return False
        fit = examine(held, after, upto)
        if fit is Fit.NEXT:
            self._mismatches = 0
            return True
        if fit is Fit.MISFIT:
            self._mismatches += 1
            self._host.announce(mismatch(self.stream, held, after))
            if self._mismatches > MISMATCHES_MAX:
                self.end(ClientError("interval_mismatch", f"{self.stream}: deliveries never fit"))
            elif self._host.is_shared(self.stream):
                self._host.restart(f"the readers of {self.stream} stand at different places")
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
        if self._state is not WireState.LIVE:
            return
        self._state = WireState.LEAVING

        def left() -> None:
            if self._state is WireState.LEAVING:
                self._state = WireState.PAUSED
                self.connected()

        self._tell_unsubscribe(left)

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    # -- the queue ------------------------------------------------------------------------------

    @property
    def _has_room(self) -> bool:
        return self._deliveries.messages <= self._host.queue_messages_max // 2

    def taken(self) -> None:
        if self._state is WireState.PAUSED:
            self.connected()

    def dealt_with(self, message: Message[Data]) -> None:
        self._handled = message.position

    def failed(self, message: Message[Data], error: BaseException) -> None:
        named = ClientError(
            "handler_failed",
            f"the handler of {self.stream} failed at {message.position}: {error!r}",
            details={"stream": self.stream, "position": message.position},
        )
        named.__cause__ = error
        self._host.announce(named)
        self._handled = message.position

    def turn(self, event: Recovered | Gap | End | Position) -> None:
        if isinstance(event, Position):
            self._handled = event
            return
        if isinstance(event, Gap):
            self._handled = event.position
        self._host.announce(event)
        if isinstance(event, End):
            self.end(None)

    def left(self) -> None:
        self.unsubscribe()


def is_known(answer: Mapping[str, Any], position: Position, held: Position) -> bool:
    """Whether what retention has taken lies before what is held: an earlier place was asked for
    since another reader of the stream stands there."""
    is_before = position.epoch == held.epoch and position.offset <= held.offset
    return is_before and answer.get("reason") == "trimmed"
