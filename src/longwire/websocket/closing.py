"""The closing of a WebSocket connection as a table (RFC 6455 sections 5.5.1 and 7).

Read section 7.1 first. Every transition is a row of :data:`TRANSITIONS`; the table does not know
which role we play, except for who ends TCP:

* section 7.1.1: the server closes TCP first, so that it, and not the client, holds the TIME_WAIT;
  a client waits for that and gives up after a while;
* section 7.1.7: after a failure nothing more of the peer is processed, not even its Close frame.
  The server then ends its direction only and reads on, so that what the peer is still sending
  does not turn into a TCP reset that would destroy our Close frame on its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Literal

from longwire.base.codes import CloseCode, close_code_name, is_sendable_close_code
from longwire.base.errors import ProtocolError

__all__ = [
    "REASON_BYTES_MAX",
    "TRANSITIONS",
    "Close",
    "ClosingInput",
    "ClosingPhase",
    "ClosingStep",
    "State",
    "TransportAction",
    "clip_reason",
    "encode_close",
    "parse_close",
]

# RFC 6455 section 5.5: a control frame carries 125 bytes at most, and the code takes two.
REASON_BYTES_MAX = 123


class State(IntEnum):
    """What a user of the connection may do."""

    OPEN = 1
    """Everything."""
    CLOSING = 2
    """Nothing more can be sent; what the peer sent before its Close frame still arrives."""
    CLOSED = 3
    """TCP is gone or may be dropped."""


class TransportAction(Enum):
    """What the driver is to do with the transport."""

    NONE = "none"
    """Keep it as it is."""
    HALF_CLOSE = "half close"
    """End our direction after the output has left, where the transport can; read on."""
    CLOSE = "close"
    """Close after the output has left."""
    ABORT = "abort"
    """Drop at once what is still held, and close."""


class ClosingPhase(Enum):
    """How far the closing has come."""

    OPEN = "open"
    CLOSE_SENT = "close sent"
    """Our Close frame is out, the peer's is not in."""
    EXCHANGED = "exchanged"
    """Both Close frames passed: the closing handshake is complete, TCP remains."""
    FAILED = "failed"
    """We failed the connection; what arrives is thrown away."""
    ENDED = "ended"
    """TCP is gone, or time is up."""


class ClosingInput(Enum):
    """What moves the closing on."""

    LOCAL_CLOSE = "local close"
    """The user closes."""
    REMOTE_CLOSE = "remote close"
    """A valid Close frame came in."""
    FAIL = "fail"
    """A rule or a limit was broken."""
    GIVE_UP = "give up"
    """The peer is taken for dead: its answer to a ping is overdue."""
    EOF = "eof"
    """The peer ended its direction of TCP, or TCP is gone."""
    TIMEOUT = "timeout"
    """The close timeout ran out."""


@dataclass(frozen=True, slots=True)
class ClosingStep:
    """What one input does: the next phase, the Close frame to send, who does what with TCP."""

    next: ClosingPhase
    sends: Literal["nothing", "close", "echo"] = "nothing"
    server: TransportAction = TransportAction.NONE
    client: TransportAction = TransportAction.NONE


_OPEN, _CLOSE_SENT, _EXCHANGED, _FAILED, _ENDED = ClosingPhase
_KEEP, _HALF_CLOSE, _CLOSE, _ABORT = TransportAction

