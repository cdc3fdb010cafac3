"""Where the head of an HTTP/1.x request ends, counted and checked byte by byte (RFC 9112).

Read RFC 9112 sections 2 to 5 first. llhttp tokenises the head afterwards, but it counts nothing,
passes over empty lines, doubled spaces and HTTP/0.9, and keeps back what it has not finished.
Request smuggling lives on such freedoms: two readers of the same bytes that disagree about where
a line, a head or a body ends. So this scan takes one spelling only, CRLF and the grammar to the
letter, and what it refuses is never read on.

Every verdict depends on the bytes alone, not on how they were cut into reads. That is why a limit
that was passed is reported as passed by one: how much more is here already is chance.
"""

from __future__ import annotations

import re

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.limits import HttpLimits
from longwire.http.field_values import TOKEN_PATTERN

__all__ = ["FIELD_LINE", "HeadScanner", "check_field_line"]

_TOKEN = TOKEN_PATTERN.encode()

# RFC 9112 section 3: request-line = method SP request-target SP HTTP-version
# The target is visible ASCII without "#" (a fragment is never sent). Browsers send some of the
# characters that RFC 3986 wants escaped ("|", "[", "{"); no framing depends on them.
_REQUEST_LINE = re.compile(
    rb"(?P<method>" + _TOKEN + rb") (?P<target>[!\"$-~]++) HTTP/(?P<major>[0-9])\.[0-9]"
)

# RFC 9112 section 5: field-line = field-name ":" OWS field-value OWS
FIELD_LINE = re.compile(_TOKEN + rb":[\t -~\x80-\xff]*+")

_WHOLE_HEAD = re.compile(
    rb"(" + _TOKEN + rb" [!\"$-~]++ HTTP/1\.[0-9])\r\n((?:" + FIELD_LINE.pattern + rb"\r\n)*)\r\n"
)

# In a request line not yet complete: a byte that no further byte can make right.
_WRONG_IN_REQUEST_LINE = re.compile(rb"[^ -~\r\n]|\r(?=[^\n])|(?<!\r)\n")

_TLS_HANDSHAKE = 0x16


class HeadScanner:
    """Find the end of the next request head in a growing buffer.

    ``scan`` is called again with the same buffer, longer each time, until it returns the length
    of the head; then ``reset`` makes it ready for the next. It costs time in proportion to what
    is new.
    """

    __slots__ = ("_fields", "_fields_start", "_limits", "_line_start", "_searched")

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self.reset()

    def reset(self) -> None:
        """Forget the last head."""
        self._line_start = 0  # of the line that is not yet complete
        self._searched = 0  # no line feed between the start of that line and here
        self._fields = 0  # field lines seen
        self._fields_start = 0  # 0 while the request line is not complete

    def scan(self, buffer: bytearray) -> int:
        """Return the length of the head with its empty line, or 0 when more bytes are needed.

        Raises ProtocolError with status 400 or 505, LimitError with 414 or 431.
        """
        if not self._searched:
            match = _WHOLE_HEAD.match(buffer)
            if match is not None and self._is_within_limits(match):
                return match.end()
        while True:
            end = buffer.find(b"\n", self._searched)
            if end < 0:
                self._check_incomplete(buffer)
                self._searched = len(buffer)
                return 0
            if self._take_line(buffer, end + 1):
                return end + 1
            self._line_start = self._searched = end + 1

    def _is_within_limits(self, match: re.Match[bytes]) -> bool:
        limits = self._limits
        fields_start, fields_end = match.span(2)
        return (
            match.end(1) <= limits.request_line_bytes_max
            and fields_end - fields_start <= limits.header_bytes_max
            and match[2].count(b"\n") <= limits.headers_max
        )

    def _check_incomplete(self, buffer: bytearray) -> None:
        if not self._fields_start:
            self._check_request_line_bytes(buffer, len(buffer))
        else:
            self._check_fields_bytes(buffer, len(buffer))

    def _take_line(self, buffer: bytearray, end: int) -> bool:
        """Check the complete line that stops before ``end``; tell whether it closes the head."""
        if not self._fields_start:
            self._check_request_line_bytes(buffer, end)
            check_request_line(bytes(buffer[: end - 2]))
            self._fields_start = end
            return False
        line = bytes(buffer[self._line_start : end])
        if line == b"\r\n":
            return True
        self._check_fields_bytes(buffer, end)
        self._fields += 1
        if self._fields > self._limits.headers_max:
            raise LimitError(431, "headers_max", self._fields, self._limits.headers_max)
        check_field_line(line)
        return False

    def _check_request_line_bytes(self, buffer: bytearray, end: int) -> None:
        # What comes first in the line decides, a wrong byte (400) or the one too many (414), so
        # that the answer is the same however the line was cut.
        maximum = self._limits.request_line_bytes_max
        wrong = _WRONG_IN_REQUEST_LINE.search(buffer, max(self._searched - 1, 0), end)
        if wrong is not None and wrong.start() <= maximum:
            raise ProtocolError(400, _explain_wrong_byte(buffer, wrong.start()))
        length = end
        if buffer.endswith(b"\r\n", 0, end):
            length -= 2
        elif buffer.endswith(b"\r", 0, end):
            length -= 1
        if length > maximum:
            raise LimitError(414, "request_line_bytes_max", maximum + 1, maximum)

    def _check_fields_bytes(self, buffer: bytearray, end: int) -> None:
        # The empty line that ends the head does not count, also when only half of it is here.
        if end - self._line_start <= 2 and buffer.startswith(b"\r", self._line_start):
            return
        size, maximum = end - self._fields_start, self._limits.header_bytes_max
        if size > maximum:
            raise LimitError(431, "header_bytes_max", maximum + 1, maximum)


