"""Bodies of several parts, as forms with files send them (RFC 7578, RFC 2046 section 5.1).

Bytes in, events out; what is held is never more than the head of a part and a boundary.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import FormLimits
from longwire.http.field_values import is_token, split_parameters

__all__ = ["MultipartReader", "PartBegan", "PartData", "PartEnded", "PartEvent", "find_boundary"]

# RFC 2046 section 5.1.1:
#   boundary := 0*69<bchars> bcharsnospace
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")

# What browsers write: a quote in a name or file name is %22 (HTML, "multipart/form-data encoding
# algorithm"); other programs write \". A backslash before anything else is one.
_DISPOSITION_PARAMETER = re.compile(
    r'[ \t]*;[ \t]*(?P<name>[A-Za-z*]++)[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|'
    r'(?P<token>[^\s;"]++))'
)

_PADDING_BYTES_MAX = 64


class PartBegan(NamedTuple):
    """The head of a part was read."""

    name: str
    """Of the field."""
    file_name: str | None
    """As the client wrote it; ``None``: the part is no file. It may hold ``../``, a drive, or
    anything else: it is text to show, no path to open."""
    headers: Headers


class PartData(NamedTuple):
    """A piece of a part."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The part is complete."""


PartEvent: TypeAlias = PartBegan | PartData | PartEnded


class _State(Enum):
    PREAMBLE = auto()
    BOUNDARY = auto()
    HEAD = auto()
    BODY = auto()
    EPILOGUE = auto()


def find_boundary(content_type: str) -> str:
    """Return the boundary of a multipart content type; raise ProtocolError (400) without one."""
    _, parameters = split_parameters(content_type)
    boundary = parameters.get("boundary")
    if boundary is None or _BOUNDARY.fullmatch(boundary) is None:
        raise ProtocolError(400, "Content-Type has no boundary of 1 to 70 permitted characters")
    return boundary


class MultipartReader:
    """Reads one body. Raises ProtocolError with 400, LimitError with 413, and is done then."""

    def __init__(self, boundary: str, limits: FormLimits) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._limits = limits
        # The first boundary stands at the beginning of a line, too, but nothing before it.
        self._buffer = bytearray(b"\r\n")
        self._state = _State.PREAMBLE
        self._parts = 0

    def receive(self, data: bytes) -> list[PartEvent]:
        """Take in a piece of the body."""
        self._buffer += data
        events: list[PartEvent] = []
        while self._advance(events):
            pass
        return events

    def receive_end(self) -> None:
        """The body is complete; raise ProtocolError (400) if it breaks off."""
        if self._state is not _State.EPILOGUE:
            raise ProtocolError(400, "the multipart body ends before its last boundary")

    def _advance(self, events: list[PartEvent]) -> bool:
        """Read on by one state; ``False``: more bytes are needed."""
        match self._state:
            case _State.PREAMBLE | _State.BODY:
                return self._read_to_delimiter(events)
            case _State.BOUNDARY:
                return self._read_boundary_end()
            case _State.HEAD:
                return self._read_head(events)
            case _:
                # RFC 2046 section 5.1.1: what follows the last boundary is to be ignored.
                self._buffer.clear()
                return False

    def _read_to_delimiter(self, events: list[PartEvent]) -> bool:
        is_body = self._state is _State.BODY
        place = self._buffer.find(self._delimiter)
        if place < 0:
            # The end of what is here may be the beginning of a delimiter.
            ready = len(self._buffer) - len(self._delimiter) + 1
            if ready > 0:
                if is_body:
                    events.append(PartData(bytes(self._buffer[:ready])))
                del self._buffer[:ready]
            return False
        if is_body:
            if place:
                events.append(PartData(bytes(self._buffer[:place])))
            events.append(PartEnded())
        del self._buffer[: place + len(self._delimiter)]
        self._state = _State.BOUNDARY
        return True

    def _read_boundary_end(self) -> bool:
        """What follows a boundary: ``--`` after the last, else the end of the line."""
        if self._buffer.startswith(b"--"):
            self._state = _State.EPILOGUE
            return True
        line, separator, _ = self._buffer.partition(b"\r\n")
        if not separator and len(self._buffer) <= _PADDING_BYTES_MAX:
            return False
        # Section 5.1.1: transport-padding is white space.
        if not separator or line.strip(b" \t"):
            raise ProtocolError(400, "a boundary of the multipart body is followed by other text")
        # The line's end stays: it is the one before the first field, or before an empty head.
        del self._buffer[: len(line)]
        self._state = _State.HEAD
        return True

    def _read_head(self, events: list[PartEvent]) -> bool:
        maximum = self._limits.part_header_bytes_max
        end = self._buffer.find(b"\r\n\r\n")
        size = end if end >= 0 else len(self._buffer) - 4
        if size > maximum:
            raise LimitError(413, "part_header_bytes_max", size, maximum)
        if end < 0:
            return False
        self._parts += 1
        if self._parts > self._limits.parts_max:
            raise LimitError(413, "parts_max", self._parts, self._limits.parts_max)
        text = self._buffer[2:end].decode("utf-8", "replace")
        del self._buffer[: end + 4]
        events.append(_read_part_head(text))
        self._state = _State.BODY
        return True


def _read_part_head(text: str) -> PartBegan:
    headers = Headers()
    for line in text.split("\r\n") if text else ():
        name, colon, value = line.partition(":")
        if not colon or not is_token(name):
            raise ProtocolError(400, "a part of the multipart body has a malformed header field")
        headers.add(name, value.strip(" \t"))
    disposition = headers.get("Content-Disposition", "") or ""
    kind, _, _ = disposition.partition(";")
    parameters = _read_disposition(disposition[len(kind) :])
    field_name = parameters.get("name")
    if kind.strip().lower() != "form-data" or field_name is None:
        raise ProtocolError(
            400, 'a part needs Content-Disposition: form-data; name="…" (RFC 7578 section 4.2)'
        )
    coding = (headers.get("Content-Transfer-Encoding") or "binary").strip().lower()
    if coding not in ("7bit", "8bit", "binary"):
        # RFC 7578 section 4.7: over HTTP there is no reason for it.
        raise ProtocolError(400, "a part has a Content-Transfer-Encoding, which is not undone here")
    return PartBegan(field_name, parameters.get("filename"), headers)


def _read_disposition(text: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    position = 0
    while match := _DISPOSITION_PARAMETER.match(text, position):
        quoted: str | None = match["quoted"]
        value = match["token"] if quoted is None else quoted.replace('\\"', '"')
        value = value.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
        parameters.setdefault(match["name"].lower(), value)
        position = match.end()
    return parameters
