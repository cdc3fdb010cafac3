# cython: annotation_typing=False, auto_pickle=False
"""Responses of server-sent events: what the gateways that send them have in common.

Read WHATWG HTML section 9.2 (server-sent events) first. A field's value ends at LF, CR or CR LF, so
a text of several lines is several ``data:`` lines, which the client joins with LF.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from longwire.base.headers import HeadersLike
from longwire.http.events import RequestReceived
from longwire.http.h1_writer import shared_chunk
from longwire.net.fan_out import write_to_each
from longwire.net.http_exchange import ExchangeClosed, HttpExchange
from longwire.net.reactor_link import ReactorLink

__all__ = [
    "EVENT_STREAM",
    "HEARTBEAT",
    "EventExchange",
    "EventResponse",
    "EventResponses",
    "ResponseFanOut",
    "split_lines",
]

EVENT_STREAM = "text/event-stream"

HEARTBEAT = b":\n\n"
"""A comment: nothing happens, but proxies and the client see life."""


class EventExchange(Protocol):
    """What is needed of an HTTP exchange, of our own server or under ASGI."""

    @property
    def request(self) -> RequestReceived: ...
    @property
    def bare(self) -> HttpExchange | None: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def is_open_ended(self) -> bool: ...
    @is_open_ended.setter
    def is_open_ended(self, is_open_ended: bool) -> None: ...
    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None: ...
    def start(self, status: int, headers: HeadersLike = ()) -> None: ...
    def write(self, data: bytes) -> None: ...
    def finish(self) -> None: ...
    async def drain(self) -> None: ...
    async def wait_shutdown(self) -> None: ...


def split_lines(text: bytes) -> list[bytes]:
    """Cut a text at what ends a line in an event stream."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.split(b"\n")


class EventResponse:
    """One response that does not end by itself, as the hub's sinks are built on it.

    HTTP/1.1 wraps each buffer into a chunk of its own, other versions into their frames; that is
    the exchange's business, so a text can be shared by many responses.
    """

    __slots__ = (
        "__weakref__",
        "_bare",
        "_connection",
        "_draining",
        "_exchange",
        "_has_sent",
        "_held_bytes_max",
        "ended",
        "on_drained",
    )

    def __init__(self, exchange: EventExchange, held_bytes_max: int) -> None:
        self._exchange = exchange
        self._bare = exchange.bare
        self._connection = None if self._bare is None else self._bare.connection
        self._held_bytes_max = held_bytes_max
        self.on_drained: Callable[[], None] = _nothing
        """Called when little is held again after more than ``held_bytes_max`` was."""
        self._has_sent = True
        self._draining: asyncio.Task[None] | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the stream has ended, or the server wants the response to end."""

    def write(self, buffer: bytes) -> int:
        """Send whole events; return the bytes that are held now."""
        self._has_sent = True
        try:
            self._exchange.write(buffer)
        except ExchangeClosed:
            return 0  # the end of the exchange is noticed elsewhere
        return self._look_after(self._exchange.held_bytes)

    def write_shared(self, buffer: bytes) -> int:
        """As ``write``, for events that many responses get."""
        bare, connection = self._bare, self._connection
        if bare is None or connection is None:
            return self.write(buffer)
        self._has_sent = True
        return self._look_after(connection.write_shared(bare, buffer))

    def lend_link(self, framed: bytes) -> ReactorLink | None:
        """Return the link for a ``shared_chunk`` that the caller writes on it, at once, with those
        of others; ``None``: ``write_shared`` is the way."""
        bare, connection = self._bare, self._connection
        if bare is None or connection is None:
            return None
        self._has_sent = True
        return connection.lend_link(bare, framed)

    def left_behind(self, held: int) -> None:
        """The client has not taken all of what was written on the link that was lent."""
        if self._connection is not None:
            self._connection.left_behind()
        self._look_after(held)

    def _look_after(self, held: int) -> int:
        if held > self._held_bytes_max and self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())
        return held

    async def _drain(self) -> None:
        """Only for a response that does not drain is there a task that waits until it does."""
        await self._exchange.drain()
        self._draining = None
        self.on_drained()

    def beat(self) -> None:
        """Say something if nothing was said since the last call."""
        if not self._has_sent and not self._exchange.closed:
            self.write(HEARTBEAT)
        self._has_sent = False

    def read_too_slowly(self, stream: str) -> None:
        """As the hub's ``Owner``: the client comes back with its position."""
        self.end()

    def end(self) -> None:
        """Let the response come to its end."""
        if not self.ended.done():
            self.ended.set_result(None)

    async def wait(self, lifetime_s: float | None) -> None:
        """Wait until the response is to end, the client or the server goes, or time is up; then
        end it. Cancelled, it is left open."""
        going = asyncio.ensure_future(self._exchange.wait_shutdown())
        try:
            await asyncio.wait(
                (going, self.ended), timeout=lifetime_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            going.cancel()
            if self._draining is not None:
                self._draining.cancel()
        if not self._exchange.closed:
            self._exchange.finish()


class ResponseFanOut:
    """The same events on many responses; a ``FanOut`` of the hub."""

    __slots__ = ("_responses",)

    def __init__(self, responses: Sequence[EventResponse]) -> None:
        self._responses = list(responses)

    def send_bytes(self, buffer: bytes, messages: int, held_bytes_max: int) -> Sequence[int]:
        """Send whole events to all; return the indexes of those who hold more than that."""
        links: list[ReactorLink] = []
        lenders: list[int] = []
        others: list[int] = []
        framed = shared_chunk(buffer)
        for index, response in enumerate(self._responses):
            link = None if framed is None else response.lend_link(framed)
            if link is None:
                others.append(index)
            else:
                links.append(link)
                lenders.append(index)
        over: list[int] = []
        if framed is not None:
            for index, held in write_to_each(links, lenders, framed):
                self._responses[index].left_behind(held)
                if held > held_bytes_max:
                    over.append(index)
        over += [
            index
            for index in others
            if self._responses[index].write_shared(buffer) > held_bytes_max
        ]
        return over


class EventResponses:
    """The open responses of a gateway, kept alive by one timer for all. Belongs to one loop."""

    def __init__(self, heartbeat_s: float) -> None:
        self._heartbeat_s = heartbeat_s
        self._open: dict[EventResponse, None] = {}
        self._heartbeat: asyncio.TimerHandle | None = None
        self.total = 0
        """Responses begun."""

    def __len__(self) -> int:
        return len(self._open)

    def add(self, response: EventResponse) -> None:
        """A response has begun."""
        self.total += 1
        self._open[response] = None
        self._keep_alive()

    def discard(self, response: EventResponse) -> None:
        """A response has ended; one that never began is no error."""
        self._open.pop(response, None)

    def end_all(self) -> None:
        """End all; clients come back by themselves, with their position."""
        for response in list(self._open):
            response.end()

    def _keep_alive(self) -> None:
        """See to it that no response is silent for long."""
        if self._heartbeat is None and self._open and self._heartbeat_s > 0:
            loop = asyncio.get_running_loop()
            # Looked at twice in each interval, nobody is silent for longer than one.
            self._heartbeat = loop.call_later(self._heartbeat_s / 2, self._beat)

    def _beat(self) -> None:
        self._heartbeat = None
        for response in self._open:
            response.beat()
        self._keep_alive()


def _nothing() -> None:
    pass
