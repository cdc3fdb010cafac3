# cython: annotation_typing=False, auto_pickle=False
"""One TCP connection in the reactor: a descriptor, what could not be sent yet, and its handler.

There is no transport and no protocol object of asyncio, no task and no buffer: an idle connection
is this object and what its handler keeps. ``reactor`` has the loop that calls ``handle_events``.
"""

from __future__ import annotations

import os
import select
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from longwire.net.kernel import TcpInfo, read_tcp_info
from longwire.net.link import Address, LinkHandler
from longwire.net.loop_lag import Block
from longwire.net.no_handler import NoHandler
from longwire.net.sockaddr import read_sockaddr
from longwire.net.socket_calls import SocketCalls
from longwire.net.timers import WheelEntry

if TYPE_CHECKING:
    from longwire.net.reactor import Reactor

__all__ = ["LEFT_BYTES_MAX", "READ_BYTES", "ReactorLink"]

READ_BYTES = 256 * 1024
"""What one connection brings in one turn at most; then the others have theirs."""

WRITE_HIGH_BYTES = 64 * 1024
"""``held_bytes`` past which a handler is told when it drained, until it sets its own marks."""

LEFT_BYTES_MAX = 1024 * 1024
"""What is read at most from a connection that broke while we wrote."""

SMALL_BYTES = 64
"""Buffers of this size and below are joined when they have to wait: each is an object, too, which
takes many times what a tiny message has, and ``held_bytes`` counts bytes."""

_READ_BYTES, _SMALL_BYTES = READ_BYTES, SMALL_BYTES
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_BROKEN = select.EPOLLHUP | select.EPOLLERR
_GONE = NoHandler()


class Source(Protocol):
    """Who gives what he has to write when the link asks."""

    def hand_over(self) -> None:
        """Write it now."""


