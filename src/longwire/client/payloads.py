"""Payloads: from a Python value to the bytes that are stored, and back."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from longwire.client.errors import ClientError
from longwire.client.events import Message
from longwire.streams.position import Position

__all__ = [
    "Payload",
    "convert_data",
    "decode_entry",
    "encode_batch",
    "encode_payload",
    "make_message",
]

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


def encode_batch(batch: Iterable[Any], key: str = "") -> tuple[Payload, ...]:
    """Encode the messages of one publish. Raises ``ClientError``, code ``bad_data``.

    What is rather one message than several is refused: the letters of a text and the keys of a
    mapping would be published one by one.
    """
    if isinstance(batch, (str, bytes, bytearray, memoryview, Mapping)) or not isinstance(
        batch, Iterable
    ):
        problem = f"a list of messages is published here, not one {type(batch).__name__}"
        raise ClientError("bad_data", problem, outcome="not_stored")
    payloads = tuple([encode_payload(data, key) for data in batch])
    if not payloads:
        raise ClientError("bad_data", "there is nothing to publish", outcome="not_stored")
    if len({payload.is_json for payload in payloads}) > 1:
        problem = "a batch holds bytes or JSON, not both"
        raise ClientError("bad_data", problem, outcome="not_stored")
    return payloads


def decode_entry(entry: Mapping[str, Any]) -> tuple[Any, bool]:
    """The data of an entry, and whether it was erased."""
    if "base64" in entry:
        return base64.b64decode(entry["base64"]), False
    if entry.get("erased") is True:
        return None, True
    return entry.get("data"), False


def convert_data(data: Any, data_type: Any, what: str) -> Any:
    """``data`` as a ``data_type``; ``None`` leaves it as it is. Raises ``ClientError``, code
    ``bad_data``, that begins with ``what``."""
    if data_type is None:
        return data
    try:
        return msgspec.convert(data, data_type)
    except msgspec.ValidationError as error:
        raise ClientError("bad_data", f"{what} is no {data_type}: {error}") from None


def make_message(
    stream: str, entry: Mapping[str, Any], position: Position, data_type: Any
) -> Message[Any]:
    """The message of an entry. Raises ``ClientError``, code ``bad_data``, when its data is no
    ``data_type``."""
    data, is_erased = decode_entry(entry)
    if data_type is not None and not is_erased:
        try:
            data = convert_data(data, data_type, f"{stream}: the message at {position}")
        except ClientError as error:
            raise error.with_details(stream=stream, position=position) from None
    return Message(
        stream, data, position, int(entry.get("time", 0)), entry.get("key", ""), is_erased
    )
