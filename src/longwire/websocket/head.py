"""Heads of HTTP/1.1 messages as far as the opening handshake needs them (RFC 9112).

A handshake has no body worth the name, so this reads header sections only, incrementally, and
strictly: what RFC 9112 lets a recipient repair (folded lines, lone line feeds, space before the
colon) is refused, since each has been used to make two parties read two different messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from longwire.base.errors import LongwireError
from longwire.base.headers import Headers, HeadersLike
from longwire.base.limits import WebSocketLimits

__all__ = ["HandshakeError", "HeadReader", "RequestHead", "ResponseHead", "serialize_head"]

REASONS = {
    101: "Switching Protocols",
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    405: "Method Not Allowed",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    505: "HTTP Version Not Supported",
}

# token of RFC 9110 section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# field-value of RFC 9110 section 5.5: visible characters, obs-text, space and tab.
_VALUE = re.compile("[\t -~\x80-\xff]*")
# field-line of RFC 9112 section 5, the white space around the value still in it.
_FIELD_LINE = re.compile(f"({_TOKEN.pattern}):({_VALUE.pattern})")
# request-line of RFC 9112 section 3: the target has visible ASCII characters only.
_REQUEST_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/([0-9]\.[0-9])")
# status-line of RFC 9112 section 4. Many servers leave out the space before an empty reason.
_STATUS_LINE = re.compile("HTTP/([0-9]\\.[0-9]) ([1-9][0-9]{2})(?: ([\t -~\x80-\xff]*))?")


class HandshakeError(LongwireError):
    """The opening handshake failed.

    On the server ``status`` and ``headers`` are what to answer, and :meth:`response` is the
    answer. On the client they are what the server answered (or what was wrong with it).
    ``limit_name`` is the setting that would have to be higher, if one was passed.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: HeadersLike = (),
        *,
        limit_name: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = Headers(headers)
        self.limit_name = limit_name

    def response(self) -> ResponseHead:
        """Return the whole answer of a server: the message as plain text, then the end."""
        body = (self.message + "\n").encode()
        headers = Headers(self.headers)
        headers.set("Content-Type", "text/plain; charset=utf-8")
        headers.set("Content-Length", str(len(body)))
        connection = headers.get("Connection")
        headers.set("Connection", "close" if connection is None else f"{connection}, close")
        return ResponseHead(self.status, REASONS.get(self.status, ""), headers, body)


@dataclass(slots=True)
class RequestHead:
    """A request without its body. ``version`` is ``"1.1"``, without the name of the protocol."""

    method: str
    target: str
    version: str = "1.1"
    headers: Headers = field(default_factory=Headers)

    @property
    def path(self) -> str:
        """The target under the name that users of `websockets` know: path and query."""
        return self.target


@dataclass(slots=True)
class ResponseHead:
    """A response; ``body`` is only ever what a server sends with a refusal."""

    status: int
    reason: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