def _explain_wrong_byte(buffer: bytearray, position: int) -> str:
    byte = buffer[position]
    if position == 0 and byte == _TLS_HANDSHAKE:
        return "this looks like a TLS handshake, and here plain HTTP is spoken: use http://"
    if byte == 0x0D:
        return "a carriage return in the request line is not followed by a line feed"
    if byte == 0x0A:
        return "a line ends with a bare line feed; HTTP/1.1 lines end with CRLF"
    return f"byte 0x{byte:02x} at position {position} does not belong in a request line"


def check_request_line(line: bytes) -> None:
    """Check a request line without its CRLF.

    Raises ProtocolError with 400, or 505 for a version that is not 1.x.
    """
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise ProtocolError(400, _explain_request_line(line))
    if line == b"PRI * HTTP/2.0":
        # RFC 9113 section 3.4: the beginning of HTTP/2's connection preface.
        raise ProtocolError(505, "HTTP/2 with prior knowledge is not spoken here; use HTTP/1.1")
    if match["major"] != b"1":
        # RFC 9110 section 15.6.6: 505 refuses the major version.
        raise ProtocolError(505, "HTTP/1.1 and HTTP/1.0 are spoken here")


def _explain_request_line(line: bytes) -> str:
    parts = line.split(b" ")
    if len(parts) == 2 and parts[0] == b"GET":
        return "HTTP/0.9 is not spoken here: the request line lacks its version"
    if len(parts) != 3 or not all(parts):
        return "the request line is not method, target and version with one space between"
    if re.fullmatch(_TOKEN, parts[0]) is None:
        return "the method is not a token"
    if b"#" in parts[1]:
        return "the request target holds a fragment (#)"
    return "the version at the end of the request line is not HTTP/1.1"


def check_field_line(line: bytes) -> None:
    """Check one header or trailer line with its CRLF (RFC 9112 section 5).

    Raises ProtocolError(400).
    """
    if not line.endswith(b"\r\n"):
        raise ProtocolError(400, "a header line ends with a bare line feed")
    if FIELD_LINE.fullmatch(line, 0, len(line) - 2) is not None:
        return
    if line[0] in b" \t":
        # RFC 9112 section 5.2: a server that receives obs-fold answers 400 or unfolds it. Some
        # reader before us may have done neither. Section 2.2: the same after the request line.
        raise ProtocolError(400, "a header line begins with white space (obsolete line folding)")
    name, colon, value = line[:-2].partition(b":")
    if not colon:
        raise ProtocolError(400, "a header line has no colon")
    if name.endswith((b" ", b"\t")):
        # RFC 9112 section 5.1: no white space between field name and colon, 400 otherwise.
        raise ProtocolError(400, "there is white space between a header's name and its colon")
    if FIELD_LINE.fullmatch(name + b":") is None:
        raise ProtocolError(400, "a header's name is not a token")
    # RFC 9110 section 5.5: CR, LF and NUL in a value are dangerous, other controls invalid.
    if b"\r" in value:
        raise ProtocolError(400, "a header's value holds a bare carriage return")
    raise ProtocolError(400, "a header's value holds a control character")
