"""UDP beside TCP: lost, or late

Two programs send the position of a player twenty times a second over a path that loses every
fifteenth packet: one as UDP datagrams, one as lines on a TCP connection. Measured is how old a
position is when the other side has it.

UDP delivers what arrives, each after 40 ms, and knows nothing of the rest. For a position that is
right: the next one is better than the last one again.

TCP delivers everything, in order. A lost segment has to be sent again first, and what came behind
it waits in the receiver's kernel until it does (head-of-line blocking): the tooth in the curve is
one loss, and the positions behind it are late, too. At twenty messages a second it takes 150 ms
until three of them have arrived behind the gap, and only then is the segment sent again.

So messages that may be lost but not be late (voice, positions in a game) go by UDP or QUIC
datagrams, or by a channel that keeps only the latest; those that may be late but not be lost
(a chat, a payment) go by TCP.
"""

import asyncio

from longwire.simulation import Panel
from longwire.tcpip.devices.loss import ListedLoss

PANELS = (Panel.MEASURES, Panel.SEQUENCE)
COUNT, PAUSE_S = 60, 0.05


class Positions(asyncio.DatagramProtocol):
    def __init__(self, world):
        self.world = world

    def datagram_received(self, data, address):
        self.world.measure("UDP: age in ms", (self.world.now_s - float(data)) * 1000)


async def read_lines(reader, writer, world):
    while line := await reader.readline():
        world.measure("TCP: age in ms", (world.now_s - float(line)) * 1000)
    writer.close()


async def main(world):
    game, player = world.host("game"), world.host("player")
    every_15th = ListedLoss(range(15, 1000, 15))
    world.link(player, game, delay=0.04, loss=lambda: every_15th, backward={"loss": None})
    loop = asyncio.get_running_loop()
    with game:
        await loop.create_datagram_endpoint(lambda: Positions(world), local_addr=("0.0.0.0", 9))
        await asyncio.start_server(lambda r, w: read_lines(r, w, world), "0.0.0.0", 9)
    with player:
        udp, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("game", 9)
        )
        _, tcp = await asyncio.open_connection("game", 9)
    for _ in range(COUNT):
        udp.sendto(str(world.now_s).encode())
        tcp.write(f"{world.now_s}\n".encode())
        await asyncio.sleep(PAUSE_S)
    tcp.close()
    await asyncio.sleep(2)
