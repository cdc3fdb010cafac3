"""What only the reactor has: its epoll, its batches, and how it rests."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

import longwire
from longwire.net import listener as listener_module
from longwire.net.loop_state import loop_state
from longwire.net.reactor import ACCEPTS_MAX, ALONE_BATCHES_MIN, Reactor
from longwire.net.reactor_link import READ_BYTES, ReactorLink
from longwire.websocket.frames import encode_message
from tests.integration.net.local import eventually, serving
from tests.integration.net.test_link import Handler, receive


@pytest.fixture(autouse=True)
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longwire.net.listener.AUTO_DRIVER", "reactor")


def the_reactor() -> Reactor:
    reactor = loop_state(asyncio.get_running_loop()).reactor
    assert reactor is not None
    return reactor


@asynccontextmanager
async def pair(handler: Handler) -> AsyncIterator[tuple[ReactorLink, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    link = the_reactor().adopt(ours.detach(), None, lambda link: handler)
    try:
        yield link, theirs
    finally:
        link.abort()
        theirs.close()
        await eventually(lambda: handler.lost)


async def turns_while(wait: Callable[[], object], seconds: float) -> int:
    """How often the loop turned within a time in which there was nothing to do."""
    loop = asyncio.get_running_loop()
    polls = 0
    reactor = the_reactor()
    descriptor = reactor.descriptor

    def count() -> None:
        nonlocal polls
        polls += 1
        reactor.poll()

    loop.remove_reader(descriptor)
    loop.add_reader(descriptor, count)
    wait()
    await asyncio.sleep(seconds)
    loop.remove_reader(descriptor)
    loop.add_reader(descriptor, reactor.poll)
    return polls


async def test_an_unknown_driver_is_an_error() -> None:
    with pytest.raises(ValueError, match="driver is 'iocp'; it is one of auto, reactor, asyncio"):
        async with serving(driver="iocp"):
            pass


async def test_paused_link_whose_peer_is_gone_does_not_spin() -> None:
    handler = Handler()
    async with pair(handler) as (link, theirs):
        link.pause_reading()
        assert await turns_while(theirs.close, 0.3) <= 2
        assert handler.lost == []
        link.resume_reading()
        await eventually(lambda: handler.eofs)


async def test_half_closed_link_does_not_spin_and_still_writes() -> None:
    handler = Handler()
    async with pair(handler) as (link, theirs):
        assert await turns_while(lambda: theirs.shutdown(socket.SHUT_WR), 0.3) <= 2
        assert handler.eofs == 1
        link.write(b"an answer")
        link.close()
        assert await receive(theirs, 9) == b"an answer"


async def test_many_megabytes_pass_a_full_socket_unchanged() -> None:
    handler = Handler()
    async with pair(handler) as (link, theirs):
        pieces = [os.urandom(size) for size in (1, 70_000, 3, 2_000_000, 65_536, 9) * 3]
        for piece in pieces:
            link.write(piece)
        sent = b"".join(pieces)
        got = await receive(theirs, len(sent))
        assert hashlib.sha256(got).digest() == hashlib.sha256(sent).digest()
        await eventually(lambda: link.held_bytes == 0 and handler.drained)


async def test_one_connection_takes_no_more_than_its_share_of_a_turn() -> None:
    reads: list[int] = []
    handler = Handler(on_data=lambda handler, data: reads.append(len(data)))
    async with pair(handler) as (_, theirs):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * READ_BYTES)
        data = bytes(2 * READ_BYTES)
        await asyncio.get_running_loop().sock_sendall(theirs, data)
        await eventually(lambda: len(handler.received) == len(data))
        assert max(reads) <= READ_BYTES


async def test_reset_while_much_is_held_ends_the_link_with_an_error() -> None:
    handler = Handler()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, address = listening.accept()
    ours.setblocking(False)
    link = the_reactor().adopt(ours.detach(), address, lambda link: handler)
    link.write(bytes(20_000_000))
    await asyncio.sleep(0.05)
    assert link.held_bytes > 0
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    await eventually(lambda: handler.lost)
    assert isinstance(handler.lost[0], ConnectionError)
    assert link.local_address is None and link.tcp_info() is None


def echo(handler: Handler, data: bytes) -> None:
    handler.link.write(data)


async def talk(theirs: socket.socket, times: int) -> None:
    for number in range(times):
        message = b"%d" % number
        await asyncio.get_running_loop().sock_sendall(theirs, message)
        assert await receive(theirs, len(message)) == message


# The first batch makes a link the one that is alone, the next ones count.
UNTIL_LIFTED = ALONE_BATCHES_MIN + 1


async def test_link_that_speaks_alone_is_lifted_and_gives_way_to_the_next_one() -> None:
    async with pair(Handler(on_data=echo)) as one, pair(Handler(on_data=echo)) as two:
        reactor = the_reactor()
        await talk(one[1], UNTIL_LIFTED - 1)
        assert not reactor.has_lifted(one[0])
        await talk(one[1], 1)
        assert reactor.has_lifted(one[0])
        await talk(one[1], 20)
        for _ in range(20):  # by turns nobody is alone
            await talk(two[1], 1)
            await talk(one[1], 1)
        assert reactor.has_lifted(one[0])
        await talk(two[1], UNTIL_LIFTED)
        assert reactor.has_lifted(two[0]) and not reactor.has_lifted(one[0])
        await talk(one[1], 1)
        await talk(two[1], 1)


async def test_lifted_link_pauses_resumes_and_waits_for_room() -> None:
    handler = Handler(on_data=echo)
    async with pair(handler) as (link, theirs):
        await talk(theirs, UNTIL_LIFTED)
        assert the_reactor().has_lifted(link)
        link.pause_reading()
        assert not the_reactor().has_lifted(link)
        before = len(handler.received)
        await asyncio.get_running_loop().sock_sendall(theirs, b"later")
        await asyncio.sleep(0.05)
        assert len(handler.received) == before
        link.resume_reading()
        assert await receive(theirs, 5) == b"later"
        await talk(theirs, UNTIL_LIFTED)
        assert the_reactor().has_lifted(link)
        link.write(bytes(5_000_000))
        await eventually(lambda: not the_reactor().has_lifted(link))
        assert len(await receive(theirs, 5_000_000)) == 5_000_000
        await talk(theirs, 3)


@pytest.mark.parametrize("how", ["reset", "close", "abort"])
async def test_lifted_link_ends(how: str) -> None:
    handler = Handler(on_data=echo)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, address = listening.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    link = the_reactor().adopt(ours.detach(), address, lambda link: handler)
    await talk(theirs, UNTIL_LIFTED)
    assert the_reactor().has_lifted(link)
    if how == "reset":
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if how == "abort":
        link.abort()
    else:
        theirs.close()
        await eventually(lambda: handler.eofs or handler.lost)
        link.close()
    await eventually(lambda: handler.lost)
    assert isinstance(handler.lost[0], ConnectionError) is (how == "reset")
    assert not the_reactor().has_lifted(link)
    theirs.close()
    # Its descriptor is used again: nothing of the old one is left with either epoll.
    async with pair(Handler(on_data=echo)) as (_, others):
        await talk(others, 2 * UNTIL_LIFTED)


async def test_more_connections_than_one_batch_accepts() -> None:
    async with serving() as (server, uri):
        clients = await asyncio.gather(*(longwire.connect(uri) for _ in range(ACCEPTS_MAX + 10)))
        assert len(server.listener.links) == ACCEPTS_MAX + 10
        for client in clients:
            await client.send("here")
            assert await client.recv() == "here"
        await asyncio.gather(*(client.close() for client in clients))
        await eventually(lambda: not server.listener.links)


async def test_accepting_rests_while_there_are_no_descriptors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("longwire.net.reactor.ACCEPT_PAUSE_S", 0.2)
    async with serving() as (server, _):
        port = server.sockets[0].getsockname()[1]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as waiting:
            resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, hard))
            try:
                waiting.setblocking(False)
                await asyncio.get_running_loop().sock_connect(waiting, ("127.0.0.1", port))
                await eventually(lambda: "no connection can be accepted" in caplog.text)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await eventually(lambda: len(server.listener.links) == 1)


async def test_accepting_goes_on_although_the_last_connection_left_while_it_rested(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (server, uri):
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with longwire.connect(uri):
            with socket.socket() as waiting:
                resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, hard))
                try:
                    waiting.setblocking(False)
                    await loop.sock_connect(waiting, ("127.0.0.1", port))
                    await eventually(lambda: "no connection can be accepted" in caplog.text)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await eventually(lambda: not server.listener.links)
        async with longwire.connect(uri) as client:
            await client.send("here")
            assert await client.recv() == "here"


async def test_without_anything_to_watch_the_event_loop_is_left_alone() -> None:
    async with serving() as (server, uri):
        async with longwire.connect(uri) as client:
            await client.send("here")
        await eventually(lambda: not server.listener.links)
        assert the_reactor().is_watched
    assert not the_reactor().is_watched


async def test_every_address_of_a_name_is_listened_on_or_none() -> None:
    bound = await listener_module._bind_all(["127.0.0.1", "127.0.0.2"], 0, 0, False)
    assert [sock.getsockname()[0] for sock in bound] == ["127.0.0.1", "127.0.0.2"]
    port = bound[0].getsockname()[1]
    bound[0].listen()
    bound[1].close()
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {port}"):
        await listener_module._bind_all(["127.0.0.2", "127.0.0.1"], port, 0, False)
    bound[0].close()


async def test_what_a_task_sends_in_one_tick_is_counted_as_held_and_keeps_its_order() -> None:
    held: list[int] = []

    async def handler(ws: longwire.Connection) -> None:
        await ws.recv()
        for number in range(5):
            await ws.send(f"{number}")
            held.append(ws.endpoint.held_bytes)
        ws.endpoint.send_encoded(encode_message("shared"))
        longwire.broadcast([ws], "for many")
        await ws.pong(b"alive")
        await ws.send("last")
        await ws.close(1000, "done")

    async with longwire.serve(handler, "127.0.0.1", 0, compression=None) as server:
        host, port = server.sockets[0].getsockname()
        async with longwire.connect(f"ws://{host}:{port}", compression=None) as client:
            await client.send("go")
            received = [message async for message in client]
            assert client.closed is not None
            assert client.closed.error().reason == "done"
    assert received == ["0", "1", "2", "3", "4", "shared", "for many", "last"]
    assert held == [3, 6, 9, 12, 15]


async def test_connection_given_up_with_something_in_the_cork_ends_quietly() -> None:
    ended = asyncio.Event()

    async def handler(ws: longwire.Connection) -> None:
        await ws.recv()
        await ws.send("first")
        await ws.send("second")
        ws.endpoint.abort()
        with pytest.raises(longwire.ConnectionClosed):
            await ws.send("third")
            await asyncio.sleep(0.1)
            await ws.send("fourth")
        ended.set()

    async with longwire.serve(handler, "127.0.0.1", 0, compression=None) as server:
        host, port = server.sockets[0].getsockname()
        async with longwire.connect(f"ws://{host}:{port}", compression=None) as client:
            await client.send("go")
            with pytest.raises(longwire.ConnectionClosedError):
                await client.recv()
        await asyncio.wait_for(ended.wait(), 10)