class ReactorLink(WheelEntry):
    """A ``Link`` on a descriptor that the reactor watches."""

    __slots__ = (
        "__weakref__",
        "_clock",
        "_handler",
        "_has_eof",
        "_held",
        "_interest",
        "_is_blocked",
        "_is_closing",
        "_is_corked",
        "_is_ending",
        "_is_eof_wanted",
        "_is_eof_written",
        "_is_in_burst",
        "_is_lost",
        "_is_over_high",
        "_local_address",
        "_on_lost",
        "_peer",
        "_pending",
        "_reactor",
        "_skipped",
        "_source",
        "_write_high",
        "_write_low",
        "calls",
        "descriptor",
        "is_reading_paused",
    )

    def __init__(
        self,
        reactor: Reactor,
        calls: SocketCalls,
        descriptor: int,
        peer: Address | bytes,
        on_lost: Callable[[ReactorLink], None] | None,
    ) -> None:
        super().__init__()
        self.descriptor = descriptor
        # Left as the kernel has it until somebody asks.
        self._peer = peer
        self._local_address: Address = None
        self._reactor = reactor
        self.calls = calls
        self._clock = reactor.state.clock
        self._on_lost = on_lost
        self._handler: LinkHandler = _GONE
        # Written and not taken by the kernel: of the first buffer, ``skipped`` bytes are gone.
        self._pending: list[bytes] | None = None
        self._skipped = 0
        self._held = 0
        # Who keeps more to write until the flush, so that it comes in one piece.
        self._source: Source | None = None
        self._write_high = WRITE_HIGH_BYTES
        self._write_low = WRITE_HIGH_BYTES // 4
        # What epoll watches for us: 0 when it does not know the descriptor.
        self._interest = 0
        self._is_blocked = False
        self._is_corked = False
        self._is_in_burst = False
        self._is_over_high = False
        self._is_closing = False
        self._is_ending = False
        self._is_eof_wanted = False
        self._is_eof_written = False
        self._has_eof = False
        self._is_lost = False
        self.is_reading_paused = False

    @property
    def handler(self) -> LinkHandler:
        """Who speaks on this link now."""
        return self._handler

    def begin(self, make_handler: Callable[[ReactorLink], LinkHandler]) -> None:
        """Open the link for a handler. Called once, by the reactor."""
        self._is_in_burst = True
        try:
            self._handler = make_handler(self)
            self._handler.link_made(self)
        except Exception as error:
            self._handler_failed(error)
        self._end_burst()
        if not self._is_closing:
            self._watch()

    # -- called by the reactor --------------------------------------------------------------

    def handle_events(self, events: int) -> None:
        """Do what epoll says is possible."""
        if events & _OUT and not self._is_lost:
            self._send_pending()
        if events & (_IN | _BROKEN) and self._interest & _IN:
            self._receive()

    @property
    def is_only_read(self) -> bool:
        """Whether epoll watches for something to read, and for nothing else."""
        return self._interest == _IN

    def _receive(self) -> None:
        """Read once; maybe nothing has arrived."""
        try:
            data = self._take_some()
        except OSError as error:
            self._break(error)
            return
        if data is not None:
            self._deliver(data)

    def _take_some(self) -> bytes | None:
        """What has arrived for the handler: ``b""`` at the end, ``None`` when nothing has."""
        return self.calls.receive(self.descriptor, _READ_BYTES)

    def _deliver(self, data: bytes) -> None:
        self._is_in_burst = True
        try:
            if data:
                self._handler.data_received(data)
            else:
                self._has_eof = True
                self._handler.eof_received()
        except Exception as error:
            self._handler_failed(error)
        self._end_burst()
        if self._has_eof:
            self._watch()

    def _end_burst(self) -> None:
        self._is_in_burst = False
        if not self._is_corked and self._has_unsent():
            self.flush()

    def deadline_reached(self, now: float) -> None:
        self._is_in_burst = True
        try:
            self._handler.deadline_reached(now)
        except Exception as error:
            self._handler_failed(error)
        self._end_burst()

    # -- Link: time and facts ---------------------------------------------------------------

    @property
    def remote_address(self) -> Address:
        return read_sockaddr(self._peer) if isinstance(self._peer, bytes) else self._peer

    @property
    def local_address(self) -> Address:
        if self._local_address is None and not self._is_lost:
            self._local_address = self.calls.local_address(self.descriptor)
        return self._local_address

    @property
    def tls(self) -> ssl.SSLObject | None:
        return None

    def now(self) -> float:
        return self._clock()

    def set_deadline(self, when: float | None) -> None:
        if when is not self.deadline:
            self._reactor.state.wheel.set(self, when)

    def tcp_info(self) -> TcpInfo | None:
        return None if self._is_lost else read_tcp_info(self.descriptor)

    def longest_block(self, window_s: float) -> Block | None:
        state = self._reactor.state
        return state.lag.longest_block(self._clock(), window_s)

    def blocked_s(self, since_s: float) -> float:
        state = self._reactor.state
        return state.lag.blocked_s(self._clock(), since_s)

    @property
    def held_bytes(self) -> int:
        return self._held

    @property
    def is_closing(self) -> bool:
        return self._is_closing

    # -- Link: out --------------------------------------------------------------------------

    def write(self, *buffers: bytes) -> None:
        self.write_all([buffer for buffer in buffers if buffer])

    def write_all(self, buffers: list[bytes]) -> None:
        """As ``write``, for the hot path: none is empty, and the list is ours from now on."""
        if self._is_closing or self._is_eof_wanted:
            return
        held = self._held
        for buffer in buffers:
            self._held += len(buffer)
        if self._is_blocked and self._held - held < len(buffers) * _SMALL_BYTES:
            buffers = [b"".join(buffers)]
        if self._pending is None:
            self._pending = buffers
        else:
            self._pending += buffers
        if self._held > self._write_high:
            self._is_over_high = True
        if not self._is_in_burst and not self._is_corked and not self._is_blocked:
            self._is_corked = True
            self._reactor.cork(self)

    def write_alone(self, buffer: bytes) -> int:
        """As ``write``, but what nothing waits before is sent at once, past the cork. Returns what
        is held, bytes."""
        if not self.can_write_alone():
            self.write(buffer)
            return self._held
        try:
            count = self.calls.send_one(self.descriptor, buffer)
        except OSError as error:
            self._break(error)
            return 0
        if count < len(buffer):
            self.keep_rest(buffer, count)
        return self._held

    def can_write_alone(self) -> bool:
        """Whether the socket could be given something at once: nothing waits or is in the way."""
        return not (
            self._held > 0
            or self._is_corked
            or self._is_in_burst
            or self._is_closing
            or self._is_eof_wanted
        )

    def keep_rest(self, buffer: bytes, count: int) -> None:
        """The kernel has taken so many bytes of a buffer that was written alone: keep the rest."""
        self._pending = [buffer]
        self._skipped = count
        self._held = len(buffer) - count
        self._is_blocked = True
        self._is_over_high = self._held > self._write_high
        self._watch()

    def writing_failed(self, code: int) -> None:
        """The kernel has refused a buffer that was written alone, with this ``errno``."""
        self._break(OSError(code, os.strerror(code)))

    def flush(self) -> None:
        if self._source is not None:
            source, self._source = self._source, None
            source.hand_over()
        self._is_corked = False
        if not self._is_blocked and not self._is_ending and self._has_unsent():
            self._send_pending()
        elif self._is_over_high and not self._pending:
            self._tell_drained()

    def expect_writes(self) -> None:
        self._reactor.state.cork.expect()

    def set_write_limits(self, high: int, low: int) -> None:
        self._write_high, self._write_low = high, low

    def write_eof(self) -> None:
        if self._is_closing or self._is_eof_wanted:
            return
        self._is_eof_wanted = True
        self.flush()
        if not self._is_eof_written and not self._is_closing and not self._has_unsent():
            self._shut_down_writing()

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self.flush()
        if self._has_unsent():
            self._watch()
        else:
            self._end_soon(None)

    def abort(self) -> None:
        self._is_closing = True
        self._drop_pending()
        self._end_soon(None)

    # -- Link: in ---------------------------------------------------------------------------

    def pause_reading(self) -> None:
        if not self.is_reading_paused and not self._is_closing:
            self.is_reading_paused = True
            self._watch()

    def resume_reading(self) -> None:
        if self.is_reading_paused:
            self.is_reading_paused = False
            if not self._is_closing:
                self._watch()

    def switch_handler(self, handler: LinkHandler) -> None:
        self._handler = handler
        handler.link_made(self)

    # -- sending ----------------------------------------------------------------------------

    def _send_pending(self) -> None:
        """Send as much as the kernel takes, and watch for room if that is not all."""
        try:
            self._send_some()
        except OSError as error:
            self._break(error)
            return
        is_blocked = self._has_unsent()
        if is_blocked is not self._is_blocked:
            self._is_blocked = is_blocked
            self._watch()
        if self._is_over_high and self._held <= self._write_low:
            self._tell_drained()
        if is_blocked:
            return
        if self._is_eof_wanted and not self._is_eof_written:
            self._shut_down_writing()
        if self._is_closing:
            self._end_soon(None)

    def _has_unsent(self) -> bool:
        """Whether anything waits for the network to take it."""
        return bool(self._pending)

    def _send_some(self) -> None:
        """Send until nothing is left, or the kernel takes no more."""
        while self._pending:
            count = self.calls.send(self.descriptor, self._pending, self._skipped)
            if count == 0:
                return
            self._forget_sent(count)

    def _forget_sent(self, count: int) -> None:
        self._held -= count
        pending = self._pending
        if self._held == 0 or pending is None:
            self._pending = None
            self._skipped = 0
            return
        count += self._skipped
        whole = 0
        for buffer in pending:
            if count < len(buffer):
                break
            count -= len(buffer)
            whole += 1
        del pending[:whole]
        self._skipped = count

    def _drop_pending(self) -> None:
        self._pending = None
        self._skipped = self._held = 0
        self._is_blocked = False

    def _shut_down_writing(self) -> None:
        self._is_eof_written = True
        try:
            self.calls.shut_down_writing(self.descriptor)
        except OSError:
            self.abort()  # the peer has reset the connection already

    def _tell_drained(self) -> None:
        self._is_over_high = False
        if self._is_closing:
            return
        try:
            self._handler.link_drained()
        except Exception as error:
            self._handler_failed(error)

    # -- inside -----------------------------------------------------------------------------

    def _watch(self) -> None:
        """Tell epoll what we wait for now."""
        interest = 0
        if not self._is_ending:
            if not self.is_reading_paused and not self._has_eof and not self._is_closing:
                interest = _IN
            if self._is_blocked:
                interest |= _OUT
        if interest != self._interest:
            self._reactor.watch(self.descriptor, self._interest, interest)
            self._interest = interest

    def _break(self, error: OSError) -> None:
        """The connection is broken: read what is left of it, then end."""
        if self._is_ending:
            return
        if not self._is_closing:
            self._read_what_is_left()
        # What was not sent is told as held while the handler takes its evidence.
        self._is_closing = True
        self._end_soon(error)

    def _read_what_is_left(self) -> None:
        """What the peer said before it went lies in the socket: often a Close frame, and why."""
        if self._has_eof:
            return
        left_bytes = LEFT_BYTES_MAX
        self._is_in_burst = True
        try:
            while left_bytes > 0 and not self._is_closing:
                data = self._take_some()
                if not data:
                    break
                left_bytes -= len(data)
                self._handler.data_received(data)
        except OSError:
            pass  # nothing is left, or the reset has emptied the socket
        except Exception as error:
            self._handler_failed(error)
        self._is_in_burst = False

    def _end_soon(self, error: OSError | None) -> None:
        """End behind what runs now: no handler is told from within its own call."""
        if self._is_ending:
            return
        self._is_ending = True
        self._watch()
        self._reactor.state.loop.call_soon(self._end, error)

    def _end(self, error: OSError | None) -> None:
        try:
            self._handler.link_lost(error)
        except Exception as failure:
            self._handler_failed(failure)
        self._is_lost = True
        self._drop_pending()
        state = self._reactor.state
        state.wheel.discard(self)
        self._reactor.forget(self)
        self.calls.close(self.descriptor)
        if self._on_lost is not None:
            self._on_lost(self)
        # A handler knows its link; without the way back both go as soon as nobody holds them.
        self._handler = _GONE
        self._on_lost = None

    def _handler_failed(self, error: Exception) -> None:
        """A handler must not raise: log it, and give the connection up."""
        self._reactor.state.loop.call_exception_handler(
            {"message": f"{type(self._handler).__name__} failed", "exception": error}
        )
        self.abort()
