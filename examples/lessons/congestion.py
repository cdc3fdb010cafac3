"""From slow start to fast recovery

Nobody tells a sender how much the network takes; it finds out (RFC 5681). It begins with ten
segments. Each ACK lets two go for the one that left the network, so that the window doubles with
every round trip: slow start. It ends when something gets lost.

Here the link carries 8 Mbit/s, its queue is long enough, and it loses exactly one packet, the
hundredth. The receiver gets what comes behind the gap and says so in each ACK: the same number
again, and what lies beyond the gap as a selective acknowledgment. After three of them the sender
knows that the segment is not merely late. It sends it again without waiting for a timer (fast
retransmit), and halves its window: the slow start threshold is where it has been told to be
careful. While the gap is open, what leaves the network still lets new octets in (fast recovery).

Once the gap is filled, the ACK jumps over all that had arrived behind it, and the window grows by
one segment with each round trip: congestion avoidance, Reno's saw. (CUBIC, which is the default
here as it is in Linux, grows by the time since the loss instead: take the profile away and look.)
"""

import asyncio
import dataclasses

from longwire.simulation import PROFILE
from longwire.tcpip.devices.loss import ListedLoss

RENO = dataclasses.replace(PROFILE, congestion="reno")


async def send(reader, writer):
    writer.write(bytes(600_000))
    writer.close()


async def main(world):
    server, client = world.host("server", profile=RENO), world.host("client")
    world.link(
        server,
        client,
        delay=0.03,
        rate=8_000_000,
        loss=lambda: ListedLoss([100]),
        backward={"loss": None},
    )
    with server:
        await asyncio.start_server(send, "0.0.0.0", 80)
    with client:
        reader, writer = await asyncio.open_connection("server", 80)
        await reader.read()
        writer.close()
        await asyncio.sleep(1)