TRANSITIONS: dict[tuple[ClosingPhase, ClosingInput], ClosingStep] = {
    # Section 7.1.2: either side starts the closing handshake by sending a Close frame.
    (_OPEN, ClosingInput.LOCAL_CLOSE): ClosingStep(_CLOSE_SENT, "close"),
    # Section 5.5.1: whoever receives a Close frame and has sent none sends one in response.
    (_OPEN, ClosingInput.REMOTE_CLOSE): ClosingStep(_EXCHANGED, "echo", _CLOSE, _KEEP),
    (_OPEN, ClosingInput.FAIL): ClosingStep(_FAILED, "close", _HALF_CLOSE, _KEEP),
    # The Close frame may still reach a peer that only slept; waiting for an answer is over.
    (_OPEN, ClosingInput.GIVE_UP): ClosingStep(_FAILED, "close", _CLOSE, _CLOSE),
    (_OPEN, ClosingInput.EOF): ClosingStep(_ENDED, "nothing", _CLOSE, _CLOSE),
    (_CLOSE_SENT, ClosingInput.REMOTE_CLOSE): ClosingStep(_EXCHANGED, "nothing", _CLOSE, _KEEP),
    (_CLOSE_SENT, ClosingInput.FAIL): ClosingStep(_FAILED, "nothing", _HALF_CLOSE, _KEEP),
    (_CLOSE_SENT, ClosingInput.EOF): ClosingStep(_ENDED, "nothing", _CLOSE, _CLOSE),
    (_CLOSE_SENT, ClosingInput.TIMEOUT): ClosingStep(_ENDED, "nothing", _ABORT, _ABORT),
    (_EXCHANGED, ClosingInput.EOF): ClosingStep(_ENDED, "nothing", _CLOSE, _CLOSE),
    (_EXCHANGED, ClosingInput.TIMEOUT): ClosingStep(_ENDED, "nothing", _ABORT, _ABORT),
    (_FAILED, ClosingInput.EOF): ClosingStep(_ENDED, "nothing", _CLOSE, _CLOSE),
    (_FAILED, ClosingInput.TIMEOUT): ClosingStep(_ENDED, "nothing", _ABORT, _ABORT),
    # Every other pair changes nothing: a closing only goes forward, and closing twice is harmless.
}


@dataclass(frozen=True, slots=True)
class Close:
    """What a Close frame said. ``code`` is 1005 when it carried none."""

    code: int
    reason: str


def encode_close(code: int, reason: str) -> bytes:
    """Return the payload of a Close frame (RFC 6455 section 5.5.1).

    1005 stands for a frame without a code. Raises :exc:`ProtocolError` (side ``local``) for a
    code that may not be sent and for a reason over 123 bytes of UTF-8.
    """
    if code == CloseCode.NO_STATUS_RECEIVED and not reason:
        return b""
    if not is_sendable_close_code(code):
        raise ProtocolError(
            CloseCode.PROTOCOL_ERROR,
            f"close code {code} ({close_code_name(code)}) may not be sent; 1000 to 1003, "
            "1007 to 1014 and 3000 to 4999 may",
            side="local",
        )
    try:
        encoded = reason.encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(
            CloseCode.INVALID_FRAME_PAYLOAD_DATA,
            f"the reason for closing cannot be written in UTF-8: {error}",
            side="local",
        ) from None
    if len(encoded) > REASON_BYTES_MAX:
        raise ProtocolError(
            CloseCode.PROTOCOL_ERROR,
            f"the reason for closing has {len(encoded)} bytes of UTF-8, "
            f"{REASON_BYTES_MAX} is the most",
            side="local",
        )
    return code.to_bytes(2, "big") + encoded


def parse_close(payload: bytes) -> Close:
    """Return what a received Close frame says; raise :exc:`ProtocolError` if it breaks a rule."""
    # RFC 6455 section 5.5.1: the body may be empty; if there is one, it begins with two bytes.
    if not payload:
        return Close(CloseCode.NO_STATUS_RECEIVED, "")
    if len(payload) == 1:
        raise ProtocolError(
            CloseCode.PROTOCOL_ERROR, "a Close frame has a payload of 1 byte; a code takes 2"
        )
    code = int.from_bytes(payload[:2], "big")
    # RFC 6455 section 7.4.
    if not is_sendable_close_code(code):
        raise ProtocolError(
            CloseCode.PROTOCOL_ERROR,
            f"a Close frame has the code {code} ({close_code_name(code)}), which may not be sent",
        )
    # RFC 6455 section 5.5.1: the reason is UTF-8; section 8.1: other bytes fail the connection.
    try:
        reason = payload[2:].decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(
            CloseCode.INVALID_FRAME_PAYLOAD_DATA,
            f"the reason in a Close frame is not UTF-8: {error.reason} at byte {error.start}",
        ) from None
    return Close(code, reason)


def clip_reason(message: str) -> str:
    """Return the start of ``message`` that fits into a Close frame, cut between characters."""
    encoded = message.encode(errors="replace")
    if len(encoded) <= REASON_BYTES_MAX:
        return encoded.decode()
    return encoded[: REASON_BYTES_MAX - 3].decode(errors="ignore") + "…"
