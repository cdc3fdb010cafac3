# cython: annotation_typing=False, auto_pickle=False
"""One WebSocket connection after its handshake, without I/O (RFC 6455 sections 5 to 7).

Bytes, events and the time go in; bytes and events come out, with the time of the next call. The
parts stand beside this file: frames, messages, deflate, keepalive, and the closing as a table.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, NoReturn, cast

from longwire.base.codes import CloseCode, is_sendable_close_code
from longwire.base.entropy import Entropy
from longwire.base.errors import LimitError, ProtocolError
from longwire.base.limits import KeepaliveSettings, WebSocketLimits
from longwire.base.rate import RateLimit
from longwire.websocket import closing
from longwire.websocket.closing import (
    TRANSITIONS,
    Close,
    ClosingInput,
    ClosingPhase,
    State,
    TransportAction,
)
from longwire.websocket.deflate import DeflateParameters, Inflater
from longwire.websocket.events import CloseReceived, Event, Ping, Pong
from longwire.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    ControlFrame,
    FrameParser,
    Item,
    Piece,
    encode_header,
    seal,
)
from longwire.websocket.keepalive import Keepalive, KeepaliveVerdict
from longwire.websocket.messages import MessageAssembler
from longwire.websocket.payload import (
    BytesLike,
    as_bytes,
    encode_control,
    encode_payload,
    encode_text,
    misuse,
)

__all__ = ["BytesLike", "Close", "Role", "State", "TransportAction", "WebSocketEngine"]

# Unmasked payloads from this size on are queued beside their header instead of behind a copy.
_SEPARATE_BYTES_MIN = 16 * 1024

# Bits of a frame's first octet (RFC 6455 section 5.2).
_FIN, _RSV1 = 0x80, 0x40

_STATES = {
    ClosingPhase.OPEN: State.OPEN,
    ClosingPhase.CLOSE_SENT: State.CLOSING,
    ClosingPhase.EXCHANGED: State.CLOSING,
    ClosingPhase.FAILED: State.CLOSING,
    ClosingPhase.ENDED: State.CLOSED,
}

# Read as plain globals, since an enum's members are slow to look up.
_OPEN = State.OPEN
_PHASE_OPEN, _PHASE_CLOSE_SENT = ClosingPhase.OPEN, ClosingPhase.CLOSE_SENT
_TEXT, _BINARY = TEXT, BINARY


class Role(Enum):
    """Which side of the connection we are."""

    CLIENT = "client"
    SERVER = "server"


class WebSocketEngine:
    """The protocol of one open connection.

    ``receive``, ``receive_eof`` and ``handle_deadline`` never raise for what the peer did. A
    broken rule *fails the connection* (RFC 6455 section 7.1.7): a Close frame is queued,
    ``failure`` says why, and the events up to that point are returned.

    The sending methods raise :exc:`ProtocolError` with side ``local`` for what the caller may not
    do, and in any state but ``OPEN``. After each call the driver takes what ``take_output``
    returns, looks at ``transport_action`` and sets a timer for ``deadline``, which may come early.

    Used from one thread. Holds the limits of ``limits`` and besides them only what the caller has
    not taken yet.
    """

    __slots__ = (
        "_assembler",
        "_control_rate",
        "_deflate_threshold",
        "_deflater",
        "_entropy",
        "_fragment_opcode",
        "_is_fragment_compressed",
        "_is_server",
        "_keepalive",
        "_limits",
        "_message_rate",
        "_output",
        "_parser",
        "_phase",
        "_put_off",
        "_sends_fragments",
        "_taken_bytes",
        "bytes_received",
        "bytes_sent",
        "close_initiator",
        "close_received",
        "close_sent",
        "deadline",
        "failure",
        "keepalive_expired",
        "last_ping_sent_s",
        "last_pong_s",
        "last_received_s",
        "last_sent_s",
        "latency_s",
        "messages_received",
        "messages_sent",
        "role",
        "state",
        "transport_action",
        "turn_messages_max",
    )

    def __init__(
        self,
        role: Role,
        *,
        now: float,
        entropy: Entropy,
        limits: WebSocketLimits | None = None,
        keepalive: KeepaliveSettings | None = None,
        deflate: DeflateParameters | None = None,
        streaming: bool = False,
    ) -> None:
        limits = WebSocketLimits() if limits is None else limits
        self.role = role
        self._is_server = role is Role.SERVER
        self._entropy = entropy
        self._limits = limits
        self.turn_messages_max = limits.turn_messages_max
        """For who hosts the engine: messages to handle before other connections have their turn."""
        self._keepalive = Keepalive(keepalive or KeepaliveSettings(), now=now)
        self._parser = FrameParser(
            is_server=self._is_server,
            allows_rsv1=deflate is not None,
            emits_pieces=streaming,
            message_bytes_max=_limit(limits.message_bytes_max),
            frame_bytes_max=_limit(limits.frame_bytes_max),
            fragments_max=_limit(limits.fragments_max),
        )
        # Made for the first message that needs it: most connections never see a fragment.
        self._assembler: MessageAssembler | None = None
        if deflate is not None:
            self._assembler = self._new_assembler(deflate.new_inflater(is_server=self._is_server))
        self._deflater = (
            None if deflate is None else deflate.new_deflater(is_server=self._is_server)
        )
        self._deflate_threshold = 0 if deflate is None else deflate.threshold_bytes
        # Made for the peer's first control frame.
        self._control_rate: RateLimit | None = None
        self._message_rate: RateLimit | None = None
        if limits.messages_per_s_max is not None:
            self._message_rate = RateLimit(limits.messages_per_s_max, now=now)
        # Made with the first frame, since most connections are idle.
        self._output: list[bytes] | None = None
        self._taken_bytes = 0
        # The fragmented message that is being sent.
        self._sends_fragments = False
        self._fragment_opcode = TEXT
        self._is_fragment_compressed = False
        # The closing.
        self._phase = ClosingPhase.OPEN
        self.state = State.OPEN
        self.close_sent: Close | None = None
        self.close_received: Close | None = None
        self.close_initiator: Literal["local", "remote"] | None = None
        self._put_off: Close | ProtocolError | None = None
        self.failure: ProtocolError | None = None
        self.transport_action = TransportAction.NONE
        # Facts for whoever has to explain how it ended.
        self.deadline = self._keepalive.deadline
        self.keepalive_expired = False
        self.latency_s: float | None = None
        self.last_received_s: float | None = None
        self.last_sent_s: float | None = None
        self.last_pong_s: float | None = None
        self.last_ping_sent_s: float | None = None
        self.bytes_received = 0
        self.bytes_sent = 0
        self.messages_received = 0
        self.messages_sent = 0

    # ── in ────────────────────────────────────────────────────────────────────────────────────

    def receive(self, data: BytesLike, now: float) -> list[Event]:
        """Take what arrived at ``now`` and return what it brought, in order."""
        events = self.take_in(data, now)
        self.settle(now)
        return events

    def take_in(self, data: BytesLike, now: float) -> list[Event]:
        """Like ``receive``, but put the answer to a Close frame or to a broken rule off.

        ``settle``, which must follow, gives it. In between the events can be handled, and answered:
        what the peer sent before its last word, in the same read, deserves an answer before ours.
        """
        if self._put_off is not None:
            self.settle(now)
        if type(data) is not bytes:
            data = bytes(data)
        self.bytes_received += len(data)
        self.last_received_s = now
        if self._phase is not _PHASE_OPEN and self._phase is not _PHASE_CLOSE_SENT:
            return []
        parser = self._parser
        items = parser.receive(data)
        if parser.has_only_messages and self._message_rate is None:
            self.messages_received += len(items)
            return cast("list[Event]", items)
        return self._handle_items(items, now)

    def unfinished_bytes(self) -> int:
        """Payload of the message that is arriving, bytes; its end has not come yet."""
        return 0 if self._assembler is None else len(self._assembler._buffer)

    def _handle_items(self, items: list[Item], now: float) -> list[Event]:
        events: list[Event] = []
        try:
            for item in items:
                if isinstance(item, Piece):
                    if self._assembler is None:
                        self._assembler = self._new_assembler(None)
                    made = self._assembler.add(item)
                    if item.is_final:
                        self._count_message(now)
                    if made is not None:
                        events.append(made)
                elif isinstance(item, ControlFrame):
                    events.append(self._handle_control(item, now))
                else:
                    self._count_message(now)
                    events.append(item)
            if self._parser.failure is not None:
                raise self._parser.failure
        except ProtocolError as error:
            # The frames it passed know the message's data and, by their callers, this connection:
            # both would wait for the collector of cycles.
            error.__traceback__ = error.__context__ = None
            self._put_off = error
        return events

    def _count_message(self, now: float) -> None:
        rate = self._limits.messages_per_s_max
        if self._message_rate is not None and not self._message_rate.take(now):
            assert rate is not None
            raise LimitError(CloseCode.POLICY_VIOLATION, "messages_per_s_max", rate + 1, rate)
        self.messages_received += 1

    def settle(self, now: float) -> None:
        """Answer what ``take_in`` put off."""
        if self._put_off is None:
            return
        put_off, self._put_off = self._put_off, None
        if isinstance(put_off, Close):
            # RFC 6455 section 5.5.1: the answer typically repeats the status code.
            self._step(ClosingInput.REMOTE_CLOSE, now, put_off)
        else:
            self._fail(put_off, now)

    def _handle_control(self, frame: ControlFrame, now: float) -> Event:
        payload = frame.payload
        if frame.opcode == CLOSE:
            return self._handle_close(closing.parse_close(payload))
        self._limit_control_frames(now)
        if frame.opcode == PING:
            # RFC 6455 section 5.5.2: answered with the same payload, unless a Close was received;
            # section 5.5.1 wants nothing sent after our own Close.
            if self.state is _OPEN:
                self._queue(_FIN | PONG, payload)
            return Ping(payload)
        self.last_pong_s = now
        latency_s = self._keepalive.latency_of(payload, now)
        if latency_s is not None:
            self.latency_s = latency_s
        return Pong(payload, latency_s)

    def _limit_control_frames(self, now: float) -> None:
        rate = self._limits.control_frames_per_s_max
        if rate is None:
            return
        if self._control_rate is None:
            self._control_rate = RateLimit(rate, now=now)
        if not self._control_rate.take(now):
            raise LimitError(CloseCode.POLICY_VIOLATION, "control_frames_per_s_max", rate + 1, rate)

    def _new_assembler(self, inflater: Inflater | None) -> MessageAssembler:
        return MessageAssembler(
            inflater=inflater,
            message_bytes_max=self._limits.message_bytes_max,
            is_streaming=self._parser.emits_pieces,
        )

    def _handle_close(self, close: Close) -> CloseReceived:
        self.close_received = close
        if self.close_initiator is None:
            self.close_initiator = "remote"
        self._put_off = close
        return CloseReceived(close.code, close.reason)

    def receive_eof(self, now: float) -> list[Event]:
        """Take that the peer ended its direction, or that TCP is gone; the engine is done."""
        self.settle(now)
        self._step(ClosingInput.EOF, now)
        return []

    # ── out ───────────────────────────────────────────────────────────────────────────────────

    def send(
        self, data: str | BytesLike, *, text: bool | None = None, compress: bool | None = None
    ) -> None:
        """Queue a whole message in one frame.

        ``str`` goes as text and bytes go as binary unless ``text`` says otherwise; bytes sent as
        text must be UTF-8. ``compress`` overrides the threshold where deflate was agreed.
        """
        self.queue_message(data, text, compress)

    def queue_message(
        self, data: str | BytesLike, text: bool | None, compress: bool | None
    ) -> None:
        """The same as ``send``, as the hot path calls it."""
        if self.state is not _OPEN or self._sends_fragments:
            self._refuse("a message")
        if type(data) is bytes and not text:
            payload, opcode = data, _BINARY
        else:
            payload, is_text = encode_payload(data, text)
            opcode = _TEXT if is_text else _BINARY
        if self._deflater is not None and (
            len(payload) >= self._deflate_threshold if compress is None else compress
        ):
            self._queue(_FIN | _RSV1 | opcode, self._deflater.deflate(payload, is_final=True))
        else:
            self._queue(_FIN | opcode, payload)
        self.messages_sent += 1

    def send_encoded(self, frames: bytes, *, messages: int = 1) -> None:
        """Queue what :func:`~longwire.websocket.frames.encode_message` returned (servers only).

        One object serves every connection; ``messages`` is how many whole messages it holds.
        """
        self.queue_encoded(frames, messages)

    def queue_encoded(self, frames: bytes, messages: int) -> None:
        """The same as ``send_encoded``, as the hot path calls it."""
        if self.state is not _OPEN or self._sends_fragments:
            self._refuse("a message")
        if not self._is_server:
            raise misuse("a client masks each frame and cannot send one that others share")
        self._emit(frames)
        self.messages_sent += messages

    def note_shared(self, frames: bytes, messages: int, now: float) -> bool:
        """As ``queue_encoded`` and ``take_output`` in one, for whoever writes ``frames`` himself.

        ``False``, and nothing is noted, when that cannot be: something is queued before them, or
        they may not be sent.
        """
        if (
            self.state is not _OPEN
            or self._sends_fragments
            or not self._is_server
            or self.bytes_sent != self._taken_bytes
        ):
            return False
        self.bytes_sent += len(frames)
        self._taken_bytes = self.bytes_sent
        self.messages_sent += messages
        self.last_sent_s = now
        return True

    def send_fragment(
        self, data: str | BytesLike, *, final: bool, text: bool | None = None
    ) -> None:
        """Queue a part of a message in a frame of its own; the first one begins the message.

        ``text`` is told by the first part. In a text message each ``str`` is a part; bytes may cut
        a character in two and are not checked. Control frames may go between (section 5.4).
        """
        if self.state is not _OPEN:
            self._refuse("a fragment")
        is_first = not self._sends_fragments
        if is_first:
            is_text = isinstance(data, str) if text is None else text
            opcode = TEXT if is_text else BINARY
        else:
            is_text = self._fragment_opcode == TEXT
            opcode = CONTINUATION
            if text is not None and text != is_text:
                raise misuse("all fragments of a message have the type of its first")
            if isinstance(data, str) and not is_text:
                raise misuse("a fragment of a binary message is bytes, not str")
        payload = encode_text(data) if isinstance(data, str) else as_bytes(data)
        if is_first:
            self._fragment_opcode = opcode
            self._is_fragment_compressed = self._deflater is not None
        is_compressed = self._is_fragment_compressed
        if is_compressed and self._deflater is not None:
            payload = self._deflater.deflate(payload, is_final=final)
        first = _FIN | opcode if final else opcode
        # RFC 7692 section 6.1: RSV1 is set on the first frame only.
        self._queue(first | _RSV1 if is_compressed and is_first else first, payload)
        self._sends_fragments = not final
        if final:
            self.messages_sent += 1

    def ping(self, payload: bytes | None = None, *, now: float) -> bytes:
        """Queue a ping and return its payload, made up unless given; its pong tells the latency."""
        if self.state is not _OPEN:
            self._refuse("a ping")
        if payload is None:
            payload = self._keepalive.new_payload(self._entropy)
        payload = encode_control(payload, "a ping")
        self._queue(_FIN | PING, payload)
        self._keepalive.remember(payload, now)
        self.last_ping_sent_s = now
        return payload

    def pong(self, payload: bytes = b"") -> None:
        """Queue a pong that nobody asked for (RFC 6455 section 5.5.3)."""
        if self.state is not _OPEN:
            self._refuse("a pong")
        self._queue(_FIN | PONG, encode_control(payload, "a pong"))

    def close(self, code: int = 1000, reason: str = "", *, now: float) -> None:
        """Begin the closing handshake; while it is under way, or over, this does nothing.

        Raises :exc:`ProtocolError` for a code or a reason that may not be sent; 1005 sends a
        Close frame without a code.
        """
        closing.encode_close(code, reason)
        if self.state is _OPEN:
            if self.close_initiator is None:
                self.close_initiator = "local"
            self._step(ClosingInput.LOCAL_CLOSE, now, Close(code, reason))

    def fail(self, error: ProtocolError, *, now: float) -> None:
        """Fail the connection for a reason of the caller's; does nothing once it has ended."""
        self._fail(error, now)

    def take_output(self, now: float | None = None) -> list[bytes]:
        """Return what is to be written, in order, and forget it; ``now`` notes when.

        The list is the caller's.
        """
        output = self._output
        if output is None:
            return []
        self._output = None
        self._taken_bytes = self.bytes_sent
        if now is not None:
            self.last_sent_s = now
        return output

    # ── time ──────────────────────────────────────────────────────────────────────────────────

    def handle_deadline(self, now: float) -> list[Event]:
        """Do what is due at ``now``: ping, give up a silent peer, end a closing that hangs.

        Calling too early is harmless. Sets the next ``deadline``.
        """
        if self.deadline is None or now < self.deadline:
            return []
        if self.state is not _OPEN:
            self._step(ClosingInput.TIMEOUT, now)
            return []
        keepalive = self._keepalive
        verdict = keepalive.check(now, self.last_received_s)
        if verdict is KeepaliveVerdict.SEND_PING:
            self.ping(now=now)
            keepalive.ping_sent(now)
        elif verdict is KeepaliveVerdict.GIVE_UP:
            self.give_up(now, "the peer did not answer a ping in time")
            return []
        self.deadline = keepalive.deadline
        return []

    def give_up(self, now: float, message: str) -> None:
        """End the connection to a peer that is taken for dead."""
        self.keepalive_expired = True
        self.failure = ProtocolError(CloseCode.INTERNAL_ERROR, message)
        self.close_initiator = "local"
        self._step(ClosingInput.GIVE_UP, now, Close(self.failure.code, self.failure.message))

    @property
    def awaits_pong(self) -> bool:
        """Whether a ping of keepalive waits for a sign of life."""
        return self._keepalive.awaits_pong(self.last_received_s)

    def grant(self, now: float) -> None:
        """The driver has seen the peer live otherwise: it gets the ping's time-out once more."""
        self._keepalive.ping_sent(now)
        self.deadline = self._keepalive.deadline

    def set_reading_paused(self, is_paused: bool, now: float) -> None:
        """Note that the driver stops reading, or reads again.

        The silence of a peer that is not read says nothing about it. Meanwhile the driver may
        judge at ``deadline`` whether the peer takes what it was sent (:meth:`give_up`).
        """
        if self.state is not _OPEN:
            return
        if is_paused:
            self._keepalive.pause(now)
        else:
            self._keepalive.resume(now)
        self.deadline = self._keepalive.deadline

    # ── facts ─────────────────────────────────────────────────────────────────────────────────

    @property
    def close_code(self) -> int:
        """The close code of RFC 6455 section 7.1.5: the peer's, 1005 or 1006."""
        if self.close_received is None:
            return CloseCode.ABNORMAL_CLOSURE
        return self.close_received.code

    @property
    def close_reason(self) -> str:
        """The close reason of RFC 6455 section 7.1.6."""
        return "" if self.close_received is None else self.close_received.reason

    def unwritten_bytes(self) -> int:
        """Bytes queued that ``take_output`` has not given yet."""
        return self.bytes_sent - self._taken_bytes

    @property
    def streaming(self) -> bool:
        """Whether messages are given as fragments; a change holds from the next message on."""
        return self._parser.emits_pieces

    @streaming.setter
    def streaming(self, value: bool) -> None:
        self._parser.emits_pieces = value
        if self._assembler is not None:
            self._assembler.is_streaming = value

    # ── inside ────────────────────────────────────────────────────────────────────────────────

    def _queue(self, first: int, payload: bytes) -> None:
        """Queue a frame; ``first`` is its first octet: FIN, RSV1 and the opcode."""
        if not self._is_server:
            # RFC 6455 section 5.3: a fresh, unpredictable key for every frame.
            frame = seal(first, payload, self._entropy(4))
        elif len(payload) < _SEPARATE_BYTES_MIN:
            frame = seal(first, payload, None)
        else:
            self._emit(encode_header(first, len(payload), None))
            frame = payload
        self._emit(frame)

    def _emit(self, frame: bytes) -> None:
        if self._output is None:
            self._output = [frame]
        else:
            self._output.append(frame)
        self.bytes_sent += len(frame)

    def _step(self, happened: ClosingInput, now: float, close: Close | None = None) -> None:
        """Take the row of the closing table for what happened, if there is one."""
        step = TRANSITIONS.get((self._phase, happened))
        if step is None:
            return
        if step.sends != "nothing" and close is not None:
            self._queue(_FIN | CLOSE, closing.encode_close(close.code, close.reason))
            self.close_sent = close
        self._phase = step.next
        self.state = _STATES[step.next]
        action = step.server if self._is_server else step.client
        if action is not TransportAction.NONE:
            self.transport_action = action
        if step.next is not ClosingPhase.CLOSE_SENT and self._assembler is not None:
            self._assembler.drop()
        # Nothing can be sent any more.
        self._deflater = None
        timeout_s = self._limits.close_timeout_s
        if self.state is State.CLOSED or timeout_s is None:
            self.deadline = None
        else:
            self.deadline = now + timeout_s

    def _fail(self, error: ProtocolError, now: float) -> None:
        if (self._phase, ClosingInput.FAIL) not in TRANSITIONS:
            return
        self.failure = error
        if self.close_initiator is None:
            self.close_initiator = "local"
        code = error.code if is_sendable_close_code(error.code) else CloseCode.INTERNAL_ERROR
        self._step(ClosingInput.FAIL, now, Close(code, closing.clip_reason(error.message)))

    def _refuse(self, what: str) -> NoReturn:
        if self.state is _OPEN:
            raise misuse(f"{what} cannot be sent inside a fragmented message; finish it first")
        state = "closing" if self.state is State.CLOSING else "closed"
        raise misuse(f"{what} cannot be sent: the connection is {state}")


def _limit(value: int | None) -> int:
    """Return a limit as the parser has it, in 64 bits."""
    return -1 if value is None else min(value, 2**63 - 1)