class HeadReader:
    """Collects the head of one message as it arrives.

    ::

        reader = HeadReader(limits, expects="request")
        while not reader.feed(data): ...
        request = reader.request()     # reader.rest: what came after the head

    Every fault raises :exc:`HandshakeError` with the status a server would answer. ``expects``
    lets it notice at the first line that the peer speaks something else than HTTP.
    """

    __slots__ = ("_expects", "_head", "_limits", "_received", "rest")

    def __init__(
        self,
        limits: WebSocketLimits | None = None,
        *,
        expects: Literal["request", "response"] | None = None,
    ) -> None:
        self._limits = WebSocketLimits() if limits is None else limits
        self._expects = expects
        self._received = bytearray()
        self._head: str | None = None
        self.rest = b""

    def feed(self, data: bytes | bytearray | memoryview) -> bool:
        """Take what arrived; return whether the head is complete. Then ``rest`` is set."""
        if self._head is not None:
            self.rest += bytes(data)
            return True
        received = self._received
        start = len(received)
        received += data
        if start == 0:
            self._check_first_octet()
        end = received.find(b"\r\n\r\n", max(0, start - 3))
        checked_to = len(received) if end < 0 else end
        size = len(received) if end < 0 else end + 4
        maximum = self._limits.handshake_head_bytes_max
        # What is past the limit is not looked at: however it is cut, one fault comes first.
        self._check_line_ends(max(0, start - 1), min(checked_to, maximum))
        if size > maximum:
            raise HandshakeError(
                431,
                f"the head of the handshake has over {maximum} bytes (handshake_head_bytes_max)",
                limit_name="handshake_head_bytes_max",
            )
        if end < 0:
            return False
        self._head = received[:end].decode("latin-1")
        self.rest = bytes(received[end + 4 :])
        self._received = bytearray()
        return True

    def _check_first_octet(self) -> None:
        received = self._received
        if not received:
            return
        # A TLS record of type handshake, version 3.x: worth its own sentence.
        if received[0] == 0x16:
            raise HandshakeError(400, "the peer speaks TLS on a connection without TLS")
        if self._expects == "response":
            sample = bytes(received[:5])
            if not b"HTTP/".startswith(sample):
                raise HandshakeError(
                    400,
                    f"the peer does not speak HTTP; its first bytes are {bytes(received[:40])!r}",
                )
        elif received[0] != 0x0D and _TOKEN.match(chr(received[0])) is None:
            raise HandshakeError(400, f"the first byte, {received[0]:#04x}, cannot begin a request")

    def _check_line_ends(self, start: int, end: int) -> None:
        # RFC 9112 section 2.2: lines end in CRLF; a CR or LF on its own is refused.
        received = self._received
        pairs = received.count(b"\r\n", start, end)
        if received.count(b"\n", start, end) == received.count(b"\r", start, end) == pairs:
            return
        position = received.find(b"\n", start, end)
        while position >= 0:
            if position == 0 or received[position - 1] != 0x0D:
                raise HandshakeError(400, "a line of the head ends in LF without CR")
            position = received.find(b"\n", position + 1, end)
        position = received.find(b"\r", start, end)
        while position >= 0:
            following = received[position + 1 : position + 2]
            if following and following != b"\n":
                raise HandshakeError(400, "a CR stands alone in the head")
            position = received.find(b"\r", position + 1, end)

    def _lines(self) -> list[str]:
        if self._head is None:
            raise HandshakeError(400, "the head of the handshake is not complete")
        # RFC 9112 section 2.2: a server ignores an empty line before the request line.
        return self._head.removeprefix("\r\n").split("\r\n")

    def request(self) -> RequestHead:
        """Return the complete head as a request."""
        lines = self._lines()
        match = _REQUEST_LINE.fullmatch(lines[0])
        if match is None:
            raise HandshakeError(
                400,
                f"the request line {_clip(lines[0])!r} is not a method, a target and HTTP/1.1, "
                "with one space between",
            )
        method, target, version = match.groups()
        if not version.startswith("1."):
            raise HandshakeError(505, f"HTTP/{version} is not spoken here; HTTP/1.1 is")
        return RequestHead(method, target, version, self._read_headers(lines[1:]))

    def response(self) -> ResponseHead:
        """Return the complete head as a response."""
        lines = self._lines()
        match = _STATUS_LINE.fullmatch(lines[0])
        if match is None:
            raise HandshakeError(
                400, f"the status line {_clip(lines[0])!r} is not HTTP/1.1, a status and a reason"
            )
        version, status, reason = match.groups()
        if not version.startswith("1."):
            raise HandshakeError(505, f"the server answered in HTTP/{version}, not HTTP/1.1")
        return ResponseHead(int(status), reason or "", self._read_headers(lines[1:]))

    def _read_headers(self, lines: list[str]) -> Headers:
        maximum = self._limits.handshake_headers_max
        if len(lines) > maximum:
            raise HandshakeError(
                431,
                f"the handshake has {len(lines)} header fields, "
                f"{maximum} are the most (handshake_headers_max)",
                limit_name="handshake_headers_max",
            )
        headers = Headers()
        for line in lines:
            match = _FIELD_LINE.fullmatch(line)
            if match is None:
                raise _bad_field(line)
            name, value = match.groups()
            headers.add(name, value.strip(" \t"))
        return headers


def _bad_field(line: str) -> HandshakeError:
    """Say what is wrong with a line that is no header field."""
    # RFC 9112 section 5.2.
    if line[:1] in (" ", "\t"):
        return HandshakeError(400, f"a header is folded onto another line: {_clip(line)!r}")
    name, colon, _ = line.partition(":")
    # RFC 9112 section 5.1: white space before the colon MUST be refused.
    if not colon or _TOKEN.fullmatch(name) is None:
        return HandshakeError(400, f"{_clip(line)!r} is not a header name and a colon")
    return HandshakeError(400, f"the header {name} has control characters in its value")


def _clip(line: str) -> str:
    return line if len(line) <= 80 else line[:77] + "..."


def serialize_head(head: RequestHead | ResponseHead) -> bytes:
    """Return a head (and a response's body) as it goes over the wire.

    Raises :exc:`ValueError` for a method, target, name or value that would break the message in
    two: what the caller put into them may come from elsewhere.
    """
    if isinstance(head, RequestHead):
        first = f"{head.method} {head.target} HTTP/{head.version}"
        if _REQUEST_LINE.fullmatch(first) is None:
            raise ValueError(f"{first!r} is not a request line")
        body = b""
    else:
        first = f"HTTP/1.1 {head.status} {head.reason}"
        if _STATUS_LINE.fullmatch(first) is None:
            raise ValueError(f"{first!r} is not a status line")
        body = head.body
    lines = [first]
    for name, value in head.headers:
        line = f"{name}: {value}"
        # Whole, a line may still be cut elsewhere than between these two.
        if _FIELD_LINE.fullmatch(line) is None or ":" in name:
            if _TOKEN.fullmatch(name) is None:
                raise ValueError(f"{name!r} is not the name of a header")
            raise ValueError(f"the header {name} has {value!r}, which holds characters it may not")
        lines.append(line)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
