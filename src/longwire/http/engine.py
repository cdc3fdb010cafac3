"""What every HTTP engine offers its driver, whatever the version on the wire."""

from __future__ import annotations

from typing import Protocol

from longwire.base.headers import Headers
from longwire.http.events import HttpCommand, HttpEvent

__all__ = ["HttpEngine"]


class HttpEngine(Protocol):
    """The server side of one HTTP connection, without input, output or clock of its own.

    The driver's duties:

    * after ``receive``, ``receive_eof``, ``handle_deadline`` and ``shutdown``: act on the events
      (``take_events`` for the ones that return none), write what ``take_output`` gives, set its
      timer to ``deadline``, obey ``wants_read`` and ``wants_close``;
    * after ``send`` the same, with ``take_events``: the end of one response may release the next
      pipelined request;
    * when it stops reading for reasons of its own it says so with ``set_reading_paused``.

    ``now`` is monotonic seconds and never runs backwards. Nothing a peer does raises.
    """

    @property
    def deadline(self) -> float | None:
        """When ``handle_deadline`` wants to be called, or ``None``."""

    @property
    def has_begun(self) -> bool:
        """Whether the peer has sent what shows that it speaks HTTP: a whole head, or a preface."""

    @property
    def is_multiplexed(self) -> bool:
        """Whether streams share the connection, each with flow control of its own.

        Then the driver need not stop reading for a body that nobody reads: the peer's window for
        it closes by itself.
        """

    def held_bytes(self, stream: int) -> int:
        """Bytes of a response that wait for the peer's flow-control window."""

    @property
    def wants_read(self) -> bool:
        """Whether the driver should go on reading; bytes read all the same are kept."""

    @property
    def wants_close(self) -> bool:
        """Whether to close once the output has left; never false again."""

    @property
    def wants_linger(self) -> bool:
        """Whether the peer may still be sending when ``wants_close`` is set.

        Then the driver half-closes and for a moment reads on and drops, for the kernel answers
        unread bytes with a reset, which can take our last response away (RFC 9112 section 9.6).
        """

    def receive(self, data: bytes | bytearray | memoryview, now: float) -> list[HttpEvent]:
        """Take bytes from the peer; return what they amount to. ``data`` is not kept."""

    def receive_eof(self, now: float) -> list[HttpEvent]:
        """Learn that the peer will send no more. Requests that came whole are still answered."""

    def send(self, *commands: HttpCommand, now: float) -> None:
        """Queue output, in order.

        Raises ProtocolError(side="local") for what the caller may not do. A command that is
        refused changed nothing, unless what went before it can then not be framed rightly (a body
        that does not fit its Content-Length): then the connection is closed as well.
        """

    def respond(self, stream: int, status: int, headers: Headers, body: bytes, now: float) -> bool:
        """Queue a complete response: ``send`` of ``Response``, ``Body`` and ``End``, with its
        errors and duties. ``True``: nothing follows from it but the end of the stream, which is
        not told then."""

    def write(self, stream: int, data: bytes, now: float) -> None:
        """Queue a piece of the body: ``send`` of a ``Body``, with its errors and duties."""

    def take_events(self) -> list[HttpEvent]:
        """Return what happened since the last call; see the driver's duties."""

    def take_output(self) -> list[bytes]:
        """Return what is to be written, in order."""

    def handle_deadline(self, now: float) -> list[HttpEvent]:
        """Act on the time: refuse a slow request, close an idle connection."""

    def set_reading_paused(self, paused: bool, now: float) -> None:
        """Learn that the driver stopped (or resumed) reading of its own accord.

        Meanwhile silence is not the peer's, and no time-out for a request runs.
        """

    def shutdown(self, now: float) -> None:
        """Finish what is begun, take nothing new."""
