"""One stream of an HTTP/2 connection in the shape of a link (RFC 8441 section 5).

What speaks on it, a WebSocket endpoint, does not learn that others share the connection: DATA is
what is read and written, END_STREAM is the end of a direction, RST_STREAM an abort, and the
stream's window is the flow control.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from longwire.base.errors import ProtocolError
from longwire.http.events import Body, BodyConsumed, End, HttpCommand, Reset
from longwire.net.kernel import TcpInfo
from longwire.net.link import Address, LinkHandler
from longwire.net.loop_lag import Block
from longwire.net.loop_state import loop_state
from longwire.net.no_handler import NoHandler
from longwire.net.timers import WheelEntry

if TYPE_CHECKING:
    from longwire.net.http_connection import HttpConnection
    from longwire.net.http_exchange import HttpExchange

__all__ = ["StreamLink"]

logger = logging.getLogger("longwire.net")

WRITE_HIGH_BYTES = 64 * 1024
"""``held_bytes`` past which a handler is told when it drained, until it sets its own marks."""


class StreamLink(WheelEntry):
    """A ``Link`` on a stream."""

    __slots__ = (
        "_connection",
        "_exchange",
        "_has_ended",
        "_is_catching_up",
        "_is_closing",
        "_is_eof_told",
        "_is_eof_written",
        "_is_lost",
        "_is_over_high",
        "_state",
        "_stream",
        "_unread",
        "_write_high",
        "_write_low",
        "handler",
        "is_reading_paused",
        "local_address",
        "remote_address",
        "tls",
    )

    def __init__(self, connection: HttpConnection, exchange: HttpExchange) -> None:
        super().__init__()
        self._connection = connection
        self._exchange = exchange
        self._stream = exchange.request.stream
        self._state = loop_state(asyncio.get_running_loop())
        self._unread: list[bytes] = []  # what came while reading was paused
        self._is_catching_up = False  # with that
        self._has_ended = False  # the peer's direction
        self._is_eof_told = False
        self._is_eof_written = False
        self._is_closing = False
        self._is_lost = False
        self._is_over_high = False
        self._write_high = WRITE_HIGH_BYTES
        self._write_low = WRITE_HIGH_BYTES // 4
        self.handler: LinkHandler = NoHandler()
        """Who speaks on this link now."""
        self.is_reading_paused = False
        self.local_address: Address = connection.link.local_address
        self.remote_address: Address = connection.link.remote_address
        self.tls: ssl.SSLObject | None = connection.link.tls

    # -- called by the connection -----------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """DATA came."""
        if self.is_reading_paused or self._is_catching_up:
            self._unread.append(data)
        else:
            self._deliver(data)

    def ended(self) -> None:
        """END_STREAM came."""
        self._has_ended = True
        if not self.is_reading_paused:
            self._tell_eof()

    def lost(self, error: OSError | None) -> None:
        """The stream is closed, or the connection lost."""
        if self._is_lost:
            return
        self._is_lost = True
        # As with a transport: never inside a call of the handler itself.
        self._state.loop.call_soon(self._tell_lost, error)

    def look_at_window(self) -> None:
        """The client may have taken something."""
        if self._is_over_high and self.held_bytes <= self._write_low:
            self._is_over_high = False
            if not self._is_closing and not self._is_lost:
                self._call(self.handler.link_drained)

    def consumed(self, size_bytes: int) -> None:
        """Give the client credit for what was read."""
        if size_bytes and not self._is_lost:
            self._tell(BodyConsumed(self._stream, size_bytes))

    # -- Link: time and facts ---------------------------------------------------------------

    @property
    def held_bytes(self) -> int:
        return 0 if self._is_lost else self._connection.held_bytes(self._exchange)

    @property
    def is_closing(self) -> bool:
        return self._is_closing or self._is_lost

    def now(self) -> float:
        return self._state.clock()

    def set_deadline(self, when: float | None) -> None:
        if not self._is_lost:
            self._state.wheel.set(self, when)

    def deadline_reached(self, now: float) -> None:
        self._call(self.handler.deadline_reached, now)

    def tcp_info(self) -> TcpInfo | None:
        return self._connection.link.tcp_info()

    def longest_block(self, window_s: float) -> Block | None:
        return self._connection.link.longest_block(window_s)

    def blocked_s(self, since_s: float) -> float:
        return self._connection.link.blocked_s(since_s)

    # -- Link: out --------------------------------------------------------------------------

    def write(self, *buffers: bytes) -> None:
        if self.is_closing or self._is_eof_written or not buffers:
            return
        data = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        if data:
            self._tell(Body(self._stream, data))
            if self.held_bytes > self._write_high:
                self._is_over_high = True

    def flush(self) -> None:
        self._connection.link.flush()

    def expect_writes(self) -> None:
        self._connection.link.expect_writes()

    def set_write_limits(self, high: int, low: int) -> None:
        self._write_high, self._write_low = high, low
        self._connection.tell_drained_from(low)

    def write_eof(self) -> None:
        if not self.is_closing and not self._is_eof_written:
            self._is_eof_written = True
            self._tell(End(self._stream))

    def close(self) -> None:
        if not self.is_closing:
            self.write_eof()
            self._is_closing = True
            self.resume_reading()

    def abort(self) -> None:
        self._is_closing = True
        if not self._is_lost:
            self._tell(Reset(self._stream, "the connection was aborted"))

    # -- Link: in ---------------------------------------------------------------------------

    def pause_reading(self) -> None:
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        self.is_reading_paused = False
        if self._is_catching_up:
            return  # within a piece, which comes to its end before the next one
        self._is_catching_up = True
        while self._unread and not self.is_reading_paused:
            self._deliver(self._unread.pop(0))
        self._is_catching_up = False
        if self._has_ended and not self.is_reading_paused:
            self._tell_eof()

    def switch_handler(self, handler: LinkHandler) -> None:
        self.handler = handler
        handler.link_made(self)

    # -- inside -----------------------------------------------------------------------------

    def _tell(self, command: HttpCommand) -> None:
        try:
            self._connection.send(command)
        except ProtocolError as error:
            # The same read closed the stream, and we shall be told so behind what came before that.
            logger.debug("%s is past the end of its stream: %s", type(command).__name__, error)

    def _deliver(self, data: bytes) -> None:
        if not self._is_closing:
            self._call(self.handler.data_received, data)
        self.consumed(len(data))

    def _tell_eof(self) -> None:
        if not self._is_eof_told and not self._is_lost:
            self._is_eof_told = True
            self._call(self.handler.eof_received)

    def _tell_lost(self, error: OSError | None) -> None:
        self._is_closing = True
        self._state.wheel.discard(self)
        self._call(self.handler.link_lost, error)
        self.handler = NoHandler()

    def _call(self, method: Callable[..., Any], *arguments: Any) -> None:
        """Call the handler, which must not raise: log it, and give the stream up."""
        try:
            method(*arguments)
        except Exception:
            logger.exception("%s failed on an HTTP/2 stream", type(self.handler).__name__)
            self.abort()
