"""The close: each direction ends by itself

A connection is two streams, and each side ends its own by a FIN (RFC 9293 section 3.6). Here the
client has asked and says that it will ask nothing more: it is half closed, and goes on reading.
The server sends its answer, all of it, and then its own FIN.

Who closed first waits in TIME-WAIT afterwards, in case its last ACK gets lost and the other side
sends its FIN again, and so that segments of this connection that are still somewhere do not fall
into a new one with the same ports. RFC 9293 asks for four minutes, Linux waits for one, and so
does this host.

The second connection ends otherwise. Its client goes away with octets unread; they are lost, and
the server must not believe that they arrived. So it gets a reset instead of a FIN, and its next
call fails: connection reset by peer.
"""

import asyncio

from longwire.simulation import Panel

PANELS = (Panel.SEQUENCE,)


async def answer(reader, writer):
    await reader.read()
    writer.write(bytes(5000))
    writer.close()


async def talk(reader, writer, world):
    writer.write(b"you will not read this")
    await reader.read(1)
    try:
        await reader.read(1)
    except ConnectionResetError as error:
        world.note("server program", f"{error}")


async def main(world):
    server, client = world.host("server"), world.host("client")
    world.link(server, client, delay=0.05)
    with server:
        await asyncio.start_server(answer, "0.0.0.0", 80)
        await asyncio.start_server(lambda r, w: talk(r, w, world), "0.0.0.0", 81)
    with client:
        reader, writer = await asyncio.open_connection("server", 80)
        writer.write(b"the whole question")
        writer.write_eof()
        world.note("client program", f"read {len(await reader.read())} octets, then the end")
        writer.close()
        await asyncio.sleep(61)

        reader, writer = await asyncio.open_connection("server", 81, limit=1)
        writer.transport.pause_reading()
        writer.write(b"x")
        await asyncio.sleep(0.2)
        writer.close()
        await asyncio.sleep(1)
