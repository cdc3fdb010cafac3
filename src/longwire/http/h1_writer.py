# cython: annotation_typing=False, auto_pickle=False
"""How one response is framed on HTTP/1.x (RFC 9112 sections 4, 6 and 7).

The caller says what to send, the framing is decided here, so that a client can always tell where
a response ends. A body that turns out other than its Content-Length promised can only be answered
by closing the connection; ``is_broken`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from longwire.base.errors import ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import KIB
from longwire.http.response_fields import check_field, check_trailers, misuse, read_fields
from longwire.http.semantics import reason_phrase

__all__ = ["ResponseWriter", "failure_response", "interim_response", "shared_chunk"]


class _Framing(Enum):
    NO_BODY = "no body"
    LENGTH = "Content-Length"
    CHUNKED = "chunked"
    CLOSE = "until the connection closes"


_NO_BODY, _LENGTH, _CHUNKED, _CLOSE = _Framing

# Up to here copying the body behind its head is cheaper than a second buffer.
_JOINED_BYTES_MAX = 4 * KIB

# Up to here the same holds for a body that many get: it is copied once for all of them.
_SHARED_BYTES_MAX = 256 * KIB


class ResponseWriter:
    """Frame the response to one request; returns buffers to write, keeps none."""

    __slots__ = (
        "_framing",
        "_is_head",
        "_remaining",
        "_version",
        "ended",
        "is_broken",
        "keep_alive",
        "started",
    )

    def __init__(self, method: str, version: str) -> None:
        self._is_head = method == "HEAD"
        self._version = version
        self._framing = _NO_BODY
        self._remaining = 0  # with _LENGTH
        self.keep_alive = True
        """Whether the connection goes on after this response; known once it is started."""
        self.started = False
        self.ended = False
        self.is_broken = False

    def start(
        self,
        status: int,
        headers: Headers,
        body_bytes: int | None,
        keep_alive: bool,
        server: str | None,
        date: Callable[[], str] | None,
    ) -> bytes:
        """Return the head of the response.

        ``body_bytes`` is the length of the body where it is known already, ``keep_alive`` whether
        the connection may go on. Raises ProtocolError(side="local"); then nothing is begun.
        """
        if self.started:
            raise misuse("the response has been started already")
        if not 200 <= status <= 599:
            raise misuse(f"{status} is not a final status (200 to 599)")
        fields = read_fields(headers)
        framing = self._choose_framing(status, fields.length, body_bytes)
        announced = self._announced_length(status, framing, fields.length, body_bytes)
        if framing is _LENGTH and body_bytes is not None and body_bytes != announced:
            raise misuse(f"the body has {body_bytes} bytes, its Content-Length is {announced}")
        if framing is _NO_BODY and body_bytes and not self._is_head:
            raise misuse(f"a response with status {status} has no body")
        keep_alive = keep_alive and "close" not in fields.options and framing is not _CLOSE
        lines = [_status_line(status)]
        # RFC 9110 section 6.6.1: an origin server with a clock sends Date.
        if date is not None and "date" not in fields.names:
            lines += ("Date: ", date(), "\r\n")
        if server is not None and "server" not in fields.names:
            lines += ("Server: ", server, "\r\n")
        lines.append(fields.text)
        if framing is _CHUNKED:
            lines.append("Transfer-Encoding: chunked\r\n")
        elif announced is not None:
            lines += ("Content-Length: ", str(announced), "\r\n")
        if fields.options or not keep_alive or self._version == "1.0":
            connection = self._connection_options(fields.options, keep_alive)
            if connection:
                lines.append(f"Connection: {', '.join(connection)}\r\n")
        lines.append("\r\n")
        self.started = True
        self.keep_alive = keep_alive
        self._framing = framing
        self._remaining = announced or 0
        return "".join(lines).encode("latin-1")

    def whole(self, head: bytes, body: bytes) -> list[bytes]:
        """Return the response that ``start`` was told all of: its head, and its body if it has one
        on the wire. A small one is one buffer."""
        self.ended = True
        self._remaining = 0
        if not body or self._framing is not _LENGTH:
            return [head]
        return [head + body] if len(body) <= _JOINED_BYTES_MAX else [head, body]

    def _connection_options(self, options: Sequence[str], keep_alive: bool) -> list[str]:
        kept = [option for option in options if option not in ("close", "keep-alive")]
        if not keep_alive:
            # RFC 9112 section 9.6: the last response on a connection says so.
            kept.append("close")
        elif self._version == "1.0":
            # RFC 9112 section 9.3: an HTTP/1.0 client wants to be told.
            kept.append("keep-alive")
        return kept

    def _choose_framing(self, status: int, length: int | None, body_bytes: int | None) -> _Framing:
        # RFC 9112 section 6.3 item 1: HEAD, 204 and 304 end with the head, whatever it says.
        if self._is_head or status in (204, 304):
            return _NO_BODY
        # RFC 9110 section 15.3.6: 205 has no content, and says so with a length of zero.
        if length is not None or body_bytes is not None or status == 205:
            return _LENGTH
        # RFC 9112 section 6.1: no Transfer-Encoding unless the request was HTTP/1.1.
        return _CLOSE if self._version == "1.0" else _CHUNKED

    def _announced_length(
        self, status: int, framing: _Framing, length: int | None, body_bytes: int | None
    ) -> int | None:
        # RFC 9110 section 8.6: no Content-Length in a 204.
        if status == 204:
            return None
        if status == 205:
            return 0
        if length is not None:
            return length
        # RFC 9110 section 8.6: to HEAD, and in a 304, it is what a GET would have brought; that
        # nothing follows here does not tell.
        return body_bytes if framing is _LENGTH or body_bytes else None

    def body(self, data: bytes) -> list[bytes]:
        """Return a piece of the body, framed.

        Raises ProtocolError(side="local") when it may not follow; more than the Content-Length
        breaks the response.
        """
        if not self.started:
            raise misuse("a body was given before its response")
        if not data:
            return []
        if self._framing is _CHUNKED:
            return _chunk(data)
        if self._framing is _CLOSE:
            return [data]
        if self._framing is _LENGTH:
            if len(data) > self._remaining:
                self.is_broken = True
                excess = len(data) - self._remaining
                raise misuse(f"the body is {excess} bytes longer than its Content-Length")
            self._remaining -= len(data)
            return [data]
        if self._is_head:
            # A handler may answer HEAD as it answers GET; the body stays here.
            return []
        raise misuse("a response with this status has no body")

    def shares_pieces(self) -> bool:
        """Tell whether ``shared_chunk`` is what ``body`` would return, until the response ends."""
        return self.started and not self.ended and self._framing is _CHUNKED

    def end(self, trailers: Headers) -> list[bytes]:
        """Return what ends the response.

        Raises ProtocolError(side="local"); less than the Content-Length breaks the response.
        """
        if not self.started:
            raise misuse("a response was ended before it was started")
        trailer_lines = "".join(
            [f"{name}: {value}\r\n" for _, name, value in check_trailers(trailers)]
        ).encode("latin-1")
        if self._framing is _LENGTH and self._remaining:
            self.is_broken = True
            raise misuse(f"the body is {self._remaining} bytes shorter than its Content-Length")
        self.ended = True
        if self._framing is _CHUNKED:
            return [b"0\r\n" + trailer_lines + b"\r\n"]
        # RFC 9112 section 7.1.2: only chunked can carry trailers; elsewhere they are dropped.
        return []


# The last chunk, with the data in it: a fan-out writes the same buffer to many responses in a row.
_last_data, _last_chunk = b"", b""


def _chunk(data: bytes) -> list[bytes]:
    """Return the buffers of a chunk (RFC 9112 section 7.1)."""
    if data is _last_data or len(data) <= _JOINED_BYTES_MAX:
        return [_join_chunk(data)]
    return [b"%x\r\n" % len(data), data, b"\r\n"]


def _join_chunk(data: bytes) -> bytes:
    global _last_data, _last_chunk
    if data is not _last_data:
        _last_data, _last_chunk = data, b"%x\r\n%b\r\n" % (len(data), data)
    return _last_chunk


def shared_chunk(data: bytes) -> bytes | None:
    """Return the chunk of a piece that many responses get, one buffer for all of them; ``None``:
    the piece is too large for that, or empty."""
    return _join_chunk(data) if 0 < len(data) <= _SHARED_BYTES_MAX else None


def _status_line(status: int) -> str:
    line = _status_lines.get(status)
    if line is None:
        line = f"HTTP/1.1 {status} {reason_phrase(status)}\r\n"
        _status_lines[status] = line
    return line


_status_lines: dict[int, str] = {}  # there are 400 of them


def failure_response(
    error: ProtocolError,
    *,
    without_body: bool,
    server: str | None,
    date: Callable[[], str] | None,
) -> bytes:
    """Return our whole answer to a request that could not be read; the connection ends with it."""
    text = f"{error.code} {reason_phrase(error.code)}: {error.message}\n".encode()
    headers = Headers([("Content-Type", "text/plain; charset=utf-8")])
    writer = ResponseWriter("HEAD" if without_body else "GET", "1.1")
    head = writer.start(
        error.code,
        headers,
        body_bytes=len(text),
        keep_alive=False,
        server=server,
        date=date,
    )
    return b"".join(writer.whole(head, text))


def interim_response(status: int, headers: Headers) -> bytes:
    """Return an interim response (RFC 9110 section 15.2).

    Raises ProtocolError(side="local") for a status or header that may not stand there.
    """
    if not 100 <= status <= 199:
        raise misuse(f"{status} is not an interim status (100 to 199)")
    lines = []
    for name, value in headers:
        if check_field(name, value) in ("content-length", "transfer-encoding"):
            # RFC 9112 section 6.1 and RFC 9110 section 8.6: never in a 1xx.
            raise misuse(f"an interim response has no {name}")
        lines.append(f"{name}: {value.strip()}\r\n")
    text = f"HTTP/1.1 {status} {reason_phrase(status)}\r\n{''.join(lines)}\r\n"
    return text.encode("latin-1")
