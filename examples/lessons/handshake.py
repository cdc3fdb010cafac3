"""The handshake: three segments before the first octet

A connection begins with three segments (RFC 9293 section 3.5). The client sends a SYN, which is
sequence number 0 here; on the wire it is a random number, so that strangers cannot guess it. The
server answers SYN ACK: its own number, and an acknowledgment of the client's. The client's ACK
completes it, and its first text may follow at once, one round trip after the beginning.

What either side will need later is told in these segments and never again: the largest segment
that it takes (mss), by how many bits its windows are shifted (scale), and whether it understands
selective acknowledgments (sack ok).

Each octet that is sent has a number. An ACK names the number that is expected next; "win" is how
many octets from there the other side may send. The round-trip time is known from the handshake on.

The second attempt goes to a port on which nobody listens. The answer is a reset, and the program
learns it after one round trip: connection refused. Silence would mean that something filters.
"""

import asyncio

from longwire.simulation import Panel

PANELS = (Panel.RTT, Panel.SEQUENCE)


async def answer(reader, writer):
    while text := await reader.read(100):
        writer.write(text.upper())
    writer.close()


async def main(world):
    server, client = world.host("server"), world.host("client")
    world.link(server, client, delay=0.05)
    with server:
        await asyncio.start_server(answer, "0.0.0.0", 7)
    with client:
        reader, writer = await asyncio.open_connection("server", 7)
        for word in (b"hello", b"longwire"):
            writer.write(word)
            world.note("client program", f"read {await reader.read(100)}")
        try:
            await asyncio.open_connection("server", 8)
        except ConnectionRefusedError as error:
            world.note("client program", f"{error}")
        writer.close()
        await asyncio.sleep(1)
