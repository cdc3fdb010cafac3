"""What every peer is put through, from our client and from the peer's."""

from __future__ import annotations

import random
from typing import Any

import longwire

__all__ = ["MESSAGES", "MESSAGE_BYTES_MAX", "echo", "exchange"]

MESSAGE_BYTES_MAX = 4 * 1024 * 1024

# Empty, characters of one to four octets, every octet, each width of the length field, and one
# that no single read brings. Random octets, so that compression cannot make it small.
MESSAGES: tuple[str | bytes, ...] = (
    "",
    b"",
    "hé ☃ 𝄞",
    bytes(range(256)),
    "x" * 125,
    "y" * 126,
    "z" * 65_535,
    "ä" * 65_536,
    random.Random(1).randbytes(1024 * 1024),
)


async def echo(connection: longwire.Connection) -> None:
    """Our server's handler for foreign clients."""
    async for message in connection:
        await connection.send(message)


async def exchange(uri: str, *, answers_close_with: int = 3002, **options: Any) -> None:
    """Run our client against an echo server that takes the subprotocol "chat"."""
    async with longwire.connect(
        uri, subprotocols=["chat"], max_size=MESSAGE_BYTES_MAX, **options
    ) as connection:
        assert connection.subprotocol == "chat"
        for message in MESSAGES:
            await connection.send(message)
            assert await connection.recv() == message
        await connection.send(["frag", "", "men", "ts"])
        assert await connection.recv() == "fragments"
        assert await connection.ping() > 0
        # Several on the way at once come back in order.
        for number in range(100):
            await connection.send(f"message {number}")
        for number in range(100):
            assert await connection.recv() == f"message {number}"
        await connection.close(3002, "bye")
    assert connection.close_code == answers_close_with
