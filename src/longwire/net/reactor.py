# cython: annotation_typing=False, auto_pickle=False
"""The reactor: all TCP connections that this event loop's listeners accepted, in one epoll.

The running event loop, asyncio's own or uvloop, watches one descriptor: that of an epoll of ours.
When it is readable, one callback takes all that is ready and serves every connection in turn,
without an object of the event loop for any of them. What the connections write meanwhile leaves in
one send each, at the end of their own burst, or of the batch if another connection wrote it.

Where one peer speaks at a time, asking an epoll in an epoll is a good part of each message's cost.
A connection that was the only one ready often enough in a row is therefore lifted: the event loop
watches it itself, until another one is, or more is to be known of it than that it is readable.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import select
import socket
import ssl
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from longwire.net.link import Address, LinkHandler
from longwire.net.reactor_link import ReactorLink
from longwire.net.socket_calls import SocketCalls
from longwire.net.tls_link import TlsLink
from longwire.net.tls_session import TlsBuffers, TlsSession

if TYPE_CHECKING:
    from longwire.net.loop_state import LoopState

__all__ = ["Reactor", "can_react", "has_kernel_sockets"]

logger = logging.getLogger("longwire.net")

EVENTS_MAX = 512
"""Connections that one batch serves; the event loop turns between batches."""

ALONE_BATCHES_MIN = 16
"""Batches in a row that brought the same link alone, before it is lifted."""

ACCEPTS_MAX = 64
"""Connections that a listening socket brings in one batch."""

HANDSHAKES_MAX = 16
"""Steps of TLS handshakes in one batch: a signature with an RSA key takes about a millisecond."""

ACCEPT_PAUSE_S = 1.0
"""How long accepting rests after the process or the machine ran out of something."""

_ALONE_BATCHES_MIN = ALONE_BATCHES_MIN
_IN = select.EPOLLIN
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def can_react(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether ``loop`` can watch an epoll of ours: on Linux, asyncio's own loop and uvloop.

    A loop whose sockets are not the kernel's says so (``has_kernel_sockets`` false), and can.
    """
    if sys.platform != "linux":
        return False
    module = type(loop).__module__.partition(".")[0]
    is_known = module == "uvloop" or type(loop) is asyncio.SelectorEventLoop
    return is_known or not has_kernel_sockets(loop)


