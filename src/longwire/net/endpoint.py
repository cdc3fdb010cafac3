# cython: annotation_typing=False, auto_pickle=False
"""One WebSocket connection on a link: the engine hosted, its events handed to callbacks.

The callback style talks to an ``Endpoint`` directly; the coroutine style (``Connection``) is a set
of callbacks. All methods belong on the thread of the event loop that the link lives on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from longwire.base.codes import CloseCode
from longwire.base.errors import LimitError, ProtocolError
from longwire.net.callbacks import Callbacks
from longwire.net.closed import Closed, ConnectionClosed
from longwire.net.evidence import Evidence, LinkEnd, take_evidence
from longwire.net.in_flight import COUNTED_BYTES_MIN, InFlight
from longwire.net.link import Address, Link
from longwire.net.loop_state import loop_state
from longwire.net.opening import Opening
from longwire.net.reactor_link import ReactorLink
from longwire.net.verdict import Ending
from longwire.websocket.connection import BytesLike, State, TransportAction, WebSocketEngine
from longwire.websocket.events import Event, Fragment, Ping, Pong

__all__ = ["Endpoint"]

logger = logging.getLogger("longwire.net")

_NO_CALLBACKS = Callbacks()
# Read as plain globals, since an enum's members are slow to look up.
_OPEN, _NO_ACTION = State.OPEN, TransportAction.NONE
_COUNTED_BYTES_MIN = COUNTED_BYTES_MIN
_POLITE_CODES = frozenset({1000, 1001, 1005})

INFLATE_STEP_BYTES = 4096
"""Compressed input that is taken at once; between steps a pause of reading takes effect."""

INFLATE_TURN_S = 0.005
"""What these steps may take together before other connections have their turn, seconds: a read of
compressed input can be a quarter of a gigabyte of messages."""

LINGER_S = 10.0
"""How long what was written may take to leave after the engine has no deadline of its own."""

GIVE_UP_LINGER_S = 0.25
"""How long our Close frame may take to leave for a peer that we take for dead."""


class Endpoint:
    """An open WebSocket connection for callbacks: every method returns at once."""

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_closed",
        "_evidence",
        "_in_flight",
        "_is_feeding",
        "_is_in_burst",
        "_is_paused",
        "_is_turn_queued",
        "_link",
        "_link_end",
        "_link_error",
        "_opened_s",
        "_put_off",
        "_taken_bytes",
        "_unfed",
        "engine",
        "messages_discarded",
        "opening",
        "user_data",
    )

    def __init__(
        self,
        engine: WebSocketEngine,
        callbacks: Callbacks,
        opening: Opening,
        in_flight: InFlight | None = None,
    ) -> None:
        self.engine = engine
        self.opening = opening
        self.user_data: object = None
        """Yours."""
        self.messages_discarded = 0
        self._callbacks = callbacks
        # Servers count what all peers together have sent and nobody has handled.
        self._in_flight = in_flight
        self._link: Link
        self._link_end: LinkEnd = "open"
        self._link_error: OSError | None = None
        self._evidence: Evidence | None = None
        self._closed: Closed | None = None
        self._opened_s = 0.0
        # What one read brought past the point where reading paused (only with deflate).
        self._unfed = b""
        # Events of one read that are more than this connection's share of a turn.
        self._put_off: list[Event] | None = None
        self._is_turn_queued = False
        self._taken_bytes = 0
        self._is_paused = False
        self._is_feeding = False
        # While callbacks are given what one read brought: what they send is taken at its end.
        self._is_in_burst = False

    # -- facts ------------------------------------------------------------------------------

    @property
    def link(self) -> Link:
        return self._link

    @property
    def state(self) -> State:
        return State.CLOSED if self._closed is not None else self.engine.state

    @property
    def closed(self) -> Closed | None:
        """How the connection ended; ``None`` until it has."""
        return self._closed

    @property
    def held_bytes(self) -> int:
        """Bytes sent that the kernel has not taken yet. Stop sending while this grows."""
        return self.held()

    def held(self) -> int:
        """The same as ``held_bytes``, as the hot path asks for it."""
        link = self._link
        if isinstance(link, ReactorLink):
            direct = link  # typed for the compiler
            return direct._held + self.engine.unwritten_bytes()
        return link.held_bytes + self.engine.unwritten_bytes()

    @property
    def local_address(self) -> Address:
        return self._link.local_address

    @property
    def remote_address(self) -> Address:
        return self._link.remote_address

    @property
    def subprotocol(self) -> str | None:
        return self.opening.subprotocol

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
        self._capture()
        self.resume_reading()
        self._after_engine(now)

    def abort(self) -> None:
        """Drop the connection at once, without a closing handshake."""
        if self._closed is None:
            if self._link_end == "open":
                self._link_end = "aborted_by_us"
            self._capture()
            self._link.abort()

    def pause_reading(self) -> None:
        """Take nothing more from the peer; TCP makes it wait.

        What this turn has decoded still comes. Keepalive does not judge a peer that is not read.
        """
        if not self._is_paused and self.engine.state is State.OPEN:
            self._is_paused = True
            self._link.pause_reading()
            self.engine.set_reading_paused(True, self._link.now())
            self._link.set_deadline(self.engine.deadline)

    def resume_reading(self) -> None:
        """Read again."""
        if not self._is_paused:
            return
        self._is_paused = False
        if self._put_off is not None:
            self._queue_turn()
        else:
            self._read_on()
        if not self._is_paused:
            self.engine.set_reading_paused(False, self._link.now())
            self._link.set_deadline(self.engine.deadline)

    # -- LinkHandler ------------------------------------------------------------------------

    def link_made(self, link: Link) -> None:
        self._link = link
        self._opened_s = link.now()
        link.set_deadline(self.engine.deadline)
        self._call(self._callbacks.on_open)
        self._after_engine(self._opened_s)

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        now = self._now()
        if self._put_off is not None:
            self._unfed += data
        elif not self._unfed and (self.opening.deflate is None or len(data) <= INFLATE_STEP_BYTES):
            self._take_in(data, now)
        else:
            self._unfed += data
            self._feed()

    def _take_in(self, data: bytes | bytearray | memoryview, now: float) -> None:
        # Callbacks answer first what came before a Close frame or a broken one in the same read.
        self._handle(self.engine.take_in(data, now), now)
        if self.engine.unfinished_bytes() >= _COUNTED_BYTES_MIN:
            self.count_in_flight()

    def count_in_flight(self) -> None:
        """This connection holds more of what its peer sent than it did."""
        if self._in_flight is not None and self._closed is None:
            self._in_flight.grew(self, self.in_flight_bytes())

    def in_flight_bytes(self) -> int:
        """What arrived and was not handled: of a message that is not whole, or for ``recv``."""
        unread = getattr(self._callbacks, "unread", None)
        waiting = 0 if unread is None else unread()[1]
        return self.engine.unfinished_bytes() + len(self._unfed) + waiting

    def give_up(self, error: LimitError) -> None:
        """End for the sake of the others: the server holds too much."""
        if self.engine.state is _OPEN:
            self.fail(error)
        else:
            self.abort()

    def _handle(self, events: list[Event], now: float) -> None:
        """Give ``events`` to the callbacks; those past our share of this turn in the next one."""
        share = self.engine.turn_messages_max
        self._put_off = None
        if len(events) > share:
            events, self._put_off = events[:share], events[share:]
        self._is_in_burst = True
        self._dispatch(events)
        self._is_in_burst = False
        if self._put_off is None:
            self.engine.settle(now)
        elif not self._is_paused:
            self._queue_turn()
        self._after_engine(now)

    def _queue_turn(self) -> None:
        """Go on when the other connections have had their turn."""
        self._link.pause_reading()
        if not self._is_turn_queued:
            self._is_turn_queued = True
            loop = asyncio.get_running_loop()
            loop_state(loop).turns_shared += 1
            loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._is_turn_queued = False
        if self._is_paused:
            return
        put_off = self._put_off
        if put_off is not None:
            self._handle(put_off, self._link.now())
        self._read_on()

    def _read_on(self) -> None:
        """Take more from the peer, unless something of the last read still waits."""
        if self._put_off is None:
            self._feed()
        if self._put_off is None and not self._is_paused and not self._is_turn_queued:
            self._link.resume_reading()

    def _feed(self) -> None:
        """Hand what is held back to the engine, in steps until reading pauses.

        Compressed input can grow a thousandfold, so a pause has to hold within one read too.
        """
        if self._is_feeding:
            return
        self._is_feeding = True
        enough = self.engine.messages_received + self.engine.turn_messages_max
        now = self._link.now()
        ends_s = now + INFLATE_TURN_S
        while self._unfed and not self._is_paused and self._put_off is None:
            if self.engine.messages_received >= enough or now >= ends_s:
                self._queue_turn()
                break
            step, self._unfed = self._unfed[:INFLATE_STEP_BYTES], self._unfed[INFLATE_STEP_BYTES:]
            self._take_in(step, now)
            now = self._link.now()
        self._is_feeding = False

    def _feed_all(self) -> None:
        """Give the callbacks all that came before the end."""
        while (self._put_off is not None or self._unfed) and not self._is_feeding:
            self._is_paused = False
            if self._put_off is not None:
                self._handle(self._put_off, self._link.now())
            else:
                self._feed()

    def eof_received(self) -> None:
        now = self._link.now()
        if self._link_end == "open":
            self._link_end = "eof"
        self._feed_all()
        if self.engine.close_received is None:
            self._capture()
        self.engine.receive_eof(now)
        self._after_engine(now)

    def link_drained(self) -> None:
        if self._closed is None:
            self._call(self._callbacks.on_drain)

    def deadline_reached(self, now: float) -> None:
        engine = self.engine
        if engine.state is State.CLOSED or engine.keepalive_expired:
            self._link.abort()
            return
        asked_s = engine.last_ping_sent_s if engine.state is State.OPEN else engine.last_sent_s
        if engine.deadline is not None and asked_s is not None:
            # While our own loop did not run, the peer's answer had no time to count.
            due_s = engine.deadline + self._link.blocked_s(asked_s)
            if now < due_s:
                self._link.set_deadline(due_s)
                return
        if engine.state is State.OPEN and engine.awaits_pong and self._is_being_taken():
            engine.grant(now)
            self._link.set_deadline(engine.deadline)
            return
        self._dispatch(engine.handle_deadline(now))
        self._after_engine(now)
        if engine.awaits_pong:
            self._is_being_taken()  # from here on

    def _is_being_taken(self) -> bool:
        """Whether the peer took some of what lies before our ping since the last call.

        Who reads slowly sees the ping late, and is not dead for that.
        """
        taken, is_outstanding = self.count_taken()
        before, self._taken_bytes = self._taken_bytes, taken
        return taken > before and is_outstanding

    def count_taken(self) -> tuple[int, bool]:
        """Bytes that the peer's kernel has taken, and whether there are more on the way to it.

        Where our kernel does not say, it is what our kernel has taken.
        """
        tcp = self._link.tcp_info()
        if tcp is not None and tcp.bytes_acked is not None:
            return tcp.bytes_acked, tcp.is_outstanding or self._link.held_bytes > 0
        return self.engine.bytes_sent - self.held_bytes, self._link.held_bytes > 0

    def shutdown(self) -> None:
        self.close(CloseCode.GOING_AWAY)

    def link_lost(self, error: OSError | None) -> None:
        self._link_error = error
        if error is not None:
            self._link_end = "error"
        if self._in_flight is not None:
            self._in_flight.forget(self)
            self._in_flight = None
        now = self._link.now()
        self._feed_all()
        self._capture()
        self.engine.receive_eof(now)
        self._closed = Closed.from_evidence(self._ending(), self._evidence or self._snapshot())
        callbacks, self._callbacks = self._callbacks, _NO_CALLBACKS
        try:
            callbacks.on_close(self, self._closed.error())
        except Exception:
            logger.exception("on_close of %r failed", callbacks)

    # -- inside -----------------------------------------------------------------------------

    def _dispatch(self, events: list[Event]) -> None:
        remaining = iter(events)
        while True:
            try:
                self._dispatch_remaining(remaining)
                return
            except ConnectionClosed:
                # A callback sent something after another one had closed the connection.
                continue
            except Exception as error:
                self._callback_failed(error)
                return

    def _dispatch_remaining(self, events: Iterator[Event]) -> None:
        callbacks = self._callbacks
        on_message = callbacks.on_message
        for event in events:
            if isinstance(event, (str, bytes)):
                on_message(self, event)
            elif isinstance(event, Fragment):
                callbacks.on_fragment(self, event)
            elif isinstance(event, Ping):
                callbacks.on_ping(self, event.payload)
            elif isinstance(event, Pong):
                callbacks.on_pong(self, event.payload, event.latency_s)
            elif event.code not in _POLITE_CODES:
                self._capture()

    def _call(self, callback: Callable[[Endpoint], None]) -> None:
        try:
            callback(self)
        except ConnectionClosed:
            pass
        except Exception as error:
            self._callback_failed(error)

    def _callback_failed(self, error: Exception) -> None:
        logger.error("callback of %r failed", self._callbacks, exc_info=error)
        self._put_off = None
        # The peer learns that something failed, not what: that is in our log.
        self.fail(ProtocolError(CloseCode.INTERNAL_ERROR, "a callback failed", side="local"))

    def _after_engine(self, now: float) -> None:
        """Write what the engine has to say, and obey it about time and transport."""
        engine, link = self.engine, self._link
        if engine.failure is not None and self._evidence is None:
            self._capture()
            # As for every close: who is not read is not seen to leave either.
            self.resume_reading()
        output = engine.take_output(now)
        if output:
            self._write_all(output)
        action = engine.transport_action
        if action is _NO_ACTION:
            pass
        elif action is TransportAction.HALF_CLOSE:
            link.write_eof()
        elif action is TransportAction.CLOSE:
            if self._link_end == "open":
                self._link_end = "closed_by_us"
            link.close()
            if engine.keepalive_expired:
                link.set_deadline(now + GIVE_UP_LINGER_S)
                return
            if engine.deadline is None:
                link.set_deadline(now + LINGER_S)
                return
        else:
            self.abort()
        self._set_deadline(engine.deadline)

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
            self._write_all(output)

    def _write_all(self, output: list[bytes]) -> None:
        link = self._link
        if isinstance(link, ReactorLink):
            direct = link
            direct.write_all(output)
        else:
            link.write(*output)

    def _now(self) -> float:
        """``link.now``, for the hot path."""
        link = self._link
        if isinstance(link, ReactorLink):
            direct = link  # typed for the compiler
            return direct.now()
        return link.now()

    def _set_deadline(self, when: float | None) -> None:
        """``link.set_deadline``, for the hot path."""
        link = self._link
        if isinstance(link, ReactorLink):
            direct = link  # typed for the compiler
            direct.set_deadline(when)
        else:
            link.set_deadline(when)

    def _check_open(self) -> None:
        if self._closed is not None:
            raise self._closed.error()
        if self.engine.state is not _OPEN:
            raise self.error_now()

    def error_now(self) -> ConnectionClosed:
        """Return what a user is told who acts on a connection that is closing."""
        if self._closed is not None:
            return self._closed.error()
        return Closed.from_evidence(self._ending(), self._evidence or self._snapshot()).error()

    def _ending(self) -> Ending:
        engine = self.engine
        return Ending(
            received=engine.close_received,
            sent=engine.close_sent,
            initiator=engine.close_initiator,
            failure=engine.failure,
        )

    def _capture(self) -> None:
        """Take the evidence, once, while the descriptor is open and the trail is warm."""
        if self._evidence is None:
            self._evidence = self._snapshot()

    def _snapshot(self) -> Evidence:
        # Connections in coroutine style have a queue; other callbacks take what comes.
        unread = getattr(self._callbacks, "unread", None)
        return take_evidence(
            self.engine,
            self._link,
            link_end=self._link_end,
            link_error=self._link_error,
            opened_s=self._opened_s,
            unread=(0, 0) if unread is None else unread(),
            messages_discarded=self.messages_discarded,
            reading_paused=self._is_paused,
        )
