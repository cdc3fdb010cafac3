"""One request with its response on an HTTP/2 connection, and how far both have come."""

from __future__ import annotations

from collections import deque

from longwire.base.limits import KIB
from longwire.http.events import Response
from longwire.http.h2_head import RequestHead
from longwire.http.h2_priority import Priority
from longwire.http.response_fields import misuse, read_fields

__all__ = ["PROGRESS_BYTES", "Stream"]

PROGRESS_BYTES = KIB
"""What a peer has to take of a response within ``stall_timeout_s``, or all that is left of it."""

# RFC 9113 section 8.2.2: a response with one of these is malformed. Handlers need not know which
# version they answer, so what is about an HTTP/1.1 connection is left out, as Connection is.
_CONNECTION_SPECIFIC = frozenset({"keep-alive", "proxy-connection", "upgrade"})


class Stream:
    """What is known of a stream; the engine moves it along.

    Response bytes wait here for the peer's flow-control window.
    """

    __slots__ = (
        "_is_refused",
        "_remaining",
        "_takes_body",
        "has_ended",
        "has_response",
        "head",
        "heard_s",
        "identifier",
        "is_request_complete",
        "is_sent",
        "is_told_closed",
        "pending",
        "pending_bytes",
        "priority",
        "received_bytes",
        "stalled_s",
        "trailers",
        "trickled_bytes",
        "unread_bytes",
        "waits_for_continue",
    )

    def __init__(self, identifier: int, head: RequestHead, priority: Priority, now: float) -> None:
        self.identifier = identifier
        self.head = head
        self.priority = priority
        self.heard_s = now
        """When something of the request came last, or its handler took some of it."""
        self.stalled_s: float | None = None
        """Since when the response waits for the peer's window without any progress to speak of."""
        self.trickled_bytes = 0
        """What was sent since then."""
        self.is_request_complete = False
        self.received_bytes = 0
        self.unread_bytes = 0
        """Body bytes given out and not yet consumed: credit that the peer does not have."""
        self.waits_for_continue = head.expects_continue
        self.has_response = False
        self.has_ended = False
        """Whether the caller has ended the response; pending bytes may still be on the way."""
        self.is_sent = False
        """Whether the response has left, END_STREAM included."""
        self.is_told_closed = False
        """Whether the caller knows that it is over; an answer of ours may still be on the way."""
        self.pending: deque[bytes] = deque()
        self.pending_bytes = 0
        self.trailers: list[tuple[str, str]] = []
        self._takes_body = True
        self._is_refused = False
        self._remaining: int | None = None  # of the response's Content-Length

    @property
    def is_tunnel(self) -> bool:
        """Whether the stream carries another protocol (RFC 8441), or will if that is accepted."""
        return self.head.protocol is not None and not self._is_refused

    def start(self, response: Response, body_bytes: int | None) -> list[tuple[str, str]]:
        """Return the fields of the response's head; ``body_bytes`` is the body's length if known.

        Raises ProtocolError(side="local"); then nothing is begun.
        """
        if self.has_response:
            raise misuse("the response has been started already")
        if not 200 <= response.status <= 599:
            raise misuse(f"{response.status} is not a final status (200 to 599)")
        given = read_fields(response.headers)
        length = given.length
        # RFC 9110 sections 6.4.1 and 15.3.6: these end with the head, whatever it says.
        is_bodiless = self.head.method == "HEAD" or response.status in (204, 205, 304)
        if is_bodiless and self.head.method != "HEAD" and body_bytes:
            raise misuse(f"a response with status {response.status} has no body")
        if length is not None and body_bytes not in (None, length) and not is_bodiless:
            raise misuse(f"the body has {body_bytes} bytes, its Content-Length is {length}")
        fields = [
            (lower, value)
            for lower, _, value in given.lines
            if lower not in _CONNECTION_SPECIFIC and lower not in given.options
        ]
        announced = length if length is not None else body_bytes
        # RFC 9110 section 8.6: none in a 204; in a 304 and to HEAD it is what GET would bring.
        may_announce = response.status != 204 and not (is_bodiless and not announced)
        if announced is not None and may_announce and not self.is_tunnel:
            fields.append(("content-length", str(announced)))
        self.has_response = True
        # RFC 9110 section 9.3.6: only a 2xx makes a tunnel of the stream.
        self._is_refused = response.status > 299
        self._takes_body = not is_bodiless
        self._remaining = announced if self._takes_body and not self.is_tunnel else None
        return fields

    def add(self, data: bytes) -> None:
        """Queue a piece of the body. Raises ProtocolError(side="local")."""
        self._check_may_send()
        if not data:
            return
        if not self._takes_body:
            if self.head.method == "HEAD":
                return  # a handler may answer HEAD as it answers GET
            raise misuse("a response with this status has no body")
        if self._remaining is not None:
            if len(data) > self._remaining:
                excess = len(data) - self._remaining
                raise misuse(f"the body is {excess} bytes longer than its Content-Length")
            self._remaining -= len(data)
        self.pending.append(data)
        self.pending_bytes += len(data)

    def end(self, trailers: list[tuple[str, str]]) -> None:
        """The caller has ended the response. Raises ProtocolError(side="local")."""
        self._check_may_send()
        if self._remaining:
            raise misuse(f"the body is {self._remaining} bytes shorter than its Content-Length")
        self.trailers = trailers
        self.has_ended = True

    def take(self, size: int) -> bytes:
        """Return the next piece of what is pending, at most ``size`` bytes."""
        piece = self.pending.popleft()
        if len(piece) > size:
            self.pending.appendleft(piece[size:])
            piece = piece[:size]
        self.pending_bytes -= len(piece)
        if self.stalled_s is not None:
            self.trickled_bytes += len(piece)
        return piece

    def look_at_window(self, window_bytes: int, now: float) -> None:
        """Begin to wait for the peer, or stop it.

        A peer that grants an octet at a time would hold what we keep for it as long as it likes.
        """
        progress = self.trickled_bytes + max(window_bytes, 0)
        if self.stalled_s is None:
            if window_bytes < min(self.pending_bytes, PROGRESS_BYTES):
                self.stalled_s, self.trickled_bytes = now, 0
        elif progress >= PROGRESS_BYTES or window_bytes >= self.pending_bytes:
            self.stalled_s, self.trickled_bytes = None, 0

    def _check_may_send(self) -> None:
        if not self.has_response:
            raise misuse("a body was given before its response")
        if self.has_ended:
            raise misuse("the response is complete already")
