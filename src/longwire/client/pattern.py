"""A reader of every stream whose name matches a pattern (docs/protocol.md, 4.4).

Each stream is read as by a subscription of its own: complete, in order, nothing twice, gaps named.
Between streams the order is that of arrival.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Generic

from longwire.client.delivery import Deliveries, Handler
from longwire.client.errors import ClientError
from longwire.client.events import Data, End, Gap, Message, Recovered, Start
from longwire.client.interval import Fit, examine, mismatch
from longwire.client.payloads import make_message
from longwire.client.subscription import (
    MISMATCHES_MAX,
    ReaderHost,
    WireState,
    is_known,
    start_members,
)
from longwire.streams.position import START, Position, parse_position

__all__ = ["PatternSubscription"]


class _Track:
    """One stream of a pattern."""

    __slots__ = ("handled", "is_finished", "is_live", "received", "was_interrupted")

    def __init__(self, position: Position, *, was_interrupted: bool = False) -> None:
        self.received = position
        self.handled = position
        self.is_live = False
        self.is_finished = False
        self.was_interrupted = was_interrupted


class _Passed:
    """The turn of a position that has no message."""

    __slots__ = ("position", "stream")

    def __init__(self, stream: str, position: Position) -> None:
        self.stream = stream
        self.position = position


class PatternSubscription(Generic[Data]):
    """Made by ``Client.subscribe_pattern``; iterate over it, or give it a handler there."""

    def __init__(
        self,
        host: ReaderHost,
        pattern: str,
        *,
        start: Start = "tail",
        positions: Mapping[str, Position] | None = None,
        data_type: Any = None,
        handler: Handler[Message[Data]] | None = None,
    ) -> None:
        self.pattern = pattern
        self._host = host
        self._start = start
        self._type = data_type
        self._deliveries: Deliveries[Message[Data]] = Deliveries(
            self, f"the subscription to {pattern}", handler
        )
        self._tracks = {
            stream: _Track(position, was_interrupted=True)
            for stream, position in (positions or {}).items()
        }
        self._state = WireState.IDLE
        self._to_tell: int | None = None
        """Streams that the server has still to tell of; ``None`` before its answer."""
        self._is_complete = False
        """All that there were when it began are known: others were created since."""
        self._mismatches = 0
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())

    # -- the application's side -----------------------------------------------------------------

    @property
    def positions(self) -> dict[str, Position]:
        """How far each stream has been dealt with."""
        return {stream: track.handled for stream, track in self._tracks.items()}

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come."""
        return self._state is WireState.ENDED and self._deliveries.is_empty

    async def ready(self) -> None:
        """Wait for the server's first answer. Raises ``ClientError`` when it refused."""
        await asyncio.shield(self._ready)

    def unsubscribe(self) -> None:
        """Stop. What was received and not dealt with is dropped; ``positions`` say which."""
        if self._state in (WireState.ASKING, WireState.LIVE):
            self._tell_unsubscribe()
        self._deliveries.clear()
        self.end(None)

    def __aiter__(self) -> AsyncIterator[Message[Data]]:
        return self._deliveries.iterate()

    # -- from the client ------------------------------------------------------------------------

    def connected(self) -> None:
        """There is a connection: ask for what comes after what was received."""
        if self._state is WireState.PAUSED and self._has_room:
            self._state = WireState.IDLE
        if self._state is not WireState.IDLE or not self._host.is_usable:
            return
        self._cancel_retry()
        self._state = WireState.ASKING
        positions = {
            stream: str(self._host.place_for(stream, track.received))
            for stream, track in self._tracks.items()
            if not track.is_finished
        }
        members = {
            "pattern": self.pattern,
            **start_members("earliest" if self._is_complete else self._start),
            **({"positions": positions} if positions else {}),
        }
        self._host.request("subscribe", members, self._subscribed, self._refused)

    def disconnected(self) -> None:
        """The connection is gone."""
        if self._state is WireState.ENDED:
            return
        self._cancel_retry()
        is_paused = self._state in (WireState.LEAVING, WireState.PAUSED)
        self._state = WireState.PAUSED if is_paused else WireState.IDLE
        for track in self._tracks.values():
            track.is_live = False
            track.was_interrupted = True

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

    def received(self, stream: str) -> Position | None:
        """How far one of the streams has been received."""
        track = self._tracks.get(stream)
        return None if track is None or track.is_finished else track.received

    def reads(self, stream: str) -> bool:
        """Whether the server delivers this stream to it."""
        track = self._tracks.get(stream)
        return track is not None and track.is_live

    def follows(self, stream: str) -> bool:
        """Whether deliveries of this stream may be for it, brought by it or by another reader."""
        return stream in self._tracks and self._state in (WireState.ASKING, WireState.LIVE)

    def _subscribed(self, answer: Mapping[str, Any]) -> None:
        if self._state is not WireState.ASKING:
            return
        self._state = WireState.LIVE
        self._failures = 0
        self._to_tell = int(answer.get("streams", 0))
        self._tell_off(0)
        if not self._ready.done():
            self._ready.set_result(None)

    def _tell_off(self, count: int) -> None:
        if self._to_tell is not None:
            self._to_tell -= count
            self._is_complete |= self._to_tell <= 0

    def _refused(self, error: ClientError) -> None:
        if self._state is not WireState.ASKING:
            return
        self._state = WireState.IDLE
        named = error.with_details(pattern=self.pattern)
        self._host.announce(named)
        if not error.retry:
            self.end(named)
            return
        self._retry_later(error)

    def _retry_later(self, error: ClientError) -> None:
        if self._retry is not None:
            return
        delay_s = self._host.retry_delay_s(error, self._failures)
        self._failures += 1
        self._retry = self._loop.call_later(delay_s, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        if self._state is WireState.LIVE:
            self._leave()
        else:
            self.connected()

    def matched(self, message: Mapping[str, Any]) -> None:
        """The server's word that a stream belongs to it, and where its deliveries go on."""
        if self._state is not WireState.LIVE:
            return
        is_from_start = self._is_complete or self._start == "earliest"
        self._tell_off(1)
        stream = str(message["stream"])
        position = parse_position(message["position"])
        is_verdict = "recovered" in message
        track = self._tracks.get(stream)
        if track is None:
            track = self._tracks[stream] = _Track(position)
            if is_from_start and not is_verdict and self._host.is_shared(stream):
                track.received = track.handled = START  # which another reader may have left behind
        if message.get("recovered") is False and not is_known(message, position, track.received):
            reason = str(message.get("reason"))
            self._deliveries.put_event(Gap(stream, reason, track.received, position))
            track.received = position
            self._host.moved(stream, reason, position)
        elif not is_verdict and not _reaches(position, track.received):
            # Another reader of this stream has gone on, while this one was paused.
            self._host.restart(f"the readers of {stream} stand at different places")
            return
        elif track.was_interrupted:
            missed = max(0, parse_position(message["tail"]).offset - track.received.offset)
            self._deliveries.put_event(Recovered(stream, track.received, missed))
        track.was_interrupted = False
        track.is_live = not track.is_finished

    def moved(self, stream: str, reason: str, position: Position) -> None:
        """Another reader's deliveries of a stream, which are shared, go on at ``position``."""
        track = self._tracks.get(stream)
        if self.follows(stream) and track is not None and not _reaches(position, track.received):
            self._deliveries.put_event(Gap(stream, reason, track.received, position))
            track.received = position

    def entry(self, entry: Mapping[str, Any]) -> None:
        """An entry of one of the streams."""
        stream, position = str(entry["stream"]), parse_position(entry["position"])
        track = self._following(stream, entry["after"], position)
        if track is None:
            return
        track.received = position
        try:
            message: Message[Data] = make_message(stream, entry, position, self._type)
        except ClientError as error:
            self._host.announce(error)
            self._deliveries.put_event(_Passed(stream, position))
            return
        self._deliveries.put(message)
        if self._deliveries.messages >= self._host.queue_messages_max:
            self._leave()

    def gap(self, gap: Mapping[str, Any]) -> None:
        """The server's word that an interval will not come."""
        stream, upto = str(gap["stream"]), parse_position(gap["upto"])
        track = self._following(stream, gap["after"], upto)
        if track is None:
            return
        held, track.received = track.received, upto
        if gap.get("lost") is not False:
            self._deliveries.put_event(Gap(stream, str(gap.get("reason")), held, upto))
        else:
            self._deliveries.put_event(_Passed(stream, upto))

    def closed(self, message: Mapping[str, Any]) -> None:
        """The server's word that a stream is closed and this was all of it."""
        stream = str(message["stream"])
        track = self._tracks.get(stream)
        if track is not None and track.is_live:
            track.is_live, track.is_finished = False, True
            self._deliveries.put_event(End(stream, parse_position(message["position"])))

    def untold(self) -> None:
        """There was no room for one of them."""
        self._tell_off(1)

    def ended(self, error: ClientError) -> None:
        """The server does not deliver one of the streams any more."""
        stream = str(error.details["stream"])
        if error.retry:
            self._tracks[stream].is_live = False
            self._retry_later(error)
        else:
            del self._tracks[stream]
        self._host.announce(error.with_details(stream=stream, pattern=self.pattern))

    def _following(self, stream: str, after: str, upto: Position) -> _Track | None:
        """The track, when an interval goes on from what was received of its stream."""
        if not self.follows(stream):
            return None
        track = self._tracks[stream]
        fit = examine(track.received, after, upto)
        if fit is Fit.NEXT:
            # Even before the server has told where it goes on: another reader, who asked for it
            # from here, is delivered to by then.
            self._mismatches = 0
            return track
        if fit is Fit.MISFIT and track.is_live:
            self._mismatches += 1
            self._host.announce(mismatch(stream, track.received, after))
            if self._mismatches > MISMATCHES_MAX:
                self.end(ClientError("interval_mismatch", f"{stream}: deliveries never fit"))
            elif self._host.is_shared(stream):
                self._host.restart(f"the readers of {stream} stand at different places")
            else:
                self._leave()
        return None

    def _tell_unsubscribe(self) -> None:
        def left(_: object) -> None:
            if self._state is WireState.LEAVING:
                self._state = WireState.PAUSED
                self.connected()

        if self._host.is_usable:
            self._host.request("unsubscribe", {"pattern": self.pattern}, left, left)

    def _leave(self) -> None:
        """Leave all of them, and come back when the answer is there and the queue has room."""
        self._state = WireState.LEAVING
        for track in self._tracks.values():
            track.is_live = False
        self._tell_unsubscribe()

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
        self._hold(message.stream, message.position)

    def failed(self, message: Message[Data], error: BaseException) -> None:
        named = ClientError(
            "handler_failed",
            f"the handler of {self.pattern} failed at {message.stream}, {message.position}:"
            f" {error!r}",
            details={"stream": message.stream, "position": message.position},
        )
        named.__cause__ = error
        self._host.announce(named)
        self._hold(message.stream, message.position)

    def turn(self, event: Recovered | Gap | End | _Passed) -> None:
        if not isinstance(event, Recovered):
            self._hold(event.stream, event.position)
        if not isinstance(event, _Passed):
            self._host.announce(event)

    def left(self) -> None:
        self.unsubscribe()

    def _hold(self, stream: str, position: Position) -> None:
        track = self._tracks.get(stream)
        if track is not None:
            track.handled = position


def _reaches(position: Position, held: Position) -> bool:
    """Whether deliveries that go on from ``position`` leave out nothing after ``held``."""
    return position.offset == 0 or (position.epoch == held.epoch and position.offset <= held.offset)
