# cython: annotation_typing=False, auto_pickle=False
"""One WebSocket connection on a link: the engine hosted, its events handed to callbacks.

The callback style talks to an ``Endpoint`` directly; the coroutine style (``Connection``) is a set
of callbacks. All methods belong on the thread of the event loop that the link lives on.
"""

from __future__ import annotations

import logging

from longwire.base.codes import CloseCode
from longwire.base.errors import LimitError, ProtocolError
from longwire.net.callbacks import Callbacks
from longwire.net.direct_link import link_now, set_link_deadline, write_to_link
from longwire.net.endpoint_facts import EndpointFacts
from longwire.net.event_delivery import call_back, deliver_events
from longwire.net.in_flight import COUNTED_BYTES_MIN, InFlight
from longwire.net.input_backlog import INFLATE_STEP_BYTES, InputBacklog
from longwire.net.link import Link
from longwire.net.liveness import answer_due_s, count_taken
from longwire.net.opening import Opening
from longwire.net.reactor_link import ReactorLink
from longwire.net.waiter import Waiter
from longwire.websocket.connection import BytesLike, State, TransportAction, WebSocketEngine
from longwire.websocket.events import Event

__all__ = ["Endpoint"]

logger = logging.getLogger("longwire.net")

_NO_CALLBACKS = Callbacks()
# Read as plain globals, since an enum's members are slow to look up.
_OPEN, _NO_ACTION = State.OPEN, TransportAction.NONE
_COUNTED_BYTES_MIN = COUNTED_BYTES_MIN
_INFLATE_STEP_BYTES = INFLATE_STEP_BYTES
# In the place of the bytes that a peer has taken, where none wait for it.
_NOTHING_WAITS = -1


