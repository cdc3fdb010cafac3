# cython: annotation_typing=False, auto_pickle=False
"""What a caller may send: payloads turned into bytes, and misuse named."""

from __future__ import annotations

from typing import TypeAlias

from longwire.base.codes import CloseCode
from longwire.base.errors import ProtocolError

__all__ = ["BytesLike", "as_bytes", "encode_control", "encode_payload", "encode_text", "misuse"]

BytesLike: TypeAlias = bytes | bytearray | memoryview

_CONTROL_BYTES_MAX = 125


def misuse(message: str) -> ProtocolError:
    """Return the error for something that the caller may not do."""
    return ProtocolError(CloseCode.PROTOCOL_ERROR, message, side="local")


def as_bytes(data: BytesLike) -> bytes:
    """Return bytes that nobody changes later; raise :exc:`TypeError` for what is not bytes-like.

    ``bytes(5)`` would be five zeros.
    """
    if type(data) is bytes:
        return data
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"a payload is str or bytes-like, not {type(data).__name__}")


def encode_control(payload: BytesLike, what: str) -> bytes:
    """Return the payload of a ping or pong."""
    encoded = as_bytes(payload)
    # RFC 6455 section 5.5.
    if len(encoded) > _CONTROL_BYTES_MAX:
        raise misuse(f"{what} carries {_CONTROL_BYTES_MAX} bytes at most, not {len(encoded)}")
    return encoded


def encode_text(data: str) -> bytes:
    """Return a text's UTF-8; a lone surrogate has none."""
    try:
        return data.encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(
            CloseCode.INVALID_FRAME_PAYLOAD_DATA,
            f"the text cannot be written in UTF-8: {error.reason} at character {error.start}",
            side="local",
        ) from None


def encode_payload(data: str | BytesLike, text: bool | None) -> tuple[bytes, bool]:
    """Return the payload of a message, and whether it is text."""
    if isinstance(data, str):
        return encode_text(data), text is not False
    payload = as_bytes(data)
    if not text:
        return payload, False
    # RFC 6455 section 5.6: text is UTF-8.
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(
            CloseCode.INVALID_FRAME_PAYLOAD_DATA,
            f"bytes to be sent as text are not UTF-8: {error.reason} at byte {error.start}",
            side="local",
        ) from None
    return payload, True
