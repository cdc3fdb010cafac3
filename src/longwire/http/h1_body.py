"""Where the body of an HTTP/1.x request ends (RFC 9112 sections 6 and 7).

Both readers take bytes off the front of a buffer and never one that belongs to the next request.
That is why chunks are read here and not by llhttp: httptools cannot stop after one message, and
the head of the next must pass ``h1_scan`` before anything else sees it.
"""

from __future__ import annotations

import re
from typing import Protocol

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import HttpLimits
from longwire.http.field_values import TOKEN_PATTERN
from longwire.http.h1_framing import CHUNKED
from longwire.http.h1_scan import check_field_line

__all__ = ["BodyReader", "ChunkedBody", "SizedBody", "body_reader"]

# RFC 9112 section 7.1 and 7.1.1:
#   chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
# BWS is what recipients must read and senders must not send. No client sends it, and readers
# that skip it differently are a known way to smuggle: refused. Sixteen digits are 2^64 - 1.
_TOKEN = TOKEN_PATTERN.encode()
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,16})"
    rb"((?:;"
    + _TOKEN
    + rb"(?:=(?:"
    + _TOKEN
    + rb'|"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*)'
    rb"\r\n"
)
_CHUNK_SIZE_DIGITS_MAX = 16

# RFC 9110 section 6.5.1: fields that frame or route a message have no place after it.
_FORBIDDEN_TRAILERS = frozenset({"content-length", "host", "transfer-encoding"})


class BodyReader(Protocol):
    """Take the body of one request off a buffer."""

    ended: bool
    trailers: Headers

    @property
    def remaining_bytes(self) -> int | None:
        """Bytes still to come, or ``None`` when only the peer knows."""

    def read(self, buffer: bytearray) -> bytes:
        """Remove what belongs to the body from the front of ``buffer``; return the content.

        Returns ``b""`` when more bytes are needed or the body has ended. To be called again after
        content was returned: a fault that follows it is raised by the next call.
        """


def body_reader(content_length: int, limits: HttpLimits) -> BodyReader:
    """Return what reads a body of this length, or one in chunks for ``CHUNKED``."""
    if content_length == 0:
        return _NO_BODY
    return ChunkedBody(limits) if content_length == CHUNKED else SizedBody(content_length)


def _take(buffer: bytearray, count: int) -> bytes:
    """Remove up to ``count`` bytes from the front, copying them once."""
    with memoryview(buffer) as view:
        data = view[:count].tobytes()
    del buffer[:count]
    return data


class SizedBody:
    """A body with a Content-Length (RFC 9112 section 6.2)."""

    __slots__ = ("_remaining", "ended", "trailers")

    def __init__(self, content_length: int) -> None:
        self._remaining = content_length
        self.ended = content_length == 0
        self.trailers = Headers()

    @property
    def remaining_bytes(self) -> int | None:
        """Bytes still to come."""
        return self._remaining

    def read(self, buffer: bytearray) -> bytes:
        """Take what is there, up to the length."""
        data = _take(buffer, self._remaining)
        self._remaining -= len(data)
        self.ended = self._remaining == 0
        return data


_NO_BODY = SizedBody(0)  # has no state, so that one is enough