class Endpoint(EndpointFacts):
    """An open WebSocket connection for callbacks: every method returns at once."""

    __slots__ = (
        "_backlog",
        "_in_flight",
        "_is_in_burst",
        "_is_inflating",
        "_taken_bytes",
        "_waiter",
    )

    def __init__(
        self,
        engine: WebSocketEngine,
        callbacks: Callbacks,
        opening: Opening,
        in_flight: InFlight | None = None,
    ) -> None:
        super().__init__(engine, callbacks, opening)
        # Servers count what all peers together have sent and nobody has handled.
        self._in_flight = in_flight
        self._is_inflating = opening.deflate is not None
        # Made when it is needed: most connections are idle, and read what they are sent at once.
        self._backlog: InputBacklog | None = None
        self._taken_bytes = 0
        # While callbacks are given what one read brought: what they send is taken at its end.
        self._is_in_burst = False
        # What a task waits for that the burst has something for: it goes on at the end.
        self._waiter: Waiter | None = None

    # -- what a user does -------------------------------------------------------------------

    def send(self, message: str | BytesLike, *, text: bool | None = None) -> None:
        """Send one message; ``text`` chooses the type where the type of ``message`` does not.

        Never waits: watch ``held_bytes``, or wait for ``on_drain``. Raises
        :exc:`ConnectionClosed` when the connection is closing or closed.
        """
        self.send_one(message, text)

    def send_one(self, message: str | BytesLike, text: bool | None) -> None:
        """The same as ``send``, as the hot path calls it."""
        self._check_open()
        self.engine.queue_message(message, text, None)
        if not self._is_in_burst:
            self._write_out()

    def send_fragment(
        self, data: str | BytesLike, *, final: bool, text: bool | None = None
    ) -> None:
        """Send one fragment of a message, the last one with ``final``."""
        self._check_open()
        self.engine.send_fragment(data, final=final, text=text)
        if not self._is_in_burst:
            self._write_out()

    def send_encoded(self, frames: bytes, *, messages: int = 1) -> None:
        """Send messages that ``longwire.websocket.frames.encode_message`` encoded for many.

        Only for the server's role and without a message under way in fragments.
        """
        self._check_open()
        self.engine.queue_encoded(frames, messages)
        if not self._is_in_burst:
            self._write_out()

    def lend_link(self, frames: bytes, messages: int, now: float) -> ReactorLink | None:
        """Take frames for sent that the caller writes on the link that is returned, at once.

        ``None``: that cannot be, and nothing is noted; ``send_shared`` is the way.
        """
        link = self._link
        if self._is_in_burst or self._closed is not None or not isinstance(link, ReactorLink):
            return None
        direct = link  # typed for the compiler
        if direct.can_write_alone() and self.engine.note_shared(frames, messages, now):
            return direct
        return None

    def send_shared(self, frames: bytes, messages: int, now: float) -> int:
        """As ``send_encoded``, for a flush that sends to many: what goes out alone goes out at
        once, past the cork. Returns what is held, bytes; 0 when the connection is closing."""
        if self._closed is not None or self.engine.state is not _OPEN:
            return 0
        link = self._link
        if (
            isinstance(link, ReactorLink)
            and not self._is_in_burst
            and self.engine.note_shared(frames, messages, now)
        ):
            direct = link  # typed for the compiler
            return direct.write_alone(frames)
        self.engine.queue_encoded(frames, messages)
        if not self._is_in_burst:
            self._write_out()
        return self.held_bytes

    def ping(self, payload: bytes | None = None) -> bytes:
        """Send a ping; return its payload, which ``on_pong`` will get."""
        self._check_open()
        now = self._link.now()
        sent = self.engine.ping(payload, now=now)
        self._after_engine(now)
        return sent

    def pong(self, payload: bytes = b"") -> None:
        """Send a pong that nobody asked for."""
        self._check_open()
        self.engine.pong(payload)
        self._after_engine(self._link.now())

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Begin the closing handshake; ``on_close`` follows. Does nothing when closing already."""
        if self._closed is not None or self.engine.state is not State.OPEN:
            return
        now = self._link.now()
        self.engine.close(code, reason, now=now)
        # The peer's answer can be behind any number of messages: from now on everything is read.
        self.resume_reading()
        self._after_engine(now)

    def fail(self, error: ProtocolError) -> None:
        """Fail the connection: close with the code of ``error`` and give it as the reason."""
        if self._closed is not None or self.engine.state is not State.OPEN:
            return
        now = self._link.now()
        self.engine.fail(error, now=now)
        self.capture_evidence()
        self.resume_reading()
        self._after_engine(now)

    def abort(self) -> None:
        """Drop the connection at once, without a closing handshake."""
        if self._closed is None:
            self._depart().link_ended("aborted_by_us")
            self.capture_evidence()
            self._link.abort()

    def pause_reading(self) -> None:
        """Take nothing more from the peer; TCP makes it wait.

        What this turn has decoded still comes. Keepalive does not ask a peer that is not read,
        which is given up if for as long it takes nothing of what it was sent.
        """
        if not self.is_reading_paused and self.engine.state is State.OPEN:
            self.is_reading_paused = True
            self._taken_bytes = _NOTHING_WAITS
            if self._backlog is not None:
                self._backlog.count_events()
                if self._backlog.held_bytes() >= _COUNTED_BYTES_MIN:
                    self.count_in_flight()
            self._link.pause_reading()
            self.engine.set_reading_paused(True, self._link.now())
            self._link.set_deadline(self.engine.deadline)

    def resume_reading(self) -> None:
        """Read again."""
        if not self.is_reading_paused:
            return
        self.is_reading_paused = False
        if self._backlog is None:
            self._link.resume_reading()
        else:
            self._backlog.resume()
        if not self.is_reading_paused:
            self.engine.set_reading_paused(False, self._link.now())
            self._link.set_deadline(self.engine.deadline)

    # -- LinkHandler ------------------------------------------------------------------------

    def link_made(self, link: Link) -> None:
        self._link = link
        self.opened_s = link.now()
        link.set_deadline(self.engine.deadline)
        call_back(self, self._callbacks.on_open)
        self._after_engine(self.opened_s)

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        backlog = self._backlog
        if (backlog is None or backlog.is_empty()) and (
            not self._is_inflating or len(data) <= _INFLATE_STEP_BYTES
        ):
            self.take_in(data, link_now(self._link))
        else:
            self._make_backlog().add(data)

    def take_in(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Give input to the engine; for the backlog of input."""
        # Callbacks answer first what came before a Close frame or a broken one in the same read.
        self.handle(self.engine.take_in(data, now), now)
        if self.engine.unfinished_bytes() >= _COUNTED_BYTES_MIN:
            self.count_in_flight()

    def count_in_flight(self) -> None:
        """This connection holds more of what its peer sent than it did."""
        if self._in_flight is not None and self._closed is None:
            self._in_flight.grew(self, self.in_flight_bytes())

    def in_flight_bytes(self) -> int:
        """What arrived and was not handled: of a message that is not whole, or for ``recv``."""
        waiting = 0 if self._backlog is None else self._backlog.held_bytes()
        return self.engine.unfinished_bytes() + waiting + self.unread()[1]

    def give_up(self, error: LimitError) -> None:
        """End for the sake of the others: the server holds too much."""
        if self._backlog is not None:
            self._backlog.drop_events()
        if self.engine.state is _OPEN:
            self.fail(error)
        else:
            self.abort()

    def handle(self, events: list[Event], now: float) -> None:
        """Give ``events`` to the callbacks; those past our share of this turn in the next one."""
        share = self.engine.turn_messages_max
        if len(events) > share:
            self._make_backlog().put_off(events[share:])
            events = events[:share]
        self._is_in_burst = True
        deliver_events(self, self._callbacks, events)
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.go_on()
        self._is_in_burst = False
        backlog = self._backlog
        if backlog is None or not backlog.holds_events():
            self.engine.settle(now)
        elif not self.is_reading_paused:
            backlog.queue_turn()
        self._after_engine(now)

    def go_on_after_burst(self, waiter: Waiter) -> None:
        """Let a task go on when the callbacks have got what this read brought."""
        if self._is_in_burst:
            self._waiter = waiter
        else:
            waiter.go_on_soon()

    def _make_backlog(self) -> InputBacklog:
        if self._backlog is None:
            self._backlog = InputBacklog(self)
        return self._backlog

    def _empty_backlog(self) -> None:
        """Give the callbacks all that came before the end."""
        while self._backlog is not None and self._backlog.can_give():
            self.is_reading_paused = False
            self._backlog.give_some()

    def eof_received(self) -> None:
        now = self._link.now()
        self._depart().link_ended("eof")
        self._empty_backlog()
        if self.engine.close_received is None:
            self.capture_evidence()
        self.engine.receive_eof(now)
        self._after_engine(now)

    def link_drained(self) -> None:
        if self._closed is None:
            call_back(self, self._callbacks.on_drain)

    def deadline_reached(self, now: float) -> None:
        engine = self.engine
        if engine.state is State.CLOSED or engine.keepalive_expired:
            self._link.abort()
            return
        due_s = answer_due_s(engine, self._link)
        if due_s is not None and now < due_s:
            self._link.set_deadline(due_s)
            return
        if self.is_reading_paused and engine.state is State.OPEN:
            self._judge_paused(now)
            return
        if engine.state is State.OPEN and engine.awaits_pong and self._is_being_taken():
            engine.grant(now)
            self._link.set_deadline(engine.deadline)
            return
        deliver_events(self, self._callbacks, engine.handle_deadline(now))
        self._after_engine(now)
        if engine.awaits_pong:
            self._is_being_taken()  # from here on

    def _judge_paused(self, now: float) -> None:
        """Give a peer up that stands still: we do not read, and it does not take what waits."""
        taken, is_outstanding = count_taken(self.engine, self._link)
        if is_outstanding and taken == self._taken_bytes:
            self.engine.give_up(now, "the peer took nothing of what it was sent, for too long")
        else:
            self.engine.handle_deadline(now)
        self._taken_bytes = taken if is_outstanding else _NOTHING_WAITS
        self._after_engine(now)

    def _is_being_taken(self) -> bool:
        """Whether the peer took some of what lies before our ping since the last call.

        Who reads slowly sees the ping late, and is not dead for that.
        """
        taken, is_outstanding = count_taken(self.engine, self._link)
        before, self._taken_bytes = self._taken_bytes, taken
        return taken > before and is_outstanding

    def shutdown(self) -> None:
        self.close(CloseCode.GOING_AWAY)

    def link_lost(self, error: OSError | None) -> None:
        if error is not None:
            self._depart().link_broke(error)
        if self._in_flight is not None:
            self._in_flight.forget(self)
            self._in_flight = None
        now = self._link.now()
        self._empty_backlog()
        # It knows us: without this the memory of both would wait for the collector of cycles.
        self._backlog = None
        self.capture_evidence()
        self.engine.receive_eof(now)
        self._closed = self._depart().closed(self)
        callbacks, self._callbacks = self._callbacks, _NO_CALLBACKS
        try:
            callbacks.on_close(self, self._closed.error())
        except Exception:
            logger.exception("on_close of %r failed", callbacks)

    # -- inside -----------------------------------------------------------------------------

    def callback_failed(self, error: Exception) -> None:
        """A callback raised ``error``: end for that, and give the others no more."""
        logger.error("callback of %r failed", self._callbacks, exc_info=error)
        if self._backlog is not None:
            self._backlog.drop_events()
        # The peer learns that something failed, not what: that is in our log.
        self.fail(ProtocolError(CloseCode.INTERNAL_ERROR, "a callback failed", side="local"))

    def _after_engine(self, now: float) -> None:
        """Write what the engine has to say, and obey it about time and transport."""
        engine, link = self.engine, self._link
        if engine.failure is not None and not self._depart().has_evidence:
            self.capture_evidence()
            # As for every close: who is not read is not seen to leave either.
            self.resume_reading()
        output = engine.take_output(now)
        if output:
            write_to_link(link, output)
        if engine.transport_action is _NO_ACTION:
            set_link_deadline(link, engine.deadline)
        else:
            self._depart().end_transport(self, now)

    def _write_out(self) -> None:
        link = self._link
        if isinstance(link, ReactorLink):
            direct = link  # typed for the compiler
            if direct._is_corked:
                # The link asks for all of it when it flushes, at the end of this very tick.
                direct._source = self
            else:
                direct.write_all(self.engine.take_output(direct.now()))
        else:
            link.write(*self.engine.take_output(link.now()))

    def hand_over(self) -> None:
        """Write what was left in the engine for the flush that begins now."""
        output = self.engine.take_output()
        if output:
            write_to_link(self._link, output)
