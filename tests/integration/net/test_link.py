"""The driver over real sockets: the cork, large writes, pausing, handlers that fail."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Callable

import pytest

import longwire
from longwire.net import listener
from longwire.net.asyncio_link import JOIN_BYTES_MAX, AsyncioLink
from longwire.net.link import Link
from longwire.net.loop_state import loop_state
from longwire.net.reactor_link import ReactorLink
from longwire.net.tls_handshake import TlsHandshake
from tests.integration.net import local
from tests.integration.net.local import echo, eventually, serving
from tests.integration.net.tls_peer import TlsPeer

Peer = socket.socket | TlsPeer
"""The other end of a link."""


class Handler:
    """A handler made of functions; records what happens."""

    def __init__(self, on_data: Callable[[Handler, bytes], None] | None = None) -> None:
        self.on_data = on_data
        self.received = bytearray()
        self.bursts = 0
        self.drained = 0
        self.eofs = 0
        self.deadlines: list[float] = []
        self.lost: list[OSError | None] = []
        self.shutdowns = 0

    def link_made(self, link: Link) -> None:
        self.link = link

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        self.bursts += 1
        self.received += data
        if self.on_data is not None:
            self.on_data(self, bytes(data))

    def eof_received(self) -> None:
        self.eofs += 1

    def link_lost(self, error: OSError | None) -> None:
        self.lost.append(error)

    def link_drained(self) -> None:
        self.drained += 1

    def deadline_reached(self, now: float) -> None:
        self.deadlines.append(now)

    def shutdown(self) -> None:
        self.shutdowns += 1


async def linked(handler: Handler) -> tuple[AsyncioLink | ReactorLink, Peer]:
    """A link on one end of a TCP connection, and the other end, raw or of TLS."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    theirs.setblocking(False)
    if listener.AUTO_DRIVER == "asyncio":
        return await on_transport(ours, handler), theirs
    ours.setblocking(False)
    reactor = loop_state(loop).reactor
    assert reactor is not None
    address, tls = theirs.getsockname(), local.SERVER_TLS
    if tls is None:
        return reactor.adopt(ours.detach(), address, lambda link: handler), theirs
    shaking = TlsHandshake(lambda link: handler, 20)
    link = reactor.adopt(ours.detach(), address, lambda link: shaking, tls=tls)
    peer = TlsPeer(theirs, ssl.create_default_context())
    await peer.shake_hands()
    await eventually(lambda: link.handler is handler)
    return link, peer


async def on_transport(ours: socket.socket, handler: Handler) -> AsyncioLink:
    """A link of asyncio's transports."""
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(
        lambda: AsyncioLink(loop_state(loop), lambda link: handler), sock=ours
    )
    return link


def data_segments_sent(link: Link) -> int:
    """How many segments with data TCP sent; small ones, a send call each."""
    if isinstance(link, ReactorLink):
        descriptor = link.descriptor
    else:
        descriptor = link._transport.get_extra_info("socket").fileno()  # type: ignore[attr-defined]
    with socket.socket(fileno=os.dup(descriptor)) as duplicate:
        info = duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    segments: int = struct.unpack_from("=I", info, 156)[0]
    return segments


async def receive_some(peer: Peer, count_max: int = 65536) -> bytes:
    """What has arrived at the other end of a link; ``b""`` at the end."""
    if isinstance(peer, TlsPeer):
        return await peer.recv(count_max)
    return await asyncio.get_running_loop().sock_recv(peer, count_max)


async def receive(peer: Peer, count: int) -> bytes:
    received = b""
    async with asyncio.timeout(20):
        while len(received) < count:
            data = await receive_some(peer)
            assert data, f"{len(received)} of {count} bytes"
            received += data
    return received


