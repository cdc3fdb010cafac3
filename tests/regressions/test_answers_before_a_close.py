"""Callbacks could not answer messages that came in one read with a Close or a broken frame."""

from __future__ import annotations

import asyncio

import pytest

import longwire
from longwire.websocket.frames import CLOSE, TEXT, encode_frame, encode_message
from tests.integration.net.local import serving

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
KEY = b"\x01\x02\x03\x04"


class Echo(longwire.Callbacks):
    def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
        connection.send(message)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (encode_frame(CLOSE, b"\x03\xe8", mask=KEY), 1000),
        (encode_frame(0x5, b"no such opcode", mask=KEY), 1002),
    ],
    ids=["close", "broken frame"],
)
async def test_callbacks_answer_what_came_before(last: bytes, code: int) -> None:
    messages = ["one", "two", "three"]
    burst = b"".join(encode_frame(TEXT, text.encode(), mask=KEY) for text in messages) + last
    async with serving(Echo()) as (_, uri):
        host, port = uri.removeprefix("ws://").rstrip("/").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(REQUEST + burst)
        await reader.readuntil(b"\r\n\r\n")
        received = await asyncio.wait_for(reader.read(), 30)
        writer.close()
    echoes = b"".join(encode_message(text) for text in messages)
    assert received.startswith(echoes)
    close = received[len(echoes) :]
    assert close[0] == 0x80 | CLOSE
    assert int.from_bytes(close[2:4], "big") == code