def has_kernel_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the descriptors of ``loop`` are real ones, as system calls want them."""
    return bool(getattr(loop, "has_kernel_sockets", True))


class Reactor:
    """One per event loop."""

    __slots__ = (
        "_alone",
        "_alone_batches",
        "_batch",
        "_calls",
        "_epoll",
        "_handshakes_left",
        "_is_in_batch",
        "_is_watched",
        "_lifted",
        "_links",
        "_listening",
        "_may_lift",
        "_tls_buffers",
        "state",
    )

    def __init__(self, state: LoopState, calls: SocketCalls | None = None) -> None:
        self.state = state
        self._calls = SocketCalls() if calls is None else calls
        self._epoll = select.epoll()
        self._tls_buffers = TlsBuffers()
        self._handshakes_left = HANDSHAKES_MAX
        self._links: dict[int, ReactorLink] = {}
        self._listening: dict[int, Callable[[], None]] = {}
        # Links that others wrote to in this batch.
        self._batch: list[ReactorLink] = []
        self._is_in_batch = False
        self._is_watched = False
        # The link that was the only one ready in the last batch, and in how many in a row.
        self._alone: ReactorLink | None = None
        self._alone_batches = 0
        # The link that the event loop watches itself.
        self._lifted: ReactorLink | None = None
        self._may_lift = has_kernel_sockets(state.loop)

    @property
    def descriptor(self) -> int:
        """That of the epoll, which the event loop watches."""
        return self._epoll.fileno()

    @property
    def is_watched(self) -> bool:
        """Whether the event loop watches it now: while there is something to serve."""
        return self._is_watched

    def has_lifted(self, link: ReactorLink) -> bool:
        """Whether the event loop watches ``link`` itself, which has been speaking alone."""
        return link is self._lifted

    # -- listening sockets ------------------------------------------------------------------

    def listen(
        self,
        listening: socket.socket,
        make_handler: Callable[[ReactorLink], LinkHandler],
        on_lost: Callable[[ReactorLink], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Accept connections from ``listening``, which listens already and does not block.

        With ``tls`` they are encrypted, and ``make_handler`` gives the one that shakes hands first.
        """
        descriptor = listening.fileno()

        def accept_some() -> None:
            self._accept_some(listening, make_handler, on_lost, tls)

        self._listening[descriptor] = accept_some
        self._epoll.register(descriptor, select.EPOLLIN)
        self._begin_watching()

    def stop_listening(self, listening: socket.socket) -> None:
        """Accept no more from ``listening``; the caller closes it."""
        if self._listening.pop(listening.fileno(), None) is not None:
            self._epoll.unregister(listening.fileno())
            self._rest()

    def _accept_some(
        self,
        listening: socket.socket,
        make_handler: Callable[[ReactorLink], LinkHandler],
        on_lost: Callable[[ReactorLink], None],
        tls: ssl.SSLContext | None,
    ) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                accepted = self._calls.accept(listening)
            except OSError as error:
                self._accept_failed(listening, error)
                return
            if accepted is None:
                return
            self.adopt(*accepted, make_handler, on_lost, tls)

    def adopt(
        self,
        descriptor: int,
        peer: Address | bytes,
        make_handler: Callable[[ReactorLink], LinkHandler],
        on_lost: Callable[[ReactorLink], None] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> ReactorLink:
        """Serve a connected socket that does not block; the descriptor is the reactor's now.

        ``peer`` is the address of its other end, as ``SocketCalls.accept`` gives it. With ``tls``
        we are the server of a TLS connection on it.
        """
        link: ReactorLink
        if tls is None:
            link = ReactorLink(self, self._calls, descriptor, peer, on_lost)
        else:
            session = TlsSession(tls, self._tls_buffers)
            link = TlsLink(self, self._calls, descriptor, peer, on_lost, session)
        self._links[descriptor] = link
        self.state.lag.acquire()
        self._begin_watching()
        link.begin(make_handler)
        return link

    def _accept_failed(self, listening: socket.socket, error: OSError) -> None:
        if error.errno not in _EXHAUSTED:
            logger.warning("accepting a connection failed: %s", error)
            return
        # What waits stays in the backlog; trying again at once would only spin.
        logger.error("no connection can be accepted for %g s: %s", ACCEPT_PAUSE_S, error)
        descriptor = listening.fileno()
        accept_some = self._listening.pop(descriptor)
        self._epoll.unregister(descriptor)

        def go_on() -> None:
            if listening.fileno() == descriptor:
                self._listening[descriptor] = accept_some
                self._epoll.register(descriptor, select.EPOLLIN)
                self._begin_watching()  # the last link may have left meanwhile

        self.state.loop.call_later(ACCEPT_PAUSE_S, go_on)

    # -- the batch --------------------------------------------------------------------------

    def poll(self) -> None:
        """Serve all that is ready. The event loop calls it when the epoll is readable."""
        self._is_in_batch = True
        self._handshakes_left = HANDSHAKES_MAX
        self._serve_ready()
        self._end_batch()

    def _serve_ready(self) -> None:
        links = self._links
        ready = self._epoll.poll(0, EVENTS_MAX)
        for descriptor, events in ready:
            link = links.get(descriptor)
            if link is not None:
                link.handle_events(events)
            elif descriptor in self._listening:
                self._listening[descriptor]()
        if len(ready) != 1 or link is None:
            self._alone = None
        elif link is not self._alone:
            self._alone, self._alone_batches = link, 0
        else:
            self._alone_batches += 1
            if self._alone_batches >= _ALONE_BATCHES_MIN and self._may_lift:
                self._alone = None
                self._lift(link)

    def _end_batch(self) -> None:
        self._is_in_batch = False
        if self._batch:
            batch, self._batch = self._batch, []
            for link in batch:
                link.flush()

    # -- the link that is lifted ------------------------------------------------------------

    def _lift(self, link: ReactorLink) -> None:
        """Let the event loop watch a link, if all we wait for is something to read."""
        if not link.is_only_read:
            return
        if self._lifted is not None:
            self._lower(_IN)
        self._lifted = link
        # Its end, which epoll tells unasked, stays ours: libuv gives up what it tells an error of.
        self._epoll.modify(link.descriptor, 0)
        self.state.loop.add_reader(link.descriptor, self._serve_lifted)

    def _lower(self, interest: int) -> None:
        """Watch the lifted link in our epoll again, for ``interest``."""
        link, self._lifted = self._lifted, None
        assert link is not None
        self.state.loop.remove_reader(link.descriptor)
        if interest == 0:
            self._epoll.unregister(link.descriptor)
        else:
            self._epoll.modify(link.descriptor, interest)

    def _serve_lifted(self) -> None:
        link = self._lifted
        if link is None:
            return
        self._alone_batches = 0  # of another one: it is not alone
        self._is_in_batch = True
        self._handshakes_left = HANDSHAKES_MAX
        link.handle_events(_IN)
        self._end_batch()

    # -- for the links ----------------------------------------------------------------------

    def may_shake_hands(self) -> bool:
        """Whether one more step of a TLS handshake has a place in this batch."""
        self._handshakes_left -= 1
        return self._handshakes_left >= 0

    def cork(self, link: ReactorLink) -> None:
        """Flush ``link`` at the end of this batch, or at the tick's flush when there is none."""
        if self._is_in_batch:
            self._batch.append(link)
        else:
            self.state.cork.add(link)

    def watch(self, descriptor: int, before: int, interest: int) -> None:
        """Tell epoll that a link waits for ``interest`` now, and not for ``before``."""
        if self._lifted is not None and self._lifted.descriptor == descriptor:
            self._lower(interest)
        elif before == 0:
            self._epoll.register(descriptor, interest)
        elif interest == 0:
            self._epoll.unregister(descriptor)
        else:
            self._epoll.modify(descriptor, interest)

    def forget(self, link: ReactorLink) -> None:
        """A link is gone; its descriptor is about to be closed."""
        del self._links[link.descriptor]
        if link is self._alone:
            self._alone = None
        self.state.lag.release()
        self._rest()

    # -- the event loop ---------------------------------------------------------------------

    def _begin_watching(self) -> None:
        if not self._is_watched:
            self._is_watched = True
            self.state.loop.add_reader(self.descriptor, self.poll)

    def _rest(self) -> None:
        """Leave the event loop alone when there is nothing to watch."""
        if self._is_watched and not self._links and not self._listening:
            self._is_watched = False
            self.state.loop.remove_reader(self.descriptor)