async def test_writes_of_one_read_burst_leave_in_one_send() -> None:
    def answer(handler: Handler, data: bytes) -> None:
        for byte in data:
            handler.link.write(b"<", bytes([byte]), b">")

    handler = Handler(answer)
    link, theirs = await linked(handler)
    before = data_segments_sent(link)
    theirs.send(b"abcdefgh")
    assert await receive(theirs, 24) == b"<a><b><c><d><e><f><g><h>"
    assert data_segments_sent(link) - before == handler.bursts == 1
    link.close()
    theirs.close()


async def test_writes_from_elsewhere_leave_in_one_flush() -> None:
    handler = Handler()
    link, theirs = await linked(handler)
    before = data_segments_sent(link)

    async def write(number: int) -> None:
        link.write(b"%d," % number)

    await asyncio.gather(*(write(number) for number in range(10)))
    assert await receive(theirs, 20) == b"0,1,2,3,4,5,6,7,8,9,"
    assert data_segments_sent(link) - before == 1
    link.write(b"now")
    link.flush()
    assert link.held_bytes == 0 or type(asyncio.get_running_loop()).__module__ != "asyncio"
    assert await receive(theirs, 3) == b"now"
    link.close()
    theirs.close()


@pytest.mark.parametrize("style", ["callbacks", "coroutines"])
async def test_echo_of_a_burst_is_one_send(style: str) -> None:
    class Echo(longwire.Callbacks):
        def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
            connection.send(message)

    count = 30
    # The client's queue takes all, so that the server's side is what is seen.
    async with (
        serving(Echo() if style == "callbacks" else echo, compression=None, max_queue=100) as (
            server,
            uri,
        ),
        longwire.connect(uri, compression=None, max_queue=100) as ws,
    ):
        await ws.ping()
        (link,) = server.listener.links
        before = data_segments_sent(link)
        for number in range(count):
            ws.endpoint.send(str(number))
        assert [await ws.recv() for _ in range(count)] == [str(number) for number in range(count)]
        assert data_segments_sent(link) - before <= 3


async def test_large_and_small_buffers_keep_their_order() -> None:
    handler = Handler()
    link, theirs = await linked(handler)
    pieces = [os.urandom(size) for size in (1, JOIN_BYTES_MAX, 10, 3 * JOIN_BYTES_MAX, 5, 70, 0)]
    pieces += [b"x" * 1000] * 200 + [os.urandom(JOIN_BYTES_MAX - 1)]
    link.write(*pieces)
    expected = b"".join(pieces)
    assert link.held_bytes == len(expected)
    assert await receive(theirs, len(expected)) == expected
    link.close()
    theirs.close()


async def test_held_bytes_and_drained_follow_the_peer() -> None:
    handler = Handler()
    link, theirs = await linked(handler)
    link.set_write_limits(50_000, 10_000)
    link.write(b"small")
    await asyncio.sleep(0.02)
    assert (link.held_bytes, handler.drained) == (0, 0)
    total = 5
    while link.held_bytes < 3_000_000:
        link.write(b"z" * 100_000)
        total += 100_000
        await asyncio.sleep(0)
    drained = handler.drained
    await receive(theirs, total)
    await eventually(lambda: handler.drained > drained)
    assert link.held_bytes <= 10_000
    link.close()
    theirs.close()


async def test_paused_reading_leaves_data_in_the_kernel() -> None:
    handler = Handler()
    link, theirs = await linked(handler)
    link.pause_reading()
    link.pause_reading()
    theirs.send(b"later")
    await asyncio.sleep(0.05)
    assert handler.received == b""
    link.resume_reading()
    link.resume_reading()
    await eventually(lambda: handler.received == b"later")
    link.close()
    theirs.close()


async def test_peer_may_end_its_direction_and_still_be_answered() -> None:
    handler = Handler()
    link, theirs = await linked(handler)
    theirs.shutdown(socket.SHUT_WR)
    await eventually(lambda: handler.eofs)
    link.write(b"answer")
    link.write_eof()
    link.write_eof()
    link.write(b"not any more")
    assert await receive(theirs, 6) == b"answer"
    assert await receive_some(theirs) == b""
    link.close()
    await eventually(lambda: handler.lost)
    assert handler.lost == [None]
    theirs.close()


