"""The generating side: connections that keep messages on the way, and count what comes back."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from longwire.websocket.frames import BINARY, encode_frame, encode_message

__all__ = ["Connection", "Echo", "Idle", "Publisher", "Subscriber", "connect_all"]

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CONNECT_TIMEOUT_S = 120.0
MASK = b"\x37\xfa\x21\x3d"


class Connection(asyncio.Protocol):
    """One WebSocket connection, after its handshake a stream of frames of one size.

    That all frames are alike is what lets one thread of Python keep up with any server: it counts
    bytes, and asks of them only that they come to whole frames.
    """

    def __init__(self, payload_bytes: int) -> None:
        payload = bytes(payload_bytes)
        self.frame = encode_frame(BINARY, payload, mask=MASK)
        self._echo_bytes = len(encode_message(payload))
        self._head = b""
        self._left_bytes = 0
        self.messages = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self._head += data
            head, separator, data = self._head.partition(b"\r\n\r\n")
            if not separator:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise RuntimeError(f"no handshake: {head!r}")
            self.opened.set_result(None)
        if not data:
            return
        count, self._left_bytes = divmod(self._left_bytes + len(data), self._echo_bytes)
        if count:
            self.messages += count
            self.messages_came(count)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("closed in the handshake"))

    def messages_came(self, count: int) -> None:
        """For the subclass: what to do about them."""

    def begin(self) -> None:
        """For the subclass: all connections are open."""


class Idle(Connection):
    """Says nothing after its handshake."""


class Echo(Connection):
    """Keeps ``window`` messages on the way."""

    def __init__(self, payload_bytes: int, window: int) -> None:
        super().__init__(payload_bytes)
        self._window = window

    def begin(self) -> None:
        self.transport.write(self.frame * self._window)

    def messages_came(self, count: int) -> None:
        self.transport.write(self.frame * count)


class Publisher(Connection):
    """Publishes a message more whenever the subscribers together have received one."""

    def __init__(self, payload_bytes: int, window: int, subscribers: int) -> None:
        super().__init__(payload_bytes)
        self._window = window
        self._subscribers = subscribers
        self._published = self._received = 0

    def begin(self) -> None:
        self.received(0)

    def received(self, count: int) -> None:
        """A subscriber has received ``count`` messages."""
        self._received += count
        wanted = self._received // self._subscribers + self._window - self._published
        if wanted > 0:
            self._published += wanted
            self.transport.write(self.frame * wanted)


class Subscriber(Connection):
    """Tells the publisher what it received."""

    def __init__(self, payload_bytes: int, publisher: Publisher) -> None:
        super().__init__(payload_bytes)
        self._publisher = publisher

    def messages_came(self, count: int) -> None:
        self._publisher.received(count)


async def connect_all(
    connections: list[Connection], port: int, context: ssl.SSLContext | None, *, at_once: int = 50
) -> None:
    """Open them all, ``at_once`` at a time, and wait for their handshakes."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        for start in range(0, len(connections), at_once):
            some = connections[start : start + at_once]
            await asyncio.gather(
                *(
                    loop.create_connection(lambda one=one: one, "127.0.0.1", port, ssl=context)
                    for one in some
                )
            )
            await asyncio.gather(*(one.opened for one in some))
