"""The sliding window: a fast sender, a slow reader

The receiver says with every ACK how many octets it has room for, and the sender keeps within that:
the window slides along the stream as the application reads (RFC 9293 section 3.8). Here the reader
takes nothing for two seconds. Its kernel has room for 16 KiB, takes those, and announces a window
of 0.

From then on nothing may be sent, and nobody owes anybody a segment. Were the ACK that opens the
window again to get lost, both would wait for ever. So the sender asks, with one octet past the
window (tcp-window-probe), ever more slowly; each answer says again: 0.

When the reader goes on, the window opens. Not octet by octet: a receiver that announces each small
gap gets small segments for it (the silly window), so it waits until the gap is worth a segment.

The sending program notices all of this only by drain(), which takes as long as the reader does.
Whoever does not await it piles up in memory what the network cannot take.
"""

import asyncio
import dataclasses

from longwire.simulation import PROFILE, Panel

PANELS = (Panel.SEQUENCE, Panel.MEASURES)
SMALL = dataclasses.replace(PROFILE, receive_buffer_octets=16 * 1024, send_buffer_octets=16 * 1024)


async def send(reader, writer):
    writer.transport.set_write_buffer_limits(high=0)
    for _ in range(16):
        writer.write(bytes(4096))
        await writer.drain()
    writer.close()


async def main(world):
    sender, reader_host = world.host("sender", profile=SMALL), world.host("reader", profile=SMALL)
    world.link(sender, reader_host, delay=0.02)
    with sender:
        await asyncio.start_server(send, "0.0.0.0", 9000)
    with reader_host:
        reader, writer = await asyncio.open_connection("sender", 9000, limit=1)
        writer.transport.pause_reading()
        await asyncio.sleep(2)
        world.note("reader program", "goes on reading")
        writer.transport.resume_reading()
        taken = 0
        while text := await reader.read(4096):
            taken += len(text)
            world.measure("KiB the program has read", taken / 1024)
            await asyncio.sleep(0.05)
        writer.close()
        await asyncio.sleep(1)