async def test_close_sends_what_is_held_and_nothing_after() -> None:
    handler = Handler()
    link, theirs = await linked(handler)
    link.write(b"last words")
    link.close()
    link.write(b"too late")
    link.close()
    assert link.is_closing
    assert await receive(theirs, 10) == b"last words"
    assert await receive_some(theirs) == b""
    await eventually(lambda: handler.lost)
    assert link.held_bytes == 0
    theirs.close()


async def test_reset_is_an_error_and_the_socket_is_there_to_be_asked() -> None:
    class Asking(Handler):
        def link_lost(self, error: OSError | None) -> None:
            super().link_lost(error)
            self.info = self.link.tcp_info()

    handler = Asking()
    link, theirs = await linked(handler)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    await eventually(lambda: handler.lost)
    assert isinstance(handler.lost[0], ConnectionResetError)
    assert handler.info is not None and handler.info.state == "CLOSE"
    assert link.tcp_info() is None or link.held_bytes == 0


@pytest.mark.parametrize("method", ["data_received", "eof_received", "deadline_reached"])
async def test_failing_handler_is_logged_and_its_link_dropped(method: str) -> None:
    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    handler = Handler()
    link, theirs = await linked(handler)

    def fail(*args: object) -> None:
        raise ZeroDivisionError

    setattr(handler, method, fail)
    theirs.send(b"x")
    theirs.shutdown(socket.SHUT_WR)
    link.set_deadline(link.now())
    await eventually(lambda: handler.lost)
    assert isinstance(problems[0]["exception"], ZeroDivisionError)
    theirs.close()


async def test_switched_handler_gets_what_comes_next() -> None:
    second = Handler()

    def switch(handler: Handler, data: bytes) -> None:
        handler.link.switch_handler(second)

    first = Handler(switch)
    link, theirs = await linked(first)
    theirs.send(b"one")
    await eventually(lambda: first.received)
    theirs.send(b"two")
    await eventually(lambda: second.received)
    assert (bytes(first.received), bytes(second.received)) == (b"one", b"two")
    assert link.handler is second
    link.abort()
    await eventually(lambda: second.lost)
    assert first.lost == []
    theirs.close()


async def test_deadline_is_one_for_each_link() -> None:
    handler = Handler()
    link, theirs = await linked(handler)
    link.set_deadline(link.now() + 3600)
    link.set_deadline(link.now() + 0.05)
    await eventually(lambda: handler.deadlines)
    await asyncio.sleep(0.1)
    assert len(handler.deadlines) == 1
    link.close()
    theirs.close()


async def test_idle_links_hold_no_buffer() -> None:
    state = loop_state(asyncio.get_running_loop())
    pairs = [socket.socketpair() for _ in range(2)]
    links = [await on_transport(ours, Handler()) for ours, _ in pairs]
    assert links[0].get_buffer(-1) is links[1].get_buffer(-1) is state.read_buffer
    for link, (_, theirs) in zip(links, pairs, strict=True):
        link.close()
        theirs.close()


async def test_drained_is_told_again_for_what_was_written_meanwhile() -> None:
    """The transport resumes while the cork is full: whoever waits then has to hear of the flush."""
    handler = Handler()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    link = await on_transport(ours, handler)
    link.set_write_limits(10_000, 1_000)
    link.write(b"a" * 50_000)
    link.pause_writing()  # as the transport does when it holds too much
    link.flush()
    link.write(b"b" * 50_000)
    link.resume_writing()
    assert handler.drained == 0
    assert link.held_bytes >= 50_000
    await receive(theirs, 100_000)
    await eventually(lambda: handler.drained)
    link.close()
    theirs.close()
