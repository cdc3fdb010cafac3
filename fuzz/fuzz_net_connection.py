"""A server's connections on the reactor, over sockets: whatever the peer sends, in whatever pieces.

The first four octets choose what the server does (echo by callbacks or by a coroutine, parts, one
message to several connections), whether it deflates, how the rest is cut and how much the peer
reads. After the handshake the peer sends the rest of the input as it stands, and goes.

The rules: every connection that opened is told once that it closed, nothing is left behind in the
reactor, no callback of the event loop fails, and all that the server sends is frames.
"""

import asyncio
import random
import socket
import sys
from pathlib import Path
from typing import Any

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["longwire"]):
    from longwire.base.limits import KeepaliveSettings, WebSocketLimits
    from longwire.net.callbacks import Callbacks
    from longwire.net.closed import ConnectionClosed
    from longwire.net.connection import Connection
    from longwire.net.fan_out import FanOut
    from longwire.net.loop_state import loop_state
    from longwire.net.server_opening import OpeningRules, ServerOpening
    from longwire.net.settings import WebSocketSettings
    from longwire.websocket.deflate import DeflateOptions
    from longwire.websocket.frames import FrameParser, encode_message

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
LIMITS = WebSocketLimits(
    message_bytes_max=8192,
    fragments_max=16,
    control_frames_per_s_max=3.0,
    turn_messages_max=4,
    read_queue_messages_max=2,
    write_buffer_bytes_max=2048,
)
GIVE_UP_S = 20.0

Peer = tuple[socket.socket, bytearray]


class Talk(Callbacks):
    """What all connections of one input have told."""

    def __init__(self, choices: int) -> None:
        self.is_for_all = bool(choices & 2)
        self.opened: list[Any] = []
        self.closed: list[Any] = []

    def on_open(self, connection: Any) -> None:
        self.opened.append(connection)

    def on_message(self, connection: Any, message: str | bytes) -> None:
        if self.is_for_all:
            FanOut(self.opened).send_bytes(encode_message(message), 1, 1024)
        else:
            connection.send(message)

    def on_close(self, connection: Any, error: ConnectionClosed) -> None:
        assert str(error)
        self.closed.append(connection)


async def echo(connection: Connection, takes_parts: bool) -> None:
    try:
        while True:
            if takes_parts:
                await connection.send([part async for part in connection.recv_streaming()] or "")
            else:
                await connection.send(await connection.recv())
    except ConnectionClosed as error:
        assert str(error)


async def converse(choices: int, chance: random.Random, wire: bytes) -> list[Peer]:
    loop = asyncio.get_running_loop()
    faults: list[Any] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    reactor = loop_state(loop).reactor
    assert reactor is not None
    settings = WebSocketSettings(
        limits=LIMITS,
        keepalive=KeepaliveSettings(ping_interval_s=None, ping_timeout_s=None),
        deflate=DeflateOptions() if choices & 4 else None,
    )
    talk, tasks, peers = Talk(choices), [], []
    rules = OpeningRules(settings=settings)

    def run(connection: Connection) -> None:
        tasks.append(loop.create_task(echo(connection, bool(choices & 2))))

    def make_handler(_: Any) -> ServerOpening:
        if choices & 1:
            return ServerOpening(loop, rules, lambda name: None, callbacks=talk)
        return ServerOpening(loop, rules, lambda name: None, run=run)

    for _ in range(3 if choices & 3 == 3 else 1):
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ours.setblocking(False)
        theirs.setblocking(False)
        theirs.send(REQUEST)
        peers.append((theirs, bytearray()))
        reactor.adopt(ours.detach(), None, make_handler)
    speaker = peers[0][0]
    while wire:
        await asyncio.sleep(0)
        step = chance.choice((1, 7, 100, 5000, len(wire)))
        try:
            wire = wire[speaker.send(wire[:step]) :]
        except BlockingIOError:
            read_some(peers, 65_536)
        except OSError:
            break  # the server has closed
        if chance.random() < 0.5:
            read_some(peers, chance.choice((1, 100, 65_536)))
    if chance.random() < 0.5:
        for _ in range(8):
            await asyncio.sleep(0)
            read_some(peers, 65_536)
    for theirs, _ in peers:
        theirs.close()
    async with asyncio.timeout(GIVE_UP_S):
        # While there is a connection; it has no event for that.
        while reactor.is_watched:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
    assert not faults, faults
    assert set(talk.opened) == set(talk.closed)
    assert len(talk.opened) == len(talk.closed)
    return peers


def read_some(peers: list[Peer], count: int) -> None:
    for theirs, received in peers:
        try:
            received += theirs.recv(count)
        except OSError:
            pass


def test_one_input(data: bytes) -> None:
    if len(data) < 4:
        return
    chance = random.Random(data[1:4])
    for _, received in asyncio.run(converse(data[0], chance, data[4:])):
        _, separator, frames = bytes(received).partition(b"\r\n\r\n")
        if separator:
            parser = FrameParser(is_server=False, allows_rsv1=True)
            parser.receive(frames)
            assert parser.failure is None, (parser.failure, frames)


atheris.Setup(sys.argv, test_one_input)
atheris.Fuzz()
