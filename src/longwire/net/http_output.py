# cython: annotation_typing=False, auto_pickle=False
"""The way out of an HTTP connection: from its engine onto the link, and what a client leaves there.

Pieces of a body that many responses get (server-sent events) go past the engine, framed once for
all, for as long as it would write just these bytes.
"""

from __future__ import annotations

from longwire.http.engine import HttpEngine
from longwire.http.h1 import Http1Engine
from longwire.http.h1_writer import shared_chunk
from longwire.net.direct_link import (
    link_held_bytes,
    link_now,
    set_link_deadline,
    write_to_link,
)
from longwire.net.http_exchange import HttpExchange
from longwire.net.link import Link
from longwire.net.reactor_link import ReactorLink
from longwire.net.stall_watch import StallWatch

__all__ = ["HttpOutput"]


class HttpOutput:
    """What one connection writes. ``held_bytes_max`` is what it may hold for a slow client, who is
    given up who takes nothing of it for ``stall_timeout_s``."""

    __slots__ = (
        "_held_bytes_max",
        "_link",
        "_stall_timeout_s",
        "_stall_watch",
        "engine",
        "sharing",
    )

    def __init__(
        self, link: Link, engine: HttpEngine, held_bytes_max: int, stall_timeout_s: float
    ) -> None:
        self.engine = engine
        """Whose output this is: another one from where HTTP/2 turns out to be spoken."""
        self.sharing: HttpExchange | None = None
        """Whose pieces need no engine, as it was seen; whoever tells the engine anything clears
        this."""
        self._link = link
        self._held_bytes_max = held_bytes_max
        self._stall_timeout_s = stall_timeout_s
        self._stall_watch: StallWatch | None = None  # while the client leaves something untaken

    def held_bytes(self, exchange: HttpExchange) -> int:
        """Bytes written to an exchange that the client has not taken."""
        engine = self.engine
        if isinstance(engine, Http1Engine):
            return link_held_bytes(self._link)  # nothing waits in there
        return engine.held_bytes(exchange.request.stream) + link_held_bytes(self._link)

    def is_held_up(self, exchange: HttpExchange) -> bool:
        """Whether the client has to take something before more is sent on an exchange."""
        return self.held_bytes(exchange) > self._held_bytes_max

    def is_full(self) -> bool:
        """Whether the client has to take something before anything more is read."""
        return link_held_bytes(self._link) > self._held_bytes_max

    def is_watched(self) -> bool:
        """Whether the client is looked after who leaves something untaken."""
        return self._stall_watch is not None

    def write(self) -> None:
        """Write what the engine has to say."""
        engine = self.engine
        if isinstance(engine, Http1Engine):
            h1 = engine  # typed for the compiler
            output = h1.take_output()
        else:
            output = engine.take_output()
        if output:
            self.write_buffers(output)

    def write_buffers(self, buffers: list[bytes]) -> None:
        """Write what the engine has said."""
        watch = self._stall_watch
        if watch is not None:
            for buffer in buffers:
                watch.wrote(len(buffer))
        write_to_link(self._link, buffers)

    def lend_link(self, exchange: HttpExchange, framed: bytes) -> ReactorLink | None:
        """Take a shared chunk for written that the caller writes on the link that is returned, at
        once. ``None``: that cannot be, and ``write_shared`` is the way."""
        link = self._link
        if not isinstance(link, ReactorLink):
            return None
        direct = link  # typed for the compiler
        if not direct.can_write_alone():
            return None
        if exchange is not self.sharing and not self._begin_sharing(exchange):
            return None
        if self._stall_watch is not None:
            self._stall_watch.wrote(len(framed))
        return direct

    def write_shared(self, exchange: HttpExchange, data: bytes) -> int:
        """Write a piece of a body that many exchanges get, at once and past the cork.

        Returns what is held, bytes; -1 where that is not possible, and nothing was written.
        """
        if exchange is not self.sharing and not self._begin_sharing(exchange):
            return -1
        framed, link = shared_chunk(data), self._link
        if framed is None or not isinstance(link, ReactorLink):
            return -1
        direct = link  # typed for the compiler
        if self._stall_watch is not None:
            self._stall_watch.wrote(len(framed))
        return direct.write_alone(framed)

    def _begin_sharing(self, exchange: HttpExchange) -> bool:
        """Look whether the pieces of a response need no engine; until something happens, then."""
        engine = self.engine
        if (
            exchange.closed
            or not isinstance(engine, Http1Engine)
            or not engine.shares_pieces(exchange.request.stream)
        ):
            return False
        self.sharing = exchange
        return True

    def set_deadline(self) -> None:
        """Set the earlier of the engine's deadline and the look at a client that takes nothing."""
        watch, held = self._stall_watch, link_held_bytes(self._link)
        if watch is None and held:
            due_s = link_now(self._link) + self._stall_timeout_s
            watch = self._stall_watch = StallWatch(due_s, held)
        engine = self.engine
        if isinstance(engine, Http1Engine):
            h1 = engine  # typed for the compiler
            deadline = h1.find_deadline()
        else:
            deadline = engine.deadline
        if watch is not None and (deadline is None or watch.due_s < deadline):
            deadline = watch.due_s
        set_link_deadline(self._link, deadline)

    def has_stalled(self, now: float) -> bool:
        """Look after the client, if it is time; tell whether it has taken nothing."""
        watch = self._stall_watch
        if watch is None or now < watch.due_s:
            return False
        self._stall_watch = None
        held = self._link.held_bytes
        return held > 0 and not watch.has_taken(held)
