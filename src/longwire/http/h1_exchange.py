# cython: annotation_typing=False, auto_pickle=False
"""One request on an HTTP/1.x connection, and how far it and its response have come."""

from __future__ import annotations

from longwire.base.headers import Headers
from longwire.base.limits import KIB, HttpLimits
from longwire.http.events import HttpEvent
from longwire.http.h1_body import body_reader
from longwire.http.h1_head import RequestHead
from longwire.http.h1_writer import ResponseWriter
from longwire.http.request_received import RequestReceived

__all__ = ["Exchange"]

# A request body that nobody wants is read and dropped up to here to keep the connection; past it
# closing is cheaper for both. Precedent: Go's net/http drops up to 256 KiB.
_DISCARDED_BYTES_MAX = 64 * KIB


class Exchange:
    """A request and its response; the engine moves it along."""

    __slots__ = (
        "body",
        "discarded_bytes",
        "events",
        "head",
        "stream",
        "waits_for_continue",
        "writer",
    )

    def __init__(self, stream: int, head: RequestHead, limits: HttpLimits) -> None:
        self.stream = stream
        self.head = head
        self.body = body_reader(head.content_length, limits)
        self.writer = ResponseWriter(head.method, head.version)
        self.events: list[HttpEvent] = []
        """Of a request read ahead: what is given out when its turn comes."""
        self.waits_for_continue = head.expects_continue
        """Whether the client may be holding its body back until we say 100 (Continue)."""
        self.discarded_bytes = 0
        """Of the body, read after the response had ended."""

    def has_too_much_to_discard(self) -> bool:
        """Whether the rest of the body is not worth reading once the response has ended."""
        if self.body.ended:
            return self.discarded_bytes > _DISCARDED_BYTES_MAX
        remaining = self.body.remaining_bytes
        return max(remaining or 0, self.discarded_bytes) > _DISCARDED_BYTES_MAX

    def request_received(self, scheme: str) -> RequestReceived:
        """Return the event that begins the exchange. Its headers are the caller's to change."""
        head = self.head
        return RequestReceived(
            self.stream,
            head.method,
            head.target,
            head.version,
            Headers(head.headers),
            scheme,
            head.authority,
            head.protocol,
        )
