# cython: annotation_typing=False, auto_pickle=False
"""The requests in the bytes of one HTTP/1.x connection, one after the other."""

from __future__ import annotations

from longwire.base.errors import ProtocolError
from longwire.base.limits import HttpLimits
from longwire.http.h1_body import BodyReader
from longwire.http.h1_head import RequestHead, parse_head
from longwire.http.h1_known_heads import KnownHeads
from longwire.http.h1_scan import HeadScanner

__all__ = ["RequestReader"]


class RequestReader:
    """Hold what arrived and was not read yet; cut heads and bodies off its front.

    ``scheme`` is the connection's.
    """

    __slots__ = ("_buffer", "_has_skipped_line", "_known_heads", "_limits", "_scanner", "_scheme")

    def __init__(
        self, limits: HttpLimits, scheme: str, known_heads: KnownHeads | None = None
    ) -> None:
        self._limits = limits
        self._scheme = scheme
        self._known_heads = known_heads
        self._buffer = bytearray()
        self._scanner = HeadScanner(limits)
        self._has_skipped_line = False

    def held_bytes(self) -> int:
        """Bytes that arrived and were not read yet."""
        return len(self._buffer)

    def is_inside_head(self) -> bool:
        """Whether, between two requests, the next has begun."""
        return bool(self._buffer) or self._has_skipped_line

    @property
    def is_head_request(self) -> bool:
        """Whether the request that begins here is a HEAD, as far as can be told."""
        return self._buffer.startswith(b"HEAD ")

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes; they are copied."""
        self._buffer += data

    def read_head(self) -> RequestHead | None:
        """Return the next request's head, ``None`` when more bytes are needed.

        Raises ProtocolError with the status that refuses it.
        """
        if not self._has_skipped_line and self._buffer.startswith(b"\r\n"):
            # RFC 9112 section 2.2: a server ignores at least one empty line before the request.
            self._has_skipped_line = True
            del self._buffer[:2]
            self._scanner.reset()
        length = self._scanner.scan(self._buffer) if self._buffer else 0
        if not length:
            return None
        data = bytes(self._buffer[:length])
        head = parse_head(data, self._limits)
        if head.scheme == "https" and self._scheme == "http":
            # RFC 9110 section 7.4: an https resource must have been asked for over a secured
            # connection. Gateways that end TLS send the origin form (RFC 9112 section 3.2.1).
            raise ProtocolError(
                421, "an https resource was asked for over a connection without TLS"
            )
        if self._known_heads is not None:
            self._known_heads.keep(data, head)
        del self._buffer[:length]
        self._scanner.reset()
        self._has_skipped_line = False
        return head

    def read_body(self, body: BodyReader) -> bytes:
        """Return what is here of the body; see ``BodyReader.read``."""
        return body.read(self._buffer) if self._buffer else b""

    def take_rest(self) -> bytes:
        """Return what is left and keep nothing."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest
