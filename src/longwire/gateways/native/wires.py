# cython: annotation_typing=False, auto_pickle=False
"""What a session needs of its connection, over our own WebSocket and over any other.

Both wires are sinks of the hub: over our own connections the shared frames go out as they are;
where somebody else frames (an ASGI server), each message is handed over as text.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from longwire.base.errors import ProtocolError
from longwire.gateways.native.formats.format import (
    Format,
    FrameEncoder,
    closed_members,
    gap_members,
)
from longwire.hub.sinks import BytesSink, Gap
from longwire.net.closed import ConnectionClosed
from longwire.net.endpoint import Endpoint
from longwire.net.fan_out import FanOut
from longwire.net.liveness import count_taken
from longwire.streams.entry import Entry
from longwire.streams.position import Position
from longwire.websocket.frames import TEXT, encode_frame

__all__ = ["EndpointWire", "MessageSocket", "SessionWire", "SocketWire", "Wire"]

logger = logging.getLogger("longwire.native")


class Wire(Protocol):
    """A connection, as a session sees it. No method waits and none raises."""

    @property
    def held_bytes(self) -> int:
        """Sent, but not taken by the kernel or the next hop yet."""

    def take_heard(self) -> bool:
        """Tell whether anything came since the last call, control frames included."""

    def count_taken(self) -> tuple[int, bool]:
        """Bytes that the next hop has taken so far, and whether there are more on the way."""

    def take_sent(self) -> bool:
        """Tell whether anything was sent since the last call."""

    def send(self, message: bytes) -> None:
        """Send one message of the connection's format."""

    def close(self, code: int, reason: str) -> None:
        """Close after what was sent."""

    def fail(self, error: ProtocolError) -> None:
        """Close for what the peer did: nothing that it still sends is looked at."""

    def pause_reading(self) -> None:
        """Bring no messages for now; at most what has been read already still comes."""

    def resume_reading(self) -> None: ...


class EndpointWire:
    """A ``net.Endpoint``: a bytes sink that takes shared frames."""

    __slots__ = ("_bytes_heard", "_endpoint", "_messages_sent", "_opcode", "encoder")

    def __init__(self, endpoint: Endpoint, format_: Format) -> None:
        self.encoder: FrameEncoder = format_.frames
        self._opcode = format_.opcode
        self._endpoint = endpoint
        self._bytes_heard = 0
        self._messages_sent = 0

    @property
    def held_bytes(self) -> int:
        return self._endpoint.held()

    def take_heard(self) -> bool:
        received = self._endpoint.engine.bytes_received
        has_heard = received != self._bytes_heard
        self._bytes_heard = received
        return has_heard

    def count_taken(self) -> tuple[int, bool]:
        return count_taken(self._endpoint.engine, self._endpoint.link)

    def take_sent(self) -> bool:
        sent = self._endpoint.engine.messages_sent
        has_sent = sent != self._messages_sent
        self._messages_sent = sent
        return has_sent

    def send(self, message: bytes) -> None:
        self.send_bytes(encode_frame(self._opcode, message), 1)

    @classmethod
    def fan_out(cls, sinks: Sequence[EndpointWire]) -> FanOut:
        return FanOut([sink._endpoint for sink in sinks])

    def send_bytes(self, buffer: bytes, messages: int) -> int:
        try:
            self._endpoint.send_encoded(buffer, messages=messages)
        except ConnectionClosed:
            return 0  # the end of the connection is told elsewhere
        return self._endpoint.held()

    def close(self, code: int, reason: str) -> None:
        self._endpoint.close(code, reason)

    def fail(self, error: ProtocolError) -> None:
        self._endpoint.fail(error)

    def pause_reading(self) -> None:
        self._endpoint.pause_reading()

    def resume_reading(self) -> None:
        self._endpoint.resume_reading()


class BytesWire(Wire, BytesSink, Protocol):
    """A connection that takes shared texts."""


class MessageSocket(Protocol):
    """A WebSocket that sends and receives whole messages, such as that of an ASGI server."""

    async def recv(self) -> str | bytes:
        """Return the next message; raise ``ConnectionClosed`` when there will be none."""

    async def send(self, message: str | bytes) -> None:
        """Send a message; return when the next one may be sent."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection."""


class SocketWire:
    """A :class:`MessageSocket`: a message sink with the one queue that such a socket needs.

    What a slow socket has not taken waits here, in bytes that the hub knows of; past its mark the
    hub keeps nothing more for this connection.
    """

    __slots__ = (
        "_bytes_taken",
        "_close",
        "_drained_below",
        "_format",
        "_has_sent",
        "_is_over",
        "_may_read",
        "_queue",
        "_socket",
        "_wake",
        "held_bytes",
    )

    def __init__(self, socket: MessageSocket, format_: Format, held_bytes_max: int) -> None:
        self._socket = socket
        self._format = format_
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._close: tuple[int, str] | None = None
        self._drained_below = held_bytes_max // 4
        self._is_over = False
        self.held_bytes = 0
        self._bytes_taken = 0
        self._has_sent = False

    @property
    def is_closing(self) -> bool:
        """Whether our side has closed."""
        return self._close is not None

    # -- Wire -----------------------------------------------------------------------------------

    def take_heard(self) -> bool:
        return False  # the messages are all that can be heard here

    def count_taken(self) -> tuple[int, bool]:
        return self._bytes_taken, self.held_bytes > 0

    def take_sent(self) -> bool:
        has_sent, self._has_sent = self._has_sent, False
        return has_sent

    def send(self, message: bytes) -> None:
        if self._close is None:
            self._queue.append(message)
            self.held_bytes += len(message)
            self._is_over = self._is_over or self.held_bytes > self._drained_below
            self._has_sent = True
            self._wake.set()

    def close(self, code: int, reason: str) -> None:
        if self._close is None:
            self._close = (code, reason)
            self._may_read.set()
            self._wake.set()

    def fail(self, error: ProtocolError) -> None:
        self.close(error.code, error.message)

    def pause_reading(self) -> None:
        self._may_read.clear()

    def resume_reading(self) -> None:
        self._may_read.set()

    # -- MessageSink ----------------------------------------------------------------------------

    def send_entries(self, stream: str, entries: Sequence[Entry]) -> int:
        for entry in entries:
            self.send(self._format.entry(stream, entry))
        return self.held_bytes

    def send_gap(self, stream: str, gap: Gap) -> int:
        self.send(self._format.answer("gap", None, gap_members(stream, gap)))
        return self.held_bytes

    def send_closed(self, stream: str, position: Position) -> int:
        self.send(self._format.answer("closed", None, closed_members(stream, position)))
        return self.held_bytes

    # -- the tasks ------------------------------------------------------------------------------

    async def receive(self, take: Callable[[str | bytes], None]) -> None:
        """Hand over every message until the connection ends or is closed by us."""
        while self._close is None:
            await self._may_read.wait()
            try:
                take(await self._socket.recv())
            except ConnectionClosed:
                return

    async def transmit(self, on_drain: Callable[[], None]) -> None:
        """Send what is queued until the connection ends; then close it if that is asked for."""
        try:
            while self._queue or self._close is None:
                if not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                message = self._queue.popleft()
                is_text = self._format.opcode == TEXT
                await self._socket.send(message.decode() if is_text else message)
                self.held_bytes -= len(message)
                self._bytes_taken += len(message)
                if self._is_over and self.held_bytes <= self._drained_below:
                    self._is_over = False
                    on_drain()
            await self._socket.close(*self._close)
        except ConnectionClosed:
            return


SessionWire: TypeAlias = BytesWire | SocketWire
"""What a session runs on: a connection that is a sink of the hub."""
