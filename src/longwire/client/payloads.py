"""Payloads: from a Python value to the bytes that are stored, and back."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import msgspec

from longwire.client.errors import ClientError

__all__ = ["Payload", "decode_entry", "encode_payload"]

_encoder = msgspec.json.Encoder()


class Payload(NamedTuple):
    """What is published, encoded once, so that later changes do not show."""

    content: bytes
    is_json: bool
    key: str = ""

    @property
    def member(self) -> bytes:
        """As a member of a JSON message."""
        name, value = b'"data":', self.content
        if not self.is_json:
            name, value = b'"base64":', b'"' + base64.b64encode(self.content) + b'"'
        if not self.key:
            return name + value
        return b'"key":' + _encoder.encode(self.key) + b"," + name + value


def encode_payload(data: Any, key: str = "") -> Payload:
    """Encode a value: bytes as they are, everything else as JSON (msgspec Structs, dataclasses,
    dates and the like included). Raises ``ClientError``, code ``bad_data``."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return Payload(bytes(data), False, key)
    try:
        return Payload(_encoder.encode(data), True, key)
    except (TypeError, ValueError, RecursionError) as error:
        raise ClientError(
            "bad_data",
            f"a {type(data).__name__} cannot be published as JSON: {error}",
            outcome="not_stored",
        ) from None


def decode_entry(entry: dict[str, Any]) -> tuple[Any, bool]:
    """The data of an entry, and whether it was erased."""
    if "base64" in entry:
        return base64.b64decode(entry["base64"]), False
    if entry.get("erased") is True:
        return None, True
    return entry.get("data"), False
