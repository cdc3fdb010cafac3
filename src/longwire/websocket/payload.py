"""What a caller may send: payloads turned into bytes, and misuse named."""

from __future__ import annotations

from typing import TypeAlias

from longwire.base.codes import CloseCode
from longwire.base.errors import ProtocolError
from longwire.websocket.frames import BINARY, TEXT

__all__ = ["BytesLike", "check_control", "encode_payload", "encode_text", "misuse"]

BytesLike: TypeAlias = bytes | bytearray | memoryview

_CONTROL_BYTES_MAX = 125


def misuse(message: str) -> ProtocolError:
    return ProtocolError(CloseCode.PROTOCOL_ERROR, message, side="local")


def check_control(payload: bytes, what: str) -> None:
    # RFC 6455 section 5.5.
    if len(payload) > _CONTROL_BYTES_MAX:
        raise misuse(f"{what} carries {_CONTROL_BYTES_MAX} bytes at most, not {len(payload)}")


def encode_text(data: str) -> bytes:
    try:
        return data.encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(
            CloseCode.INVALID_FRAME_PAYLOAD_DATA,
            f"the text cannot be written in UTF-8: {error.reason} at character {error.start}",
            side="local",
        ) from None


def encode_payload(data: str | BytesLike, text: bool | None) -> tuple[bytes, int]:
    """Return the payload and the opcode of a message."""
    if isinstance(data, str):
        return encode_text(data), BINARY if text is False else TEXT
    payload = bytes(data)
    if not text:
        return payload, BINARY
    # RFC 6455 section 5.6: text is UTF-8.
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(
            CloseCode.INVALID_FRAME_PAYLOAD_DATA,
            f"bytes to be sent as text are not UTF-8: {error.reason} at byte {error.start}",
            side="local",
        ) from None
    return payload, TEXT
