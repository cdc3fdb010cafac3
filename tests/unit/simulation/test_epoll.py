"""The simulated epoll, and our reactor on it."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import longwire
from longwire.net.loop_state import loop_state
from longwire.simulation import NotSimulatedError, SimHost, World
from tests.unit.simulation.worlds import pair

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's")


async def connected(server: SimHost, client: SimHost) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection."""
    loop = asyncio.get_running_loop()
    with server:
        listening = socket.create_server(("0.0.0.0", 7))
        listening.setblocking(False)
    with client:
        one = socket.socket()
        one.setblocking(False)
        await loop.sock_connect(one, ("10.0.1.1", 7))
    with server:
        other, _ = await loop.sock_accept(listening)
        listening.close()
    return one, other


@contextmanager
def failing(number: int) -> Iterator[None]:
    with pytest.raises(OSError) as raised:
        yield
    assert raised.value.errno == number


def test_epoll_tells_what_is_ready_and_the_loop_watches_it() -> None:
    world, server, client = pair()

    async def main() -> None:
        one, other = await connected(server, client)
        with server:
            epoll = select.epoll()
        epoll.register(other, select.EPOLLIN)
        told = asyncio.Event()
        asyncio.get_running_loop().add_reader(epoll.fileno(), told.set)
        assert epoll.poll(0) == []
        one.send(b"hello")
        await told.wait()
        asyncio.get_running_loop().remove_reader(epoll.fileno())
        assert epoll.poll(0) == [(other.fileno(), select.EPOLLIN)]
        assert epoll.poll(0) == [(other.fileno(), select.EPOLLIN)]  # as long as it is so
        assert os.read(other.fileno(), 100) == b"hello"
        assert epoll.poll(0) == []
        epoll.modify(other, select.EPOLLIN | select.EPOLLOUT)
        assert epoll.poll(0) == [(other.fileno(), select.EPOLLOUT)]
        assert os.writev(other.fileno(), [b"an", b"swer"]) == 6
        epoll.modify(other, 0)
        assert epoll.poll(0) == []
        await asyncio.sleep(1)
        assert one.recv(100) == b"answer"
        # Nobody asked, but that the connection is gone is told.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.close()
        await asyncio.sleep(1)
        assert epoll.poll(0) == [(other.fileno(), select.EPOLLERR | select.EPOLLHUP)]
        other.close()
        assert epoll.poll(0) == []
        epoll.close()
        epoll.close()

    world.run(main())


def test_epoll_refuses_what_the_kernel_does_and_what_is_not_simulated() -> None:
    world, server, client = pair()

    async def main() -> None:
        one, other = await connected(server, client)
        with server:
            epoll = select.epoll()
        with failing(errno.ENOENT):
            epoll.modify(other, select.EPOLLIN)
        with failing(errno.ENOENT):
            epoll.unregister(other)
        with failing(errno.EBADF):
            epoll.register(1_999_999, select.EPOLLIN)
        epoll.register(other, select.EPOLLIN)
        with failing(errno.EEXIST):
            epoll.register(other, select.EPOLLIN)
        with pytest.raises(NotSimulatedError, match="level-triggered"):
            epoll.modify(other, select.EPOLLIN | select.EPOLLET)
        with pytest.raises(NotSimulatedError, match="that waits"):
            epoll.poll(1)
        epoll.unregister(other)
        one.send(b"unseen")
        await asyncio.sleep(1)
        assert epoll.poll(0) == []
        epoll.close()
        with pytest.raises(ValueError, match="closed epoll"):
            epoll.fileno()

    world.run(main())


def test_many_ready_descriptors_have_their_turns() -> None:
    world, server, client = pair()

    async def main() -> None:
        ends = [await connected(server, client) for _ in range(5)]
        with server:
            epoll = select.epoll()
        for _, other in ends:
            epoll.register(other, select.EPOLLOUT)
        seen = [number for _ in range(5) for number, _ in epoll.poll(0, 2)]
        assert sorted(seen) == sorted(2 * [other.fileno() for _, other in ends])

    world.run(main())


async def echo(connection: Any) -> None:
    async for message in connection:
        await connection.send(message)


def two_servers(seed: int = 1) -> tuple[World, SimHost, SimHost, SimHost]:
    world = World(seed)
    client = world.host("client")
    servers = [world.host(f"server-{n}") for n in range(2)]
    for server in servers:
        world.link(client, server, delay=0.01)
    return world, client, servers[0], servers[1]


async def serve_echo_by_reactor() -> None:
    serving = await longwire.serve(echo, "0.0.0.0", 80, driver="reactor")
    assert loop_state(asyncio.get_running_loop()).reactor is not None
    await serving.serve_forever()


def test_each_process_has_a_reactor_of_its_own_that_ends_with_it() -> None:
    world, client, one, other = two_servers()

    async def talk(name: str) -> None:
        async with longwire.connect(f"ws://{name}/") as connection:
            for size in (1, 1_000, 300_000):
                await connection.send("x" * size)
                assert await connection.recv() == "x" * size

    async def main() -> None:
        programs = [host.start(serve_echo_by_reactor()) for host in (one, other)]
        await asyncio.sleep(1)
        await client.run(talk("server-0"))
        await client.run(talk("server-1"))
        programs[0].kill()
        await client.run(talk("server-1"))
        with pytest.raises(OSError):
            await client.run(talk("server-0"))
        one.start(serve_echo_by_reactor())
        await asyncio.sleep(1)
        await client.run(talk("server-0"))

    world.run(main())


@pytest.mark.parametrize("driver", ["asyncio", "reactor"])
def test_keepalive_of_one_process_outlives_another(driver: str) -> None:
    """Timers of all connections of a process are one handle; it is not that of any other."""
    world, client, one, other = two_servers()

    async def serve() -> None:
        serving = await longwire.serve(echo, "0.0.0.0", 80, driver=driver)  # type: ignore[arg-type]
        await serving.serve_forever()

    async def wait_for_end() -> float:
        async with longwire.connect("ws://server-1/", ping_interval=5, ping_timeout=5) as waiting:
            with pytest.raises(longwire.ConnectionClosed):
                await waiting.recv()
        return world.now_s

    async def main() -> None:
        # The first server arms its timers first, and is killed.
        first = one.start(serve())
        other.start(serve())
        await asyncio.sleep(1)
        watching = client.start(wait_for_end())
        await asyncio.sleep(1)
        first.kill()
        other.crash()
        assert await watching.wait() < 30

    world.run(main())
