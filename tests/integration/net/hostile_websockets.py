"""Clients that mean harm to a WebSocket server, and what they may expect of it."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import zlib

__all__ = [
    "bomb",
    "close_code",
    "compression_bomb",
    "empty_fragments",
    "endless_frame",
    "masked",
    "ping_flood",
    "send_until_closed",
    "silent_connections",
    "slow_head",
    "tiny_messages",
    "upgrade",
]

MIB = 1024 * 1024


async def send_until_closed(port: int, pieces: list[bytes], pause_s: float = 0.0) -> bytes:
    """Send piece after piece until the server has had enough; return what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.read())
    try:
        with contextlib.suppress(OSError):
            for piece in pieces:
                if answer.done():
                    break
                writer.write(piece)
                await writer.drain()
                if pause_s:
                    await asyncio.wait([answer], timeout=pause_s)
        return await asyncio.wait_for(answer, 30)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def upgrade(*lines: str) -> bytes:
    head = [
        "GET /echo HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode()


def masked(first: int, payload: bytes = b"") -> bytes:
    """A frame of a client; the mask of zeros leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = b"\xfe" + struct.pack("!H", size)
    else:
        length = b"\xff" + struct.pack("!Q", size)
    return bytes([first]) + length + bytes(4) + payload


def close_code(answer: bytes) -> int:
    """The code of the Close frame that ends what the server sent."""
    at = answer.rindex(b"\x88", 0, -3)
    return int(struct.unpack("!H", answer[at + 2 : at + 4])[0])


def bomb(size_mib: int) -> bytes:
    """Zeros as permessage-deflate carries them (RFC 7692 section 7.2.1): a thousandth of that."""
    deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
    zeros = b"".join([deflater.compress(bytes(MIB)) for _ in range(size_mib)])
    return (zeros + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


async def slow_head(port: int) -> None:
    answer = await send_until_closed(port, [b"%c" % byte for byte in upgrade()], 0.05)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def silent_connections(port: int) -> None:
    async with asyncio.TaskGroup() as group:
        ends = [group.create_task(send_until_closed(port, [])) for _ in range(150)]
    # The first were closed to make room; the others have waited, and are told so or just closed.
    answers = [end.result() for end in ends]
    assert b"" in answers
    assert all(answer[:13] in (b"", b"HTTP/1.1 408 ") for answer in answers)


async def ping_flood(port: int) -> None:
    answer = await send_until_closed(port, [upgrade(), masked(0x89, b"!") * 300])
    assert close_code(answer) == 1008


async def empty_fragments(port: int) -> None:
    start, empty = masked(0x01, b"x"), masked(0x00) * 1_000
    answer = await send_until_closed(port, [upgrade(), start, *[empty] * 67])
    assert close_code(answer) in (1008, 1009)


async def tiny_messages(port: int) -> None:
    answer = await send_until_closed(port, [upgrade(), masked(0x81, b"x") * 5_000])
    assert close_code(answer) == 1008


async def compression_bomb(port: int) -> None:
    offer = upgrade("Sec-WebSocket-Extensions: permessage-deflate")
    answer = await send_until_closed(port, [offer, masked(0xC2, bomb(20))])
    assert close_code(answer) == 1009


async def endless_frame(port: int) -> None:
    answer = await send_until_closed(
        port, [upgrade(), b"\x82\xff" + struct.pack("!Q", 1 << 62) + bytes(4)]
    )
    assert close_code(answer) == 1009