class ChunkedBody:
    """A chunked body (RFC 9112 section 7.1), with limits on everything a peer can stretch."""

    __slots__ = (
        "_extension_bytes",
        "_fault",
        "_in_trailers",
        "_limits",
        "_remaining",
        "_size",
        "_trailer_bytes",
        "ended",
        "trailers",
    )

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._remaining = 0  # of the chunk being read, its CRLF (2) included; 0 between chunks
        self._size = 0  # content announced so far
        self._extension_bytes = 0
        self._trailer_bytes = 0
        self._in_trailers = False
        self._fault: ProtocolError | None = None  # found, but after content that was still good
        self.ended = False
        self.trailers = Headers()

    @property
    def remaining_bytes(self) -> int | None:
        """Unknown."""
        return None

    def read(self, buffer: bytearray) -> bytes:
        """Take what is there of the body.

        Raises ProtocolError(400) for faulty framing, LimitError with 413 for too much content
        and 431 for too large trailers; the content before the fault is returned first.
        """
        if self._fault is not None:
            raise self._fault
        pieces: list[bytes] = []
        try:
            self._read_pieces(buffer, pieces)
        except ProtocolError as fault:
            if not pieces:
                raise
            self._fault = fault
        return b"".join(pieces)

    def _read_pieces(self, buffer: bytearray, pieces: list[bytes]) -> None:
        while buffer and not self.ended:
            if self._remaining > 2:
                piece = _take(buffer, self._remaining - 2)
                self._remaining -= len(piece)
                pieces.append(piece)
            elif self._remaining:
                if not self._take_chunk_end(buffer):
                    break
            elif not self._take_line(buffer):
                break

    def _take_chunk_end(self, buffer: bytearray) -> bool:
        if not b"\r\n".startswith(buffer[:2]):
            raise ProtocolError(400, "a chunk is longer than its size: no CRLF after its data")
        if len(buffer) < 2:
            return False
        del buffer[:2]
        self._remaining = 0
        return True

    def _take_line(self, buffer: bytearray) -> bool:
        """Take a line with a chunk's size, or a line of the trailers."""
        end = buffer.find(b"\n") + 1
        line = bytes(buffer[:end]) if end else bytes(buffer)
        if self._in_trailers:
            self._check_trailer_bytes(line)
            if end:
                self._take_trailer_line(line)
        else:
            self._check_chunk_line_bytes(line)
            if end:
                self._take_chunk_line(line)
        del buffer[:end]
        return bool(end)

    def _check_chunk_line_bytes(self, line: bytes) -> None:
        digits, semicolon, extensions = line.partition(b";")
        if len(digits.rstrip(b"\r\n")) > _CHUNK_SIZE_DIGITS_MAX:
            raise ProtocolError(400, "a chunk's size has more than 16 digits")
        size = self._extension_bytes + len(semicolon) + len(extensions.rstrip(b"\r\n"))
        maximum = self._limits.chunk_extension_bytes_max
        if size > maximum:
            # RFC 9112 section 7.1.1: a server ought to limit the total of extensions, 4xx.
            raise LimitError(400, "chunk_extension_bytes_max", maximum + 1, maximum)

    def _take_chunk_line(self, line: bytes) -> None:
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            if not line.endswith(b"\r\n"):
                raise ProtocolError(400, "a chunk's size ends with a bare line feed")
            raise ProtocolError(400, "a chunk does not begin with its size in hexadecimal digits")
        self._extension_bytes += len(match[2])
        size = int(match[1], 16)
        if size == 0:
            self._in_trailers = True
            return
        self._size += size
        maximum = self._limits.body_bytes_max
        if maximum is not None and self._size > maximum:
            raise LimitError(413, "body_bytes_max", self._size, maximum)
        self._remaining = size + 2

    def _check_trailer_bytes(self, line: bytes) -> None:
        if line in (b"\r", b"\r\n"):
            return
        size, maximum = self._trailer_bytes + len(line), self._limits.header_bytes_max
        if size > maximum:
            raise LimitError(431, "header_bytes_max", maximum + 1, maximum)

    def _take_trailer_line(self, line: bytes) -> None:
        if line == b"\r\n":
            self.ended = True
            return
        self._trailer_bytes += len(line)
        if len(self.trailers) >= self._limits.headers_max:
            raise LimitError(431, "headers_max", len(self.trailers) + 1, self._limits.headers_max)
        check_field_line(line)
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() in _FORBIDDEN_TRAILERS:
            raise ProtocolError(400, f"{name} is not allowed in the trailers")
        self.trailers.add(name, value.strip(" \t\r\n"))
