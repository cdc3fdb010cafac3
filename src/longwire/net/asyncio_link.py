"""The driver over ordinary asyncio transports: plain TCP, Unix sockets, TLS, asyncio and uvloop."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import Callable
from typing import cast

from longwire.net.kernel import TcpInfo, read_tcp_info
from longwire.net.link import Address, LinkHandler
from longwire.net.loop_lag import Block
from longwire.net.loop_state import LoopState
from longwire.net.no_handler import NoHandler
from longwire.net.timers import WheelEntry

__all__ = ["JOIN_BYTES_MAX", "AsyncioLink"]

JOIN_BYTES_MAX = 64 * 1024
"""Buffers below this are joined into one send; larger ones are never copied."""

WRITE_HIGH_BYTES = 64 * 1024
"""``held_bytes`` past which a handler is told when it drained, until it sets its own marks."""

LEFT_BYTES_MAX = 1024 * 1024
"""What is read at most from a connection that broke while we wrote."""

_GONE = NoHandler()

# Before 3.12 writelines() of asyncio's own transports joins what it gets.
_HAS_VECTOR_WRITE = sys.version_info >= (3, 12)


class AsyncioLink(WheelEntry, asyncio.BufferedProtocol):
    """A ``Link`` on an asyncio transport. It is the transport's protocol."""

    __slots__ = (
        "_backlog_bytes",
        "_corked",
        "_corked_bytes",
        "_handler",
        "_is_closing",
        "_is_corked",
        "_is_eof_written",
        "_is_in_burst",
        "_is_lost",
        "_is_made",
        "_is_over_high",
        "_is_transport_paused",
        "_make_handler",
        "_on_lost",
        "_state",
        "_transport",
        "_write_high",
        "_write_low",
        "is_reading_paused",
        "local_address",
        "remote_address",
        "tls",
    )

    _transport: asyncio.Transport

    def __init__(
        self,
        state: LoopState,
        make_handler: Callable[[AsyncioLink], LinkHandler],
        on_lost: Callable[[AsyncioLink], None] | None = None,
    ) -> None:
        super().__init__()
        self._state = state
        self._make_handler: Callable[[AsyncioLink], LinkHandler] | None = make_handler
        self._on_lost = on_lost
        self._handler: LinkHandler
        self._corked: list[bytes] = []
        self._corked_bytes = 0
        # What the transport held after the latest flush: an upper bound of what it holds now.
        self._backlog_bytes = 0
        self._write_high = WRITE_HIGH_BYTES
        self._write_low = WRITE_HIGH_BYTES // 4
        self._is_corked = False
        self._is_in_burst = False
        self._is_over_high = False
        self._is_transport_paused = False
        self._is_closing = False
        self._is_eof_written = False
        self._is_lost = False
        self._is_made = False
        self.is_reading_paused = False
        self.local_address: Address = None
        self.remote_address: Address = None
        self.tls: ssl.SSLObject | None = None

    @property
    def handler(self) -> LinkHandler:
        """Who speaks on this link now."""
        return self._handler

    # -- called by asyncio ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._is_lost:
            self._transport.abort()
            return
        self._is_made = True
        self.local_address = transport.get_extra_info("sockname")
        self.remote_address = transport.get_extra_info("peername")
        self.tls = transport.get_extra_info("ssl_object")
        self._state.lag.acquire()
        assert self._make_handler is not None
        self._handler = self._make_handler(self)
        self._is_in_burst = True
        try:
            self._handler.link_made(self)
        except Exception as error:
            self._handler_failed(error)
        self._end_burst()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._state.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._is_closing:
            return
        self._is_in_burst = True
        try:
            self._handler.data_received(self._state.read_buffer[:nbytes])
        except Exception as error:
            self._handler_failed(error)
        self._end_burst()

    def eof_received(self) -> bool:
        self._is_in_burst = True
        try:
            self._handler.eof_received()
        except Exception as error:
            self._handler_failed(error)
        self._end_burst()
        # TLS has no half-closed state in asyncio; asking for one is logged as a warning.
        return self.tls is None

    def pause_writing(self) -> None:
        self._is_transport_paused = True
        self._is_over_high = True

    def resume_writing(self) -> None:
        self._is_transport_paused = False
        self._backlog_bytes = self._transport.get_write_buffer_size()
        # What waits in the cork is on its way; its flush will tell.
        if not self._corked:
            self._tell_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_lost:
            return
        error = exc if isinstance(exc, OSError) or exc is None else OSError(str(exc))
        if error is not None and not self._is_closing and self.tls is None:
            self._read_what_is_left()
        try:
            self._handler.link_lost(error)
        except Exception as failure:
            self._handler_failed(failure)
        self._is_closing = self._is_lost = True
        self._corked.clear()
        self._corked_bytes = 0
        self._state.wheel.discard(self)
        self._state.lag.release()
        if self._on_lost is not None:
            self._on_lost(self)
        # A handler knows its link; without the way back both go as soon as nobody holds them.
        self._handler = _GONE
        self._make_handler = self._on_lost = None

    def forsake(self) -> None:
        """Drop the link because opening it was cancelled.

        uvloop then closes the transport without telling its protocol, whether that has been told
        of the connection already or will be.
        """
        if self._is_made:
            self.abort()
            self.connection_lost(None)
        self._is_closing = self._is_lost = True

    # -- Link: time and facts ---------------------------------------------------------------

    def now(self) -> float:
        return self._state.clock()

    def deadline_reached(self, now: float) -> None:
        self._is_in_burst = True
        try:
            self._handler.deadline_reached(now)
        except Exception as error:
            self._handler_failed(error)
        self._end_burst()

    def set_deadline(self, when: float | None) -> None:
        self._state.wheel.set(self, when)

    def tcp_info(self) -> TcpInfo | None:
        shared = self._transport.get_extra_info("socket")
        return None if shared is None else read_tcp_info(shared.fileno())

    def longest_block(self, window_s: float) -> Block | None:
        return self._state.lag.longest_block(self._state.clock(), window_s)

    def blocked_s(self, since_s: float) -> float:
        return self._state.lag.blocked_s(self._state.clock(), since_s)

    @property
    def held_bytes(self) -> int:
        if self._is_lost:
            return 0
        size = self._transport.get_write_buffer_size()
        if size == 0 and not self._is_closing and self._transport.is_closing():
            # The transport broke and threw its buffer away: what it held when we last looked.
            size = self._backlog_bytes
        return self._corked_bytes + size

    @property
    def is_closing(self) -> bool:
        return self._is_closing

    # -- Link: out --------------------------------------------------------------------------

    def write(self, *buffers: bytes) -> None:
        if self._is_closing or self._is_eof_written:
            return
        self._corked.extend(buffers)
        for buffer in buffers:
            self._corked_bytes += len(buffer)
        if self._corked_bytes + self._backlog_bytes > self._write_high:
            self._is_over_high = True
        if not self._is_in_burst and not self._is_corked:
            self._is_corked = True
            self._state.cork.add(self)

    def flush(self) -> None:
        self._is_corked = False
        if not self._corked or self._transport.is_closing():
            return
        buffers, self._corked = self._corked, []
        total, self._corked_bytes = self._corked_bytes, 0
        if len(buffers) == 1:
            self._transport.write(buffers[0])
        elif total <= JOIN_BYTES_MAX:
            self._transport.write(b"".join(buffers))
        else:
            pieces = _join_small(buffers)
            if _HAS_VECTOR_WRITE or self._state.is_uvloop:
                self._transport.writelines(pieces)
                # CVE-2024-12254: writelines of CPython 3.12.0 to 3.13.1 forgets to say that the
                # buffer is too full; setting its limits makes the transport look again.
                self._transport.set_write_buffer_limits(self._write_high, self._write_low)
            else:
                for piece in pieces:
                    self._transport.write(piece)
        self._backlog_bytes = self._transport.get_write_buffer_size()
        if self._is_over_high and not self._is_transport_paused:
            self._tell_drained()

    def expect_writes(self) -> None:
        self._state.cork.expect()

    def set_write_limits(self, high: int, low: int) -> None:
        self._write_high, self._write_low = high, low
        self._transport.set_write_buffer_limits(high, low)

    def write_eof(self) -> None:
        if self._is_closing or self._is_eof_written:
            return
        self._is_eof_written = True
        self.flush()
        if not self._transport.can_write_eof():
            self.close()
            return
        try:
            self._transport.write_eof()
        except OSError:
            # The peer has reset the connection already, and asyncio does not look for that.
            self.abort()

    def close(self) -> None:
        if self._is_closing:
            return
        self.flush()
        self._is_closing = True
        self._transport.close()

    def abort(self) -> None:
        self._is_closing = True
        self._corked.clear()
        self._corked_bytes = 0
        self._transport.abort()

    # -- Link: in ---------------------------------------------------------------------------

    def pause_reading(self) -> None:
        if not self.is_reading_paused and not self._transport.is_closing():
            self.is_reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.is_reading_paused:
            self.is_reading_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def switch_handler(self, handler: LinkHandler) -> None:
        self._handler = handler
        handler.link_made(self)

    # -- inside -----------------------------------------------------------------------------

    def _end_burst(self) -> None:
        self._is_in_burst = False
        if self._corked:
            self.flush()

    def _read_what_is_left(self) -> None:
        """After a failed write: what the peer said before it went still lies in the socket.

        asyncio closes a connection whose write failed without another read. The last thing in
        there is often the Close frame that says why.
        """
        shared = self._transport.get_extra_info("socket")
        if shared is None or shared.fileno() < 0:
            return
        left_bytes = LEFT_BYTES_MAX
        try:
            with socket.socket(fileno=os.dup(shared.fileno())) as duplicate:
                duplicate.setblocking(False)
                while left_bytes > 0 and not self._is_closing:
                    count = duplicate.recv_into(self._state.read_buffer)
                    if count == 0:
                        return
                    left_bytes -= count
                    self._handler.data_received(self._state.read_buffer[:count])
        except OSError:
            return  # nothing is left, or the reset has emptied the socket
        except Exception as error:
            self._handler_failed(error)

    def _tell_drained(self) -> None:
        self._is_over_high = False
        if self._is_closing:
            return
        try:
            self._handler.link_drained()
        except Exception as error:
            self._handler_failed(error)

    def _handler_failed(self, error: Exception) -> None:
        """A handler must not raise: log it, and give the connection up."""
        self._state.loop.call_exception_handler(
            {
                "message": f"{type(self._handler).__name__} failed",
                "exception": error,
                "protocol": self,
                "transport": self._transport,
            }
        )
        self.abort()


def _join_small(buffers: list[bytes]) -> list[bytes]:
    """Join neighbours up to JOIN_BYTES_MAX; what is larger stands alone, uncopied."""
    pieces: list[bytes] = []
    run: list[bytes] = []
    run_bytes = 0
    for buffer in buffers:
        size = len(buffer)
        if run and run_bytes + size > JOIN_BYTES_MAX:
            pieces.append(b"".join(run) if len(run) > 1 else run[0])
            run, run_bytes = [], 0
        if size >= JOIN_BYTES_MAX:
            pieces.append(buffer)
        else:
            run.append(buffer)
            run_bytes += size
    if run:
        pieces.append(b"".join(run) if len(run) > 1 else run[0])
    return pieces
