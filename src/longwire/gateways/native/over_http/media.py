"""How messages stand in the body of a request and of its answer.

Three spellings of the same JSON messages: a line each (``application/x-ndjson``), a text sequence
(RFC 7464), and, in answers, server-sent events (WHATWG HTML section 9.2).
"""

from __future__ import annotations

from longwire.gateways.event_stream import EVENT_STREAM, split_lines
from longwire.gateways.native.formats.format import FrameEncoder
from longwire.gateways.native.formats.json_text import JSON_FORMAT
from longwire.gateways.native.over_http.refusals import RequestRefused
from longwire.http.field_values import split_parameters
from longwire.http.negotiation import choose_media_type

__all__ = ["ENCODERS", "JSON_SEQUENCE", "NDJSON", "TextEncoder", "choose_answer", "read_operations"]

NDJSON = "application/x-ndjson"
JSON_SEQUENCE = "application/json-seq"

_RECORD_SEPARATOR = b"\x1e"
_NO_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


class TextEncoder(FrameEncoder):
    """The messages of an answer. One object for each spelling, so that all readers share texts."""

    __slots__ = ("media_type",)

    def __init__(self, media_type: str) -> None:
        super().__init__(JSON_FORMAT)
        self.media_type = media_type


class _Lines(TextEncoder):
    __slots__ = ()

    def encode_message(self, message: bytes) -> bytes:
        # RFC 8259 section 2: outside of strings a line break means what a space means, and inside
        # it cannot stand as it is. Payloads are published with both.
        return message.translate(_NO_LINE_BREAKS) + b"\n"


class _Sequence(TextEncoder):
    __slots__ = ()

    def encode_message(self, message: bytes) -> bytes:
        return b"".join((_RECORD_SEPARATOR, message, b"\n"))


class _Events(TextEncoder):
    __slots__ = ()

    def encode_message(self, message: bytes) -> bytes:
        lines = split_lines(message)
        return b"".join([b"data: " + line + b"\n" for line in lines]) + b"\n"


ENCODERS: dict[str, TextEncoder] = {
    NDJSON: _Lines(NDJSON),
    JSON_SEQUENCE: _Sequence(JSON_SEQUENCE),
    EVENT_STREAM: _Events(EVENT_STREAM),
}
"""By media type, in the order that the server prefers."""


def choose_answer(accept: str | None) -> TextEncoder:
    """The spelling that a client likes best. Raises ``RequestRefused`` (406)."""
    chosen = choose_media_type(accept, tuple(ENCODERS))
    if chosen is None:
        known = ", ".join(ENCODERS)
        raise RequestRefused(406, "not_acceptable", f"answers are written as {known}")
    return ENCODERS[chosen]


def read_operations(
    body: bytes, content_type: str | None, *, operations_max: int, message_bytes_max: int | None
) -> list[str]:
    """Cut a body into its messages. Raises ``RequestRefused``: 400, 413, 415."""
    separator = _separator_of(content_type)
    try:
        texts = [text.strip() for text in body.decode("utf-8").split(separator)]
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8 text: byte {error.start} is wrong"
        raise RequestRefused(400, "bad_json", message) from None
    operations = [text for text in texts if text]
    if not operations:
        message = "the body holds no message; connect is the first, then what is asked for"
        raise RequestRefused(400, "not_connected", message)
    if len(operations) > operations_max:
        raise RequestRefused(
            413,
            "too_many_operations",
            f"the body holds {len(operations)} messages, at most {operations_max} are taken",
            limit=operations_max,
        )
    if message_bytes_max is not None:
        _check_lengths(operations, message_bytes_max)
    return operations


def _separator_of(content_type: str | None) -> str:
    media_type = "" if content_type is None else split_parameters(content_type)[0].lower()
    if media_type == NDJSON:
        return "\n"
    if media_type == JSON_SEQUENCE:
        return _RECORD_SEPARATOR.decode()
    raise RequestRefused(
        415,
        "unsupported_media_type",
        f"a body of the type {media_type or '(none)'} is not read here; send {NDJSON}, a message "
        f"in each line, or {JSON_SEQUENCE}",
    )


def _check_lengths(operations: list[str], bytes_max: int) -> None:
    for number, text in enumerate(operations, 1):
        # A character is four bytes at most: most texts need not be encoded to be counted.
        if len(text) * 4 > bytes_max and len(text.encode()) > bytes_max:
            raise RequestRefused(
                413,
                "message_too_long",
                f"message {number} of the body has more than {bytes_max} bytes",
                limit=bytes_max,
            )
